"""Control plane: funding, shocks, account dumps; and the start-up check."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from decimal import Decimal

import pytest

from simulator.hyperliquid.exchange.account_audit import account_book
from simulator.hyperliquid.server import wall_clock
from simulator.markets.world_loader import WorldOptions, state_encode, state_write, world_open
from tests.simulator.conftest import NOW, Running, small_world
from tests.simulator.control import CONTROL_HEADERS, control_request
from tests.simulator.signed_client import VenueClient
from tests.simulator.test_run_simulator import ROOT

UNKNOWN_ADDRESS = "0x" + "12" * 20


@pytest.fixture
def venue():
    return VenueClient()


@pytest.fixture
def alice(venue):
    return venue.trader()


@pytest.fixture(scope="module")
def running():
    with Running(small_world(now=wall_clock())) as simulator:
        yield simulator


def control(running, path, **body):
    data = json.dumps(body).encode() if body else b""
    request = control_request(running.control_url + path, data, "POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def cash(trader):
    state = trader.ask("clearinghouseState")
    pnl = sum(Decimal(row["position"]["unrealizedPnl"]) for row in state["assetPositions"])
    return Decimal(state["marginSummary"]["accountValue"]) - pnl


# --- reduce-only within a sweep ------------------------------------------------------------------
def sweep_by_the_price(venue):
    venue.jump("ETH", 1.1)


def sweep_by_a_trader(venue):
    bob = venue.trader(usdc=10_000_000)
    bob.order("ETH", "buy", venue.price("ETH", 1.06), "30000", tif="Ioc")
    venue.run()


@pytest.mark.parametrize("sweep", [sweep_by_the_price, sweep_by_a_trader])
@pytest.mark.parametrize("held", ["1", "1.5"])
def test_a_sweep_of_a_plain_and_a_reduce_only_order_never_reverses_the_position(venue, alice, sweep, held):
    alice.order("ETH", "buy", venue.price("ETH", 1.02), held, tif="Ioc")
    plain = alice.order("ETH", "sell", venue.price("ETH", 1.03), "1")["resting"]["oid"]
    reduces = alice.order("ETH", "sell", venue.price("ETH", 1.04), held, reduce_only=True)["resting"]["oid"]
    sweep(venue)
    assert alice.ask("clearinghouseState")["assetPositions"] == []
    assert alice.status(plain) == "filled"
    assert alice.status(reduces) == "reduceOnlyCanceled"
    assert sum(Decimal(fill["sz"]) for fill in alice.ask("userFills")) == 2 * Decimal(held)
    assert venue.sound()


# --- funding -------------------------------------------------------------------------------------
def test_funding_can_be_charged_at_any_time_and_has_a_unique_time(venue, alice):
    alice.order("ETH", "buy", venue.price("ETH", 1.02), "10", tif="Ioc")
    before = cash(alice)
    assert [venue.account_engine.fund_positions() for _ in range(3)] == [1, 1, 1]
    venue.run()
    rows = alice.ask("userFunding", startTime=0)
    assert len({row["time"] for row in rows}) == len(rows) == 3
    assert cash(alice) == before + sum(Decimal(row["delta"]["usdc"]) for row in rows) != before
    assert venue.sound()


def test_funding_reaches_the_control_plane(running):
    assert control(running, "/funding") == (200, {"positions": 0})


# --- shocks --------------------------------------------------------------------------------------
def test_a_shock_moves_the_price_from_now_on_and_not_the_past():
    world = small_world()
    path, before = world.markets["BTC"].path, world.markets["BTC"].mark
    history = path.price(NOW - 1)
    world.step(NOW + 100)
    world.shock("BTC", -5_00)
    world.step(NOW + 200)
    assert world.markets["BTC"].mark == pytest.approx(before * 0.95, rel=0.002)
    assert path.price(NOW - 1) == history


def test_a_pair_that_tracks_a_perpetual_is_shocked_with_it_and_not_by_itself():
    world = small_world()
    before = world.markets["@107"].mark
    world.step(NOW + 100)
    with pytest.raises(KeyError):
        world.shock("@107", 10_00)
    world.shock("HYPE", 10_00)
    world.step(NOW + 200)
    assert world.markets["@107"].mark == pytest.approx(before * 1.1, rel=0.01)


def test_a_shocked_price_survives_a_restart(tmp_path):
    world = world_open(WorldOptions(seed=4), state=None, now=NOW)
    world.shock("BTC", 20_00)
    state_write(tmp_path, state_encode(world.dump()))
    again = world_open(WorldOptions(), state=tmp_path, now=NOW + 1000)
    untouched = world_open(WorldOptions(seed=4), state=None, now=NOW + 1000)
    assert again.markets["BTC"].oracle == untouched.markets["BTC"].oracle * 12_000 // 10_000
    other = world_open(WorldOptions(seed=5), state=tmp_path, now=NOW + 1000)
    assert not other.dump()["shocks"]


@pytest.mark.parametrize(
    "body",
    [{"coin": "BTC", "percent": 50.01}, {"coin": "BTC", "percent": 0}, {"coin": "NOPE", "percent": 1},
     {"coin": "BTC", "percent": "NaN"}, {"percent": 1}, {"coin": ["BTC"], "percent": 1},
     {"coin": "BTC", "percent": 0.001}],
)  # fmt: skip
def test_a_shock_out_of_bounds_is_refused(running, body):
    status, answer = control(running, "/shock", **body)
    assert status == 400
    assert "at most 50" in answer["error"]


def test_a_shock_is_confirmed(running):
    assert control(running, "/shock", coin="DOGE", percent=-2.5) == (
        200,
        {"coin": "DOGE", "percent": "-2.50"},
    )


# --- account dump ----------------------------------------------------------------------------------
def test_an_account_is_shown_with_all_that_a_comparison_needs(running):
    address = "0x" + "34" * 20
    control(running, "/accounts", address=address, usdc=1234.567891)
    url = f"{running.control_url}/accounts/{address.upper().replace('X', 'x')}"
    with urllib.request.urlopen(control_request(url)) as found:
        book = json.load(found)
    assert (book["cash"], book["paid_in"]) == ("1234.567891", "1234.567891")
    assert [row["delta"] for row in book["updates"]] == [{"type": "deposit", "usdc": "1234.567891"}]
    assert book["fills"] == book["fundings"] == book["open"] == book["orders"] == []
    assert book["positions"] == {}


def test_the_account_dump_agrees_with_the_info_requests(venue, alice):
    alice.order("ETH", "buy", venue.price("ETH", 1.02), "10", tif="Ioc")
    alice.order("BTC", "buy", venue.price("BTC", 0.9), "0.1")
    venue.run()
    book = account_book(venue.account_engine.exchange, alice.account)
    assert Decimal(book["cash"]) == cash(alice)
    assert book["open"] == alice.ask("frontendOpenOrders")
    assert book["fills"][::-1] == alice.ask("userFills")
    size = sum(Decimal(fill["sz"]) for fill in book["fills"])
    cost = sum(Decimal(fill["sz"]) * Decimal(fill["px"]) for fill in book["fills"])
    reported = book["positions"]["ETH"]
    assert (Decimal(reported["size"]), Decimal(reported["cost"])) == (size, cost)


def test_an_unknown_address_has_no_account(running):
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(control_request(f"{running.control_url}/accounts/{UNKNOWN_ADDRESS}"))
    assert refusal.value.code == 404
    refusal.value.close()


# --- start-up --------------------------------------------------------------------------------------
def test_without_coincurve_the_start_fails_with_a_clear_error(tmp_path):
    (tmp_path / "coincurve.py").write_text("raise ImportError('not for this machine')\n")
    command = [sys.executable, "manage.py", "run_simulator", "--port", "0", "--control-port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "recovers signers with coincurve" in done.stderr
    assert "Traceback" not in done.stderr


# --- access ----------------------------------------------------------------------------------------
def refused(running, **headers):
    """Status of a shock that is sent with these headers in place of the usual ones; None removes one."""
    given = {name: value for name, value in {**CONTROL_HEADERS, **headers}.items() if value is not None}
    body = b'{"coin": "BTC", "percent": 1}'
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(
            urllib.request.Request(f"{running.control_url}/shock", body, given), timeout=60
        )
    refusal.value.close()
    return refusal.value.code


def test_a_web_page_cannot_use_the_control_plane(running):
    """A page can send a simple request, or any request by a name that resolves to this machine."""
    assert refused(running, Authorization=None) == 401
    assert refused(running, Authorization="Bearer wrong") == 401
    assert refused(running, Authorization="Bearer ") == 401
    assert refused(running, Host="attacker.example") == 403
    assert refused(running, Host="127.0.0.1.attacker.example:8011") == 403
    assert refused(running, Origin="http://127.0.0.1:8000") == 403
    assert refused(running, Origin="null") == 403
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert refused(running, **{"Content-Type": kind}) == 415
    assert running.simulator.world.dump()["shocks"].get("BTC") is None


@pytest.mark.parametrize("path", ["/state", "/faults", "/accounts", "/accounts/0x1", "/nothing"])
def test_no_path_answers_without_the_token(running, path):
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"{running.control_url}{path}", timeout=60)
    refusal.value.close()
    assert refusal.value.code == 401


def test_without_a_token_of_its_own_the_control_plane_is_closed():
    with Running(small_world(now=wall_clock()), control_token="") as closed:
        assert refused(closed) == 401
        assert refused(closed, Authorization="Bearer ") == 401
