"""REST endpoints of orders and wallets: accepted and refused requests, and what a refusal stores."""

from decimal import Decimal
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from tests.accounts.auth_factories import bearer, key_of, program
from tests.wallets import factories as worlds
from wallets.models import LedgerEntry, Order, Wallet

URL = "/api/v1/orders"


@pytest.fixture
def api(world):
    return program(world.user)


def body(world, **changes):
    """A buy of 0.01 BTC at 49,000: rests, costs 490 at most."""
    fields = {
        "wallet": str(world.wallet.pk),
        "symbol": "BTC",
        "side": "buy",
        "order_type": "limit",
        "size": "0.01",
        "price": "49000",
    }
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def error_of(response, status):
    assert response.status_code == status, response.json()
    return response.json()["error"]


# --- placing ------------------------------------------------------------------------------------------
def test_an_order_is_stored_and_reads_as_requested(world, api):
    response = api.post(URL, body(world))
    assert response.status_code == 201, response.json()
    order = response.json()
    assert (order["side"], order["order_type"], order["size"], order["price"]) == (
        "buy",
        "limit",
        "0.01",
        "49000",
    )
    assert (order["status"], order["origin"], order["filled_size"]) == ("pending", "api", "0")
    assert order["venue"] == "hyperliquid-sim"
    assert api.get(f"{URL}/{order['id']}").json() == order
    assert api.get(URL).json()["results"] == [order]


def test_the_same_key_again_is_the_same_order(world, api):
    first, again = (api.post(URL, body(world), headers={"Idempotency-Key": "one"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert Order.objects.count() == 1


def test_the_same_client_id_again_is_the_same_order(world, api):
    mark = str(uuid4())
    first, again = (api.post(URL, body(world, client_id=mark)) for _ in range(2))
    assert first.json() == again.json()
    assert first.json()["client_id"] == mark


def test_the_same_key_with_another_body_is_a_conflict(world, api):
    api.post(URL, body(world), headers={"Idempotency-Key": "one"})
    entries = LedgerEntry.objects.count()
    error = error_of(api.post(URL, body(world, size="0.02"), headers={"Idempotency-Key": "one"}), 409)
    assert error["code"] == "CONFLICT"
    assert (Order.objects.count(), LedgerEntry.objects.count()) == (1, entries)


def test_two_people_may_use_the_same_key(world, api, bob):
    other = worlds.wallet_make(bob, world.venue, 2)
    headers = {"Idempotency-Key": "one"}
    mine = api.post(URL, body(world), headers=headers)
    theirs = program(bob).post(URL, body(world, wallet=str(other.pk)), headers=headers)
    assert mine.status_code == 201
    assert error_of(theirs, 422)["code"] == "insufficient_funds"  # not a repeated request: bob has no funds


INVALID = [
    ("size", {"size": "0"}),
    ("size", {"size": "-1"}),
    ("size", {"size": "NaN"}),
    ("size", {"size": "Infinity"}),
    ("size", {"size": "1e30"}),
    ("size", {"size": "1" + "0" * 30}),
    ("size", {"size": "0." + "0" * 20 + "1"}),
    ("size", {"size": 0.01}),
    ("size", {"size": None}),
    ("price", {"price": "0"}),
    ("price", {"price": "-49000"}),
    ("price", {"price": "NaN"}),
    ("price", {"price": None}),
    ("trigger_price", {"trigger_price": "48000"}),
    ("trigger_price", {"order_type": "stop_market", "price": None}),
    ("symbol", {"symbol": "NOPE"}),
    ("side", {"side": "long"}),
    ("order_type", {"order_type": "twap"}),
    ("wallet", {"wallet": "mine"}),
    ("client_id", {"client_id": "one"}),
]


@pytest.mark.parametrize(("field", "changes"), INVALID, ids=[f"{f} {c}" for f, c in INVALID])
def test_what_is_not_right_is_one_error_at_its_field_and_nothing_is_kept(world, api, field, changes):
    before = LedgerEntry.objects.count()
    error = error_of(api.post(URL, body(world, **changes)), 400)
    assert error["code"] == "VALIDATION_ERROR"
    assert list(error["details"]) == [field]
    assert (Order.objects.count(), LedgerEntry.objects.count()) == (0, before)


DENIED = [
    ("size_step", {"size": "0.0123456789"}),
    ("price_tick", {"price": "49000.123"}),
    ("min_notional", {"size": "0.0001"}),
    ("order_limit", {"size": "4"}),
    ("insufficient_funds", {"symbol": "HYPE/USDC", "size": "10", "price": "20"}),
    ("price_band", {"price": "99000"}),
    ("nothing_to_reduce", {"reduce_only": True}),
    (
        "trigger_not_reducing",
        {"order_type": "stop_market", "side": "sell", "price": None, "trigger_price": "45000"},
    ),
]


@pytest.mark.parametrize(("code", "changes"), DENIED, ids=[code for code, _ in DENIED])
def test_a_denial_names_its_code_keeps_the_order_and_reserves_nothing(world, api, code, changes):
    before = LedgerEntry.objects.count()
    error = error_of(api.post(URL, body(world, **changes)), 422)
    assert error["code"] == code
    stored = api.get(f"{URL}/{error['details']['order_id']}").json()
    assert (stored["status"], stored["code"], stored["message"]) == ("denied", code, error["message"])
    assert LedgerEntry.objects.count() == before


def test_a_denial_repeated_is_the_same_denial(world, api):
    headers = {"Idempotency-Key": "one"}
    first, again = (error_of(api.post(URL, body(world, size="4"), headers=headers), 422) for _ in range(2))
    assert first["details"] == again["details"]
    assert Order.objects.count() == 1


@pytest.mark.parametrize(("state", "code"), [("halted", "halted"), ("reducing", "reducing")])
def test_a_halted_wallet_denies(world, api, state, code):
    Wallet.objects.filter(pk=world.wallet.pk).update(trading_state=state)
    assert error_of(api.post(URL, body(world)), 422)["code"] == code


def test_old_prices_deny_an_entry(world, api):
    worlds.prices(age_ms=60_000)
    assert error_of(api.post(URL, body(world)), 422)["code"] == "stale_price"


def test_a_foreign_wallet_is_none(world, bob):
    error = error_of(program(bob).post(URL, body(world)), 404)
    none = error_of(program(bob).post(URL, body(world, wallet=str(uuid4()))), 404)
    assert error["message"] == none["message"]
    assert Order.objects.count() == 0


def test_a_market_order_names_its_worst_price(world, api):
    order = api.post(URL, body(world, order_type="market", price=None, slippage_percent="1")).json()
    best = Decimal(50_000) * Decimal("1.0001")
    assert best < Decimal(order["price"]) <= best * Decimal("1.01")
    assert order["time_in_force"] == "ioc"


# --- many at once -------------------------------------------------------------------------------------
def test_a_batch_is_judged_one_by_one(world, api):
    orders_fields = [
        {k: v for k, v in body(world, **c).items() if k != "wallet"}
        for c in ({}, {"size": "4"}, {"symbol": "NOPE"})
    ]
    response = api.post(f"{URL}/batch", {"wallet": str(world.wallet.pk), "orders": orders_fields})
    good, denied, invalid = response.json()["results"]
    assert (good["order"]["status"], good["error"]) == ("pending", None)
    assert (denied["order"]["status"], denied["error"]["code"]) == ("denied", "order_limit")
    assert (invalid["order"], invalid["error"]["code"]) == (None, "VALIDATION_ERROR")
    assert list(invalid["error"]["details"]) == ["symbol"]


def test_a_batch_sent_twice_places_each_order_once(world, api):
    orders_fields = [
        {k: v for k, v in body(world, price=price).items() if k != "wallet"} for price in ("48000", "48001")
    ]
    sent = {"wallet": str(world.wallet.pk), "orders": orders_fields}
    first, again = (
        api.post(f"{URL}/batch", sent, headers={"Idempotency-Key": "two"}).json() for _ in range(2)
    )
    assert first == again
    assert Order.objects.count() == 2


def test_a_batch_of_more_than_twenty_is_refused_whole(world, api):
    fields = {k: v for k, v in body(world).items() if k != "wallet"}
    sent = {"wallet": str(world.wallet.pk), "orders": [fields] * 21}
    assert error_of(api.post(f"{URL}/batch", sent), 400)["code"] == "VALIDATION_ERROR"
    assert Order.objects.count() == 0


# --- cancelling ---------------------------------------------------------------------------------------
def test_a_pending_order_is_cancelled_at_once_and_frees_what_it_held(world, api):
    order = api.post(URL, body(world)).json()
    assert world.held("reserved") > 0
    assert api.delete(f"{URL}/{order['id']}").json()["status"] == "cancelled"
    assert world.held("reserved") == 0


def test_an_order_at_the_venue_is_requested_to_be_cancelled(world, api):
    order = world.open()
    answer = api.delete(f"{URL}/{order.pk}").json()
    assert (answer["status"], answer["cancel_requested"]) == ("open", True)


def test_what_has_ended_cannot_be_cancelled(world, api):
    order = api.post(URL, body(world)).json()
    api.delete(f"{URL}/{order['id']}")
    assert error_of(api.delete(f"{URL}/{order['id']}"), 409)["code"] == "CONFLICT"


def test_cancel_all_takes_what_matches(world, api):
    for symbol, size in (("BTC", "0.01"), ("BTC", "0.02")):
        api.post(URL, body(world, symbol=symbol, size=size))
    assert api.post(f"{URL}/cancel", {"symbol": "HYPE/USDC"}).json() == {"cancelling": 0}
    assert api.post(f"{URL}/cancel", {"symbol": "BTC"}).json() == {"cancelling": 2}
    assert {order["status"] for order in api.get(URL).json()["results"]} == {"cancelled"}


def test_a_resting_order_is_changed_by_one_that_replaces_it(world, api):
    old = world.open()
    response = api.patch(f"{URL}/{old.pk}", {"price": "48000"})
    assert response.status_code == 201, response.json()
    new = response.json()
    assert (new["replaces"], new["price"], new["size"]) == (str(old.pk), "48000", "0.01")


def test_a_change_of_nothing_is_refused(world, api):
    error = error_of(api.patch(f"{URL}/{world.open().pk}", {}), 400)
    assert error["code"] == "VALIDATION_ERROR"


# --- reading ------------------------------------------------------------------------------------------
def test_orders_are_filtered_and_paged(world, api):
    placed = [api.post(URL, body(world, price=str(48_000 + n))).json()["id"] for n in range(3)]
    api.delete(f"{URL}/{placed[0]}")
    assert [row["id"] for row in api.get(URL, {"live": "true"}).json()["results"]] == [placed[2], placed[1]]
    assert [row["id"] for row in api.get(URL, {"status": "cancelled"}).json()["results"]] == [placed[0]]
    assert api.get(URL, {"symbol": "HYPE/USDC"}).json()["results"] == []
    page = api.get(URL, {"limit": 2}).json()
    rest = api.get(page["next"]).json()
    assert [row["id"] for row in (*page["results"], *rest["results"])] == placed[::-1]
    assert error_of(api.get(URL, {"wallet": str(uuid4())}), 404)["code"] == "NOT_FOUND"


def test_fills_balances_and_ledger_follow_a_fill(world, api):
    order = world.open()
    world.tell(world.fill(order, fee=Decimal("0.2")))
    base = f"/api/v1/wallets/{world.wallet.pk}"
    (fill,) = api.get("/api/v1/fills").json()["results"]
    assert (fill["order"], fill["price"], fill["size"], fill["fee"]) == (
        str(order.pk),
        "49000",
        "0.01",
        "0.2",
    )
    assert api.get(f"{base}/fills").json()["results"] == [fill]
    (held,) = api.get(f"{base}/balances").json()["results"]
    assert held == {
        "account_type": "perp",
        "asset": "USDC",
        "available": "9999.8",
        "reserved": "0",
        "total": "9999.8",
    }
    (position,) = api.get(f"{base}/positions").json()["results"]
    assert (position["size"], position["entry_price"], position["mark_price"]) == ("0.01", "49000", "50000")
    assert position["unrealised_pnl"] == "10"
    events = [
        row for row in api.get(f"{base}/ledger-transactions").json()["results"] if row["kind"] == "fill"
    ]
    assert sum(Decimal(leg["amount"]) for leg in events[0]["entries"]) == 0
    entries = api.get(f"{base}/ledger-entries").json()["results"]
    assert {entry["account"] for entry in entries} >= {"available", "reserved", "fees", "transfers"}


def test_account_data_of_other_users_is_not_found(world, bob):
    other_user = program(bob)
    for part in (
        "",
        "/balances",
        "/positions",
        "/orders",
        "/fills",
        "/ledger-entries",
        "/ledger-transactions",
    ):
        assert other_user.get(f"/api/v1/wallets/{world.wallet.pk}{part}").status_code == 404, part
    order = world.place()
    assert other_user.get(f"{URL}/{order.pk}").status_code == 404
    assert other_user.delete(f"{URL}/{order.pk}").status_code == 404
    assert other_user.get(URL).json()["results"] == []


# --- permissions --------------------------------------------------------------------------------------
def test_a_key_trades_only_with_its_scope(world):
    reads = bearer(key_of(world.user, scopes=("read",))[1])
    trades = bearer(key_of(world.user, scopes=("read", "trade"))[1])
    assert reads.get(URL).status_code == 200
    assert error_of(reads.post(URL, body(world)), 403)["code"] == "AUTHORIZATION_ERROR"
    assert trades.post(URL, body(world)).status_code == 201


def test_a_key_may_halt_but_never_resume(world):
    trades = bearer(key_of(world.user, scopes=("read", "trade"))[1])
    state = f"/api/v1/wallets/{world.wallet.pk}/state"
    assert trades.post(state, {"state": "halted", "reason": "drill"}).json()["trading_state"] == "halted"
    assert error_of(trades.post(state, {"state": "active"}), 403)["code"] == "REAUTH_REQUIRED"


def test_what_an_administrator_stopped_is_a_conflict_for_its_owner(world, api):
    Wallet.objects.update(trading_state="reducing", halted_by_admin=True)
    state = f"/api/v1/wallets/{world.wallet.pk}/state"
    assert "administrator" in error_of(api.post(state, {"state": "active"}), 409)["message"]
    assert api.post(state, {"state": "halted"}).json()["halted_by_admin"] is True


def test_resuming_and_limits_require_recent_authentication(world):
    stale, fresh = program(world.user, fresh=False), program(world.user)
    base = f"/api/v1/wallets/{world.wallet.pk}"
    stale.post(f"{base}/state", {"state": "halted"})
    for client, status in ((stale, 403), (fresh, 200)):
        assert client.post(f"{base}/state", {"state": "active"}).status_code == status
        assert client.patch(base, {"max_order_notional": "100"}).status_code == status
        assert client.delete(base).status_code == (403 if status == 403 else 204)


def test_no_order_is_placed_without_authentication(world):
    assert APIClient().post(URL, body(world)).status_code == 401


# --- wallets ------------------------------------------------------------------------------------------
def test_a_wallet_reads_without_any_secret(world, api):
    (wallet,) = api.get("/api/v1/wallets").json()["results"]
    assert wallet["id"] == str(world.wallet.pk)
    assert wallet["signer"]["address"] == world.wallet.signer_address
    assert "key" not in wallet
    assert "sealed" not in str(wallet)


def test_limits_and_name_are_changed(world, api):
    answer = api.patch(
        f"/api/v1/wallets/{world.wallet.pk}", {"label": "two", "max_order_notional": "100.5"}
    ).json()
    assert (answer["label"], answer["limits"]["max_order_notional"]) == ("two", "100.5")
    assert error_of(api.post(URL, body(world)), 422)["code"] == "order_limit"
    refused = api.patch(f"/api/v1/wallets/{world.wallet.pk}", {"max_order_notional": "-1"})
    assert list(error_of(refused, 400)["details"]) == ["max_order_notional"]


def test_adding_the_same_wallet_twice_is_one(world, api):
    sent = {"venue": "hyperliquid-sim", "label": "new", "address": "0x" + "ab" * 20}
    first, again = (api.post("/api/v1/wallets", sent, headers={"Idempotency-Key": "w"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201), first.json()
    assert first.json()["id"] == again.json()["id"]
    assert first.json()["status"] == "key_pending"


def test_a_wallet_that_is_not_right_names_its_field(api, world):
    for field, sent in (
        ("address", {"venue": "hyperliquid-sim", "label": "x", "address": "0x1"}),
        ("address", {"venue": "hyperliquid-sim", "label": "x"}),
        ("venue", {"venue": "nowhere", "label": "x", "address": "0x" + "ab" * 20}),
        (
            "key",
            {"venue": "hyperliquid-sim", "label": "x", "address": "0x" + "ab" * 20, "key": "secret words"},
        ),
    ):
        error = error_of(api.post("/api/v1/wallets", sent), 400)
        assert list(error["details"]) == [field], sent
        assert "secret words" not in str(error)
