"""The application's settings with one more route: an empty view as a baseline."""

from cryptotrade.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.urls"
