"""Fixture `world`: a wallet of alice with 10,000 USDC in its perp account, fresh prices, and its lease."""

import pytest
from django.core.cache import cache

from tests.wallets import factories as worlds


@pytest.fixture(autouse=True)
def _forget():
    cache.clear()


@pytest.fixture
def world(alice):
    return worlds.world_make(alice)
