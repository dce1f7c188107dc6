"""The house's settings with one more route: a view that does nothing, to measure the others against."""

from cryptotrade.settings import *  # noqa: F403

ROOT_URLCONF = "cryptotrade.bench.urls"
