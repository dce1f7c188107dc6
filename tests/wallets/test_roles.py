"""Rights of the database role of each process, tested by statements."""

from uuid import uuid4

import pgtrigger
import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from django.test.utils import CaptureQueriesContext

from accounts.audit import AuditAction, record
from market.models import Candle, Venue
from tests.market import factories as market
from wallets.models import WalletSecret
from wallets.services import wallet_archive, wallet_create, wallet_key_replace
from wallets.services.keys import sealing_key_create, secrets_reseal
from wallets.vault import Unsealer

KEY = b"07" * 32
ROLES = ("web", "feed", "execution", "bots")
DENIED = "permission denied"
INSUFFICIENT_PRIVILEGE = "42501"
ZERO_SUM = next(
    trigger.get_pgid(model) for model, trigger in pgtrigger.registered("wallets.LedgerEntry:zero_sum")
)


@pytest.fixture
def folder(db, tmp_path):
    return tmp_path / "execution"


@pytest.fixture
def wallet(alice, folder):
    sealing_key_create(folder=folder)
    Venue.objects.create(name="hyperliquid-sim", title="Simulator", simulated=True)
    return wallet_create(
        user=alice, venue="hyperliquid-sim", label="one", address="0x" + "1" * 40, client_id=uuid4(), key=KEY
    )


@pytest.fixture
def become(wallet):
    call_command("db_roles", verbosity=0)

    def become(process):
        run(f"SET LOCAL ROLE cryptotrade_{process}")

    yield become
    run("RESET ROLE")


def run(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else cursor.rowcount


def refused(statement):
    """Whether the role is not allowed to; anything else than a missing right is an error."""
    try:
        with transaction.atomic():
            run(statement)
    except ProgrammingError as error:
        if error.__cause__.sqlstate != INSUFFICIENT_PRIVILEGE:
            raise
        return True
    return False


SECRET = {
    "SELECT sealed FROM wallets_walletsecret": ("execution",),
    "SELECT * FROM wallets_walletsecret": ("execution",),
    "SELECT wallet_id, kid, suite, created_at FROM wallets_walletsecret": ("web", "execution"),
    "UPDATE wallets_walletsecret SET sealed = 'x'": ("execution",),
    "UPDATE wallets_walletsecret SET kid = kid": ("execution",),
    "UPDATE wallets_walletsecret SET wallet_id = gen_random_uuid() WHERE false": (),
    "DELETE FROM wallets_walletsecret": ("web", "execution"),
    "TRUNCATE wallets_walletsecret": (),
    "INSERT INTO wallets_sealingkey (kid, public, created_at) VALUES ('theirs', 'x', now())": (),
    "UPDATE wallets_sealingkey SET public = 'x'": (),
    "DELETE FROM wallets_sealingkey WHERE false": (),
}
BOOKS = {
    f"{act} {table}{rest}": ()
    for table in (
        "bots_botbalance",
        "bots_botledgerentry",
        "bots_botledgertransaction",
        "wallets_balance",
        "wallets_fill",
        "wallets_ledgerentry",
        "wallets_ledgertransaction",
    )
    for act, rest in (("UPDATE", " SET id = id"), ("DELETE FROM", " WHERE false"), ("TRUNCATE", ""))
}
ELSEWHERE = {
    "SELECT id FROM wallets_order": ("web", "execution", "bots"),
    "INSERT INTO wallets_balance (wallet_id, account_type, asset, account, amount)"
    " SELECT id, 'perp', 'USDC', 'available', 1 FROM wallets_wallet": (),
    "INSERT INTO bots_botledgertransaction SELECT * FROM bots_botledgertransaction": ("bots",),
    "INSERT INTO bots_holderposition SELECT * FROM bots_holderposition": ("bots",),
    "UPDATE bots_holderposition SET size = 1": ("bots",),
    "UPDATE bots_ledgercursor SET last_fill_id = 1": ("bots",),
    "SELECT password FROM accounts_user": ("web", "execution", "bots"),
    "SELECT name FROM market_venue": ROLES,
    "UPDATE accounts_auditentry SET action = 'x'": (),
    "DELETE FROM accounts_auditentry": (),
    "CREATE TABLE public.mine (id int)": (),
    "ALTER TABLE wallets_ledgerentry DISABLE TRIGGER ALL": (),
    f"DROP TRIGGER {ZERO_SUM} ON wallets_ledgerentry": (),
    "SET ROLE postgres": (),
}
RIGHTS = {**SECRET, **BOOKS, **ELSEWHERE}


@pytest.mark.parametrize("process", ROLES)
@pytest.mark.parametrize(("statement", "allowed"), RIGHTS.items(), ids=RIGHTS)
def test_a_role_may_do_what_its_process_has_to_and_no_more(become, process, statement, allowed):
    become(process)
    assert refused(statement) == (process not in allowed)


# --- the application under these roles ----------------------------------------------------------------
def test_the_web_adds_replaces_and_archives_without_reading_back(become, alice, folder):
    become("web")
    wallet = wallet_create(
        user=alice,
        venue="hyperliquid-sim",
        label="two",
        address="0x" + "2" * 40,
        client_id=uuid4(),
        key=b"08" * 32,
    )
    wallet = wallet_key_replace(user=alice, wallet_id=wallet.pk, key=b"09" * 32)
    other = wallet_create(
        user=alice,
        venue="hyperliquid-sim",
        label="three",
        address="0x" + "3" * 40,
        client_id=uuid4(),
        key=None,
    )
    wallet_archive(user=alice, wallet_id=other.pk)
    with pytest.raises(ProgrammingError, match=DENIED), transaction.atomic():
        Unsealer(folder).signer(wallet)
    run("RESET ROLE")
    assert Unsealer(folder).signer(wallet).key_id == wallet.signer_address


def test_execution_opens_and_seals(become, wallet, folder):
    become("execution")
    assert Unsealer(folder).signer(wallet).key_id == wallet.signer_address
    with transaction.atomic():
        Unsealer(folder).check()


def test_keys_are_made_and_moved_by_the_owner_alone(become, wallet, folder):
    become("execution")
    with pytest.raises(ProgrammingError, match=DENIED), transaction.atomic():
        sealing_key_create(folder=folder)
    run("RESET ROLE")
    new = sealing_key_create(folder=folder)
    assert secrets_reseal(folder=folder) == 1
    assert WalletSecret.objects.get().key_id == new.kid


def test_the_feed_writes_prices_and_reads_no_users(become):
    instrument = market.instrument_make(Venue.objects.get(), "BTC", 5)
    become("feed")
    market.candles_make(instrument, 3)
    assert Candle.objects.count() == 3
    assert refused("SELECT id FROM accounts_user")
    assert refused("SELECT id FROM wallets_wallet")


@pytest.mark.parametrize("process", ["web", "execution", "bots"])
def test_every_process_that_acts_can_write_the_audit_trail(become, alice, process):
    become(process)
    record(action=AuditAction.WALLET_ACTIVATED, actor=alice, subject="wallet:1")


def test_additional_rights_are_revoked(become):
    run("GRANT ALL ON wallets_walletsecret, wallets_balance TO cryptotrade_bots")
    call_command("db_roles", verbosity=0)
    become("bots")
    assert refused("SELECT sealed FROM wallets_walletsecret")
    assert refused("UPDATE wallets_balance SET amount = 1")


def test_a_password_is_set_from_the_environment(become, monkeypatch):
    monkeypatch.setenv("DATABASE_PASSWORD_WEB", 'it\'s a "password"')
    with CaptureQueriesContext(connection) as queries:
        call_command("db_roles", verbosity=0)
    # Only a superuser may read the stored passwords, and no account can connect as one.
    changed = [query["sql"] for query in queries if "PASSWORD" in query["sql"]]
    assert changed == ["ALTER ROLE \"cryptotrade_web\" PASSWORD 'it''s a \"password\"'"]
    run("ALTER ROLE cryptotrade_web PASSWORD NULL")
