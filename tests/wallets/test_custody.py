"""`manage.py sealing_keys`: lifecycle of sealing keys, and refusals that prevent the loss of sealed keys."""

import contextlib
import threading

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from market.models import Venue
from tests.e2e.stack import wait_for
from wallets.models import SealingKey, Wallet, WalletSecret
from wallets.services.keys import KeysRefused, sealing_key_create, sealing_key_retire
from wallets.vault import KeyFiles, seal

KEY = bytes.fromhex("07" * 32)


@pytest.fixture
def folder(db, settings, tmp_path):
    settings.SEALING_KEY_DIR = tmp_path / "execution"
    return settings.SEALING_KEY_DIR


def keys(capsys, *words):
    call_command("sealing_keys", *words)
    return capsys.readouterr().out.strip()


def put(user, number=1):
    venue, _ = Venue.objects.get_or_create(name="hyperliquid-sim", defaults={"title": "Simulator"})
    wallet = Wallet.objects.create(user=user, venue=venue, label="one", address=f"0x{number:040x}")
    kid, suite, sealed = seal(KEY, user_id=user.pk, wallet_id=wallet.pk, venue=venue.pk)
    return WalletSecret.objects.create(wallet=wallet, key_id=kid, suite=suite, sealed=sealed)


def test_init_makes_the_first_key_and_no_other(folder, capsys):
    assert keys(capsys, "init").startswith("made ")
    assert keys(capsys, "init") == ""
    assert SealingKey.objects.count() == len(list(folder.iterdir())) == 1


def test_init_never_makes_a_key_where_sealed_rows_have_lost_theirs(folder, capsys, alice):
    keys(capsys, "init")
    put(alice)
    kid = SealingKey.objects.get().kid
    KeyFiles(folder).remove(kid)
    with pytest.raises(CommandError) as refused:
        keys(capsys, "init")
    assert str(refused.value) == f"sealed for kid {kid}, key not present; users must enter keys again"
    assert SealingKey.objects.count() == 1


def test_a_rotation_by_hand_from_the_first_word_to_the_last(
    folder, capsys, alice, django_capture_on_commit_callbacks
):
    keys(capsys, "init")
    old = put(alice).key_id
    keys(capsys, "rotate")
    new = SealingKey.objects.exclude(pk=old).get().kid
    assert put(alice, 2).key_id == new
    with pytest.raises(CommandError, match=f"{old} still seals 1 keys"):
        keys(capsys, "retire", old)
    with pytest.raises(CommandError, match="is the key that seals"):
        keys(capsys, "retire", new)
    assert keys(capsys, "reseal") == "resealed 1; 0 left"
    with django_capture_on_commit_callbacks(execute=True):
        keys(capsys, "retire", old)
    listed = keys(capsys, "list").splitlines()
    assert [line.split()[0] for line in listed] == [new, old]
    assert "seals 2  file present" in listed[0]
    assert "seals 0  file deleted, ended" in listed[1]
    assert keys(capsys, "check") == "2 sealed keys open"


def test_a_key_that_does_not_exist_is_not_retired(folder, capsys):
    keys(capsys, "init")
    with pytest.raises(CommandError, match="there is no key k9"):
        keys(capsys, "retire", "k9")


def test_a_reseal_skips_locked_rows(transactional_db, settings, tmp_path, capsys, alice):
    settings.SEALING_KEY_DIR = tmp_path / "execution"
    keys(capsys, "init")
    locked = put(alice)
    put(alice, 2)
    keys(capsys, "rotate")
    with _holding(f"SELECT 1 FROM wallets_walletsecret WHERE wallet_id = '{locked.pk}' FOR UPDATE"):
        assert keys(capsys, "reseal") == "resealed 1; 1 left: run it again"
    assert keys(capsys, "reseal") == "resealed 1; 0 left"


def test_retiring_waits_for_whoever_is_just_sealing(transactional_db, tmp_path, alice):
    """The transaction that commits first wins: the file stays while a row needs it."""
    old = sealing_key_create(folder=tmp_path / "execution").kid
    outcome = []

    def retire():
        try:
            sealing_key_retire(kid=old, folder=tmp_path / "execution")
        except KeysRefused as refusal:
            outcome.append(str(refusal))
        finally:
            connection.close()

    thread = threading.Thread(target=retire)
    with transaction.atomic():
        put(alice)  # with the old key, and not committed yet
        with _elsewhere() as other:
            other.execute(
                "INSERT INTO wallets_sealingkey (kid, public, created_at) VALUES ('newer', %s, %s)",
                (bytes(32), timezone.now()),
            )
        thread.start()
        wait_for(_lock_is_awaited, 10, "retire waits")
    thread.join(60)
    assert outcome == [f"{old} still seals 1 keys: `keys reseal` first"]
    assert KeyFiles(tmp_path / "execution").exists(old)


def _lock_is_awaited():
    with _elsewhere() as other:
        return other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone()


def _elsewhere():
    known = connection.settings_dict
    return psycopg.connect(host=known["HOST"], user=known["USER"], dbname=known["NAME"], autocommit=True)


@contextlib.contextmanager
def _holding(statement):
    with _elsewhere() as other, other.transaction():
        other.execute(statement)
        yield
