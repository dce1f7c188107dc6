"""The administration in a real Chromium: it works under its policy, and acts are possible."""

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import expect

from accounts import services
from accounts.audit import record
from accounts.domain.permissions import Role
from accounts.models import AuditEntry, AuthSession, User
from accounts.services import SID
from tests.browser.conftest import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAGES = ["", *(f"accounts/{name}/" for name in ("user", "authsession", "apikey", "auditentry"))]
PAGES += ["market/venue/", "market/instrument/", "core/worker/"]


@pytest.fixture
def boss(watched, server, market):
    """A page that is signed in as an administrator with a second factor."""
    user = User.objects.create_user("boss@example.org", "correct horse battery")
    services.role_set(user=user, role=Role.ADMINISTRATOR, actor=None)
    client = Client()
    client.force_login(user)
    now = timezone.now()
    AuthSession.objects.filter(sid=client.session[SID]).update(second_factor_at=now, step_up_at=now)
    cookie = {"name": "session", "value": client.cookies["session"].value, "url": server.url}
    watched.context.add_cookies([cookie])
    return watched.context.new_page()


def test_every_list_opens_without_a_violation(boss):
    for path in PAGES:
        boss.goto(f"/admin/{path}")
        expect(boss.locator("body")).to_contain_text("CryptoTrade", timeout=PATIENCE * 1000)


def test_administrator_disables_a_user(boss):
    victim = User.objects.create_user("victim@example.org", "correct horse battery")
    boss.goto("/admin/accounts/user/?q=victim")
    boss.locator("input.action-select").first.check()
    boss.locator("select[name=action]").select_option("disable")
    boss.get_by_role("button", name="Run").click()
    expect(boss.locator("body")).to_contain_text("Changed: 1 of 1")
    victim.refresh_from_db()
    assert not victim.is_active


def test_trail_is_downloaded(boss):
    record(action="user.changed", actor=None, subject="user:1")
    boss.goto("/admin/accounts/auditentry/?action__exact=user.changed")
    boss.locator("input.action-select").first.check()
    boss.locator("select[name=action]").select_option("export_csv")
    with boss.expect_download() as download:
        boss.get_by_role("button", name="Run").click()
    assert download.value.suggested_filename == "audit.csv"
    assert AuditEntry.objects.filter(action="audit.exported").exists()
