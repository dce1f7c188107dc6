"""The ledger: postings sum to zero, and totals are conserved under any sequence of events."""

import contextlib
from collections import Counter
from decimal import Context, Decimal
from itertools import count

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from market.domain.orders import Accepted, Rejected, VenueFill, VenueFunding, VenueMovement
from tests.wallets.factories import PERP, world_make
from wallets import services
from wallets.domain import ledger
from wallets.domain.ledger import LedgerAccount, Posting
from wallets.domain.status import LIVE
from wallets.models import Balance, Fill, LedgerEntry, LedgerTransaction, Order, Wallet

D = Decimal
A = LedgerAccount


def fill(side="buy", price="10", size="2", fee="0.5", fee_asset="USDC", pnl="0"):
    return VenueFill(
        "X", side, D(price), D(size), 1, "1", "1", None, ((fee_asset, D(fee)),), D(pnl), taker=True
    )


def amounts(postings):
    return {(one.account_type, one.asset, one.account): one.amount for one in postings}


# --- each event ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("postings", "expected"),
    [
        (ledger.reserve("perp", "USDC", D(5)), {("perp", "USDC", A.RESERVED): 5, ("perp", "USDC", A.AVAILABLE): -5}),
        (ledger.release("perp", "USDC", D(5)), {("perp", "USDC", A.RESERVED): -5, ("perp", "USDC", A.AVAILABLE): 5}),
        (
            ledger.fill(fill(pnl="3"), account_type="perp", kind="perp", base="X", quote="USDC"),
            {("perp", "USDC", A.AVAILABLE): D("2.5"), ("perp", "USDC", A.REALISED_PNL): -3, ("perp", "USDC", A.FEES): D("0.5")},
        ),
        (ledger.fill(fill(fee="0"), account_type="perp", kind="perp", base="X", quote="USDC"), {}),
        (
            ledger.fill(fill(fee="0.1", fee_asset="X"), account_type="spot", kind="spot", base="X", quote="USDC"),
            {
                ("spot", "X", A.AVAILABLE): D("1.9"), ("spot", "X", A.TRADE_CLEARING): -2, ("spot", "X", A.FEES): D("0.1"),
                ("spot", "USDC", A.AVAILABLE): -20, ("spot", "USDC", A.TRADE_CLEARING): 20,
            },
        ),
        (
            ledger.fill(fill("sell", fee="-1"), account_type="spot", kind="spot", base="X", quote="USDC"),
            {
                ("spot", "X", A.AVAILABLE): -2, ("spot", "X", A.TRADE_CLEARING): 2, ("spot", "USDC", A.AVAILABLE): 21,
                ("spot", "USDC", A.TRADE_CLEARING): -20, ("spot", "USDC", A.FEES): -1,
            },
        ),
        (
            ledger.funding(VenueFunding("X", D(-4), "USDC", D(0), D(1), 1)),
            {("perp", "USDC", A.AVAILABLE): -4, ("perp", "USDC", A.FUNDING): 4},
        ),
        (
            ledger.movement(VenueMovement("1", "withdrawal", (("spot", "X", D(-4)),), D(1), "X", 1)),
            {("spot", "X", A.AVAILABLE): -5, ("spot", "X", A.TRANSFERS): 4, ("spot", "X", A.FEES): 1},
        ),
        (ledger.opening("spot", "X", D(7)), {("spot", "X", A.AVAILABLE): 7, ("spot", "X", A.EXTERNAL): -7}),
    ],
)  # fmt: skip
def test_what_an_event_moves(postings, expected):
    assert amounts(postings) == expected


numbers = st.decimals("-1000000", "1000000", places=18)


def assert_zero(postings: list[Posting]) -> None:
    wide = Context(prec=80)
    sums: dict[str, Decimal] = {}
    for one in postings:
        sums[one.asset] = wide.add(sums.get(one.asset, D(0)), one.amount)
        assert one.amount.as_tuple().exponent >= -18
    assert set(sums.values()) <= {0}


@given(st.sampled_from(["buy", "sell"]), numbers, numbers, numbers, numbers, st.sampled_from(["X", "USDC", "Z"]),
       st.sampled_from(["perp", "spot"]))  # fmt: skip
def test_every_fill_sums_to_zero_per_asset(side, price, size, fee, pnl, fee_asset, account_type):
    fact = VenueFill(
        "X", side, abs(price), abs(size), 1, "1", "1", None, ((fee_asset, fee),), pnl, taker=True
    )
    assert_zero(ledger.fill(fact, account_type=account_type, kind=account_type, base="X", quote="USDC"))


@given(
    st.lists(st.tuples(st.sampled_from(["perp", "spot"]), st.sampled_from(["X", "USDC"]), numbers)), numbers
)
def test_every_movement_sums_to_zero_per_asset(legs, fee):
    assert_zero(ledger.movement(VenueMovement("1", "send", tuple(legs), fee, "USDC", 1)))


sizes = st.decimals("0.00001", "1000", places=5)


@given(st.decimals(0, "100000", places=8), sizes, st.lists(sizes, max_size=8))
def test_what_is_held_shrinks_with_what_is_left_and_never_grows(held, size, fills):
    left = size
    for one in fills:
        left_now = max(left - one, D(0))
        now = ledger.reservation_after(held, left, left_now)
        assert 0 <= now <= held
        held, left = now, left_now
        if left == 0:
            assert held == 0


# --- against the database: any interleaving -----------------------------------------------------------
class Books(RuleBasedStateMachine):
    """A venue of our own beside the services: whatever is placed, lost, filled, repeated or reordered.

    `cash` is what the venue would say, told by the facts that it emitted and we applied.
    """

    def __init__(self):
        super().__init__()
        from accounts.models import User

        self._atomic = transaction.atomic()
        self._atomic.__enter__()
        number = User.objects.count()
        self.world = world_make(
            User.objects.create_user(f"trader{number}@example.org", "correct horse battery")
        )
        Wallet.objects.update(orders_per_minute=10_000, max_leverage=1_000)
        self.cash = D(10_000)
        self.facts = []
        self.prepared = []
        self.numbers = count(1)

    def teardown(self):
        transaction.set_rollback(True)
        self._atomic.__exit__(None, None, None)

    def some(self, data, *statuses):
        rows = (
            Order.objects.filter(status__in=statuses or LIVE)
            .select_related("instrument")
            .order_by("created_at")
        )
        return data.draw(st.sampled_from(list(rows)))

    def any(*statuses):
        return lambda self: Order.objects.filter(status__in=statuses or LIVE).exists()

    def apply(self, fact, change):
        """Tell it; the venue's cash moves when it is told for the first time."""
        self.world.tell(fact)
        if fact not in self.facts:
            self.cash += change
            self.facts.append(fact)

    @rule(side=st.sampled_from(["buy", "sell"]), lots=st.integers(1, 20), reduce_only=st.booleans())
    def place(self, side, lots, reduce_only):
        price = 49_000 if side == "buy" else 51_000
        with contextlib.suppress(services.OrderDenied):
            self.world.place(side=side, size=D(lots) / 100, price=price, reduce_only=reduce_only)

    @rule()
    def take(self):
        self.prepared += self.world.take()

    @precondition(lambda self: self.prepared)
    @rule(
        data=st.data(),
        outcome=st.sampled_from(
            ["accepted", "rejected", "again", "submission_not_sent", "submission_unknown"]
        ),
    )
    def answer(self, data, outcome):
        prepared = data.draw(st.sampled_from(self.prepared))
        said = {"claim": self.world.claim, "submission_id": prepared.submission_id}
        if outcome == "accepted":
            answers = [Accepted(f"v{key}"[:40]) for key in prepared.order_ids]
            services.submission_answered(**said, answers=answers)
        elif outcome == "rejected":
            services.submission_answered(**said, answers=[Rejected("no")] * len(prepared.order_ids))
        elif outcome == "again":
            services.submission_rejected(**said, reason="Action already expired")
        else:
            getattr(services, outcome)(**said)

    @precondition(any("submitting", "unknown"))
    @rule(data=st.data(), found=st.booleans())
    def resolve(self, data, found):
        order = self.some(data, "submitting", "unknown")
        fact = self.world.venue_order(order, venue_id=f"v{order.pk}"[:40]) if found else None
        services.in_flight_resolve(claim=self.world.claim, order_id=order.pk, found=fact, now=self.world.now)

    @precondition(any())
    @rule(data=st.data(), lots=st.integers(1, 5), pnl=st.integers(-50, 50), fee=st.integers(-1, 3))
    def fill(self, data, lots, pnl, fee):
        order = self.some(data)
        fact = self.world.fill(
            order, str(D(lots) / 100), venue_id=order.venue_order_id or f"v{order.pk}"[:40],
            closed_pnl=D(pnl), fee=D(fee), trade_id=f"t{next(self.numbers)}",
        )  # fmt: skip
        self.apply(fact, fact.closed_pnl - fact.fee_in("USDC"))

    @precondition(any())
    @rule(data=st.data(), status=st.sampled_from(["open", "cancelled", "rejected", "filled"]))
    def venue_says(self, data, status):
        order = self.some(data)
        self.world.tell(
            self.world.venue_order(order, status, venue_id=order.venue_order_id or f"v{order.pk}"[:40])
        )

    @precondition(any())
    @rule(data=st.data())
    def cancel(self, data):
        self.world.cancel(self.some(data))
        services.cancels_prepare(claim=self.world.claim, now=self.world.now)

    @rule(amount=st.integers(-20, 20))
    def funding(self, amount):
        self.apply(self.world.funding(str(amount), next(self.numbers)), D(amount))

    @rule(amount=st.integers(-100, 100), fee=st.integers(0, 2))
    def transfer(self, amount, fee):
        fact = VenueMovement(
            f"m{next(self.numbers)}", "send", (("perp", "USDC", D(amount)),), D(fee), "USDC", self.world.now
        )
        self.apply(fact, D(amount) - fee)

    @precondition(lambda self: self.facts)
    @rule(data=st.data())
    def replay(self, data):
        told = data.draw(st.lists(st.sampled_from(self.facts), min_size=1, max_size=4))
        before = LedgerEntry.objects.count()
        self.world.tell(*told)
        assert LedgerEntry.objects.count() == before

    @rule()
    def halt_and_resume(self):
        Wallet.objects.update(trading_state="halted")
        self.prepared += self.world.take()
        Wallet.objects.update(trading_state="active")

    # --- what always holds ------------------------------------------------------------------------
    @invariant()
    def the_ledger_matches_the_venue(self):
        assert self.world.held() + self.world.held("reserved") == self.cash

    @invariant()
    def reserved_is_what_live_orders_hold_back(self):
        live = Order.objects.filter(status__in=LIVE).aggregate(held=Sum("reserved"))["held"] or 0
        ended = Order.objects.exclude(status__in=LIVE).exclude(reserved=0)
        assert (self.world.held("reserved"), list(ended)) == (live, [])

    @invariant()
    def every_transfer_sums_to_zero_and_balances_are_sums(self):
        rows = LedgerEntry.objects.values("transaction", "asset").annotate(total=Sum("amount"))
        assert {row["total"] for row in rows} <= {0}
        sums = LedgerEntry.objects.values_list("account").annotate(total=Sum("amount"))
        assert dict(sums) == dict(Balance.objects.values_list("account", "amount"))
        with connection.cursor() as cursor:  # the database's own guard, which waits for commits
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")

    @invariant()
    def orders_and_positions_are_sums_of_fills(self):
        for order in Order.objects.annotate(fill_total=Sum("fills__size")):
            assert order.filled == (order.fill_total or 0)
        bought = Fill.objects.filter(side="buy").aggregate(size=Sum("size"))["size"] or 0
        sold = Fill.objects.filter(side="sell").aggregate(size=Sum("size"))["size"] or 0
        row = self.world.wallet.positions.filter(instrument__symbol=PERP).first()
        assert (row.size if row else 0) == bought - sold

    @invariant()
    def each_event_is_one_transfer(self):
        kinds = Counter(LedgerTransaction.objects.values_list("kind", flat=True))
        assert kinds["fill"] == Fill.objects.count()


@pytest.mark.django_db
@pytest.mark.slow
def test_the_ledger_is_conserved_under_any_interleaving():
    from hypothesis.stateful import run_state_machine_as_test

    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
    few = settings(max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=checks)
    run_state_machine_as_test(Books, settings=few)
