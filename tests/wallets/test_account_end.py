"""Wallets of deleted accounts."""

import pytest

from accounts.models import AuditEntry, User
from accounts.services import DeletionRefused
from accounts.services.account import account_delete
from market.models import Venue
from wallets.models import Wallet


@pytest.fixture
def wallet(alice):
    venue = Venue.objects.create(name="hyperliquid-sim", title="Simulator", simulated=True)
    return Wallet.objects.create(user=alice, venue=venue, label="one", address="0x" + "1" * 40)


def test_an_account_with_a_wallet_in_use_is_not_deleted(alice, wallet):
    with pytest.raises(DeletionRefused, match="Archive your wallets first"):
        account_delete(user=alice)
    alice.refresh_from_db()
    assert alice.is_active
    assert not AuditEntry.objects.filter(action="user.deleted").exists()


def test_records_of_a_deleted_account_stay_without_a_name(alice, wallet):
    wallet.status = Wallet.Status.ARCHIVED
    wallet.save()
    account_delete(user=alice)
    user = User.objects.get(pk=alice.pk)
    assert (user.name, user.is_active, user.has_usable_password()) == ("", False, False)
    assert "alice" not in user.email
    assert Wallet.objects.get().user_id == alice.pk
