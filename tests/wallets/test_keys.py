"""Keys of wallets: generated, and verified at the venue before trading and every day."""

import json
import time
import urllib.request
from datetime import timedelta
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from django.utils import timezone

from accounts.models import AuditEntry
from core import leases
from core.leases import LeaseLost
from market.domain.orders import KeyRole
from market.models import Venue
from market.venues.hyperliquid import user_actions
from market.venues.hyperliquid.signing import address_of
from market.venues.hyperliquid.trader import HyperliquidTrader
from tests.simulator.conftest import Running, small_world, wall_clock
from tests.simulator.control import control_request
from wallets.execution.wallet_actor import ensure_key, verify_key
from wallets.models import SealingKey, Wallet, WalletSecret
from wallets.services import simulated_account_open, wallet_create, wallet_key_replace
from wallets.services.keys import sealing_key_create
from wallets.vault import KeyFiles, Unsealer

KEY, OTHER, MASTER, UNRELATED = (bytes([number]) * 32 for number in (7, 8, 9, 10))
SIGNER, ACCOUNT = address_of(KEY), address_of(MASTER)
NOW = 1_763_650_000_000
AGENT = KeyRole("agent", ACCOUNT)


# --- execution ----------------------------------------------------------------------------------------
@pytest.fixture
def unsealer(transactional_db, tmp_path):
    sealing_key_create(folder=tmp_path / "execution")
    Venue.objects.get_or_create(name="hyperliquid-sim", defaults={"title": "Simulator", "simulated": True})
    return Unsealer(tmp_path / "execution")


@pytest.fixture
def simulator(settings):
    with Running(small_world(now=wall_clock())) as running:
        settings.SIMULATOR_URL = running.url
        settings.SIMULATOR_CONTROL_PORT = running.simulator.control_port
        yield running


@pytest.fixture
def maintain(unsealer, simulator):
    """Runs the key maintenance of the execution worker for a wallet."""

    def maintain(wallet, work=ensure_key):
        claim = claim_of(wallet)

        async def once():
            trader = HyperliquidTrader("hyperliquid-sim", simulator.url, network="testnet")
            try:
                return await work(claim, trader, unsealer)
            finally:
                await trader.close()

        events = async_to_sync(once)()
        wallet.refresh_from_db()
        return events

    return maintain


def claim_of(wallet):
    wallet = Wallet.objects.select_related("owner").get(pk=wallet.pk)
    if wallet.owner is None:
        worker = leases.worker_register(channel="wallets-execution")
        return next(one for one in leases.claim(Wallet, worker) if one.pk == wallet.pk)
    return leases.Claim(Wallet, wallet.pk, wallet.owner_epoch)


def long_ago(wallet):
    """Make the next check due."""
    Wallet.objects.filter(pk=wallet.pk).update(checked_at=timezone.now() - timedelta(days=2))


def create(user, key=KEY, account=ACCOUNT):
    return wallet_create(
        user=user, venue="hyperliquid-sim", label="one", address=account, client_id=uuid4(),
        key=key and key.hex().encode(),
    )  # fmt: skip


def fund(simulator, address):
    _post(f"{simulator.control_url}/accounts", {"address": address, "usdc": 100})


def approve(simulator, agent, master=MASTER, name="global"):
    nonce = time.time_ns() // 1_000_000
    body = user_actions.approve_agent(key=master, agent=agent, name=name, nonce=nonce, network="testnet")
    answer = _post(f"{simulator.url}/exchange", body)
    assert answer["status"] == "ok", answer


def _post(url, body):
    with urllib.request.urlopen(control_request(url, json.dumps(body).encode()), timeout=60) as answer:
        return json.load(answer)


def test_a_requested_key_is_generated_approved_and_active(alice, simulator, maintain, unsealer):
    wallet = create(alice, key=None)
    (event,) = maintain(wallet)
    assert (wallet.status, event["status"]) == ("approval_pending", "approval_pending")
    assert unsealer.signer(wallet).key_id == wallet.signer_address
    fund(simulator, ACCOUNT)
    maintain(wallet)
    assert wallet.status == "approval_pending"
    assert wallet.signer_address in wallet.status_reason  # what has to be approved
    approve(simulator, wallet.signer_address)
    long_ago(wallet)
    maintain(wallet)
    assert (wallet.status, wallet.status_reason, wallet.signer_name) == ("active", "", "global")
    days = (wallet.signer_expires_at - timezone.now()) / timedelta(days=1)
    assert days == pytest.approx(180, abs=0.1)
    acts = AuditEntry.objects.filter(subject=f"wallet:{wallet.pk}").order_by("seq")
    assert [entry.action for entry in acts] == ["wallet.created", "wallet.key_sealed", "wallet.activated"]


def test_a_key_is_made_once(alice, maintain, unsealer):
    wallet = create(alice, key=None)
    maintain(wallet)
    made = wallet.signer_address
    maintain(wallet)
    assert wallet.signer_address == made


def test_no_key_is_made_while_there_is_nothing_to_seal_to(alice, maintain):
    wallet = create(alice, key=None)
    SealingKey.objects.update(retired_at=timezone.now())
    maintain(wallet)
    assert (wallet.status, wallet.signer_address) == ("key_pending", "")
    assert "keys init" in wallet.status_reason


def test_a_key_that_can_withdraw_is_refused_and_deleted(alice, simulator, maintain):
    """A key of another account: only the venue can tell that it is one."""
    fund(simulator, ACCOUNT)
    fund(simulator, SIGNER)
    wallet = create(alice)
    events = maintain(wallet)
    assert wallet.status == "rejected"
    assert "Create an API wallet at the exchange" in wallet.status_reason
    assert not WalletSecret.objects.exists()
    assert wallet.signer_address == ""
    assert [event["type"] for event in events] == ["wallet", "alert"]
    assert AuditEntry.objects.get(action="wallet.rejected").data["signer"] == SIGNER


def test_an_agent_of_another_account_is_refused_and_deleted(alice, simulator, maintain):
    for master in (MASTER, UNRELATED):
        fund(simulator, address_of(master))
    approve(simulator, SIGNER, master=UNRELATED)
    wallet = create(alice)
    maintain(wallet)
    assert wallet.status == "rejected"
    assert wallet.status_reason.startswith("This key trades for another account")
    assert not WalletSecret.objects.exists()


def test_a_simulated_account_is_active_at_once(alice, maintain):
    wallet = simulated_account_open(user=alice, client_id=uuid4())
    maintain(wallet)
    assert (wallet.status, wallet.signer_expires_at) == ("active", None)


def test_a_key_that_is_replaced_at_the_venue_expires_with_an_alert(alice, simulator, maintain):
    fund(simulator, ACCOUNT)
    approve(simulator, SIGNER)
    wallet = create(alice)
    maintain(wallet)
    approve(simulator, address_of(OTHER))  # under the same name: the old one ends
    assert maintain(wallet) == []  # it was checked today
    assert wallet.status == "active"
    long_ago(wallet)
    events = maintain(wallet)
    assert (wallet.status, [event["type"] for event in events]) == ("expired", ["wallet", "alert"])
    assert WalletSecret.objects.exists()  # it can do nothing; should it come back, it trades again
    approve(simulator, SIGNER)
    long_ago(wallet)
    maintain(wallet)
    assert wallet.status == "active"


def test_a_verdict_about_a_key_that_was_replaced_meanwhile_is_dropped(alice, simulator, maintain):
    fund(simulator, ACCOUNT)
    fund(simulator, SIGNER)
    wallet = create(alice)

    async def replaced_while_asking(claim, trader, unsealer):
        class Slow:
            async def key_verify(self, key, now):
                verdict = await trader.key_verify(key, now)
                await database_sync_to_async(wallet_key_replace)(
                    user=alice, wallet_id=wallet.pk, key=OTHER.hex().encode()
                )
                return verdict

        return await verify_key(claim, Slow(), unsealer)

    assert maintain(wallet, replaced_while_asking) == []
    assert (wallet.status, wallet.signer_address) == ("checking", address_of(OTHER))
    assert WalletSecret.objects.exists()


def test_a_worker_without_the_lease_changes_nothing(alice, maintain, simulator, unsealer):
    wallet = create(alice, key=None)
    stale = claim_of(wallet)
    Wallet.objects.filter(pk=wallet.pk).update(owner_epoch=stale.epoch + 1)

    async def stale_work(claim, trader, unsealer):
        return await ensure_key(stale, trader, unsealer)

    with pytest.raises(LeaseLost):
        maintain(wallet, stale_work)
    assert not WalletSecret.objects.exists()


def test_a_key_that_cannot_be_opened_says_why_and_waits(alice, maintain, unsealer):
    wallet = create(alice)
    kid = SealingKey.objects.get().kid
    KeyFiles(unsealer._files.folder).remove(kid)
    maintain(wallet)
    assert wallet.status == "checking"
    assert f"sealed for kid {kid}, key not present; users must enter keys again" in wallet.status_reason
    assert maintain(wallet) == []
