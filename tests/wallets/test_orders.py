"""Placing, repeating and modifying orders; and invalid inputs, none of which writes a ledger entry."""

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from market.domain.orders import Accepted
from market.models import Instrument
from market.selectors import instrument_rules
from tests.concurrency import at_once
from tests.market.factories import instrument_make
from tests.wallets import factories as worlds
from tests.wallets.factories import PERP, SPOT
from wallets import services
from wallets.domain.denials import Denial
from wallets.models import GlobalTradingControl, LedgerTransaction, Order, UserTradingControl, Wallet
from wallets.selectors import prices_of
from wallets.services import NotFound, OrderConflict, OrderDenied, OrderInvalid
from wallets.services.order_manager import OrderManager

pytestmark = pytest.mark.django_db


def place(world, request, user=None):
    return services.order_place(
        user=user or world.user, wallet_id=world.wallet.pk, request=request, origin="api"
    )


def test_an_approved_order_waits_with_its_funds_reserved(world):
    order = world.place()
    assert (order.status, order.venue_client_id) == ("pending", f"0x{order.pk.hex}")
    assert (order.reserved, order.reserved_account_type, order.reserved_asset) == (
        Decimal("24.7205"),
        "perp",
        "USDC",
    )
    assert (world.held("reserved"), world.held()) == (order.reserved, 10_000 - order.reserved)
    assert order.mark_price == 50_000
    (transfer,) = LedgerTransaction.objects.filter(order=order)
    assert (transfer.ref, transfer.kind) == (f"reserve:{order.pk}:1", "reserve")


def test_a_whole_life(world):
    order = world.open(venue_id="77")
    assert (order.status, order.venue_order_id) == ("open", "77")
    world.tell(world.fill(order, "0.004"))
    assert world.again(order).status == "partially_filled"
    assert world.again(order).reserved == Decimal("14.8323")
    world.tell(world.fill(order, "0.006"))
    order = world.again(order)
    assert (order.status, order.filled, order.reserved) == ("filled", order.size, 0)
    assert world.held("reserved") == 0
    assert world.held() == Decimal("9999.8")


def test_execution_is_woken_once_it_is_committed(world, monkeypatch, django_capture_on_commit_callbacks):
    nudged = []
    monkeypatch.setattr("core.nudges.nudge", lambda *args: nudged.append(args))
    with django_capture_on_commit_callbacks(execute=True):
        world.place()
        assert nudged == []
    assert nudged == [("wallets-execution", str(world.wallet.pk))]


def test_placing_takes_few_statements(world):
    world.tell(world.fill(world.open()))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        world.place()
    statements = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert len(statements) <= 10


def test_ten_moves_of_a_bot_take_hardly_more_statements_than_one(world):
    bot = uuid4()

    def execute(asks):
        with transaction.atomic(), CaptureQueriesContext(connection) as queries:
            services.order_commands_execute(
                user=world.user,
                wallet_id=world.wallet.pk,
                source=bot,
                commands=asks,
                prices=prices_of("hyperliquid-sim"),
            )
        return len([query for query in queries if "SAVEPOINT" not in query["sql"]])

    placed = [world.request(price=40_000 + n) for n in range(10)]
    assert execute([services.OrderCommand(order=one) for one in placed]) <= 12
    for prepared in world.take():
        answers = [Accepted(str(pk)[:40]) for pk in prepared.order_ids]
        services.submission_answered(claim=world.claim, submission_id=prepared.submission_id, answers=answers)
    moves = [
        services.OrderCommand(
            order=world.request(price=41_000 + n, provenance={"level": f"b{n}"}), replaces=one.client_id
        )
        for n, one in enumerate(placed)
    ]
    assert execute(moves) <= 12
    assert Order.objects.filter(source_id=bot, replaces__isnull=False, status="pending").count() == 10


def test_a_bot_learns_from_its_commands_whether_there_are_results_to_read(
    world, monkeypatch, django_capture_on_commit_callbacks
):
    bot, nudged = uuid4(), []
    monkeypatch.setattr("core.nudges.nudge", lambda *args: nudged.append(args))

    def has_news(order=None, former=None):
        asks = [services.OrderCommand(order=order, replaces=former.client_id if former else None)]
        with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
            return services.order_commands_execute(
                user=world.user,
                wallet_id=world.wallet.pk,
                source=bot,
                commands=asks,
                prices=prices_of("hyperliquid-sim"),
            )

    def request(**changes):
        return world.request(provenance={"level": "b0"}, **changes)

    first, second, third = request(), request(), request()
    assert not has_news(first)
    assert not has_news(first)  # repeated: still pending
    assert has_news(request(size="900"))  # denied
    assert has_news(request(symbol="NOPE"))  # invalid
    row = Order.objects.get(client_id=first.client_id)
    assert has_news(second, former=row)  # the first was not sent: it has ended
    world.accept(Order.objects.get(client_id=second.client_id))
    assert not has_news(third, former=second)  # both are live until the venue responds
    assert has_news(request(), former=second)  # it is already being modified
    assert has_news(request(), former=request())  # it does not exist
    assert not has_news(former=second)  # a cancel waits for the venue
    assert has_news(former=third)  # it was not sent
    assert has_news(former=first)  # it had ended
    assert {channel for channel, _ in nudged} == {"wallets-execution"}
    services.order_cancel(user=world.user, order_id=Order.objects.get(client_id=second.client_id).pk)
    with django_capture_on_commit_callbacks(execute=True):
        world.tell(world.fill(Order.objects.get(client_id=second.client_id)))
    assert ("bots-supervisor", str(bot)) in nudged


def test_a_market_order_names_its_worst_price(world):
    order = world.place(kind="market", price=None)
    assert (order.tif, order.price) == ("ioc", 50_255)
    assert order.send_before - order.created_at < timedelta(seconds=31)


# --- repeated requests --------------------------------------------------------------------------------
def test_the_same_id_again_is_the_same_order(world):
    request = world.request()
    first, second = place(world, request), place(world, replace(request, size=Decimal("0.0100")))
    assert first.pk == second.pk
    assert LedgerTransaction.objects.filter(kind="reserve").count() == 1


def test_the_same_id_for_something_else_is_a_conflict(world):
    request = world.request()
    place(world, request)
    before = world.entries()
    for changes in (
        {"size": Decimal("0.02")},
        {"side": "sell"},
        {"price": Decimal(48_000)},
        {"reduce_only": True},
    ):
        with pytest.raises(OrderConflict):
            place(world, replace(request, **changes))
    assert (Order.objects.count(), world.entries()) == (1, before)


def test_a_denied_order_stays_denied_under_its_id(world):
    request = world.request(size="0.0001")
    with pytest.raises(OrderDenied) as first:
        place(world, request)
    Instrument.objects.update(min_notional=0)
    with pytest.raises(OrderDenied) as second:
        place(world, request)
    assert first.value.order.pk == second.value.order.pk
    assert second.value.denial is Denial.MIN_NOTIONAL


@pytest.mark.django_db(transaction=True)
def test_a_double_click_on_two_servers_is_one_order(world):
    request = world.request()
    orders = at_once(*[lambda: place(world, request)] * 4)
    assert len({order.pk for order in orders}) == 1
    assert Order.objects.count() == 1
    assert world.held("reserved") == orders[0].reserved


@pytest.mark.django_db(transaction=True)
def test_two_orders_at_once_cannot_spend_the_same_funds(world):
    Wallet.objects.update(max_leverage=100)
    came = at_once(*[lambda: world.place(size="2")] * 4)  # 4,944 of 10,000
    denied = [one.denial.value for one in came if isinstance(one, OrderDenied)]
    assert (denied, Order.objects.filter(status="pending").count()) == (
        ["insufficient_funds", "insufficient_funds"],
        2,
    )
    assert world.held() >= 0


# --- invalid requests ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("size", {"size": "0"}),
        ("size", {"size": "-0.01"}),
        ("size", {"size": "NaN"}),
        ("size", {"size": "1e30"}),
        ("size", {"size": "0.0000000000000000001"}),
        ("price", {"price": "0"}),
        ("price", {"price": "Infinity"}),
        ("symbol", {"symbol": "NONE"}),
        ("venue", {"venue": "elsewhere"}),
    ],
)
def test_an_invalid_request_names_its_field_and_leaves_nothing(world, field, changes):
    before = world.entries()
    with pytest.raises(OrderInvalid) as caught:
        world.place(**changes)
    assert caught.value.field == field
    assert (Order.objects.count(), world.entries()) == (0, before)


@pytest.mark.parametrize(
    ("denial", "changes"),
    [
        (Denial.SIZE_STEP, {"size": "0.0000001"}),
        (Denial.PRICE_TICK, {"price": "49000.5"}),
        (Denial.MIN_NOTIONAL, {"size": "0.0001"}),
        (Denial.ORDER_LIMIT, {"size": "3"}),
        (Denial.PRICE_BAND, {"price": "60000"}),
        (Denial.NOTHING_TO_REDUCE, {"reduce_only": True}),
        (Denial.SPOT_RULES, {"symbol": SPOT, "price": "25", "size": "1", "reduce_only": True}),
        (Denial.INSUFFICIENT_FUNDS, {"symbol": SPOT, "price": "25", "size": "1"}),
    ],
)
def test_a_denied_order_is_remembered_and_moves_nothing(world, denial, changes):
    before = world.entries()
    with pytest.raises(OrderDenied) as caught:
        world.place(**changes)
    order = Order.objects.get()
    assert caught.value.order == order
    assert (order.status, order.code, order.message) == ("denied", denial, caught.value.message)
    assert (order.reserved, world.entries()) == (0, before)
    assert world.take() == []


def test_the_wallet_of_another_user_is_not_found(world, bob):
    with pytest.raises(NotFound):
        place(world, world.request(), user=bob)
    with pytest.raises(NotFound):
        services.order_cancel(user=bob, order_id=world.place().pk)
    with pytest.raises(NotFound):
        services.orders_cancel(user=bob, wallet_id=world.wallet.pk)
    with pytest.raises(NotFound):
        services.order_modify(user=bob, order_id=Order.objects.get().pk, client_id=uuid4())
    with pytest.raises(NotFound):
        services.order_preview(user=bob, wallet_id=world.wallet.pk, request=world.request())


@pytest.mark.parametrize("scope", ["wallet", "trader", "global"])
def test_the_strictest_switch_counts(world, scope):
    if scope == "wallet":
        Wallet.objects.update(trading_state="halted")
    elif scope == "trader":
        UserTradingControl.objects.create(user=world.user, trading_state="halted")
    else:
        GlobalTradingControl.objects.update_or_create(pk=1, defaults={"trading_state": "halted"})
    with pytest.raises(OrderDenied) as caught:
        world.place()
    assert caught.value.denial is Denial.HALTED


@pytest.mark.parametrize("age", [None, 60_000])
def test_entries_need_a_fresh_price_and_exits_do_not(world, age):
    world.tell(world.fill(world.open()))
    worlds.prices(age_ms=60_000) if age else worlds.prices_forget()
    with pytest.raises(OrderDenied) as caught:
        world.place()
    assert caught.value.denial is Denial.STALE_PRICE
    assert world.place(side="sell", price=50_000, reduce_only=True).status == "pending"


def test_a_market_order_without_any_price_is_denied_but_cannot_be_kept(world):
    worlds.prices_forget()
    with pytest.raises(OrderDenied) as caught:
        world.place(kind="market", price=None)
    assert (caught.value.denial, caught.value.order) == (Denial.STALE_PRICE, None)
    assert not Order.objects.exists()


# --- limits of the wallet -----------------------------------------------------------------------------
def test_a_wallets_own_limits_come_before_the_defaults(world):
    Wallet.objects.update(max_order_notional=400)
    with pytest.raises(
        OrderDenied, match="The order value of 490 USDC is above the max order value of 400 USDC"
    ):
        world.place()


def test_the_default_limits_come_from_the_settings(world, settings):
    settings.MAX_ORDER_NOTIONAL = 400
    with pytest.raises(OrderDenied, match="400"):
        world.place()


def test_denied_orders_count_towards_the_rate(world):
    Wallet.objects.update(orders_per_minute=2)
    for _ in range(2):
        with pytest.raises(OrderDenied, match="below the minimum"):
            world.place(size="0.0001")
    with pytest.raises(OrderDenied) as caught:
        world.place()
    assert caught.value.denial is Denial.ORDER_RATE
    Order.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    assert world.place().status == "pending"


def test_orders_denied_by_the_rate_do_not_count_towards_it(world):
    Wallet.objects.update(orders_per_minute=1)
    world.place()
    for _ in range(3):
        with pytest.raises(OrderDenied, match="minute"):
            world.place()
    Order.objects.exclude(status="denied").update(created_at=timezone.now() - timedelta(minutes=2))
    assert world.place().status == "pending"


def test_what_traded_or_is_open_counts_towards_the_day(world):
    Wallet.objects.update(max_daily_notional=1_400)
    world.tell(world.fill(world.open()))
    world.place()
    world.cancel(world.place(size="0.008"))
    with pytest.raises(OrderDenied, match="24h volume would be 1470 USDC"):
        world.place()


def test_open_orders_of_a_side_count_towards_the_position(world):
    Wallet.objects.update(max_position_notional=1_200)
    world.place()
    world.place()
    with pytest.raises(OrderDenied) as caught:
        world.place()
    assert caught.value.denial is Denial.POSITION_LIMIT
    assert world.place(side="sell", price=51_000).status == "pending"


def test_two_orders_cannot_reserve_the_same_funds(world):
    Wallet.objects.update(max_leverage=100)
    world.place(size="2")  # 4,944 of 10,000
    world.place(size="2")
    with pytest.raises(OrderDenied) as caught:
        world.place(size="1")
    assert caught.value.denial is Denial.INSUFFICIENT_FUNDS


# --- many at once -------------------------------------------------------------------------------------
def test_each_of_a_batch_is_judged_after_the_ones_before_it(world):
    Wallet.objects.update(max_leverage=100)
    requests = [
        world.request(size="2"),
        world.request(size="NaN"),
        world.request(size="2"),
        world.request(size="1"),
    ]
    outcomes = services.orders_place(
        user=world.user, wallet_id=world.wallet.pk, requests=requests, origin="bot"
    )
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "Order",
        "OrderInvalid",
        "Order",
        "OrderDenied",
    ]
    assert {order.origin for order in Order.objects.all()} == {"bot"}


def as_read(world, manager, row):
    """The risk context that a manager has in memory, and the one read from the database."""
    in_memory = manager.risk_context(instrument_rules(row))
    manager.flush()
    read = OrderManager(manager.wallet, manager.prices, manager.now).risk_context(instrument_rules(row))
    return [
        replace(one, other_exposures=frozenset(one.other_exposures), mark_age=None)
        for one in (in_memory, read)
    ]


@pytest.mark.parametrize("seed", range(12))
def test_the_risk_context_of_a_batch_equals_the_one_in_the_database(world, seed):
    rng = random.Random(seed)
    world.deposit("5000", account_type="spot")
    Wallet.objects.update(max_order_notional=20_000, orders_per_minute=9 if seed == 11 else 100)
    resting = [world.open(price=price) for price in (48_000, 48_500, 49_000)]
    world.tell(world.fill(world.open(size="0.05")))
    symbol = rng.choice([PERP, PERP, SPOT])
    with transaction.atomic():
        manager = OrderManager.open(
            user=world.user, wallet_id=world.wallet.pk, prices=prices_of(world.venue.name)
        )
        for _ in range(12):
            side, size = rng.choice(["buy", "sell"]), rng.choice(["0.01", "0.03", "0.9", "0.000001"])
            old = rng.choice(resting) if symbol == PERP and rng.random() < 0.4 else None
            reducing = symbol == PERP and old is None and rng.random() < 0.2
            price = rng.choice([47_000, 49_500, 50_010] if symbol == PERP else [19, 20, 21])
            order_request = world.request(
                symbol=symbol,
                side=old.side if old else side,
                price=price,
                reduce_only=reducing,
                size=size if symbol == PERP else str(100 * Decimal(size)),
            )
            manager.place(order_request, "api", replaces=old)
        in_memory, read = as_read(world, manager, Instrument.objects.get(symbol=symbol))
    assert in_memory == read
    assert {"pending", "denied"} <= set(Order.objects.values_list("status", flat=True))


def test_the_same_id_twice_in_a_batch_is_one_order(world):
    request = world.request()
    outcomes = services.orders_place(
        user=world.user, wallet_id=world.wallet.pk, requests=[request, request], origin="api"
    )
    assert outcomes[0] == outcomes[1] == Order.objects.get()
    other = replace(request, size=Decimal("0.02"))
    with pytest.raises(OrderConflict):
        place(world, other)


def test_orders_of_two_instruments_are_judged_by_what_both_hold_back(world):
    instrument_make(world.venue, "ETH", 4)
    worlds.prices({PERP: "50000", "ETH": "2000"})
    Wallet.objects.update(max_leverage=100)
    requests = [
        world.request(size="2"),
        world.request(symbol="ETH", price=2_000, size="50"),
        world.request(size="2"),
    ]
    outcomes = services.orders_place(
        user=world.user, wallet_id=world.wallet.pk, requests=requests, origin="api"
    )
    assert [type(outcome).__name__ for outcome in outcomes] == ["Order", "Order", "OrderDenied"]
    assert outcomes[2].denial is Denial.INSUFFICIENT_FUNDS


@pytest.mark.parametrize("count", [0, 21])
def test_a_batch_has_its_size(world, count):
    requests = [world.request() for _ in range(count)]
    with pytest.raises(OrderInvalid):
        services.orders_place(user=world.user, wallet_id=world.wallet.pk, requests=requests, origin="bot")


# --- cancelling ---------------------------------------------------------------------------------------
def test_a_cancel_of_what_never_left_ends_at_once(world):
    order = world.cancel(world.place())
    assert (order.status, order.reserved, world.held()) == ("cancelled", 0, 10_000)
    assert world.take() == []


def test_a_cancel_of_what_is_open_is_remembered_once(world):
    order = world.open()
    first = world.cancel(order).cancel_requested_at
    assert first is not None
    assert world.cancel(order).cancel_requested_at == first
    assert world.again(order).status == "open"


def test_what_has_ended_cannot_be_cancelled(world):
    order = world.cancel(world.place())
    with pytest.raises(OrderConflict, match="already cancelled"):
        world.cancel(order)


def test_cancel_all_by_instrument(world):
    world.deposit("1000", account_type="spot")
    open_one, waiting, spot = world.open(), world.place(), world.place(symbol=SPOT, price=25, size=1)
    assert services.orders_cancel(user=world.user, wallet_id=world.wallet.pk, symbol=PERP) == 2
    assert services.orders_cancel(user=world.user, symbol=PERP) == 0
    assert world.again(waiting).status == "cancelled"
    assert world.again(open_one).cancel_requested_at is not None
    assert world.again(spot).status == "pending"
    assert services.orders_cancel(user=world.user) == 1


# --- previews -----------------------------------------------------------------------------------------
def test_a_preview_judges_and_writes_nothing(world):
    before = world.entries()
    preview = services.order_preview(
        user=world.user, wallet_id=world.wallet.pk, request=world.request(kind="market", price=None)
    )
    assert (preview.price, preview.notional, preview.denial) == (50_255, Decimal("502.55"), "")
    assert (preview.account_type, preview.asset) == ("perp", "USDC")
    denied = services.order_preview(
        user=world.user, wallet_id=world.wallet.pk, request=world.request(size="3")
    )
    assert (denied.denial, denied.price) == ("order_limit", 49_000)
    assert (Order.objects.count(), world.entries()) == (0, before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "market", "price": None}, "Only limit orders"),
        ({"cancel": True}, "being cancelled"),
        ({"fill": True}, "already filled"),
    ],
)
def test_what_cannot_be_changed_says_why(world, changes, message):
    order = world.open(**{name: value for name, value in changes.items() if name not in {"cancel", "fill"}})
    if changes.get("cancel"):
        world.cancel(order)
    if changes.get("fill"):
        world.tell(world.fill(order))
    with pytest.raises(OrderConflict, match=message):
        services.order_modify(user=world.user, order_id=order.pk, client_id=uuid4(), price=Decimal(48_000))


def test_a_denied_change_leaves_the_old_order_alone(world):
    order = world.open()
    with pytest.raises(OrderDenied):
        services.order_modify(user=world.user, order_id=order.pk, client_id=uuid4(), size=Decimal(3))
    assert (world.again(order).status, world.held("reserved")) == ("open", order.reserved)
