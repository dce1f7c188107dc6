"""Ledger posting: each fill and payment is posted once to the right ledger, despite late, repeated or crashed
posting."""

from dataclasses import replace
from decimal import Decimal
from random import Random
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bots import selectors, services
from bots.domain.attribution import funding_split
from bots.domain.ledger import LedgerFill, LedgerFunding
from bots.domain.pnl import pnl_from
from bots.models import BotBalance, BotLedgerEntry, BotLedgerTransaction, HolderPosition, LedgerCursor
from bots.sdk import Position
from bots.services import ledger, position_close
from market.domain.orders import VenueFill, VenueFunding
from tests.bots.test_pages import asked
from tests.wallets.factories import PERP, SPOT, world_make
from wallets.models import LedgerTransaction, Order
from wallets.models import Position as Row

pytestmark = pytest.mark.django_db

HOLDERS = ("a", "b", "hand", "gone")  # two bots, the person, and orders from nowhere
D, ZERO = Decimal, Decimal(0)


class TradingSetup:
    """alice's wallet, two bots on it, and one order for each holder that any fill may belong to."""

    def __init__(self, user, symbol=PERP, inputs=None):
        self.world = world_make(user)
        self.symbol = symbol
        self.bots = {
            name: services.bot_create(
                user=user, request=asked(self.world, symbol=symbol, name=name, inputs=inputs or {})
            )
            for name in ("a", "b")
        }
        origins = {"a": "bot", "b": "bot", "hand": "api", "gone": "external"}
        for name in HOLDERS:
            bot = self.bots.get(name)
            self._order(name, origins[name], bot.pk if bot else None)

    def _order(self, name, origin, source):
        instrument = next(iter(self.bots.values())).instrument
        Order.objects.create(
            wallet=self.world.wallet, instrument=instrument, client_id=uuid4(), venue_order_id=name, side="buy",
            kind="limit", tif="gtc", price=1, size=10**6, status="open", origin=origin, source_id=source,
        )  # fmt: skip

    def fill(self, number, holder, side, price, size, fee="0", time=None, asset="USDC"):
        return VenueFill(
            self.symbol, side, D(price), D(size), number if time is None else time, holder, str(number), None,
            ((asset, D(fee)),), ZERO, taker=True,
        )  # fmt: skip

    def funding(self, amount, time):
        return VenueFunding(self.symbol, D(amount), "USDC", ZERO, ZERO, time)

    def tell(self, *facts):
        self.world.tell(*facts)

    def post(self):
        services.wallet_fills_post_all()
        checked()

    def book(self, name):
        return selectors.bot_pnl(self.bots[name])

    def split(self):
        self.world.wallet.refresh_from_db()
        (split,) = selectors.attribution_of(self.world.wallet)
        return split


@pytest.fixture
def env(alice):
    return TradingSetup(alice)


def checked():
    """Run the deferred constraint triggers now."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def refused(match, write):
    def written():
        write()
        checked()

    with pytest.raises(IntegrityError, match=match), transaction.atomic():
        written()


class Killed(Exception):
    pass


def killed_while_posting(env):
    """A supervisor that dies after writing everything and before the commit."""

    def die():
        with transaction.atomic():
            services.wallet_fills_post_all()
            raise Killed

    with pytest.raises(Killed):
        die()


# --- any order, any repetition, killed anywhere --------------------------------------------------------
def true_book(env, name, facts):
    """The expected PnL: all fills and payments once, in the order of their times."""
    known = {(fact.venue_id, fact.trade_id): fact for fact in facts if isinstance(fact, VenueFill)}.values()
    orders = dict(Order.objects.values_list("venue_order_id", "pk"))
    mine = [
        LedgerFill(
            f"{orders[name]}:{f.trade_id}", f.side, f.price, f.size, f.fees[0][1], f.fees[0][0], f.time
        )
        for f in known
        if f.venue_id == name
    ]
    for n, paid in enumerate({fact for fact in facts if isinstance(fact, VenueFunding)}):
        sizes = dict.fromkeys(HOLDERS, ZERO)
        for f in known:
            if f.time <= paid.time:
                sizes[f.venue_id] += f.size if f.side == "buy" else -f.size
        venue = sum(sizes.values(), ZERO)
        mine.append(LedgerFunding(f"p{n}", funding_split(paid.amount, sizes, venue)[name], paid.time))
    return pnl_from("BTC", "USDC", mine)


def without_zeros(book):
    return replace(book, balances={key: amount for key, amount in book.balances.items() if amount})


FACTS = st.lists(
    st.tuples(
        st.sampled_from(HOLDERS),
        st.sampled_from(["buy", "sell"]),
        st.decimals("0.1", "90000", places=1),
        st.decimals("0.00001", "9", places=5),
        st.decimals("-1", "9", places=6),
        st.integers(1, 12),
    ),
    min_size=1,
    max_size=12,
)
PAID = st.lists(
    st.tuples(st.decimals("-9", "9", places=6), st.integers(1, 12)), max_size=3, unique_by=lambda p: p[1]
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)  # fmt: skip
@given(FACTS, PAID, st.randoms(use_true_random=False))
def test_any_order_repetition_or_crash_gives_the_same_ledger(alice, trades, paid, random: Random):
    with transaction.atomic():
        env = TradingSetup(alice)
        facts = [env.fill(n, *trade) for n, trade in enumerate(trades, 1)]
        facts += [env.funding(*payment) for payment in paid]
        pending = facts + random.sample(facts, len(facts) // 2)
        random.shuffle(pending)
        while pending:
            batch = [pending.pop() for _ in range(min(len(pending), random.randint(1, 5)))]
            env.tell(*batch)
            random.choice([env.post, env.post, lambda: killed_while_posting(env), lambda: None])()
        env.post()
        for name in ("a", "b"):
            assert without_zeros(env.book(name)) == without_zeros(true_book(env, name, facts))
        sums_hold(env)
        assert selectors.wallets_with_unposted() == []
        transaction.set_rollback(True)


def sums_hold(env):
    """Bots + manual + residual equals the wallet's own size and amounts, and the residual is as expected."""
    row = Row.objects.get(wallet=env.world.wallet)
    gone = sum(
        (
            f.size if f.side == "buy" else -f.size
            for f in Order.objects.get(venue_order_id="gone").fills.all()
        ),
        ZERO,
    )
    for split in selectors.attribution_of(env.world.wallet):
        venue, residual = split.venue, split.residual
        assert (venue.size, venue.cost, venue.realised_pnl) == (row.size, row.cost, row.realised_pnl)
        assert (venue.fees, venue.funding) == (row.fees, row.funding)
        assert residual.size == gone
        parts = [share.position for share in split.shares] + [split.manual, residual]
        for name in ("size", "cost", "realised_pnl", "fees", "funding"):
            assert sum((getattr(part, name) for part in parts), ZERO) == getattr(venue, name)
        assert split.sizes.residual == gone
        if not gone and not residual.fees:
            assert residual.realised_pnl == residual.cost  # nothing but what the venue netted between holders


# --- funding -----------------------------------------------------------------------------------------
def test_funding_is_split_by_the_sizes_of_its_time_and_the_rest_is_manual(env):
    env.tell(
        env.fill(1, "a", "buy", 100, 5, time=10), env.fill(2, "b", "sell", 100, 3, time=20),
        env.fill(3, "hand", "buy", 100, 2, time=30), env.funding("-4", 40),
        env.fill(4, "a", "buy", 100, 7, time=50),
    )  # fmt: skip
    env.post()
    assert [env.book(name).position.funding for name in ("a", "b")] == [-5, 3]
    assert env.split().manual.funding == -2
    assert env.split().residual.funding == 0


def test_only_bots_with_a_share_of_funding_are_nudged(env, monkeypatch):
    woken = []
    monkeypatch.setattr(ledger, "supervisor_nudge", woken.extend)
    env.tell(env.fill(1, "a", "buy", 100, 5, time=10), env.fill(2, "b", "buy", 100, 3, time=50))
    env.post()
    assert woken == []
    env.tell(env.funding("-4", 40))
    env.post()
    assert woken == [env.bots["a"].pk]


def test_a_late_fill_corrects_the_shares_of_an_earlier_payment(env):
    env.tell(env.fill(1, "a", "buy", 100, 1, time=10), env.funding("-2", 40))
    env.post()
    assert env.book("a").position.funding == -2
    env.tell(env.fill(2, "b", "buy", 100, 3, time=20))
    env.post()
    assert [env.book(name).position.funding for name in ("a", "b")] == [D("-0.5"), D("-1.5")]
    env.post()
    assert BotLedgerTransaction.objects.filter(kind="funding").count() == 3


def test_unposted_fills_are_not_in_the_attribution(env):
    env.tell(env.fill(1, "a", "buy", 100, 1, "0.1", time=10), env.funding("-1", 20))
    env.post()
    before = env.split()
    env.tell(
        env.fill(2, "a", "buy", 100, 2, "0.2", time=30), env.fill(3, "hand", "sell", 90, 1, time=31),
        env.funding("-2", 40),
    )  # fmt: skip
    assert env.split() == before
    assert (before.venue.size, before.venue.fees, before.venue.funding) == (1, D("0.1"), -1)
    assert before.residual == Position()


# --- what programs and people read --------------------------------------------------------------------
def test_the_attribution_can_be_read_by_the_owner(env, client):
    env.tell(
        env.fill(1, "a", "buy", 100, 3), env.fill(2, "hand", "sell", 100, 1),
        env.fill(3, "gone", "sell", 100, 1),
    )  # fmt: skip
    env.post()
    client.force_login(env.world.user)
    wallet = env.world.wallet.pk
    (said,) = client.get(f"/api/v1/wallets/{wallet}/attribution").json()["results"]
    assert (said["symbol"], said["total"]["size"]) == (PERP, "1")
    assert [said[part]["size"] for part in ("manual", "residual")] == ["-1", "-1"]
    assert [(one["name"], one["size"]) for one in said["bots"]] == [("a", "3")]
    shown = client.get(f"/bots/of/{wallet}/attribution/").content.decode()
    assert "Manual" in shown
    assert 'data-kind="warning"' in shown


# --- once --------------------------------------------------------------------------------------------
def test_a_fill_after_the_end_of_a_run_is_posted_too(env):
    env.tell(env.fill(1, "a", "buy", 100, 1))
    env.post()
    assert env.book("a").position.size == 1


def test_without_new_rows_posting_costs_two_queries(env, django_assert_num_queries):
    env.tell(env.fill(1, "a", "buy", 100, 1), env.funding("-2", 40))
    env.post()
    with django_assert_num_queries(2):
        services.wallet_fills_post_all()


def test_a_long_history_is_posted_in_batches(env, monkeypatch):
    monkeypatch.setattr(ledger, "FILL_BATCH", 2)
    monkeypatch.setattr(ledger, "FUNDING_BATCH", 1)
    env.tell(*(env.fill(n, "a", "buy", 100, 1) for n in range(1, 6)))
    env.tell(env.funding("-1", 3), env.funding("-1", 5))
    env.post()
    book = env.book("a")
    assert (book.fills, book.position.size, book.position.funding) == (5, 5, -2)


def test_spot_positions_count_coins_after_base_fees(alice):
    env = TradingSetup(alice, SPOT, {"spread": "20", "direction": "long"})
    env.world.deposit("7", account_type="spot", asset="HYPE")
    env.tell(
        env.fill(1, "a", "buy", 25, 4, "0.01", asset="HYPE"), env.fill(2, "hand", "buy", 25, 1),
        env.fill(3, "b", "buy", 25, 2),
    )  # fmt: skip
    env.post()
    split = env.split()
    assert [share.position.size for share in split.shares] == [D("3.99"), 2]
    assert (split.manual.size, split.venue.size, split.residual.size) == (1, D("13.99"), 7)
    env.tell(env.fill(4, "a", "buy", 25, 1, "0.01", asset="HYPE"))  # booked, and not yet posted
    assert env.split() == split


def test_pages_read_any_number_of_bots_with_the_same_number_of_queries(env, django_assert_num_queries):
    env.tell(env.fill(1, "a", "buy", 100, 1))
    env.post()
    for _ in range(20):
        services.bot_create(user=env.world.user, request=asked(env.world, name="more"))
    bots = list(selectors.bots_of(env.world.user))
    now = bots[0].created_at
    for some in (bots[:1], bots):
        with django_assert_num_queries(3):
            assert len(selectors.cards_of(some, now)) == len(some)


# --- external closes ------------------------------------------------------------------------------------
def left(env, name):
    """The remaining position, as a run receives it before it closes."""
    money, _ = position_close.remaining_position(bot_id=env.bots[name].pk)
    return money.remaining


def test_an_external_close_counts_once_and_all_holders_close_the_rest(env):
    """Both are long by 5, and 4 of the 10 are liquidated."""
    env.tell(
        env.fill(1, "a", "buy", 100, 5),
        env.fill(2, "b", "buy", 100, 5),
        env.fill(3, "gone", "sell", 90, 4),
    )
    assert [left(env, "a"), left(env, "a")] == [1, 1]
    env.tell(env.fill(4, "a", "sell", 90, 1))
    assert (left(env, "a"), left(env, "b")) == (0, 5)
    env.tell(env.fill(5, "b", "sell", 90, 5))
    assert (left(env, "a"), left(env, "b")) == (0, 0)
    split = env.split()
    assert (split.venue.size, split.residual.size) == (0, -4)
    env.tell(env.fill(6, "a", "sell", 90, 2))  # a new run goes the other way
    assert (left(env, "a"), left(env, "b")) == (-2, 0)


# --- what the database itself refuses ------------------------------------------------------------------
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM bots_ledgercursor",
        "DELETE FROM bots_botbalance",
        "DELETE FROM bots_botledgerentry",
        "DELETE FROM bots_botledgertransaction",
        "UPDATE bots_ledgercursor SET last_fill_id = 0",
        "UPDATE bots_botbalance SET amount = 2",
        "UPDATE bots_botledgerentry SET amount = 2",
        "UPDATE bots_botledgertransaction SET time = 2",
    ],
)
def test_posted_rows_are_append_only(env, statement):
    env.tell(env.fill(1, "a", "buy", 100, 1))
    env.post()
    refused = pytest.raises(DatabaseError, match=r"append-only|sums of entries|only increases")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert BotLedgerEntry.objects.count() == 4


def test_a_transaction_that_does_not_sum_to_zero_is_rejected(env):
    env.tell(env.fill(1, "a", "buy", 100, 1))
    env.post()
    bot = env.bots["a"]

    def write():
        row = BotLedgerTransaction.objects.create(bot=bot, ref="x", kind="fill", time=1)
        BotLedgerEntry.objects.create(transaction=row, bot=bot, account="position", asset="ETH", amount=1)

    refused("off by 1", write)


@pytest.mark.parametrize("change", [{"fees": 1}, {"realised_pnl": 1}, {"size": 2}])
def test_a_position_that_differs_from_its_entries_is_rejected(env, change):
    env.tell(env.fill(1, "a", "buy", 100, 1))
    env.post()
    row = HolderPosition.objects.filter(bot=env.bots["a"])
    refused("differs from its entries", lambda: row.update(**change))


def test_entries_without_a_position_row_are_rejected(env):
    bot = env.bots["a"]
    refused("no position", lambda: BotLedgerTransaction.objects.create(bot=bot, ref="x", kind="fill", time=1))


def test_a_wallet_with_rejected_postings_delays_no_other(env, bob, monkeypatch, caplog):
    real = services.wallet_fills_post
    calls = []

    def refused_once(*, wallet_id: UUID):
        calls.append(wallet_id)
        if len(calls) == 1:
            raise IntegrityError("off")
        real(wallet_id=wallet_id)

    monkeypatch.setattr("bots.services.ledger.wallet_fills_post", refused_once)
    monkeypatch.setattr("bots.services.ledger.wallets_with_unposted", lambda: [uuid4(), env.world.wallet.pk])
    env.tell(env.fill(1, "a", "buy", 100, 1))
    env.post()
    assert env.book("a").fills == 1
    assert "ledger posting failed" in caplog.text


def test_more_decimals_than_are_stored_are_posted(env):
    """Each has a notional of 0.0000000000010000007, and rounding twice differs from rounding the sum."""
    env.tell(*(env.fill(n, "a", "buy", "1.0000007", "0.000000000001") for n in (1, 2)))
    env.post()
    assert env.book("a").position.cost == D("0.000000000002000002")


def test_the_supervisor_role_posts_and_the_web_role_reads(env):
    call_command("db_roles", verbosity=0)
    env.tell(env.fill(1, "a", "buy", 100, 1), env.funding("-2", 40))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE cryptotrade_bots")
        env.post()
        cursor.execute("SET LOCAL ROLE cryptotrade_web")
        assert env.book("a").position.funding == -2
        assert env.split().residual == Position()
        cursor.execute("RESET ROLE")


def test_balances_are_the_sums_of_the_entries(env):
    env.tell(env.fill(1, "a", "buy", 100, 2, "0.5"), env.fill(2, "a", "sell", 110, 1, "0.25"))
    env.post()
    held = {(row.account, row.asset): row.amount for row in BotBalance.objects.all()}
    assert held == {
        ("position", "BTC"): 1, ("trade_clearing", "BTC"): -1, ("position", "USDC"): D("-90.75"), ("trade_clearing", "USDC"): 90,
        ("fees", "USDC"): D("0.75"),
    }  # fmt: skip
    assert LedgerCursor.objects.get().last_fill_id > 0
    assert LedgerTransaction.objects.filter(kind="fill").count() == 2
