"""Accounts with play money: funded and approved at the simulator, and nowhere else."""

import json
import urllib.request
from decimal import Decimal
from uuid import uuid4

import pytest

from market.models import Venue
from tests.simulator.conftest import Running, small_world, wall_clock
from tests.simulator.control import control_request
from wallets.domain.errors import WalletInvalid, WalletRejected
from wallets.models import Wallet
from wallets.services import simulated_account_open
from wallets.services.keys import sealing_key_create
from wallets.vault import Unsealer


@pytest.fixture
def folder(db, tmp_path):
    sealing_key_create(folder=tmp_path / "execution")
    return tmp_path / "execution"


@pytest.fixture(autouse=True)
def venue(db):
    return Venue.objects.create(name="hyperliquid-sim", title="Simulator", simulated=True)


@pytest.fixture
def simulator(settings):
    with Running(small_world(now=wall_clock())) as running:
        settings.SIMULATOR_URL = running.url
        settings.SIMULATOR_CONTROL_PORT = running.simulator.control_port
        yield running


def asked(simulator, **question):
    body = json.dumps(question).encode()
    request = urllib.request.Request(
        f"{simulator.url}/info", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_a_simulated_account_has_play_money_and_an_approved_key(alice, folder, simulator):
    wallet = simulated_account_open(user=alice, client_id=uuid4(), usdc=2_500)
    signer = Unsealer(folder).signer(wallet)
    role = asked(simulator, type="userRole", user=signer.key_id)
    assert role == {"role": "agent", "data": {"user": wallet.address}}
    state = asked(simulator, type="clearinghouseState", user=wallet.address)
    assert Decimal(state["withdrawable"]) == 2_500
    assert (wallet.status, wallet.signer_address) == ("checking", signer.key_id)


def test_a_simulated_account_that_is_asked_for_twice_is_one(alice, folder, simulator):
    client_id = uuid4()
    first, again = (simulated_account_open(user=alice, client_id=client_id) for _ in range(2))
    assert first.pk == again.pk
    with urllib.request.urlopen(control_request(f"{simulator.control_url}/accounts"), timeout=60) as answer:
        assert len(json.load(answer)["accounts"]) == 1


def test_no_account_is_given_away_at_a_real_venue(alice, folder, simulator):
    Venue.objects.create(name="hyperliquid", title="Hyperliquid")
    for venue in ("hyperliquid", "nowhere"):
        with pytest.raises(WalletInvalid, match="at simulated exchanges only"):
            simulated_account_open(user=alice, client_id=uuid4(), venue=venue)


def test_a_simulated_venue_that_is_away_is_said_to_be(alice, folder, settings):
    settings.SIMULATOR_CONTROL_PORT = 1
    with pytest.raises(WalletRejected, match="does not respond"):
        simulated_account_open(user=alice, client_id=uuid4())
    assert not Wallet.objects.exists()
