"""Roles and the rules about whose things one may read and change."""

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser, Group

from accounts.domain.permissions import RULES, Act, Reach, Role, may
from accounts.models import AuditEntry, User
from accounts.selectors import role_of, user_may
from accounts.services import role_set, user_disable, user_enable
from tests.accounts.auth_factories import program

ME, OTHER = "me", "other"


@pytest.mark.parametrize("kind", RULES)
def test_the_public_owns_nothing_and_may_nothing(kind):
    for act in Act:
        assert not may(role=Role.PUBLIC, act=act, kind=kind, owner=None, user=None)
        assert not may(role=Role.PUBLIC, act=act, kind=kind, owner=OTHER, user=None)


@pytest.mark.parametrize("kind", RULES)
def test_a_trader_never_reaches_somebody_elses(kind):
    for act in Act:
        assert not may(role=Role.TRADER, act=act, kind=kind, owner=OTHER, user=ME)


@pytest.mark.parametrize("kind", RULES)
def test_support_changes_nothing_of_others_and_sees_no_credentials(kind):
    assert not may(role=Role.SUPPORT, act=Act.CHANGE, kind=kind, owner=OTHER, user=ME)
    sees = may(role=Role.SUPPORT, act=Act.READ, kind=kind, owner=OTHER, user=ME)
    assert sees == (kind in {"profile", "wallet", "order", "bot"})


@pytest.mark.parametrize("kind", RULES)
def test_whoever_may_change_may_read(kind):
    order = list(Reach)
    for role in Role:
        rule = RULES[kind]
        assert order.index(rule.reach(role, Act.CHANGE)) <= order.index(rule.reach(role, Act.READ))


@pytest.mark.parametrize("kind", ["wallet", "order", "bot"])
def test_nobody_trades_for_somebody_else(kind):
    for role in Role:
        assert not may(role=role, act=Act.CHANGE, kind=kind, owner=OTHER, user=ME)


def test_nobody_changes_the_audit_trail():
    for role in Role:
        assert not may(role=role, act=Act.CHANGE, kind="audit", owner=ME, user=ME)


def test_a_kind_without_a_rule_is_an_error():
    with pytest.raises(KeyError):
        may(role=Role.ADMINISTRATOR, act=Act.READ, kind="nobody knows", owner=ME, user=ME)


def test_what_nobody_owns_is_nobodys():
    assert not may(role=Role.TRADER, act=Act.READ, kind="wallet", owner=None, user=None)


# --- users -----------------------------------------------------------------------------------------------
def test_roles_are_groups_made_by_the_migration(db):
    # Run again: tests that commit leave tables empty, whatever migrations had put there.
    import_module("accounts.migrations.0011_roles").make(apps, None)
    assert set(Group.objects.values_list("name", flat=True)) == {"trader", "support", "administrator"}


def test_a_new_user_is_a_trader(alice):
    assert role_of(alice) is Role.TRADER


def test_a_visitor_and_a_disabled_user_are_public(alice):
    user_disable(user=alice, actor=None)
    assert role_of(AnonymousUser()) is role_of(None) is role_of(alice) is Role.PUBLIC
    assert not user_may(user=alice, act=Act.READ, kind="profile", owner=alice.pk)


@pytest.mark.parametrize(
    ("role", "staff", "superuser"),
    [(Role.TRADER, False, False), (Role.SUPPORT, True, False), (Role.ADMINISTRATOR, True, True)],
)
def test_a_role_replaces_the_one_before(alice, bob, role, staff, superuser):
    other = Role.SUPPORT if role is Role.TRADER else Role.TRADER
    role_set(user=alice, role=other, actor=bob)
    role_set(user=alice, role=role, actor=bob)
    user = User.objects.get(pk=alice.pk)
    assert role_of(user) is role
    assert (user.is_staff, user.is_superuser) == (staff, superuser)
    assert [group.name for group in user.groups.all()] == [role.value]
    entry = AuditEntry.objects.filter(action="role.changed").latest("seq")
    assert (entry.actor, entry.subject, entry.data) == (
        bob.pk,
        f"user:{alice.pk}",
        {"from": other.value, "to": role.value},
    )


def test_the_same_role_again_changes_and_ends_nothing(alice):
    client = program(alice)
    assert not role_set(user=alice, role=Role.TRADER, actor=None)
    assert client.get("/api/v1/me").status_code == 200


def test_nobody_is_made_public(alice):
    with pytest.raises(ValueError, match="disable"):
        role_set(user=alice, role=Role.PUBLIC, actor=None)


def test_a_user_who_is_enabled_again_signs_in_anew(alice):
    client = program(alice)
    assert user_disable(user=alice, actor=None)
    assert not user_disable(user=alice, actor=None)
    assert user_enable(user=alice, actor=None)
    assert client.get("/api/v1/me").status_code == 401
    assert program(alice).get("/api/v1/me").status_code == 200
