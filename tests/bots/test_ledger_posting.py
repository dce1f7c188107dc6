"""Books as they are stored: each fact once and in the right book, whatever comes late, twice or dies."""

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
from bots.domain.ledger import BotFill, BotFunding
from bots.domain.pnl import built
from bots.models import BooksMark, BotBalance, BotEntry, BotTransfer, HolderBook
from bots.sdk import Position
from bots.services import ledger, position_close
from market.domain.orders import VenueFill, VenueFunding
from tests.bots.test_pages import asked
from tests.wallets.factories import PERP, SPOT, world_make
from wallets.models import LedgerTransfer, Order
from wallets.models import Position as Row

pytestmark = pytest.mark.django_db

HOLDERS = ("a", "b", "hand", "gone")  # two bots, the person, and orders from nowhere
D, ZERO = Decimal, Decimal(0)


class House:
    """alice's wallet, two bots on it, and for everybody one order that any fill may belong to."""

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
            D(fee), asset, ZERO, taker=True,
        )  # fmt: skip

    def funding(self, amount, time):
        return VenueFunding(self.symbol, D(amount), "USDC", ZERO, ZERO, time)

    def tell(self, *facts):
        self.world.tell(*facts)

    def post(self):
        services.books_post_all()
        checked()

    def book(self, name):
        return selectors.book_of(self.bots[name])

    def split(self):
        self.world.wallet.refresh_from_db()
        (split,) = selectors.attribution_of(self.world.wallet)
        return split


@pytest.fixture
def house(alice):
    return House(alice)


def checked():
    """What is checked when a transaction ends, now."""
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


def killed_while_posting(house):
    """A supervisor dies after it wrote everything and before it committed."""

    def die():
        with transaction.atomic():
            services.books_post_all()
            raise Killed

    with pytest.raises(Killed):
        die()


# --- any order, any repetition, killed anywhere --------------------------------------------------------
def true_book(house, name, facts):
    """What the book must be: all facts at once, each once, in the order of their times."""
    known = {(fact.venue_id, fact.trade_id): fact for fact in facts if isinstance(fact, VenueFill)}.values()
    orders = dict(Order.objects.values_list("venue_order_id", "pk"))
    mine = [
        BotFill(f"{orders[name]}:{f.trade_id}", f.side, f.price, f.size, f.fee, f.fee_asset, f.time)
        for f in known
        if f.venue_id == name
    ]
    for n, paid in enumerate({fact for fact in facts if isinstance(fact, VenueFunding)}):
        sizes = dict.fromkeys(HOLDERS, ZERO)
        for f in known:
            if f.time <= paid.time:
                sizes[f.venue_id] += f.size if f.side == "buy" else -f.size
        venue = sum(sizes.values(), ZERO)
        mine.append(BotFunding(f"p{n}", funding_split(paid.amount, sizes, venue)[name], paid.time))
    return built("BTC", "USDC", mine)


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
def test_any_order_any_repetition_killed_anywhere_is_the_same_book(alice, trades, paid, random: Random):
    with transaction.atomic():
        house = House(alice)
        facts = [house.fill(n, *trade) for n, trade in enumerate(trades, 1)]
        facts += [house.funding(*payment) for payment in paid]
        told = facts + random.sample(facts, len(facts) // 2)
        random.shuffle(told)
        while told:
            batch = [told.pop() for _ in range(min(len(told), random.randint(1, 5)))]
            house.tell(*batch)
            random.choice([house.post, house.post, lambda: killed_while_posting(house), lambda: None])()
        house.post()
        for name in ("a", "b"):
            assert without_zeros(house.book(name)) == without_zeros(true_book(house, name, facts))
        sums_hold(house)
        assert selectors.wallets_unposted() == []
        transaction.set_rollback(True)


def sums_hold(house):
    """Σ bots + manual + residual is the wallet's own, size and money, and the residual is what it must be."""
    row = Row.objects.get(wallet=house.world.wallet)
    gone = sum(
        (
            f.size if f.side == "buy" else -f.size
            for f in Order.objects.get(venue_order_id="gone").fills.all()
        ),
        ZERO,
    )
    for split in selectors.attribution_of(house.world.wallet):
        venue, residual = split.venue, split.residual
        assert (venue.size, venue.cost, venue.realised) == (row.size, row.cost, row.realised)
        assert (venue.fees, venue.funding) == (row.fees, row.funding)
        assert residual.size == gone
        parts = [share.position for share in split.shares] + [split.manual, residual]
        for name in ("size", "cost", "realised", "fees", "funding"):
            assert sum((getattr(part, name) for part in parts), ZERO) == getattr(venue, name)
        assert split.sizes.residual == gone
        if not gone and not residual.fees:
            assert residual.realised == residual.cost  # nothing but what the venue netted between holders


# --- funding -----------------------------------------------------------------------------------------
def test_a_payment_is_shared_by_the_sizes_of_its_time_and_the_rest_is_the_persons(house):
    house.tell(
        house.fill(1, "a", "buy", 100, 5, time=10), house.fill(2, "b", "sell", 100, 3, time=20),
        house.fill(3, "hand", "buy", 100, 2, time=30), house.funding("-4", 40),
        house.fill(4, "a", "buy", 100, 7, time=50),
    )  # fmt: skip
    house.post()
    assert [house.book(name).position.funding for name in ("a", "b")] == [-5, 3]
    assert house.split().manual.funding == -2
    assert house.split().residual.funding == 0


def test_only_bots_with_a_share_are_woken_for_it(house, monkeypatch):
    woken = []
    monkeypatch.setattr(ledger, "sources_nudge", woken.extend)
    house.tell(house.fill(1, "a", "buy", 100, 5, time=10), house.fill(2, "b", "buy", 100, 3, time=50))
    house.post()
    assert woken == []
    house.tell(house.funding("-4", 40))
    house.post()
    assert woken == [house.bots["a"].pk]


def test_a_fill_that_comes_after_the_payment_that_it_changes_mends_the_shares(house):
    house.tell(house.fill(1, "a", "buy", 100, 1, time=10), house.funding("-2", 40))
    house.post()
    assert house.book("a").position.funding == -2
    house.tell(house.fill(2, "b", "buy", 100, 3, time=20))
    house.post()
    assert [house.book(name).position.funding for name in ("a", "b")] == [D("-0.5"), D("-1.5")]
    house.post()
    assert BotTransfer.objects.filter(kind="funding").count() == 3


def test_what_is_booked_and_not_yet_posted_is_on_no_side(house):
    house.tell(house.fill(1, "a", "buy", 100, 1, "0.1", time=10), house.funding("-1", 20))
    house.post()
    before = house.split()
    house.tell(
        house.fill(2, "a", "buy", 100, 2, "0.2", time=30), house.fill(3, "hand", "sell", 90, 1, time=31),
        house.funding("-2", 40),
    )  # fmt: skip
    assert house.split() == before
    assert (before.venue.size, before.venue.fees, before.venue.funding) == (1, D("0.1"), -1)
    assert before.residual == Position()


# --- what programs and people read --------------------------------------------------------------------
def test_whose_a_position_is_can_be_read_by_its_owner(house, client):
    house.tell(
        house.fill(1, "a", "buy", 100, 3), house.fill(2, "hand", "sell", 100, 1),
        house.fill(3, "gone", "sell", 100, 1),
    )  # fmt: skip
    house.post()
    client.force_login(house.world.user)
    wallet = house.world.wallet.pk
    (said,) = client.get(f"/api/v1/wallets/{wallet}/attribution").json()["results"]
    assert (said["symbol"], said["total"]["size"]) == (PERP, "1")
    assert [said[part]["size"] for part in ("manual", "residual")] == ["-1", "-1"]
    assert [(one["name"], one["size"]) for one in said["bots"]] == [("a", "3")]
    shown = client.get(f"/bots/of/{wallet}/attribution/").content.decode()
    assert "By hand" in shown
    assert 'data-kind="warning"' in shown


# --- once --------------------------------------------------------------------------------------------
def test_a_fill_after_the_end_of_a_run_is_posted_too(house):
    house.tell(house.fill(1, "a", "buy", 100, 1))
    house.post()
    assert house.book("a").position.size == 1


def test_nothing_new_costs_two_queries_however_many_bots(house, django_assert_num_queries):
    house.tell(house.fill(1, "a", "buy", 100, 1), house.funding("-2", 40))
    house.post()
    with django_assert_num_queries(2):
        services.books_post_all()


def test_a_long_history_is_posted_in_batches(house, monkeypatch):
    monkeypatch.setattr(ledger, "FILLS_AT_ONCE", 2)
    monkeypatch.setattr(ledger, "PAYMENTS_AT_ONCE", 1)
    house.tell(*(house.fill(n, "a", "buy", 100, 1) for n in range(1, 6)))
    house.tell(house.funding("-1", 3), house.funding("-1", 5))
    house.post()
    book = house.book("a")
    assert (book.fills, book.position.size, book.position.funding) == (5, 5, -2)


def test_books_of_spot_count_coins_and_a_fee_taken_in_them(alice):
    house = House(alice, SPOT, {"spread": "20", "direction": "long"})
    house.world.deposit("7", pot="spot", asset="HYPE")
    house.tell(
        house.fill(1, "a", "buy", 25, 4, "0.01", asset="HYPE"), house.fill(2, "hand", "buy", 25, 1),
        house.fill(3, "b", "buy", 25, 2),
    )  # fmt: skip
    house.post()
    split = house.split()
    assert [share.position.size for share in split.shares] == [D("3.99"), 2]
    assert (split.manual.size, split.venue.size, split.residual.size) == (1, D("13.99"), 7)
    house.tell(house.fill(4, "a", "buy", 25, 1, "0.01", asset="HYPE"))  # booked, and not yet posted
    assert house.split() == split


def test_the_pages_read_any_number_of_books_with_the_same_number_of_queries(house, django_assert_num_queries):
    house.tell(house.fill(1, "a", "buy", 100, 1))
    house.post()
    for _ in range(20):
        services.bot_create(user=house.world.user, request=asked(house.world, name="more"))
    bots = list(selectors.bots_of(house.world.user))
    now = bots[0].created_at
    for some in (bots[:1], bots):
        with django_assert_num_queries(3):
            assert len(selectors.cards_of(some, now)) == len(some)


# --- what went by itself --------------------------------------------------------------------------------
def left(house, name):
    """As a run hears it before it closes."""
    money, _ = position_close.what_remains(bot_id=house.bots[name].pk)
    return money.left


def test_what_went_is_one_holders_loss_and_together_they_close_what_the_venue_still_has(house):
    """Both are long by 5, and 4 of the 10 are liquidated."""
    house.tell(
        house.fill(1, "a", "buy", 100, 5),
        house.fill(2, "b", "buy", 100, 5),
        house.fill(3, "gone", "sell", 90, 4),
    )
    assert [left(house, "a"), left(house, "a")] == [1, 1]
    house.tell(house.fill(4, "a", "sell", 90, 1))
    assert (left(house, "a"), left(house, "b")) == (0, 5)
    house.tell(house.fill(5, "b", "sell", 90, 5))
    assert (left(house, "a"), left(house, "b")) == (0, 0)
    split = house.split()
    assert (split.venue.size, split.residual.size) == (0, -4)
    house.tell(house.fill(6, "a", "sell", 90, 2))  # a new run goes the other way
    assert (left(house, "a"), left(house, "b")) == (-2, 0)


# --- what the database itself refuses ------------------------------------------------------------------
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM bots_booksmark",
        "DELETE FROM bots_botbalance",
        "DELETE FROM bots_botentry",
        "DELETE FROM bots_bottransfer",
        "UPDATE bots_booksmark SET fills_until = 0",
        "UPDATE bots_botbalance SET amount = 2",
        "UPDATE bots_botentry SET amount = 2",
        "UPDATE bots_bottransfer SET time = 2",
    ],
)
def test_what_is_posted_stays_as_it_is(house, statement):
    house.tell(house.fill(1, "a", "buy", 100, 1))
    house.post()
    refused = pytest.raises(DatabaseError, match=r"append-only|sums of entries|only rises")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert BotEntry.objects.count() == 4


def test_a_transfer_that_does_not_sum_to_zero_is_refused(house):
    house.tell(house.fill(1, "a", "buy", 100, 1))
    house.post()
    bot = house.bots["a"]

    def write():
        row = BotTransfer.objects.create(bot=bot, ref="x", kind="fill", time=1)
        BotEntry.objects.create(transfer=row, bot=bot, account="held", asset="ETH", amount=1)

    refused("off by 1", write)


@pytest.mark.parametrize("change", [{"fees": 1}, {"realised": 1}, {"size": 2}])
def test_a_row_that_says_something_else_than_its_entries_is_refused(house, change):
    house.tell(house.fill(1, "a", "buy", 100, 1))
    house.post()
    row = HolderBook.objects.filter(bot=house.bots["a"])
    refused("is off its entries", lambda: row.update(**change))


def test_entries_that_no_row_knows_are_refused(house):
    bot = house.bots["a"]
    refused("no book", lambda: BotTransfer.objects.create(bot=bot, ref="x", kind="fill", time=1))


def test_a_wallet_whose_posting_is_refused_holds_up_no_other(house, bob, monkeypatch, caplog):
    real = services.books_post
    calls = []

    def refused_once(*, wallet_id: UUID):
        calls.append(wallet_id)
        if len(calls) == 1:
            raise IntegrityError("off")
        real(wallet_id=wallet_id)

    monkeypatch.setattr("bots.services.ledger.books_post", refused_once)
    monkeypatch.setattr("bots.services.ledger.wallets_unposted", lambda: [uuid4(), house.world.wallet.pk])
    house.tell(house.fill(1, "a", "buy", 100, 1))
    house.post()
    assert house.book("a").fills == 1
    assert "books not posted" in caplog.text


def test_more_decimals_than_are_stored_hold_up_nothing(house):
    """Each is worth 0.0000000000010000007, and rounding twice is not rounding the sum."""
    house.tell(*(house.fill(n, "a", "buy", "1.0000007", "0.000000000001") for n in (1, 2)))
    house.post()
    assert house.book("a").position.cost == D("0.000000000002000002")


def test_the_role_of_supervisors_posts_and_that_of_the_web_reads(house):
    call_command("db_roles", verbosity=0)
    house.tell(house.fill(1, "a", "buy", 100, 1), house.funding("-2", 40))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL SESSION AUTHORIZATION cryptotrade_bots")
        house.post()
        cursor.execute("SET LOCAL SESSION AUTHORIZATION cryptotrade_web")
        assert house.book("a").position.funding == -2
        assert house.split().residual == Position()
        cursor.execute("RESET SESSION AUTHORIZATION")


def test_balances_are_the_sums_of_the_entries(house):
    house.tell(house.fill(1, "a", "buy", 100, 2, "0.5"), house.fill(2, "a", "sell", 110, 1, "0.25"))
    house.post()
    held = {(row.account, row.asset): row.amount for row in BotBalance.objects.all()}
    assert held == {
        ("held", "BTC"): 1, ("traded", "BTC"): -1, ("held", "USDC"): D("-90.75"), ("traded", "USDC"): 90,
        ("fees", "USDC"): D("0.75"),
    }  # fmt: skip
    assert BooksMark.objects.get().fills_until > 0
    assert LedgerTransfer.objects.filter(kind="fill").count() == 2
