"""Counts and codes in Redis do not outlive a test."""

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _forget():
    cache.clear()
