"""Admin of trading: all rows readable, no secrets, and actions that require recent authentication."""

from decimal import Decimal
from importlib import import_module
from uuid import uuid4

import pytest
from django.contrib import admin
from django.db import connection
from django.urls import reverse

from accounts.domain.permissions import Role
from accounts.models import AuditEntry
from tests.accounts.test_admin import staff
from wallets.models import (
    Fill,
    GlobalTradingControl,
    Order,
    Position,
    SealingKey,
    Submission,
    UserTradingControl,
    Wallet,
    WalletSecret,
)

LISTS = [
    "wallet", "globaltradingcontrol", "usertradingcontrol", "order", "submission", "fill", "ledgertransaction", "ledgerentry",
    "balance", "position", "sealingkey",
]  # fmt: skip
MARKER = b"marker-of-a-sealed-key"


@pytest.fixture
def boss(db):
    return staff(Role.ADMINISTRATOR)


@pytest.fixture
def helper(db):
    return staff(Role.SUPPORT)


@pytest.fixture
def things(world):
    """One row of each model, with a sealed key."""
    key = SealingKey.objects.create(kid="k1", public=MARKER)
    WalletSecret.objects.create(wallet=world.wallet, key=key, suite="x", sealed=MARKER)
    UserTradingControl.objects.create(user=world.user)
    GlobalTradingControl.objects.update_or_create(pk=1)
    submission = Submission.objects.create(wallet=world.wallet, kind="place", signer="0xa", nonce=1, epoch=1)
    order = Order.objects.create(
        wallet=world.wallet, instrument=world.venue.instruments.get(symbol="BTC"), client_id=uuid4(),
        origin="api", side="buy", kind="limit", tif="gtc", price=1, size=1, submission=submission,
    )  # fmt: skip
    Fill.objects.create(
        order=order, wallet=world.wallet, instrument=order.instrument, trade_id="1", side="buy", price=1, size=1,
        fee=Decimal("0.1"), fee_asset="USDC", closed_pnl=0, taker=True, time=1,
    )  # fmt: skip
    Position.objects.create(wallet=world.wallet, instrument=order.instrument, size=1, cost=1)
    return world


def act(client, model, name, *rows):
    data = {"action": name, "_selected_action": [str(row.pk) for row in rows]}
    return client.post(f"/admin/wallets/{model}/", data)


@pytest.mark.parametrize("path", LISTS)
def test_staff_read_every_list_and_every_row(boss, helper, things, path):
    model = admin.site.get_model_admin(next(one for one in admin.site._registry if _named(one) == path)).model
    assert model.objects.exists()
    for client in (boss, helper):
        page = client.get(f"/admin/wallets/{path}/")
        assert page.status_code == 200
        row = model.objects.first()
        detail = client.get(reverse(f"admin:wallets_{path}_change", args=(row.pk,)))
        assert detail.status_code == 200
        for shown in (page, detail):
            assert MARKER not in shown.content
            assert MARKER.hex().encode() not in shown.content


def _named(model):
    return model._meta.model_name if model._meta.app_label == "wallets" else ""


def test_every_model_but_the_sealed_keys_is_there():
    assert {name for model in admin.site._registry if (name := _named(model))} == set(LISTS)


@pytest.mark.parametrize("path", LISTS)
def test_no_row_can_be_edited(boss, things, path):
    model = next(one for one in admin.site._registry if _named(one) == path)
    pk = model.objects.first().pk
    assert boss.get(f"/admin/wallets/{path}/add/").status_code == 403
    assert boss.post(reverse(f"admin:wallets_{path}_delete", args=(pk,)), {"post": "yes"}).status_code == 403
    assert boss.post(reverse(f"admin:wallets_{path}_change", args=(pk,)), {}).status_code == 403
    assert model.objects.filter(pk=pk).exists()


def test_traders_do_not_enter(client, world):
    client.force_login(world.user)
    assert client.get("/admin/wallets/wallet/", follow=True).status_code == 403


# --- actions ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", ["halted", "reducing", "active"])
def test_a_wallet_is_stopped_and_resumed(boss, things, state):
    Wallet.objects.update(trading_state="halted" if state == "active" else "active")
    act(boss, "wallet", f"wallet_{state}", things.wallet)
    things.wallet.refresh_from_db()
    assert things.wallet.trading_state == state
    entry = AuditEntry.objects.filter(action="trading_state.changed").last()
    assert (entry.subject, entry.actor) == (f"wallet:{things.wallet.pk}", boss.user.pk)


def test_a_trader_is_stopped_once_for_several_wallets(boss, things):
    other = Wallet.objects.create(user=things.user, venue=things.venue, label="two", address="0x2")
    act(boss, "wallet", "user_halted", things.wallet, other)
    assert UserTradingControl.objects.get(user=things.user).trading_state == "halted"
    assert AuditEntry.objects.filter(action="trading_state.changed").count() == 1
    act(boss, "usertradingcontrol", "user_active", UserTradingControl.objects.get())
    assert UserTradingControl.objects.get(user=things.user).trading_state == "active"


def test_trading_is_halted_for_all_users(boss, things):
    act(boss, "globaltradingcontrol", "global_halted", GlobalTradingControl.objects.get())
    assert GlobalTradingControl.objects.get().trading_state == "halted"


def test_the_global_control_has_its_row_from_the_first_day(db):
    """Other tests may have emptied the table, so the migration's statement is run again."""
    GlobalTradingControl.objects.all().delete()
    row = import_module("wallets.migrations.0002_guards").GLOBAL_CONTROL
    with connection.cursor() as cursor:
        cursor.execute(row)
        cursor.execute(row)
    assert GlobalTradingControl.objects.get().trading_state == "active"


def test_support_staff_have_no_trading_actions(helper, things):
    assert b"wallet_halted" not in helper.get("/admin/wallets/wallet/").content
    act(helper, "wallet", "wallet_halted", things.wallet)
    things.wallet.refresh_from_db()
    assert things.wallet.trading_state == "active"


def test_an_action_requires_recent_authentication(things):
    stale = staff(Role.ADMINISTRATOR, fresh=False)
    answer = act(stale, "globaltradingcontrol", "global_halted", GlobalTradingControl.objects.get())
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/step-up/")
    assert GlobalTradingControl.objects.get().trading_state == "active"
