"""Wallet services: create, replace key, rename, limits, archive."""

import json
import logging
from decimal import Decimal
from uuid import uuid4

import pytest

from accounts.models import AuditEntry
from market.models import Instrument, Venue
from market.venues.hyperliquid.signing import address_of
from wallets.domain.errors import NotFound, WalletInvalid, WalletRejected
from wallets.domain.wallet_validation import LIMITS
from wallets.models import Order, Wallet, WalletSecret
from wallets.services import (
    wallet_archive,
    wallet_create,
    wallet_key_replace,
    wallet_limits_set,
    wallet_rename,
)
from wallets.services.keys import sealing_key_create
from wallets.vault import Unsealer

KEY = bytes.fromhex("07" * 32)
OTHER = bytes.fromhex("08" * 32)
ACCOUNT = "0x" + "Ab" * 20


@pytest.fixture
def folder(db, tmp_path):
    sealing_key_create(folder=tmp_path / "execution")
    return tmp_path / "execution"


@pytest.fixture(autouse=True)
def venue(db):
    return Venue.objects.create(name="hyperliquid-sim", title="Simulator", simulated=True)


def create(user, **changes):
    fields = {
        "venue": "hyperliquid-sim",
        "label": "one",
        "address": ACCOUNT,
        "key": None,
        "client_id": uuid4(),
    }
    return wallet_create(user=user, **{**fields, **changes})


def audit_text():
    """All audit entries, as text."""
    return json.dumps([[entry.action, entry.data] for entry in AuditEntry.objects.all()], default=str)


# --- adding -------------------------------------------------------------------------------------------
def test_a_pasted_key_is_sealed_and_checked_next(alice, folder):
    wallet = create(alice, key=b" 0x" + KEY.hex().encode() + b"\n")
    assert (wallet.status, wallet.address) == ("checking", ACCOUNT.lower())
    assert wallet.signer_address == address_of(KEY)
    assert Unsealer(folder).signer(wallet).key_id == address_of(KEY)


def test_a_wallet_without_a_key_waits_for_one(alice):
    wallet = create(alice)
    assert (wallet.status, wallet.signer_address) == ("key_pending", "")
    assert not WalletSecret.objects.exists()


def test_the_same_request_again_is_the_same_wallet(alice, folder):
    client_id = uuid4()
    first = create(alice, client_id=client_id, key=KEY.hex().encode())
    again = create(alice, client_id=client_id, key=KEY.hex().encode())
    assert (first.pk, Wallet.objects.count(), WalletSecret.objects.count()) == (again.pk, 1, 1)
    with pytest.raises(WalletRejected, match="another wallet"):
        create(alice, client_id=client_id, address="0x" + "1" * 40)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("label", {"label": "  "}),
        ("label", {"label": "x" * 61}),
        ("address", {"address": "0x12"}),
        ("address", {"address": "1" * 42}),
        ("venue", {"venue": "nowhere"}),
        ("key", {"key": b"0x12"}),
        ("key", {"key": "schlüssel".encode("latin-1")}),
        ("key", {"key": b"0" * 64}),
    ],
)
def test_an_invalid_field_is_named_and_nothing_is_stored(alice, folder, field, changes):
    with pytest.raises(WalletInvalid) as refused:
        create(alice, **changes)
    assert refused.value.field == field
    assert not Wallet.objects.exists()


def test_a_venue_that_is_switched_off_takes_no_wallets(alice, venue):
    Venue.objects.update(enabled=False)
    with pytest.raises(WalletInvalid, match="Unknown exchange"):
        create(alice)


def test_the_accounts_own_key_is_refused_before_it_is_stored(alice, folder):
    with pytest.raises(WalletInvalid, match="own key: it can withdraw"):
        create(alice, address=address_of(KEY), key=KEY.hex().encode())
    assert not WalletSecret.objects.exists()


def test_one_key_is_one_wallet(alice, bob, folder):
    create(alice, key=KEY.hex().encode())
    with pytest.raises(WalletInvalid, match="already trades for another wallet"):
        create(bob, address="0x" + "2" * 40, key=KEY.hex().encode())
    assert not Wallet.objects.filter(user=bob).exists()


def test_one_account_is_one_wallet_of_a_user(alice, bob):
    create(alice)
    with pytest.raises(WalletInvalid, match="already have a wallet for this account") as refused:
        create(alice, address=ACCOUNT.lower())
    assert refused.value.field == "address"
    assert create(bob).pk  # another user may add the account: its key proves the ownership


def test_the_twentieth_wallet_is_the_last_until_one_is_archived(alice):
    wallets = [create(alice, address=f"0x{number:040x}") for number in range(1, 21)]
    with pytest.raises(WalletRejected, match="You have 20 wallets"):
        create(alice, address="0x" + "f" * 40)
    wallet_archive(user=alice, wallet_id=wallets[0].pk)
    create(alice, address="0x" + "f" * 40)


def test_without_a_sealing_key_a_pasted_key_is_refused(alice):
    with pytest.raises(WalletRejected, match="cannot store keys yet"):
        create(alice, key=KEY.hex().encode())
    assert not Wallet.objects.exists()


def test_a_key_leaves_nothing_behind(alice, folder, caplog):
    caplog.set_level(logging.DEBUG)
    wallet = create(alice, key=KEY.hex().encode())
    wallet_key_replace(user=alice, wallet_id=wallet.pk, key=OTHER.hex().encode())
    for refused in (b"0x" + KEY.hex().encode(), KEY.hex().encode() + b"7"):
        with pytest.raises(WalletInvalid) as error:
            create(alice, address=address_of(KEY), key=refused)
        assert KEY.hex() not in repr(error.value)
    for key in (KEY, OTHER):
        assert key.hex() not in audit_text() + caplog.text
        assert key not in bytes(WalletSecret.objects.get().sealed)


# --- afterwards ---------------------------------------------------------------------------------------
def test_another_key_takes_the_place_of_the_old_one(alice, folder):
    wallet = create(alice, key=KEY.hex().encode())
    Wallet.objects.update(status="active")
    replaced = wallet_key_replace(user=alice, wallet_id=wallet.pk, key=OTHER.hex().encode())
    assert (replaced.status, replaced.signer_address) == ("checking", address_of(OTHER))
    assert Unsealer(folder).signer(replaced).key_id == address_of(OTHER)
    assert create(alice, address="0x" + "3" * 40, key=KEY.hex().encode()).status == "checking"


def test_a_key_to_be_made_ends_the_old_one_at_once(alice, folder):
    wallet = create(alice, key=KEY.hex().encode())
    assert wallet_key_replace(user=alice, wallet_id=wallet.pk, key=None).status == "key_pending"
    assert not WalletSecret.objects.exists()


def test_an_archived_wallet_keeps_its_records_and_no_key(alice, folder):
    wallet = create(alice, key=KEY.hex().encode())
    assert wallet_archive(user=alice, wallet_id=wallet.pk).status == "archived"
    assert not WalletSecret.objects.exists()
    with pytest.raises(NotFound):
        wallet_key_replace(user=alice, wallet_id=wallet.pk, key=KEY.hex().encode())
    assert create(alice, key=KEY.hex().encode()).status == "checking"  # account and key are free again


def test_a_wallet_with_a_live_order_is_not_archived(alice, venue):
    wallet = create(alice)
    instrument = Instrument.objects.create(
        venue=venue, symbol="BTC", kind="perp", base="BTC", quote="USDC", size_step="0.00001", tick_size="0.1"
    )
    order = Order.objects.create(
        wallet=wallet, instrument=instrument, client_id=uuid4(), origin="api", side="buy", kind="limit",
        tif="gtc", price=1, size=1, status="unknown",
    )  # fmt: skip
    with pytest.raises(WalletRejected, match="1 open orders"):
        wallet_archive(user=alice, wallet_id=wallet.pk)
    Order.objects.filter(pk=order.pk).update(status="cancelled")
    assert wallet_archive(user=alice, wallet_id=wallet.pk).status == "archived"


@pytest.mark.parametrize(
    ("act", "params"),
    [
        (wallet_key_replace, {"key": None}),
        (wallet_archive, {}),
        (wallet_rename, {"label": "mine"}),
        (wallet_limits_set, {"limits": {"max_leverage": 3}}),
    ],
)
def test_the_wallet_of_another_user_does_not_exist(alice, bob, act, params):
    wallet = create(alice)
    with pytest.raises(NotFound):
        act(user=bob, wallet_id=wallet.pk, **params)


def test_limits_are_set_and_taken_back(alice):
    wallet = create(alice)
    limits = {"max_order_notional": Decimal("250.5"), "max_leverage": 3}
    wallet_limits_set(user=alice, wallet_id=wallet.pk, limits=limits)
    wallet_limits_set(user=alice, wallet_id=wallet.pk, limits={"max_leverage": None})
    wallet.refresh_from_db()
    assert (wallet.max_order_notional, wallet.max_leverage) == (Decimal("250.5"), None)
    changes = AuditEntry.objects.filter(action="wallet.limits_changed").order_by("seq")
    assert [entry.data for entry in changes] == [
        {"max_order_notional": [None, "250.5"], "max_leverage": [None, "3"]},
        {"max_leverage": ["3", None]},
    ]


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize(
    "value", [Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("Infinity"), Decimal(10) ** 30, 0, 2**70, True, "1"]
)  # fmt: skip
def test_a_limit_that_is_none_is_refused(alice, name, value):
    wallet = create(alice)
    with pytest.raises(WalletInvalid) as refused:
        wallet_limits_set(user=alice, wallet_id=wallet.pk, limits={name: value})
    assert refused.value.field == name


def test_a_limit_that_does_not_exist_is_refused(alice):
    with pytest.raises(WalletInvalid):
        wallet_limits_set(user=alice, wallet_id=create(alice).pk, limits={"user_id": 1})


def test_every_act_is_audited_under_its_user(alice, folder):
    wallet = create(alice, key=KEY.hex().encode())
    wallet_key_replace(user=alice, wallet_id=wallet.pk, key=OTHER.hex().encode())
    wallet_rename(user=alice, wallet_id=wallet.pk, label="  main   one ")
    wallet_limits_set(user=alice, wallet_id=wallet.pk, limits={"orders_per_minute": 5})
    wallet_archive(user=alice, wallet_id=wallet.pk)
    entries = AuditEntry.objects.filter(subject=f"wallet:{wallet.pk}").order_by("seq")
    assert [entry.action for entry in entries] == [
        "wallet.created", "wallet.key_replaced", "wallet.renamed", "wallet.limits_changed", "wallet.archived",
    ]  # fmt: skip
    assert {entry.actor for entry in entries} == {alice.pk}


def test_execution_is_woken_for_a_new_wallet(alice, monkeypatch, django_capture_on_commit_callbacks):
    woken = []
    monkeypatch.setattr("core.nudges.nudge", lambda *args: woken.append(args))
    with django_capture_on_commit_callbacks(execute=True):
        wallet = create(alice)
    assert woken == [("wallets-execution", str(wallet.pk))]
