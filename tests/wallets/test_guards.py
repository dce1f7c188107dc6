"""Constraints and triggers of the database on the ledger."""

from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.utils import IntegrityError, ProgrammingError

from market.models import Venue
from wallets.models import Balance, LedgerEntry, LedgerTransaction, Wallet


@pytest.fixture
def wallet(alice):
    venue = Venue.objects.create(name="hyperliquid-sim", title="Simulator", simulated=True)
    return Wallet.objects.create(user=alice, venue=venue, label="one", address="0x" + "1" * 40)


def post(wallet, *amounts, ref="fill:1"):
    transaction_row = LedgerTransaction.objects.create(wallet=wallet, ref=ref, kind="fill", time=1)
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            transaction=transaction_row,
            wallet=wallet,
            account_type="perp",
            asset=asset,
            account=account,
            amount=Decimal(amount),
        )
        for account, amount, asset in ((*row, "USDC")[:3] for row in amounts)
    )
    return transaction_row


def checked():
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def post_and_check(wallet, *amounts):
    post(wallet, *amounts)
    checked()


def test_balances_are_the_sums_of_their_entries(wallet):
    post(wallet, ("available", 10), ("transfers", -10), ref="a")
    post(wallet, ("available", "-2.5"), ("reserved", "2.5"), ref="b")
    checked()
    balances = dict(Balance.objects.values_list("account", "amount"))
    assert balances == {"available": Decimal("7.5"), "reserved": Decimal("2.5"), "transfers": Decimal(-10)}


def test_a_transfer_that_does_not_sum_to_zero_is_refused_at_commit(wallet):
    with pytest.raises(IntegrityError, match="off by 1"), transaction.atomic():
        post_and_check(wallet, ("available", 10), ("transfers", -9))


def test_zero_over_two_assets_is_not_zero(wallet):
    with pytest.raises(IntegrityError, match="off by"), transaction.atomic():
        post_and_check(wallet, ("available", 10), ("trade_clearing", -10, "HYPE"))


def test_the_same_event_is_one_transfer(wallet):
    post(wallet, ("available", 1), ("fees", -1))
    with pytest.raises(IntegrityError), transaction.atomic():
        post(wallet, ("available", 1), ("fees", -1))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE wallets_ledgerentry SET amount = 2",
        "DELETE FROM wallets_ledgerentry",
        "UPDATE wallets_ledgertransaction SET ref = 'x'",
        "UPDATE wallets_balance SET amount = 2",
        "DELETE FROM wallets_balance",
    ],
)
def test_the_books_are_append_only_and_balances_only_sums(wallet, statement):
    post(wallet, ("available", 1), ("fees", -1))
    checked()
    refused = pytest.raises((ProgrammingError, DatabaseError), match=r"append-only|sums of entries")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert Balance.objects.get(account="available").amount == 1
