"""Runner: deterministic decisions, errors of a strategy end only its run, stop policies are applied."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import ClassVar
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.domain import events, risk
from bots.domain.codec import FORMAT, decode, encode
from bots.domain.lifecycle import Status, StopPolicy
from bots.domain.order_planner import CancelOrder, ModifyOrder, PlaceOrder
from bots.domain.orders import LiveOrder
from bots.domain.runner import Decision, Runner, replay
from bots.domain.snapshot import Snapshot
from bots.sdk import BookSnapshot, DataRequirements, Level, Number, Position, Strategy, Tick, parse_inputs
from tests.bots.market_harness import RUN, BotHarness, candles_made, spec, terms


def level(identity="b0", side="buy", price=100, size=1, **more):
    return Level(identity, side, Decimal(price), Decimal(size), **more)


class Says(Strategy):
    """Says on every tick what the test put into `script`."""

    script: ClassVar = staticmethod(lambda context, tick: None)
    step = Number("Step", unit="price", minimum="1", maximum="50", default="1")

    def on_tick(self, context, tick):
        return type(self).script(context, tick)


def saying(script, **callbacks):
    return type("Said", (Says,), {"script": staticmethod(script), **callbacks})


class OwnLevel(Level):
    """A subclass of a class that is stored."""


def running(strategy, given=None, price=100, **more):
    market = BotHarness(spec(strategy, None, given or terms(), **more))
    market.start(price)
    return market


def quoting(*levels):
    return saying(lambda context, tick: context.set_orders(levels))


# --- requests ------------------------------------------------------------------------------------------
def test_requests_have_ids_from_run_and_number_and_a_provenance():
    market = running(quoting(level("b0", price=99), level("b1", price=98, size=2)))
    market.move(100)
    requests = [request for decision in market.decisions for request in decision.requests]
    assert [request.order.client_id for request in requests] == [uuid5(RUN, "1"), uuid5(RUN, "2")]
    order = requests[0].order
    assert (order.venue, order.symbol, order.side, order.kind, order.tif) == (
        "hyperliquid-sim", "BTC", "buy", "limit", "alo",
    )  # fmt: skip
    assert (order.price, order.size, order.reduce_only) == (99, 1, False)
    why = order.provenance
    assert why["format"] == FORMAT == 2
    assert (why["run"], why["inputs"], why["code"], why["level"], why["n"]) == (str(RUN), 1, "c0de", "b0", 1)
    assert decode(why["event"]) == events.TickReceived(market.now, market.tick)
    json.dumps(why)


@pytest.mark.parametrize(
    ("wanted", "kind", "tif", "trigger"),
    [
        (level(price=99), "limit", "alo", None),
        (level(price=99, style="gtc"), "limit", "gtc", None),
        (level(price=101, style="ioc"), "limit", "ioc", None),
        (level(price=120, style="ioc", trigger=Decimal(110)), "stop_market", "gtc", 110),
    ],
)
def test_styles_become_kinds_and_times_in_force(wanted, kind, tif, trigger):
    market = running(quoting(wanted))
    market.tell(events.TickReceived(1, market.tick))
    [order] = [r.order for d in market.decisions for r in d.requests if isinstance(r, PlaceOrder)][:1]
    assert (order.kind, order.tif, order.trigger_price, order.price) == (kind, tif, trigger, wanted.price)


def test_place_cancel_and_cancel_all_change_the_target():
    def both(context):
        context.place(level("a", price=99))
        context.place(level("b", price=98))

    said = iter(
        [
            both,
            lambda context: context.place(level("a", price=97)),
            lambda context: context.cancel("b"),
            lambda context: context.cancel_all(),
        ]
    )
    market = running(saying(lambda context, tick: next(said)(context)))
    stood = []
    for _ in range(4):
        market.tell(events.TickReceived(1, market.tick))
        stood.append([(name, price) for name, _, price, _ in market.standing()])
    assert stood == [[("a", 99), ("b", 98)], [("a", 97), ("b", 98)], [("a", 97)], []]


def quote_once(context, tick):
    if "said" not in context.state:
        context.state["said"] = True
        context.set_orders([level(price=99)])


def test_a_filled_level_is_not_placed_again_without_a_new_intent():
    market = running(saying(quote_once))
    for price in (100, 98, 97):
        market.move(price)
    assert [(name, price) for name, _, price, _ in market.fills] == [("b0", 99)]
    assert market.standing() == []


def test_an_order_that_was_cancelled_externally_is_not_placed_again_without_a_new_intent():
    updates = []
    callbacks = {"on_order": lambda self, context, update: updates.append((update.level_id, update.state))}
    market = running(saying(quote_once, **callbacks))
    market.move(100)
    [order] = market.snapshot.live
    runner = market.runner
    decision = runner.on_event(events.OrderUpdated(2, market.seq + 1, order.client_id, "b0", "cancelled"))
    assert decision.requests == ()
    assert runner.on_event(events.TimerFired(3)).requests == ()
    assert updates == [("b0", "open"), ("b0", "cancelled")]


def test_a_refused_level_waits_longer_every_time():
    runner = Runner(spec(quoting(level(price=99))))
    tick = Tick(0, Decimal(100), Decimal(101), Decimal(100))
    for event in (
        events.Claimed(0),
        events.CandlesLoaded(0, ()),
        events.TickReceived(0, tick),
        events.Started(0),
    ):
        runner.on_event(event)
    asked, now, seq = [], 0, 0
    while now < 20_000:
        for request in runner.on_event(events.TickReceived(now, tick)).requests:
            asked.append(now)
            seq += 1
            runner.on_event(
                events.OrderUpdated(now, seq, request.order.client_id, "b0", "rejected", "no margin")
            )
        now += 100
    assert asked == [0, 1000, 3000, 7000, 15000]
    assert runner.snapshot.blocked_reason == "Level b0 was rejected 5 times; retrying shortly."


# --- the guard -------------------------------------------------------------------------------------------
def test_an_order_beyond_the_budget_is_blocked_with_a_reason():
    given = terms(budget=1000)
    market = running(quoting(level("b0", price=99, size=6), level("b1", price=98, size=6)), given)
    market.move(100)
    assert [name for name, *_ in market.standing()] == ["b0"]
    assert market.snapshot.blocked_reason == (
        "Level b1 waits: exposure would be 1182.00 with this order; the budget allows 1000.00."
    )


def test_losses_make_the_power_smaller_and_profits_do_not_make_it_larger():
    given = terms(budget=1000, leverage=3)
    assert Position(realised_pnl=Decimal(-100), fees=Decimal(20)).buying_power(given) == 2640
    assert Position(realised_pnl=Decimal(500)).buying_power(given) == 3000
    assert Position(realised_pnl=Decimal(-2000)).buying_power(given) == 0


@pytest.mark.parametrize(
    ("kind", "position", "wanted", "problem"),
    [
        ("perp", Position(), level(size="0.01"), "is below the exchange's minimum order size"),
        ("spot", Position(), level("s0", "sell"), "the bot holds 0 and would sell 1"),
        ("spot", Position(Decimal(1), Decimal(90)), level("s0", "sell"), None),
        ("perp", Position(), level("s0", "sell", reduce_only=True), "the bot holds 0 and would close 1"),
        ("perp", Position(Decimal(2), Decimal(180)), level("s0", "sell", reduce_only=True), None),
        ("perp", Position(Decimal(9), Decimal(990)), level("s0", "sell", size=9), None),
        (
            "perp",
            Position(Decimal(9), Decimal(990)),
            level("s0", "sell", size=20),
            "exposure would be 1100.00",
        ),
        ("perp", Position(realised_pnl=Decimal(-990)), level("b0", "buy", size=1), "the budget allows 10.00"),
        ("perp", Position(Decimal(9), Decimal(990), Decimal(-999)), level("s0", "sell", size=9), None),
        ("perp", Position(Decimal(-5), Decimal(-500)), level("b0", "buy", size=15), None),
    ],
)
def test_the_guard_by_cases(kind, position, wanted, problem):
    new = LiveOrder(UUID(int=1), wanted, wanted.size)
    found = risk.check_order(terms(kind, budget=1000), position, (), new, None)
    assert found is None if problem is None else problem in found


def test_an_order_and_the_one_that_replaces_it_count_once():
    old = LiveOrder(UUID(int=1), level(size=5), Decimal(5), "cancelling")
    new = LiveOrder(UUID(int=2), level(size=6), Decimal(6), "placing", old.client_id)
    assert risk.counted_orders([old, new]) == [new]
    assert risk.counted_orders([replace(old, remaining=Decimal(9)), new]) == [
        replace(old, remaining=Decimal(9))
    ]
    assert risk.worst_case_exposure(Position(), risk.counted_orders([old, new])) == (600, 0)


# --- mistakes ----------------------------------------------------------------------------------------------
class Peculiar:
    def __repr__(self):
        return "peculiar"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (lambda context, tick: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda context, tick: [level()], "on_tick returned list; callbacks return nothing."),
        (lambda context, tick: context.intents.append(Peculiar()), "peculiar is not an intent."),
        (lambda context, tick: context.idle(7), "Idle(reason=7) is not an intent."),
        (lambda context, tick: context.set_orders([Peculiar()]), "peculiar is not a level."),
        (
            lambda context, tick: context.set_orders([OwnLevel("b0", "buy", Decimal(99), Decimal(1))]),
            "is not a level.",
        ),
        (lambda context, tick: context.set_orders([level(), level()]), "Duplicate level id 'b0'."),
        (
            lambda context, tick: context.set_orders([level("close")]),
            "Invalid level: the level id 'close' is reserved",
        ),
        (
            lambda context, tick: context.place(level(price="99.99")),
            "the price 99.99 of level b0 is not a multiple of the price tick",
        ),
        (lambda context, tick: context.place(level(size="0.000001")), "not a multiple of the size step"),
        (lambda context, tick: context.place(level(price="NaN")), "it must be a Decimal above zero"),
        (
            lambda context, tick: context.place(replace(level(), price=99.5)),
            "it must be a Decimal above zero",
        ),
        (lambda context, tick: context.place(level(trigger=Decimal("9.99"))), "the trigger 9.99 of level b0"),
        (
            lambda context, tick: context.set_orders([level(f"b{n}") for n in range(201)]),
            "201 levels are too many",
        ),
        (lambda context, tick: context.state.update(x={1, 2}), "state.x is a set, which is not plain data"),
        (lambda context, tick: context.state.update(x="y" * 70_000), "at most 65536 bytes"),
        (lambda context, tick: setattr(context, "state", []), "The state is not a dictionary"),
        (lambda context, tick: setattr(context, "intents", None), "The intents are not a list."),
    ],
)
def test_a_strategy_that_raises_or_returns_invalid_intents_is_faulted_without_effects(script, reason):
    market = BotHarness(spec(saying(script)))
    market.start(100)
    decision = market.runner.on_event(events.TickReceived(5, market.tick))
    assert decision.snapshot.status == Status.FAULTED
    assert reason in decision.snapshot.reason
    assert "Traceback" in decision.snapshot.traceback
    assert decision.requests == ()
    assert (decision.snapshot.state, decision.snapshot.target) == ("{}", ())
    json.dumps(encode(decision.snapshot))


def test_a_fault_applies_its_policy_to_the_live_orders():
    fail = []

    def script(context, tick):
        if fail:
            raise RuntimeError("sudden")
        context.set_orders([level(price=99), level("s0", "sell", 101)])

    for policy, left in ((StopPolicy.KEEP, 2), (StopPolicy.CANCEL_OWN, 0)):
        fail.clear()
        market = running(saying(script), on_fault=policy)
        market.move(100)
        fail.append(1)
        market.move("100.1")
        assert market.snapshot.status == Status.FAULTED
        assert len(market.standing()) == left
        market.tell(events.StopRequested(9, StopPolicy.CANCEL_OWN, "Stopped by alice."))
        assert (market.snapshot.status, market.standing()) == (Status.FAULTED, [])
        assert market.snapshot.reason == "RuntimeError: sudden"


def test_a_callback_that_broke_its_deadline_faults_the_run():
    market = running(quoting(level(price=99)))
    market.move(100)
    market.tell(events.Crashed(7, "on_tick took longer than 1,000 ms."))
    assert market.snapshot.status == Status.FAULTED
    assert market.snapshot.reason == "on_tick took longer than 1,000 ms."
    assert market.standing() == []


def test_needs_that_raise_fault_the_run_at_its_claim():
    market = BotHarness(spec(saying(lambda c, t: None, requirements=lambda self: 1 / 0)))
    assert market.snapshot.status == Status.FAULTED
    market.start(100)
    assert market.snapshot.status == Status.FAULTED


# --- stops -------------------------------------------------------------------------------------------------
def holding():
    """A bot that bought 2 at 99 and has an order on either side."""

    def script(context, tick):
        held = context.position.size
        buys = [level("b0", price=99, size=2)] if not held else [level("b1", price=90)]
        context.set_orders([*buys, *([level("s0", "sell", 110, 2)] if held else [])])

    market = running(saying(script))
    market.move(100)
    market.move("98.9")
    assert market.size == 2
    assert len(market.standing()) == 2
    return market


def test_stopping_and_keeping_leaves_everything_where_it_is():
    market = holding()
    before = market.standing()
    market.tell(events.StopRequested(9, StopPolicy.KEEP, "Stopped by alice."))
    assert market.snapshot.status == Status.STOPPED
    assert (market.standing(), market.size) == (before, 2)
    assert market.snapshot.reason == "Stopped by alice."


def test_stopping_and_cancelling_keeps_the_position():
    market = holding()
    market.tell(events.StopRequested(9, StopPolicy.CANCEL_OWN, "Stopped by alice."))
    assert market.snapshot.status == Status.STOPPED
    assert (market.standing(), market.size) == ([], 2)


def test_stopping_and_closing_trades_away_its_own_size_and_not_more():
    market = holding()
    market.tell(events.StopRequested(9, StopPolicy.CANCEL_AND_CLOSE_OWN, "Stopped by alice."))
    assert market.snapshot.status == Status.STOPPED
    assert (market.standing(), market.size) == ([], 0)
    closing = [r for d in market.decisions for r in d.requests if isinstance(r, PlaceOrder) and r.closing]
    assert [(r.order.side, r.order.size, r.order.tif, r.order.reduce_only) for r in closing] == [
        ("sell", 2, "ioc", True)
    ]


def test_a_position_is_closed_only_after_all_other_orders_closed():
    market = holding()
    runner = Runner(market.spec, market.snapshot)
    first = runner.on_event(events.StopRequested(9, StopPolicy.CANCEL_AND_CLOSE_OWN, "Stopped by alice."))
    assert {type(request) for request in first.requests} == {CancelOrder}
    assert runner.on_event(events.TimerFired(10)).requests == ()
    [one, other] = first.snapshot.live
    seq = market.seq
    assert runner.on_event(events.OrderUpdated(11, seq + 1, one.client_id, "x", "cancelled")).requests == ()
    [close] = runner.on_event(events.OrderUpdated(12, seq + 2, other.client_id, "x", "cancelled")).requests
    assert (close.closing, close.order.size) == (True, 2)
    assert runner.snapshot.status == Status.STOPPING


def test_a_partially_filled_close_is_requested_again():
    market = holding()
    market.tell(events.StopRequested(9, StopPolicy.KEEP, "x"))
    snapshot = replace(
        market.snapshot, status=Status.STOPPING, policy=StopPolicy.CANCEL_AND_CLOSE_OWN, closing=True, live=()
    )
    runner, seq = Runner(market.spec, snapshot), market.seq
    [close] = runner.on_event(events.TimerFired(10)).requests
    half = events.OrderFilled(
        11,
        seq + 1,
        close.order.client_id,
        "close",
        "t",
        "sell",
        Decimal(98),
        Decimal("0.5"),
        Decimal(0),
        "USDC",
    )
    assert runner.on_event(half).requests == ()
    [again] = runner.on_event(
        events.OrderUpdated(12, seq + 2, close.order.client_id, "close", "cancelled")
    ).requests
    assert (again.order.size, again.order.client_id != close.order.client_id) == (Decimal("1.5"), True)


def test_a_remainder_too_small_for_the_venue_is_left_and_named():
    given = terms("spot", size_decimals=3)
    snapshot = Snapshot(
        Status.STOPPING,
        policy=StopPolicy.CANCEL_AND_CLOSE_OWN,
        closing=True,
        position=Position(Decimal("0.05"), Decimal(5)),
        tick=Tick(0, Decimal(100), Decimal(101), Decimal(100)),
    )
    runner = Runner(spec(Says, None, given), snapshot)
    assert runner.on_event(events.TimerFired(1)).requests == ()
    assert runner.snapshot.status == Status.STOPPED
    assert runner.snapshot.blocked_reason == "0.050 remains, below the exchange's minimum order size."


def test_a_stopped_run_makes_no_decisions():
    market = holding()
    market.tell(events.StopRequested(9, StopPolicy.CANCEL_OWN, "Stopped by alice."))
    count = len([r for d in market.decisions for r in d.requests])
    market.move(100)
    market.tell(events.StopRequested(10, StopPolicy.CANCEL_AND_CLOSE_OWN, "again"))
    assert len([r for d in market.decisions for r in d.requests]) == count


# --- restarts, replays, changes ----------------------------------------------------------------------------
class Busy(Strategy):
    """Uses everything that must come back the same: random numbers, state, candles, orders, position."""

    title = "Busy"

    def requirements(self):
        return DataRequirements("5m", 5)

    def on_candle(self, context, candle):
        context.state["sum"] = sum((each.close for each in context.candles), Decimal(0))

    def on_tick(self, context, tick):
        context.state["ticks"] = context.state.get("ticks", 0) + 1
        if context.rng.randrange(4) == 0:
            context.set_orders([])
            context.idle("The random number is low.")
            return
        away = Decimal(1 + context.rng.randrange(5))
        near = tick.mid.quantize(Decimal("0.1"))
        context.set_orders([level("b0", "buy", near - away, 3), level("s0", "sell", near + away, 3)])

    def on_fill(self, context, fill):
        context.state[fill.level_id] = context.state.get(fill.level_id, Decimal(0)) + fill.price


MOVES = st.lists(st.integers(-30, 30), min_size=1, max_size=25)


def journalled(market):
    return decode(json.loads(json.dumps(encode(tuple(market.journal)))))


def played(moves):
    market = running(Busy)
    price = Decimal(100)
    for n, step in enumerate(moves):
        price += Decimal(step) / 10
        market.move(price)
        market.now += 500
        if n % 3 == 0:
            market.tell(events.CandleClosed(market.now, candles_made([price], first=n * 300_000)[0]))
    assert market.snapshot.status in (Status.RUNNING, Status.IDLE), market.snapshot.traceback
    return market


@settings(max_examples=40, deadline=None)
@given(MOVES)
def test_replaying_the_journal_yields_the_same_decisions(moves):
    market = played(moves)
    assert replay(market.spec, None, journalled(market)) == market.decisions


@settings(max_examples=40, deadline=None)
@given(MOVES, st.integers(0, 200))
def test_a_worker_that_dies_anywhere_is_continued_to_the_same_orders(moves, cut):
    """Events journalled after the last stored snapshot are delivered again; own events twice."""
    market = played(moves)
    journal = journalled(market)
    cut = min(cut, len(journal))
    first = Runner(market.spec)
    for event in journal[:cut]:
        first.on_event(event)
    second = Runner(market.spec, decode(json.loads(json.dumps(encode(first.snapshot)))))
    candles = [event.candle for event in journal[:cut] if isinstance(event, events.CandleClosed)]
    if cut > 1:  # it was warmed up: it is again
        second.on_event(events.CandlesLoaded(0, tuple(candles[-5:])))
    own = [event for event in journal[:cut] if isinstance(event, events.OwnEvent)]
    assert [second.on_event(event).requests for event in own] == [()] * len(own)
    rest = [second.on_event(event) for event in journal[cut:]]
    assert rest == market.decisions[cut:]


def test_a_restart_touches_no_order():
    market = holding()
    runner = Runner(market.spec, market.snapshot)
    for event in (
        events.Claimed(9),
        events.CandlesLoaded(9, ()),
        events.Started(9),
        events.TickReceived(9, market.tick),
    ):
        assert runner.on_event(event).requests == ()
    assert runner.snapshot.status == Status.RUNNING


def test_changed_inputs_move_only_what_changed():
    def script(context, tick):
        step = context.state["step"]
        context.set_orders([level(f"b{n}", "buy", 100 - n * step) for n in range(1, 6)])

    def begin(self, context):
        context.state["step"] = self.step
        if context.tick:
            self.on_tick(context, context.tick)

    market = running(saying(script, on_start=begin))
    before = {order.level.price: order.client_id for order in market.snapshot.live}
    inputs = parse_inputs(Says, {"step": "2"})
    market.tell(events.InputsChanged(9, inputs, 2))
    decision = next(d for d in market.decisions if d.provenance.get("inputs") == 2)
    assert [type(request) for request in decision.requests] == [ModifyOrder] * 3
    after = {order.level.price: order.client_id for order in market.snapshot.live}
    assert set(after) == {98, 96, 94, 92, 90}
    assert {price: after[price] for price in (98, 96)} == {price: before[price] for price in (98, 96)}


def test_ticks_that_change_nothing_need_not_be_stored():
    market = running(saying(lambda context, tick: context.idle("Waiting for Monday.")))
    market.tell(events.TickReceived(8, market.tick))
    decision = market.runner.on_event(events.TickReceived(9, market.tick))
    assert not decision.durable
    assert (decision.snapshot.reason, decision.snapshot.reason_at) == ("Waiting for Monday.", 9)


def test_an_own_event_is_taken_once():
    market = holding()
    runner = Runner(market.spec, market.snapshot)
    paid = events.FundingPaid(9, market.seq + 1, "p1", Decimal("-0.3"))
    assert runner.on_event(paid).snapshot.position.funding == Decimal("-0.3")
    assert runner.on_event(paid) == Decision(runner.snapshot, (), durable=False, provenance={})


def test_a_rejected_cancel_is_requested_again_and_a_late_open_update_is_ignored():
    market = holding()
    runner, seq = Runner(market.spec, market.snapshot), market.seq
    runner.on_event(events.StopRequested(9, StopPolicy.CANCEL_OWN, "x"))
    client_id = runner.snapshot.live[0].client_id
    assert runner.on_event(events.OrderUpdated(9, seq + 1, client_id, "b1", "open")).requests == ()
    again = runner.on_event(events.OrderUpdated(9, seq + 2, client_id, "b1", "open", "the venue was away"))
    assert again.requests == (CancelOrder(client_id),)


def test_a_fill_after_its_order_closed_still_counts():
    market = holding()
    runner, seq = Runner(market.spec, market.snapshot), market.seq
    order = next(order for order in market.snapshot.live if order.level.id == "b1")
    runner.on_event(events.OrderUpdated(9, seq + 1, order.client_id, "b1", "cancelled"))
    late = events.OrderFilled(
        9, seq + 2, order.client_id, "b1", "t9", "buy", Decimal(90), Decimal(1), Decimal(0), "USDC"
    )
    assert runner.on_event(late).snapshot.position.size == 3


def test_a_position_without_a_price_waits_for_one_to_be_closed_at():
    closing = Snapshot(
        Status.STOPPING,
        policy=StopPolicy.CANCEL_AND_CLOSE_OWN,
        closing=True,
        position=Position(Decimal(-2), Decimal(-200)),
    )
    runner = Runner(spec(Says), closing)
    assert runner.on_event(events.TimerFired(1)).requests == ()
    assert runner.snapshot.blocked_reason == "Cannot close the position: no price is available yet."
    tick = Tick(2, Decimal(100), Decimal(101), Decimal(100))
    [close] = runner.on_event(events.TickReceived(2, tick)).requests
    assert (close.order.side, close.order.size, close.order.price) == ("buy", 2, 106)


def test_dust_below_a_lot_is_nothing_to_close():
    dust = Snapshot(
        Status.STOPPING,
        policy=StopPolicy.CANCEL_AND_CLOSE_OWN,
        closing=True,
        position=Position(Decimal("0.000001"), Decimal("0.0001")),
    )
    runner = Runner(spec(Says), dust)
    assert runner.on_event(events.TimerFired(1)).requests == ()
    assert runner.snapshot.status == Status.STOPPED


def test_candles_are_delivered_once_and_books_to_strategies_that_need_them():
    received = []
    strategy = saying(
        lambda context, tick: None,
        requirements=lambda self: DataRequirements("5m", 3, book=True),
        on_candle=lambda self, context, candle: received.append([each.open_time for each in context.candles]),
        on_book=lambda self, context, book: received.append(book),
    )
    candles = candles_made(["100"] * 5)
    market = BotHarness(spec(strategy), candles[:3])
    market.start(100)
    for candle in (candles[3], candles[3], candles[4]):
        market.tell(events.CandleClosed(1, candle))
    book = BookSnapshot(1, ((Decimal(99), Decimal(1)),), ((Decimal(101), Decimal(1)),))
    market.tell(events.BookUpdated(2, book))
    times = [candle.open_time for candle in candles]
    assert received == [times[1:4], times[2:5], book]
    market.tell(events.CandlesLoaded(3, tuple(candles)))
    assert market.snapshot.status == Status.RUNNING


def test_unknown_classes_are_not_journalled():
    with pytest.raises(TypeError, match="Peculiar is not journalled"):
        encode(Peculiar())
    with pytest.raises(TypeError, match="Spec is not journalled"):
        encode(spec(Says))


def test_the_json_has_no_types_but_the_class_of_the_value():
    position = Position(Decimal("1.50"), Decimal(-3))
    order = LiveOrder(UUID(int=7), level("b1", "buy", 99, 1), Decimal("1.0"), "open")
    written = encode(Snapshot(status=Status.RUNNING, position=position, live=(order,)))
    assert written["$"] == "Snapshot"
    assert written["status"] == "running"
    assert written["position"]["size"] == "1.50"
    assert written["live"][0]["client_id"] == str(UUID(int=7))
    assert written["live"][0]["level"]["price"] == "99"
    assert written == json.loads(json.dumps(written))


@pytest.mark.parametrize("value", [Decimal("1.50"), Decimal("1E+3"), "1.50", True, 7, None])
def test_inputs_keep_their_types_in_the_journal(value):
    event = events.InputsChanged(9, {"a": value}, 2)
    (decoded,) = decode(json.loads(json.dumps(encode((event,)))))
    assert decoded == event
    assert type(decoded.inputs["a"]) is type(value)
    assert str(decoded.inputs["a"]) == str(value)


def test_a_value_that_would_not_be_decoded_as_itself_is_not_encoded():
    """It would be found only when the run is restored."""
    for wrong in (
        replace(level("b1", "buy", 99, 1), reduce_only=1),
        OwnLevel("b1", "buy", Decimal(99), Decimal(1)),
    ):
        with pytest.raises(TypeError):
            encode(Snapshot(target=(wrong,)))


def test_for_a_modified_level_only_the_new_order_is_reported():
    """A strategy plans again after a cancel: with such an update a moved grid would move for ever."""
    updates = []
    callbacks = {"on_order": lambda self, context, update: updates.append((update.level_id, update.state))}
    prices = iter([99, 98])
    market = running(
        saying(lambda context, tick: context.set_orders([level(price=next(prices))]), **callbacks)
    )
    market.move(100)
    [old] = market.snapshot.live
    decision = market.runner.on_event(events.TickReceived(1, market.tick))
    [change] = decision.requests
    assert (change.client_id, change.order.price) == (old.client_id, 98)
    seq = market.runner.snapshot.last_seq
    market.runner.on_event(events.OrderUpdated(2, seq + 1, old.client_id, "b0", "cancelled"))
    market.runner.on_event(events.OrderUpdated(2, seq + 2, change.order.client_id, "b0", "open"))
    assert updates == [("b0", "open"), ("b0", "open")]


def test_changing_numbers_in_an_idle_reason_are_not_durable():
    market = running(saying(lambda context, tick: context.idle(f"The price is {tick.mid}.")))
    market.move(100)
    rested = market.decisions[-1]
    assert (rested.durable, rested.snapshot.status) == (True, Status.IDLE)
    tick = Tick(5, Decimal(200), Decimal(202), Decimal(201))
    decision = market.runner.on_event(events.TickReceived(5, tick))
    assert (decision.snapshot.reason, decision.snapshot.reason_at) == ("The price is 201.", 5)
    assert not decision.durable


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, Decimal(1)), (Decimal(1), Decimal("1.00")), (0.0, -0.0)]
)
def test_a_state_that_is_only_equal_is_another_state(one, other):
    """What a restart reads back must be what the strategy left, not what `==` takes for the same."""
    values = iter([one, other])

    def script(context, tick):
        context.state["value"] = next(values)

    market = running(saying(script))
    market.move(100)
    before = market.snapshot.state
    decision = market.runner.on_event(events.TickReceived(1, market.tick))
    assert decision.durable
    assert decision.snapshot.state != before


def test_what_a_strategy_does_to_its_state_in_place_is_noticed():
    def script(context, tick):
        context.state.setdefault("deep", {"list": []})["list"].append(len(context.state["deep"]["list"]))

    market = running(saying(script))
    for _ in range(3):
        assert market.runner.on_event(events.TickReceived(1, market.tick)).durable
    assert json.loads(market.runner.snapshot.state) == {"deep": {"list": [0, 1, 2]}}


# --- budgets, not balances -------------------------------------------------------------------------------
class Greedy(Strategy):
    """Asks for everything on both sides, and again after every fill."""

    title = "Greedy"

    def on_tick(self, context, tick):
        rules, size = (
            context.instrument.rules,
            context.terms.round_size_down(context.terms.buying_power / tick.mid),
        )
        prices = {"buy": tick.mid * Decimal("0.995"), "sell": tick.mid * Decimal("1.005")}
        context.set_orders(
            Level(
                f"{side}{n}",
                side,
                rules.round_price(price),
                size / 2**n // Decimal("0.00001") * Decimal("0.00001"),
            )
            for side, price in sorted(prices.items())
            for n in (1, 2)
        )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.decimals("-0.05", "0.05", places=3), min_size=5, max_size=30), st.integers(1, 5))
def test_losses_reduce_the_budget_and_profits_do_not_increase_it(moves, leverage):
    """The driver checks every request against what is left; here the walk makes it win and lose."""
    market = BotHarness(spec(Greedy, given=terms(leverage=leverage, budget=1000)))
    price = Decimal(50_000)
    market.start(price)
    for move in moves:
        price = max(Decimal(10_000), price * (1 + move))
        market.move(price)
    power = market.snapshot.position.buying_power(market.terms)
    assert power <= market.terms.buying_power
    lost = market.snapshot.position
    assert power == max(0, 1000 + min(0, lost.realised_pnl - lost.fees + lost.funding)) * leverage
