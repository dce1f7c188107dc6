"""Trading controls of wallets, users and the whole server."""

import pytest
from django.core.exceptions import PermissionDenied

from accounts.domain.permissions import Role
from accounts.models import AuditEntry
from accounts.services import role_set
from wallets import services
from wallets.domain.denials import Denial
from wallets.models import GlobalTradingControl, UserTradingControl, Wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def carol(bob):
    role_set(user=bob, role=Role.ADMINISTRATOR, actor=None)
    bob.second_factor_verified = True  # as the authentication of a request sets it
    return bob


def set_state(actor, scope, target=None, state="halted"):
    services.trading_state_set(actor=actor, scope=scope, target=target, state=state, reason="because")


def denial(world):
    with pytest.raises(services.OrderDenied) as caught:
        world.place()
    return caught.value.denial


def test_an_owner_switches_the_wallet_and_back(world):
    set_state(world.user, "wallet", world.wallet)
    assert denial(world) is Denial.HALTED
    assert Wallet.objects.get().trading_reason == "because"
    set_state(world.user, "wallet", world.wallet.pk, "active")
    assert world.place().status == "pending"


def test_every_change_is_audited(world):
    set_state(world.user, "wallet", world.wallet, "reducing")
    entry = AuditEntry.objects.get(action="trading_state.changed")
    assert (entry.actor, entry.subject) == (world.user.pk, f"wallet:{world.wallet.pk}")
    assert entry.data == {"from": "active", "to": "reducing", "reason": "because"}


def test_the_wallet_of_another_user_is_not_found(world, bob):
    with pytest.raises(services.NotFound):
        set_state(bob, "wallet", world.wallet)
    assert Wallet.objects.get().trading_state == "active"


@pytest.mark.parametrize("scope", ["user", "global"])
def test_user_and_global_scope_are_for_administrators(world, scope):
    with pytest.raises(PermissionDenied):
        set_state(world.user, scope, world.user)
    assert not GlobalTradingControl.objects.exclude(trading_state="active").exists()
    assert not UserTradingControl.objects.exists()


@pytest.mark.parametrize("scope", ["wallet", "user", "global"])
def test_an_administrator_halts_and_resumes_everything(world, carol, scope):
    target = {"wallet": world.wallet, "user": world.user, "global": None}[scope]
    order = world.place()
    set_state(carol, scope, target)
    assert world.take() == []
    assert world.again(order).code == "halted"
    assert denial(world) is Denial.HALTED
    set_state(carol, scope, target, "active")
    assert world.place().status == "pending"
    assert AuditEntry.objects.filter(action="trading_state.changed").count() == 2


def test_an_administrator_without_a_second_factor_halts_nothing(world, carol):
    carol.second_factor_verified = False
    for scope, target in (("user", world.user), ("global", None)):
        with pytest.raises(PermissionDenied):
            set_state(carol, scope, target)
    with pytest.raises(services.NotFound):
        set_state(carol, "wallet", world.wallet)


def test_an_owner_cannot_undo_a_halt_of_the_user_by_an_administrator(world, carol):
    set_state(carol, "user", world.user)
    set_state(world.user, "wallet", world.wallet, "active")
    assert denial(world) is Denial.HALTED


@pytest.mark.parametrize("target_state", ["active", "reducing"])
def test_an_owner_cannot_loosen_a_halt_of_the_wallet_by_an_administrator(world, carol, target_state):
    set_state(carol, "wallet", world.wallet)
    with pytest.raises(services.WalletRejected, match="administrator"):
        set_state(world.user, "wallet", world.wallet, target_state)
    assert denial(world) is Denial.HALTED
    set_state(carol, "wallet", world.wallet, "active")
    set_state(world.user, "wallet", world.wallet)
    set_state(world.user, "wallet", world.wallet, "active")
    assert world.place().status == "pending"


def test_what_an_owner_makes_still_stricter_stays_the_administrators(world, carol):
    set_state(carol, "wallet", world.wallet, "reducing")
    set_state(world.user, "wallet", world.wallet, "halted")
    with pytest.raises(services.WalletRejected):
        set_state(world.user, "wallet", world.wallet, "reducing")
    set_state(carol, "wallet", world.wallet, "reducing")
    assert Wallet.objects.get().halted_by_admin


def test_the_execution_worker_is_woken(world, monkeypatch, django_capture_on_commit_callbacks):
    nudged = []
    monkeypatch.setattr("core.nudges.nudge", lambda *args: nudged.append(args))
    with django_capture_on_commit_callbacks(execute=True):
        set_state(world.user, "wallet", world.wallet)
    assert nudged == [("wallets-execution", str(world.wallet.pk))]


def test_a_state_that_does_not_exist_is_refused(world):
    with pytest.raises(ValueError, match="asleep"):
        set_state(world.user, "wallet", world.wallet, "asleep")
