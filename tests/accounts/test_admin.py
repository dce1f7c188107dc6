"""Admin site: requires a second factor, recent authentication for actions, and shows no secrets."""

import csv
import io
import json
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from axes.models import AccessAttempt
from django.conf import settings as django_settings
from django.contrib import admin
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import services
from accounts.admin import escape_formula
from accounts.audit import record
from accounts.domain.permissions import Role
from accounts.models import ApiKey, AuditEntry, AuthSession, User
from accounts.services import SID
from cryptotrade import admin_site
from cryptotrade.admin_site import AuditedAdmin
from market.admin import VenueAdmin
from market.models import Venue
from tests.market import factories

LISTS = [
    "accounts/user",
    "accounts/authsession",
    "accounts/apikey",
    "accounts/auditentry",
    "market/venue",
    "market/instrument",
    "core/worker",
]
MARKER = "marker-of-a-secret"


def staff(role, *, second_factor=True, fresh=True):
    """A signed-in member of staff."""
    user = User.objects.create_user(f"{role}@example.org", "correct horse battery", name=role.value)
    services.role_set(user=user, role=role, actor=None)
    user.refresh_from_db()
    client = Client()
    client.force_login(user)
    now = timezone.now()
    AuthSession.objects.filter(sid=client.session[SID]).update(
        second_factor_at=now if second_factor else None, step_up_at=now if fresh else None
    )
    client.user = user
    return client


@pytest.fixture
def administrator(db):
    return staff(Role.ADMINISTRATOR)


@pytest.fixture
def supporter(db):
    return staff(Role.SUPPORT)


@pytest.fixture
def objects(alice):
    """One object of each model, with marked secrets in all secret fields."""
    factories.market_make()
    session = AuthSession.objects.create(
        user=alice, kind="api", password_fingerprint=MARKER, refresh_jti=MARKER[:32]
    )
    key = ApiKey.objects.create(
        user=alice, name="my key", hint="ctk_abcd", digest=MARKER, scopes=["read"], expires_at=timezone.now()
    )
    Authenticator.objects.create(user=alice, type="totp", data={"secret": MARKER})
    User.objects.filter(pk=alice.pk).update(password=f"bcrypt${MARKER}")
    record(action="user.changed", actor=alice, subject=f"user:{alice.pk}", data={"name": "x"})
    return {"user": alice, "session": session, "key": key}


def act(client, model, name, *rows, **more):
    data = {"action": name, "_selected_action": [str(row.pk) for row in rows], **more}
    return client.post(f"/admin/accounts/{model}/", data, follow=False)


# --- access ---------------------------------------------------------------------------------------------
def test_visitors_are_redirected_to_the_login_page(client, db):
    answer = client.get("/admin/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")
    answer = client.get(answer["Location"])
    assert answer["Location"] == "/accounts/login/?next=/admin/"


def test_the_admin_site_has_no_login_form(client, alice):
    answer = client.post("/admin/login/", {"username": alice.email, "password": "correct horse battery"})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
    assert "_auth_user_id" not in client.session


def test_traders_are_refused(client, alice):
    client.force_login(alice)
    assert client.get("/admin/", follow=True).status_code == 403


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.ADMINISTRATOR])
def test_staff_without_a_second_factor_are_told_so(db, role):
    answer = staff(role, second_factor=False).get("/admin/", follow=True)
    assert answer.status_code == 403
    assert "SECOND_FACTOR_REQUIRED" in answer.content.decode()


@pytest.mark.parametrize("path", LISTS)
def test_administrators_see_every_list(administrator, objects, path):
    assert administrator.get(f"/admin/{path}/").status_code == 200


@pytest.mark.parametrize("path", LISTS)
def test_support_reads_people_and_markets_and_nothing_that_gives_access(supporter, objects, path):
    expected = 403 if path in ("accounts/authsession", "accounts/apikey", "accounts/auditentry") else 200
    assert supporter.get(f"/admin/{path}/").status_code == expected


def test_only_models_of_the_project_are_shown(db):
    shown = {model._meta.app_label for model in admin.site._registry}
    assert shown == {"accounts", "core", "market", "wallets", "bots"}


# --- secrets --------------------------------------------------------------------------------------------
def test_no_page_of_the_admin_shows_a_secret(administrator, objects):
    paths = [f"/admin/{path}/" for path in LISTS]
    paths += [f"/admin/accounts/user/{objects['user'].pk}/change/"]
    paths += [f"/admin/accounts/authsession/{objects['session'].pk}/change/"]
    paths += [f"/admin/accounts/apikey/{objects['key'].pk}/change/"]
    paths += ["/admin/accounts/auditentry/1/change/", "/admin/", f"/admin/search/?s={MARKER}"]
    for path in paths:
        answer = administrator.get(path)
        assert answer.status_code == 200, path
        assert MARKER not in answer.content.decode().replace(f"s={MARKER}", ""), path


@pytest.mark.parametrize("path", LISTS[:4])
def test_nothing_is_edited_added_or_deleted_by_hand(administrator, objects, path):
    first = admin.site._registry
    model = next(model for model in first if f"{model._meta.app_label}/{model._meta.model_name}" == path)
    row = model.objects.first()
    assert administrator.get(f"/admin/{path}/add/").status_code == 403
    assert (
        administrator.post(f"/admin/{path}/{row.pk}/change/", {"email": "x@y.z", "subject": "x"}).status_code
        == 403
    )
    assert administrator.post(f"/admin/{path}/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert act(administrator, path.split("/")[1], "delete_selected", row, post="yes").status_code in (
        200,
        302,
    )
    assert model.objects.filter(pk=row.pk).exists()


# --- actions --------------------------------------------------------------------------------------------
ACTS = ["disable", "enable", "end_credentials", "make_trader", "make_support", "make_administrator"]


@pytest.mark.parametrize("name", ACTS)
def test_act_without_a_fresh_proof_asks_for_one(db, objects, name):
    administrator = staff(Role.ADMINISTRATOR, fresh=False)
    answer = act(administrator, "user", name, objects["user"])
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/step-up/")
    objects["session"].refresh_from_db()
    assert objects["session"].revoked_at is None


@pytest.mark.parametrize("name", ACTS)
def test_support_may_not_act(supporter, objects, name):
    act(supporter, "user", name, objects["user"])
    objects["user"].refresh_from_db()
    objects["session"].refresh_from_db()
    assert objects["user"].is_active
    assert not objects["user"].is_staff
    assert objects["session"].revoked_at is None


def test_disabling_ends_everything_and_is_audited(administrator, objects):
    assert act(administrator, "user", "disable", objects["user"]).status_code == 302
    for thing in objects.values():
        thing.refresh_from_db()
    assert not objects["user"].is_active
    assert objects["session"].revoked_at
    assert objects["key"].revoked_at
    entry = AuditEntry.objects.get(action="user.disabled")
    assert (entry.actor, entry.subject) == (administrator.user.pk, f"user:{objects['user'].pk}")


def test_roles_are_given_and_taken(administrator, objects):
    act(administrator, "user", "make_support", objects["user"])
    objects["user"].refresh_from_db()
    assert objects["user"].is_staff
    act(administrator, "user", "make_trader", objects["user"])
    objects["user"].refresh_from_db()
    assert not objects["user"].is_staff


def test_administrator_cannot_act_on_the_own_account(administrator):
    act(administrator, "user", "disable", administrator.user)
    act(administrator, "user", "make_trader", administrator.user)
    administrator.user.refresh_from_db()
    assert administrator.user.is_active
    assert administrator.user.is_superuser


def test_session_and_key_are_ended(administrator, objects):
    act(administrator, "authsession", "end", objects["session"])
    act(administrator, "apikey", "end", objects["key"])
    for name in ("session", "key"):
        objects[name].refresh_from_db()
        assert objects[name].revoked_at


# --- what the site records ------------------------------------------------------------------------------
def changes():
    rows = AuditEntry.objects.filter(action="admin.changed").order_by("seq")
    return [(row.actor, row.subject, row.data) for row in rows]


def test_every_model_of_the_site_is_audited(db):
    assert all(isinstance(one, AuditedAdmin) for one in admin.site._registry.values())


def test_changed_row_is_recorded_with_names_of_fields_and_no_values(administrator):
    venue = factories.market_make()
    path = f"/admin/market/venue/{venue.pk}/change/"
    for _ in range(2):  # the second time nothing differs
        assert administrator.post(path, {"title": f"A {MARKER}", "enabled": "on"}).status_code == 302
    venue.refresh_from_db()
    assert venue.title == f"A {MARKER}"
    data = {"change": "changed", "fields": ["title"]}
    assert changes() == [(administrator.user.pk, f"market.venue:{venue.pk}", data)]


def test_added_and_deleted_rows_are_recorded(administrator, monkeypatch):
    for name in ("add", "change", "delete"):
        monkeypatch.setattr(VenueAdmin, f"has_{name}_permission", lambda *_: True)
    monkeypatch.setattr(VenueAdmin, "readonly_fields", ("owner", "owner_epoch"))
    rows = []
    for name in ("one", "two", "three"):
        made = {"name": name, "title": MARKER, "enabled": "on"}
        assert administrator.post("/admin/market/venue/add/", made).status_code == 302
        rows.append(Venue.objects.get(name=name))
    administrator.post(f"/admin/market/venue/{rows[0].pk}/delete/", {"post": "yes"})
    selected = {"action": "delete_selected", "_selected_action": [str(row.pk) for row in rows[1:]]}
    administrator.post("/admin/market/venue/", selected)  # asks for a confirmation
    assert Venue.objects.count() == 2
    administrator.post("/admin/market/venue/", {**selected, "post": "yes"})
    assert not Venue.objects.exists()
    found = [(subject, data["change"]) for _, subject, data in changes()]
    subjects = [f"market.venue:{row.pk}" for row in rows]
    assert found[:4] == [*((subject, "added") for subject in subjects), (subjects[0], "deleted")]
    assert sorted(found[4:]) == sorted((subject, "deleted") for subject in subjects[1:])
    assert set(changes()[0][2]["fields"]) == {"name", "title"}
    assert MARKER not in str(changes())


def test_change_and_its_entry_are_one_transaction(administrator, monkeypatch):
    venue = factories.market_make()

    def fail(**_):
        raise RuntimeError

    monkeypatch.setattr(admin_site, "record", fail)
    with pytest.raises(RuntimeError):
        administrator.post(f"/admin/market/venue/{venue.pk}/change/", {"title": "New", "enabled": "on"})
    venue.refresh_from_db()
    assert venue.title != "New"


def test_action_is_recorded_with_its_rows(administrator, objects, bob):
    act(administrator, "user", "disable", objects["user"], bob)
    act(administrator, "apikey", "end", objects["key"])
    (_, several, first), (_, one, second) = changes()
    assert several == "accounts.user:several"
    assert (first["action"], first["count"]) == ("disable", 2)
    assert set(first["rows"]) == {str(objects["user"].pk), str(bob.pk)}
    assert one == f"accounts.apikey:{objects['key'].pk}"
    assert second == {"change": "action", "action": "end", "count": 1, "rows": [str(objects["key"].pk)]}


def test_action_that_was_not_performed_is_not_recorded(db, objects):
    administrator = staff(Role.ADMINISTRATOR, fresh=False)
    act(administrator, "user", "disable", objects["user"])
    act(administrator, "user", "delete_selected", objects["user"], post="yes")
    assert changes() == []


# --- the audit trail ------------------------------------------------------------------------------------
def test_trail_is_filtered_and_exported(administrator, objects):
    record(action="user.changed", actor=None, subject="user:1", data={"name": "=1+1"})
    assert (
        "user.changed"
        in administrator.get("/admin/accounts/auditentry/?action__exact=user.changed").content.decode()
    )
    rows = list(AuditEntry.objects.filter(action="user.changed"))
    answer = act(administrator, "auditentry", "export_json", *rows)
    lines = [json.loads(line) for line in answer.content.decode().splitlines()]
    assert [line["action"] for line in lines] == ["user.changed"] * 2
    assert AuditEntry.objects.filter(action="audit.exported", actor=administrator.user.pk).count() == 1


def test_csv_holds_no_formula(administrator, db):
    for number, text in enumerate(("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "plain")):
        record(action="user.changed", actor=None, subject=text, data={"n": number})
    rows = AuditEntry.objects.filter(action="user.changed")
    answer = act(administrator, "auditentry", "export_csv", *rows)
    table = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [row["subject"][:2] for row in table] == ["'=", "'+", "'-", "'@", "'\t", "pl"]
    assert table[0]["seq"].isdigit()


def test_cells_are_inert():
    assert escape_formula(None) == ""
    assert escape_formula({"a": "=1"}) == '{"a": "=1"}'
    assert escape_formula(-5) == "'-5"


def test_export_requires_recent_authentication(db, objects):
    administrator = staff(Role.ADMINISTRATOR, fresh=False)
    answer = act(administrator, "auditentry", "export_csv", AuditEntry.objects.first())
    assert answer["Location"].startswith("/account/step-up/")


def test_exports_are_limited(administrator, objects, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "export": "1/3600"}
    entry = AuditEntry.objects.first()
    assert act(administrator, "auditentry", "export_csv", entry).status_code == 200
    assert act(administrator, "auditentry", "export_csv", entry).status_code == 302


def test_only_the_administration_has_the_looser_policy(administrator, objects):
    assert "'unsafe-eval'" in administrator.get("/admin/")["Content-Security-Policy"]
    assert "unsafe" not in administrator.get("/market/")["Content-Security-Policy"]
    assert "unsafe" not in str(django_settings.CONTENT_SECURITY_POLICY)


# --- clean-up -------------------------------------------------------------------------------------------
def test_cleanup_removes_expired_rows_only(alice, bob, capsys):
    now = timezone.now()
    old, new = now - timedelta(days=31), now - timedelta(days=29)
    for when in (old, new):
        AuthSession.objects.create(user=alice, kind="api", password_fingerprint="x", revoked_at=when)
        AuthSession.objects.create(user=alice, kind="web", password_fingerprint="x", last_seen_at=when)
        ApiKey.objects.create(
            user=alice, name="k", hint="h", digest=str(when), scopes=["read"], expires_at=when
        )
        attempt = AccessAttempt.objects.create(
            username=str(when), ip_address="192.0.2.1", failures_since_start=1
        )
        AccessAttempt.objects.filter(pk=attempt.pk).update(attempt_time=when)
    Session.objects.create(session_key="old", session_data="x", expire_date=now - timedelta(seconds=1))
    Session.objects.create(session_key="new", session_data="x", expire_date=now + timedelta(days=1))
    record(action="user.changed", actor=alice, subject="user:1")
    stale = User.objects.create_user("stale@example.org", "x", date_joined=old)
    EmailAddress.objects.create(user=stale, email=stale.email, verified=False)
    waiting = User.objects.create_user("waiting@example.org", "x", date_joined=new)
    EmailAddress.objects.create(user=waiting, email=waiting.email, verified=False)
    User.objects.filter(pk=bob.pk).update(date_joined=old)  # made by hand, without an address row
    call_command("cleanup")
    assert "failed sign-ins: 1" in capsys.readouterr().out
    assert (AuthSession.objects.count(), ApiKey.objects.count(), AccessAttempt.objects.count()) == (2, 1, 1)
    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
    assert set(User.objects.values_list("email", flat=True)) == {alice.email, bob.email, waiting.email}
    assert AuditEntry.objects.count() == 1
    call_command("cleanup")


# --- look-ups -------------------------------------------------------------------------------------------
SECRET_WORDS = ("password", "digest", "jti", "fingerprint", "sealed", "hash", "secret", "data", "hint", "key")
PARTS = (
    "",
    "__startswith",
    "__istartswith",
    "__contains",
    "__regex",
    "__gt",
    "__lt",
    "__exact",
    "__in",
    "__isnull",
)


def _columns(model, depth=2):
    """Names of all fields of a model and of the models that it refers to."""
    for field in model._meta.get_fields():
        name = field.name
        yield name
        if field.is_relation and field.related_model and depth > 1:
            yield from (f"{name}__{inner}" for inner in _columns(field.related_model, depth - 1))


@pytest.mark.parametrize("model", sorted(admin.site._registry, key=lambda model: model._meta.label), ids=str)
def test_only_fields_of_filters_can_be_looked_up(model, rf):
    page = admin.site._registry[model]
    filters = {each[0] if isinstance(each, tuple) else each for each in page.list_filter}
    for column in _columns(model):
        for part in PARTS:
            allowed = page.lookup_allowed(column + part, "x", rf.get("/"))
            assert allowed is (
                column in filters and part in ("", "__gt", "__lt", "__exact", "__in", "__isnull")
            ), column
    looked_up = {name for name in filters if isinstance(name, str)}
    assert not {name for name in looked_up if any(word in name.split("__")[-1] for word in SECRET_WORDS)}


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        ("user", "password__startswith"), ("user", "password"), ("user", "password__gt"),
        ("user", "auth_sessions__refresh_jti__startswith"), ("user", "apikey__digest__regex"),
        ("authsession", "refresh_jti__startswith"), ("authsession", "password_fingerprint__contains"),
        ("authsession", "user__password__startswith"), ("apikey", "digest__startswith"),
        ("apikey", "user__password__regex"), ("auditentry", "hash__startswith"),
    ],
)  # fmt: skip
def test_staff_cannot_read_hashes_letter_by_letter(administrator, objects, model, lookup):
    """A hit and a miss are the same refusal."""
    url = reverse(f"admin:accounts_{model}_changelist")
    answers = {administrator.get(url, {lookup: guess}).status_code for guess in ("bcrypt$", MARKER[:4], "x")}
    assert answers == {400}


def test_the_filters_of_the_lists_still_work(administrator, objects):
    for model, query in (
        ("user", {"is_active__exact": "1", "is_staff__exact": "0"}), ("authsession", {"kind__exact": "api"}),
        ("apikey", {"revoked_at__isnull": "True"}), ("auditentry", {"action__exact": "user.changed"}),
    ):  # fmt: skip
        assert administrator.get(reverse(f"admin:accounts_{model}_changelist"), query).status_code == 200
