"""The demo wallet of a local stack, and the database role of each of its processes."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from cryptotrade.embedded import services_at
from cryptotrade.management.commands.up import ROLES, LocalStack
from market.models import Venue
from tests.simulator.conftest import Running, small_world, wall_clock
from wallets.models import Wallet
from wallets.services.keys import sealing_key_create


@pytest.fixture
def simulator(settings, tmp_path):
    sealing_key_create(folder=tmp_path / "execution")
    with Running(small_world(now=wall_clock())) as running:
        settings.SIMULATOR_URL = running.url
        settings.SIMULATOR_CONTROL_PORT = running.simulator.control_port
        yield running


@pytest.fixture
def venue(db):
    return Venue.objects.create(name="hyperliquid-sim", title="Simulator", simulated=True)


def test_the_demo_trader_is_given_one_wallet_once(alice, venue, simulator):
    for _ in range(2):
        call_command("demo_wallet", email=alice.email)
    assert Wallet.objects.get().user == alice


def test_a_demo_wallet_that_was_archived_is_not_given_again(alice, venue, simulator):
    call_command("demo_wallet", email=alice.email)
    Wallet.objects.update(status="archived")
    call_command("demo_wallet", email=alice.email)
    assert Wallet.objects.count() == 1


def test_a_simulator_that_does_not_respond_is_an_error(alice, venue, settings):
    settings.SIMULATOR_CONTROL_PORT = 1
    with pytest.raises(CommandError, match="does not respond"):
        call_command("demo_wallet", email=alice.email)


# --- up -----------------------------------------------------------------------------------------------
@pytest.fixture
def stack(monkeypatch, tmp_path):
    monkeypatch.delenv("DATABASE_URL")
    stack = LocalStack(tmp_path, 8000, print)
    stack.environment["DATABASE_URL"] = services_at(tmp_path).database_url
    return stack


def test_every_process_connects_as_a_role_of_its_own(stack):
    urls = {name: stack._environment_of(name)["DATABASE_URL"] for name in stack._processes()}
    assert {name: url.partition("://")[2].partition("@")[0] for name, url in urls.items()} == {
        "simulator": "cryptotrade_feed",
        "web": "cryptotrade_web",
        "feed": "cryptotrade_feed",
        "execution": "cryptotrade_execution",
        "supervisor": "cryptotrade_bots",
    }
    assert set(ROLES) == set(urls)
    owner = stack.environment["DATABASE_URL"]
    assert {url.partition("@")[2] for url in urls.values()} == {owner.partition("@")[2]}


def test_a_database_of_the_callers_is_used_as_it_was_given(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:mine@db.example/ours")
    stack = LocalStack(tmp_path, 8000, print)
    assert stack._environment_of("web")["DATABASE_URL"] == "postgresql://me:mine@db.example/ours"
