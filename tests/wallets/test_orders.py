"""Placing, repeating, changing one's mind; and the list of bad inputs, none of which writes an entry."""

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
from wallets.models import HouseControl, LedgerTransfer, Order, TraderControl, Wallet
from wallets.selectors import prices_of
from wallets.services import NotFound, OrderConflict, OrderDenied, OrderInvalid
from wallets.services.order_manager import Desk

pytestmark = pytest.mark.django_db


def place(world, request, user=None):
    return services.order_place(
        user=user or world.user, wallet_id=world.wallet.pk, request=request, origin="api"
    )


def test_an_approved_order_waits_with_its_funds_reserved(world):
    order = world.place()
    assert (order.status, order.venue_client_id) == ("pending", f"0x{order.pk.hex}")
    assert (order.reserved, order.reserved_pot, order.reserved_asset) == (Decimal("24.7205"), "perp", "USDC")
    assert (world.held("reserved"), world.held()) == (order.reserved, 10_000 - order.reserved)
    assert order.mark_price == 50_000
    (transfer,) = LedgerTransfer.objects.filter(order=order)
    assert (transfer.ref, transfer.kind) == (f"reserve:{order.pk}:1", "reserve")


def test_a_whole_life(world):
    order = world.open(venue_id="77")
    assert (order.status, order.venue_order_id) == ("open", "77")
    world.tell(world.fill(order, "0.004"))
    assert world.again(order).status == "partly_filled"
    assert world.again(order).reserved == Decimal("14.8323")
    world.tell(world.fill(order, "0.006"))
    order = world.again(order)
    assert (order.status, order.filled, order.reserved) == ("filled", order.size, 0)
    assert world.held("reserved") == 0
    assert world.held() == Decimal("9999.8")


def test_execution_is_woken_once_it_is_committed(world, monkeypatch, django_capture_on_commit_callbacks):
    nudged = []
    monkeypatch.setattr("market.hub.nudges.nudge", lambda *args: nudged.append(args))
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

    def carry_out(asks):
        with transaction.atomic(), CaptureQueriesContext(connection) as queries:
            services.asks_carry_out(
                user=world.user,
                wallet_id=world.wallet.pk,
                source=bot,
                asks=asks,
                prices=prices_of("simulator"),
            )
        return len([query for query in queries if "SAVEPOINT" not in query["sql"]])

    placed = [world.request(price=40_000 + n) for n in range(10)]
    assert carry_out([services.Ask(order=one) for one in placed]) <= 12
    for prepared in world.take():
        answers = [Accepted(str(pk)[:40]) for pk in prepared.order_ids]
        services.settled(claim=world.claim, submission_id=prepared.submission_id, answers=answers)
    moves = [
        services.Ask(order=world.request(price=41_000 + n, why={"level": f"b{n}"}), former=one.client_id)
        for n, one in enumerate(placed)
    ]
    assert carry_out(moves) <= 12
    assert Order.objects.filter(source_id=bot, replaces__isnull=False, status="pending").count() == 10


def test_a_bot_is_told_with_its_asks_whether_there_is_something_to_look_up(
    world, monkeypatch, django_capture_on_commit_callbacks
):
    bot, nudged = uuid4(), []
    monkeypatch.setattr("market.hub.nudges.nudge", lambda *args: nudged.append(args))

    def news(order=None, former=None):
        asks = [services.Ask(order=order, former=former.client_id if former else None)]
        with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
            return services.asks_carry_out(
                user=world.user,
                wallet_id=world.wallet.pk,
                source=bot,
                asks=asks,
                prices=prices_of("simulator"),
            )

    def request(**changes):
        return world.request(why={"level": "b0"}, **changes)

    first, second, third = request(), request(), request()
    assert not news(first)
    assert not news(first)  # once more: it waits as before
    assert news(request(size="900"))  # denied
    assert news(request(symbol="NOPE"))  # was no order
    row = Order.objects.get(client_id=first.client_id)
    assert news(second, former=row)  # the first had not left us: it has ended
    world.accept(Order.objects.get(client_id=second.client_id))
    assert not news(third, former=second)  # both stand until the venue answers
    assert news(request(), former=second)  # it is being changed already
    assert news(request(), former=request())  # there is none such
    assert not news(former=second)  # a cancel waits for the venue
    assert news(former=third)  # it had not left us
    assert news(former=first)  # it had ended
    assert {channel for channel, _ in nudged} == {"wallets-execution"}
    services.order_cancel(user=world.user, order_id=Order.objects.get(client_id=second.client_id).pk)
    with django_capture_on_commit_callbacks(execute=True):
        world.tell(world.fill(Order.objects.get(client_id=second.client_id)))
    assert ("bots-supervisor", str(bot)) in nudged


def test_a_market_order_names_its_worst_price(world):
    order = world.place(kind="market", price=None)
    assert (order.tif, order.price) == ("ioc", 50_255)
    assert order.send_before - order.created_at < timedelta(seconds=31)


# --- once is once ----------------------------------------------------------------------------------
def test_the_same_id_again_is_the_same_order(world):
    request = world.request()
    first, second = place(world, request), place(world, replace(request, size=Decimal("0.0100")))
    assert first.pk == second.pk
    assert LedgerTransfer.objects.filter(kind="reserve").count() == 1


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
    assert (denied, Order.objects.filter(status="pending").count()) == (["funds", "funds"], 2)
    assert world.held() >= 0


# --- bad inputs ------------------------------------------------------------------------------------
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
        (Denial.LOT, {"size": "0.0000001"}),
        (Denial.TICK, {"price": "49000.5"}),
        (Denial.MIN_NOTIONAL, {"size": "0.0001"}),
        (Denial.ORDER_LIMIT, {"size": "3"}),
        (Denial.PRICE_BAND, {"price": "60000"}),
        (Denial.NOTHING_TO_REDUCE, {"reduce_only": True}),
        (Denial.SPOT_RULES, {"symbol": SPOT, "price": "25", "size": "1", "reduce_only": True}),
        (Denial.FUNDS, {"symbol": SPOT, "price": "25", "size": "1"}),
    ],
)
def test_a_denied_order_is_remembered_and_moves_nothing(world, denial, changes):
    before = world.entries()
    with pytest.raises(OrderDenied) as caught:
        world.place(**changes)
    order = Order.objects.get()
    assert caught.value.order == order
    assert (order.status, order.code, order.message) == ("denied", denial, caught.value.sentence)
    assert (order.reserved, world.entries()) == (0, before)
    assert world.take() == []


def test_somebody_elses_wallet_does_not_exist(world, bob):
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


@pytest.mark.parametrize("scope", ["wallet", "trader", "house"])
def test_the_strictest_switch_counts(world, scope):
    if scope == "wallet":
        Wallet.objects.update(trading_state="halted")
    elif scope == "trader":
        TraderControl.objects.create(user=world.user, trading_state="halted")
    else:
        HouseControl.objects.update_or_create(pk=1, defaults={"trading_state": "halted"})
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


# --- limits of the wallet --------------------------------------------------------------------------
def test_a_wallets_own_limits_come_before_the_houses(world):
    Wallet.objects.update(max_order_notional=400)
    with pytest.raises(OrderDenied, match="490 USDC is more than one order may be worth, 400 USDC"):
        world.place()


def test_the_house_limits_come_from_the_settings(world, settings):
    settings.ORDER_MAX_NOTIONAL = 400
    with pytest.raises(OrderDenied, match="400"):
        world.place()


def test_denied_orders_count_towards_the_rate(world):
    Wallet.objects.update(orders_per_minute=2)
    for _ in range(2):
        with pytest.raises(OrderDenied, match="less than the smallest"):
            world.place(size="0.0001")
    with pytest.raises(OrderDenied) as caught:
        world.place()
    assert caught.value.denial is Denial.RATE
    Order.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    assert world.place().status == "pending"


def test_who_asks_too_fast_is_not_kept_out_by_asking(world):
    Wallet.objects.update(orders_per_minute=1)
    world.place()
    for _ in range(3):
        with pytest.raises(OrderDenied, match="minute"):
            world.place()
    Order.objects.exclude(status="denied").update(created_at=timezone.now() - timedelta(minutes=2))
    assert world.place().status == "pending"


def test_what_traded_or_is_open_counts_towards_the_day(world):
    Wallet.objects.update(max_day_notional=1_400)
    world.tell(world.fill(world.open()))
    world.place()
    world.cancel(world.place(size="0.008"))
    with pytest.raises(OrderDenied, match="1470 USDC would be traded or open within a day"):
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
    assert caught.value.denial is Denial.FUNDS


# --- many at once ----------------------------------------------------------------------------------
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


def as_read(world, desk, row):
    """The situation that a desk thinks it is in, and the one that the books say."""
    kept = desk.situation(instrument_rules(row))
    desk.close()
    read = Desk(desk.wallet, desk.prices, desk.now).situation(instrument_rules(row))
    return [replace(one, others=frozenset(one.others), mark_age=None) for one in (kept, read)]


@pytest.mark.parametrize("seed", range(12))
def test_what_a_batch_is_judged_by_is_what_the_books_say(world, seed):
    dice = random.Random(seed)
    world.deposit("5000", pot="spot")
    Wallet.objects.update(max_order_notional=20_000, orders_per_minute=9 if seed == 11 else 100)
    resting = [world.open(price=price) for price in (48_000, 48_500, 49_000)]
    world.tell(world.fill(world.open(size="0.05")))
    symbol = dice.choice([PERP, PERP, SPOT])
    with transaction.atomic():
        desk = Desk.open(user=world.user, wallet_id=world.wallet.pk, prices=prices_of(world.venue.name))
        for _ in range(12):
            side, size = dice.choice(["buy", "sell"]), dice.choice(["0.01", "0.03", "0.9", "0.000001"])
            old = dice.choice(resting) if symbol == PERP and dice.random() < 0.4 else None
            reducing = symbol == PERP and old is None and dice.random() < 0.2
            price = dice.choice([47_000, 49_500, 50_010] if symbol == PERP else [19, 20, 21])
            asked = world.request(
                symbol=symbol,
                side=old.side if old else side,
                price=price,
                reduce_only=reducing,
                size=size if symbol == PERP else str(100 * Decimal(size)),
            )
            desk.place(asked, "api", replaces=old)
        kept, read = as_read(world, desk, Instrument.objects.get(symbol=symbol))
    assert kept == read
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
    assert outcomes[2].denial is Denial.FUNDS


@pytest.mark.parametrize("count", [0, 21])
def test_a_batch_has_its_size(world, count):
    requests = [world.request() for _ in range(count)]
    with pytest.raises(OrderInvalid):
        services.orders_place(user=world.user, wallet_id=world.wallet.pk, requests=requests, origin="bot")


# --- taking back -----------------------------------------------------------------------------------
def test_a_cancel_of_what_never_left_ends_at_once(world):
    order = world.cancel(world.place())
    assert (order.status, order.reserved, world.held()) == ("cancelled", 0, 10_000)
    assert world.take() == []


def test_a_cancel_of_what_is_open_is_remembered_once(world):
    order = world.open()
    first = world.cancel(order).cancel_asked_at
    assert first is not None
    assert world.cancel(order).cancel_asked_at == first
    assert world.again(order).status == "open"


def test_what_has_ended_cannot_be_cancelled(world):
    order = world.cancel(world.place())
    with pytest.raises(OrderConflict, match="cancelled already"):
        world.cancel(order)


def test_cancel_all_by_instrument(world):
    world.deposit("1000", pot="spot")
    open_one, waiting, spot = world.open(), world.place(), world.place(symbol=SPOT, price=25, size=1)
    assert services.orders_cancel(user=world.user, wallet_id=world.wallet.pk, symbol=PERP) == 2
    assert services.orders_cancel(user=world.user, symbol=PERP) == 0
    assert world.again(waiting).status == "cancelled"
    assert world.again(open_one).cancel_asked_at is not None
    assert world.again(spot).status == "pending"
    assert services.orders_cancel(user=world.user) == 1


# --- previews --------------------------------------------------------------------------------------
def test_a_preview_judges_and_writes_nothing(world):
    before = world.entries()
    preview = services.order_preview(
        user=world.user, wallet_id=world.wallet.pk, request=world.request(kind="market", price=None)
    )
    assert (preview.price, preview.notional, preview.denial) == (50_255, Decimal("502.55"), "")
    assert (preview.pot, preview.asset) == ("perp", "USDC")
    denied = services.order_preview(
        user=world.user, wallet_id=world.wallet.pk, request=world.request(size="3")
    )
    assert (denied.denial, denied.price) == ("order_limit", 49_000)
    assert (Order.objects.count(), world.entries()) == (0, before)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": "market", "price": None}, "Only limit orders"),
        ({"cancel": True}, "being cancelled"),
        ({"fill": True}, "filled already"),
    ],
)
def test_what_cannot_be_changed_says_why(world, changes, sentence):
    order = world.open(**{name: value for name, value in changes.items() if name not in {"cancel", "fill"}})
    if changes.get("cancel"):
        world.cancel(order)
    if changes.get("fill"):
        world.tell(world.fill(order))
    with pytest.raises(OrderConflict, match=sentence):
        services.order_modify(user=world.user, order_id=order.pk, client_id=uuid4(), price=Decimal(48_000))


def test_a_denied_change_leaves_the_old_order_alone(world):
    order = world.open()
    with pytest.raises(OrderDenied):
        services.order_modify(user=world.user, order_id=order.pk, client_id=uuid4(), size=Decimal(3))
    assert (world.again(order).status, world.held("reserved")) == ("open", order.reserved)
