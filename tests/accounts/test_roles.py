"""Roles, and the permission rules by role and ownership."""

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser, Group

from accounts.domain.permissions import RULES, AccessScope, Action, Role, is_allowed
from accounts.models import AuditEntry, User
from accounts.selectors import role_of, user_is_allowed
from accounts.services import role_set, user_disable, user_enable
from tests.accounts.auth_factories import program

ME, OTHER = "me", "other"


@pytest.mark.parametrize("kind", RULES)
def test_the_public_owns_nothing_and_may_nothing(kind):
    for act in Action:
        assert not is_allowed(role=Role.PUBLIC, act=act, kind=kind, owner=None, user=None)
        assert not is_allowed(role=Role.PUBLIC, act=act, kind=kind, owner=OTHER, user=None)


@pytest.mark.parametrize("kind", RULES)
def test_a_trader_never_accesses_objects_of_other_users(kind):
    for act in Action:
        assert not is_allowed(role=Role.TRADER, act=act, kind=kind, owner=OTHER, user=ME)


@pytest.mark.parametrize("kind", RULES)
def test_support_changes_nothing_of_others_and_sees_no_credentials(kind):
    assert not is_allowed(role=Role.SUPPORT, act=Action.CHANGE, kind=kind, owner=OTHER, user=ME)
    sees = is_allowed(role=Role.SUPPORT, act=Action.READ, kind=kind, owner=OTHER, user=ME)
    assert sees == (kind in {"profile", "wallet", "order", "bot"})


@pytest.mark.parametrize("kind", RULES)
def test_whoever_may_change_may_read(kind):
    order = list(AccessScope)
    for role in Role:
        rule = RULES[kind]
        assert order.index(rule.scope(role, Action.CHANGE)) <= order.index(rule.scope(role, Action.READ))


@pytest.mark.parametrize("kind", ["wallet", "order", "bot"])
def test_no_role_trades_for_another_user(kind):
    for role in Role:
        assert not is_allowed(role=role, act=Action.CHANGE, kind=kind, owner=OTHER, user=ME)


def test_no_role_changes_the_audit_log():
    for role in Role:
        assert not is_allowed(role=role, act=Action.CHANGE, kind="audit", owner=ME, user=ME)


def test_a_kind_without_a_rule_is_an_error():
    with pytest.raises(KeyError):
        is_allowed(role=Role.ADMINISTRATOR, act=Action.READ, kind="unknown", owner=ME, user=ME)


def test_an_object_without_an_owner_belongs_to_no_user():
    assert not is_allowed(role=Role.TRADER, act=Action.READ, kind="wallet", owner=None, user=None)


# --- users -----------------------------------------------------------------------------------------------
def test_roles_are_groups_made_by_the_migration(db):
    # Run again: tests that commit leave the tables empty, also of rows created by migrations.
    import_module("accounts.migrations.0002_guards").create_roles(apps, None)
    assert set(Group.objects.values_list("name", flat=True)) == {"trader", "support", "administrator"}


def test_a_new_user_is_a_trader(alice):
    assert role_of(alice) is Role.TRADER


def test_a_visitor_and_a_disabled_user_are_public(alice):
    user_disable(user=alice, actor=None)
    assert role_of(AnonymousUser()) is role_of(None) is role_of(alice) is Role.PUBLIC
    assert not user_is_allowed(user=alice, act=Action.READ, kind="profile", owner=alice.pk)


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


def test_the_public_role_cannot_be_assigned(alice):
    with pytest.raises(ValueError, match="disable"):
        role_set(user=alice, role=Role.PUBLIC, actor=None)


def test_a_user_who_is_enabled_again_signs_in_anew(alice):
    client = program(alice)
    assert user_disable(user=alice, actor=None)
    assert not user_disable(user=alice, actor=None)
    assert user_enable(user=alice, actor=None)
    assert client.get("/api/v1/me").status_code == 401
    assert program(alice).get("/api/v1/me").status_code == 200
