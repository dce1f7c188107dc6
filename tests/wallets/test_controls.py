"""The switches of wallet, user and house."""

import pytest
from django.core.exceptions import PermissionDenied

from accounts.domain.permissions import Role
from accounts.models import AuditEntry
from accounts.services import role_set
from wallets import services
from wallets.domain.denials import Denial
from wallets.models import HouseControl, TraderControl, Wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def carol(bob):
    role_set(user=bob, role=Role.ADMINISTRATOR, actor=None)
    return bob


def switch(actor, scope, target=None, state="halted"):
    services.trading_state_set(actor=actor, scope=scope, target=target, state=state, reason="because")


def denial(world):
    with pytest.raises(services.OrderDenied) as caught:
        world.place()
    return caught.value.denial


def test_an_owner_switches_the_wallet_and_back(world):
    switch(world.user, "wallet", world.wallet)
    assert denial(world) is Denial.HALTED
    assert Wallet.objects.get().trading_reason == "because"
    switch(world.user, "wallet", world.wallet.pk, "active")
    assert world.place().status == "pending"


def test_every_turn_is_in_the_trail(world):
    switch(world.user, "wallet", world.wallet, "reducing")
    entry = AuditEntry.objects.get(action="trading_state.changed")
    assert (entry.actor, entry.subject) == (world.user.pk, f"wallet:{world.wallet.pk}")
    assert entry.data == {"from": "active", "to": "reducing", "reason": "because"}


def test_nobody_elses_wallet(world, bob):
    with pytest.raises(services.NotFound):
        switch(bob, "wallet", world.wallet)
    assert Wallet.objects.get().trading_state == "active"


@pytest.mark.parametrize("scope", ["user", "house"])
def test_users_and_the_house_are_for_administrators(world, scope):
    with pytest.raises(PermissionDenied):
        switch(world.user, scope, world.user)
    assert not HouseControl.objects.exclude(trading_state="active").exists()
    assert not TraderControl.objects.exists()


@pytest.mark.parametrize("scope", ["wallet", "user", "house"])
def test_an_administrator_halts_and_resumes_everything(world, carol, scope):
    target = {"wallet": world.wallet, "user": world.user, "house": None}[scope]
    order = world.place()
    switch(carol, scope, target)
    assert world.take() == []
    assert world.again(order).code == "halted"
    assert denial(world) is Denial.HALTED
    switch(carol, scope, target, "active")
    assert world.place().status == "pending"
    assert AuditEntry.objects.filter(action="trading_state.changed").count() == 2


def test_an_owner_cannot_undo_what_an_administrator_said_of_the_user(world, carol):
    switch(carol, "user", world.user)
    switch(world.user, "wallet", world.wallet, "active")
    assert denial(world) is Denial.HALTED


@pytest.mark.parametrize("wanted", ["active", "reducing"])
def test_an_owner_does_not_loosen_what_an_administrator_said_of_the_wallet(world, carol, wanted):
    switch(carol, "wallet", world.wallet)
    with pytest.raises(services.WalletRefused, match="administrator"):
        switch(world.user, "wallet", world.wallet, wanted)
    assert denial(world) is Denial.HALTED
    switch(carol, "wallet", world.wallet, "active")
    switch(world.user, "wallet", world.wallet)
    switch(world.user, "wallet", world.wallet, "active")
    assert world.place().status == "pending"


def test_what_an_owner_makes_still_stricter_stays_the_administrators(world, carol):
    switch(carol, "wallet", world.wallet, "reducing")
    switch(world.user, "wallet", world.wallet, "halted")
    with pytest.raises(services.WalletRefused):
        switch(world.user, "wallet", world.wallet, "reducing")
    switch(carol, "wallet", world.wallet, "reducing")
    assert Wallet.objects.get().stopped_by_house


def test_execution_hears_of_it(world, monkeypatch, django_capture_on_commit_callbacks):
    nudged = []
    monkeypatch.setattr("market.hub.nudges.nudge", lambda *args: nudged.append(args))
    with django_capture_on_commit_callbacks(execute=True):
        switch(world.user, "wallet", world.wallet)
    assert nudged == [("wallets-execution", str(world.wallet.pk))]


def test_a_state_that_does_not_exist_is_refused(world):
    with pytest.raises(ValueError, match="asleep"):
        switch(world.user, "wallet", world.wallet, "asleep")
