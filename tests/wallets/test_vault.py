"""Keys at rest: sealed for one wallet, unsealed only with the private sealing key."""

import copy
import ctypes
import pickle
import resource
import subprocess
import sys

import pytest
from coincurve import PublicKey
from django.db.utils import IntegrityError
from django.utils import timezone

from market.models import Venue
from market.venues import venue_adapter
from market.venues.hyperliquid.signing import address_of
from wallets.models import SealingKey, Wallet, WalletSecret
from wallets.services.keys import sealing_key_create, sealing_key_retire, secrets_reseal
from wallets.vault import KeyFiles, NoSealingKey, Unsealer, VaultLocked, seal

KEY = bytes.fromhex("01" * 31 + "f3")
DIGEST = bytes(range(32))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "execution"


@pytest.fixture
def kid(db, folder):
    return sealing_key_create(folder=folder).kid


@pytest.fixture
def venue(db):
    return Venue.objects.create(name="hyperliquid-sim", title="Simulator", simulated=True)


def wallet_make(user, venue, number=1):
    return Wallet.objects.create(user=user, venue=venue, label="one", address=f"0x{number:040x}")


def put(wallet, key=KEY):
    kid, suite, sealed = seal(key, user_id=wallet.user_id, wallet_id=wallet.pk, venue=wallet.venue_id)
    return WalletSecret.objects.create(wallet=wallet, key_id=kid, suite=suite, sealed=sealed)


@pytest.fixture
def wallet(alice, venue, kid):
    return wallet_make(alice, venue)


def recovered(signature):
    r, s, v = (int(str(signature[name]), 0) for name in "rsv")
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v - 27])
    return PublicKey.from_signature_and_message(raw, DIGEST, hasher=None).format()


# --- what is sealed opens where it belongs ------------------------------------------------------------
def test_what_was_sealed_signs_with_the_same_key(wallet, folder):
    put(wallet)
    signer = Unsealer(folder).signer(wallet)
    assert signer.key_id == address_of(KEY)
    assert recovered(signer.sign(DIGEST)) == PublicKey.from_secret(KEY).format()


def test_the_row_holds_nothing_of_the_key(wallet):
    row = put(wallet)
    assert KEY not in bytes(row.sealed)
    assert len(row.sealed) == len(KEY) + 48
    assert bytes(put(wallet_make(wallet.user, wallet.venue, 2)).sealed) != bytes(row.sealed)


@pytest.mark.parametrize("change", ["wallet", "user", "venue"])
def test_a_row_that_was_moved_does_not_open(wallet, bob, folder, change):
    row = put(wallet)
    if change == "wallet":
        wallet = wallet_make(wallet.user, wallet.venue, 2)
        WalletSecret.objects.create(wallet=wallet, key=row.key, suite=row.suite, sealed=row.sealed)
    elif change == "user":
        Wallet.objects.update(user=bob)
    else:
        Wallet.objects.update(venue=Venue.objects.create(name="other", title="Other"))
    wallet.refresh_from_db()
    with pytest.raises(VaultLocked, match="was changed or belongs to another wallet"):
        Unsealer(folder).signer(wallet)


def test_every_flipped_bit_is_found(wallet, folder):
    row, opener = put(wallet), Unsealer(folder)
    for place in range(len(row.sealed) * 8):
        changed = bytearray(row.sealed)
        changed[place // 8] ^= 1 << place % 8
        WalletSecret.objects.filter(pk=row.pk).update(sealed=bytes(changed))
        with pytest.raises(VaultLocked, match="was changed"):
            opener.signer(wallet)


def test_a_key_other_than_the_one_that_was_approved_does_not_sign(wallet, folder):
    put(wallet)
    wallet.signer_address = address_of(bytes(31) + b"\x02")
    with pytest.raises(VaultLocked, match="does not match the wallet's signer address"):
        Unsealer(folder).signer(wallet)


def test_keys_of_real_money_stay_shut_in_debug(wallet, folder, settings):
    put(wallet)
    settings.DEBUG = True
    assert Unsealer(folder).signer(wallet).key_id == address_of(KEY)
    Venue.objects.update(simulated=False)
    wallet.refresh_from_db()
    with pytest.raises(VaultLocked, match="DEBUG is on"):
        Unsealer(folder).signer(wallet)


def test_without_a_sealing_key_nothing_is_sealed(db):
    with pytest.raises(NoSealingKey, match="keys init"):
        seal(KEY, user_id=1, wallet_id=2, venue="hyperliquid-sim")


# --- the files ----------------------------------------------------------------------------------------
def test_dump_and_key_file_sign_and_the_dump_alone_refuses(wallet, folder, tmp_path, kid):
    put(wallet)
    backup = KeyFiles(folder).path(kid).read_bytes()
    KeyFiles(folder).remove(kid)
    alone = Unsealer(folder)
    for refused in (alone.check, lambda: alone.signer(wallet)):
        with pytest.raises(VaultLocked) as locked:
            refused()
        assert locked.value.reason == (f"sealed for kid {kid}, key not present; users must enter keys again")
    elsewhere = tmp_path / "restored"
    elsewhere.mkdir(0o700)
    KeyFiles(elsewhere).path(kid).write_bytes(backup)
    KeyFiles(elsewhere).path(kid).chmod(0o400)
    Unsealer(elsewhere).check()
    assert Unsealer(elsewhere).signer(wallet).key_id == address_of(KEY)


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o420, 0o644])
def test_a_key_file_that_others_can_read_is_refused(wallet, folder, kid, mode):
    put(wallet)
    KeyFiles(folder).path(kid).chmod(mode)
    with pytest.raises(VaultLocked, match="readable by others: chmod 400"):
        Unsealer(folder).signer(wallet)


def test_a_key_folder_that_others_can_enter_is_refused(wallet, folder):
    put(wallet)
    folder.chmod(0o755)
    with pytest.raises(VaultLocked, match="readable by others: chmod 700"):
        Unsealer(folder).signer(wallet)


def test_keys_are_for_us_alone_from_the_first_moment(kid, folder):
    assert folder.stat().st_mode & 0o777 == 0o700
    assert KeyFiles(folder).path(kid).stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize("name", ["STATIC_ROOT", "MEDIA_ROOT"])
def test_keys_in_a_served_folder_are_refused(db, tmp_path, settings, name):
    setattr(settings, name, str(tmp_path))
    with pytest.raises(VaultLocked, match="served to browsers"):
        sealing_key_create(folder=tmp_path / "keys" / "execution")
    assert not SealingKey.objects.exists()


def test_a_file_that_was_swapped_is_refused(wallet, folder, kid, tmp_path):
    put(wallet)
    other = sealing_key_create(folder=folder).kid
    path = KeyFiles(folder).path(kid)
    path.chmod(0o600)
    path.write_bytes(KeyFiles(folder).path(other).read_bytes())
    path.chmod(0o400)
    with pytest.raises(VaultLocked, match="does not match its public key"):
        Unsealer(folder).signer(wallet)


def test_a_link_to_a_key_is_not_followed(wallet, folder, kid, tmp_path):
    put(wallet)
    path = KeyFiles(folder).path(kid)
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    with pytest.raises(VaultLocked, match="cannot be read"):
        Unsealer(folder).signer(wallet)


# --- rotation -----------------------------------------------------------------------------------------
def test_rotation_keeps_every_key_and_retiring_deletes_the_file(
    alice, venue, folder, kid, django_capture_on_commit_callbacks
):
    wallets = [wallet_make(alice, venue, number) for number in range(1, 8)]
    keys = [number.to_bytes(32, "big") for number in range(1, 8)]
    for wallet, key in zip(wallets, keys, strict=True):
        put(wallet, key)
    new = sealing_key_create(folder=folder).kid
    assert put(wallet_make(alice, venue, 99)).key_id == new
    assert secrets_reseal(folder=folder, batch=3) == 7
    assert set(WalletSecret.objects.values_list("key_id", flat=True)) == {new}
    assert secrets_reseal(folder=folder, batch=3) == 0
    with django_capture_on_commit_callbacks(execute=True):
        sealing_key_retire(kid=kid, folder=folder)
    assert not KeyFiles(folder).exists(kid)
    opener = Unsealer(folder)
    assert [opener.signer(wallet).key_id for wallet in wallets] == [address_of(key) for key in keys]


def test_a_public_key_that_was_slipped_in_is_not_sealed_to(wallet, folder):
    put(wallet)
    SealingKey.objects.create(kid="theirs", public=bytes(range(32)))
    with pytest.raises(VaultLocked, match="kid theirs"):
        secrets_reseal(folder=folder)
    assert Unsealer(folder).signer(wallet).key_id == address_of(KEY)


def test_nothing_is_sealed_to_a_key_that_has_ended(wallet, kid):
    SealingKey.objects.update(retired_at=timezone.now())
    with pytest.raises(IntegrityError, match="is retired"):
        WalletSecret.objects.create(wallet=wallet, key_id=kid, suite="x", sealed=b"x")


# --- what a signer gives away -------------------------------------------------------------------------
def test_a_signer_shows_nothing_of_its_key(wallet, folder):
    put(wallet)
    signer = Unsealer(folder).signer(wallet)
    shown = f"{signer} {signer!r} {[signer]}"
    for form in (KEY.hex(), repr(KEY), str(int.from_bytes(KEY, "big"))):
        assert form not in shown
    assert not hasattr(signer, "__dict__")
    for escape in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot leave its process"):
            escape(signer)


# --- keys as people paste them ------------------------------------------------------------------------
@pytest.mark.parametrize("text", [KEY.hex(), "0x" + KEY.hex(), f"  {KEY.hex().upper()}\n"])
def test_a_pasted_key_is_read(text):
    assert venue_adapter("hyperliquid").credentials.secret_parse(text, "") == KEY


@pytest.mark.parametrize(
    "text", ["", "0x", KEY.hex()[:-1], KEY.hex() + "0", "zz" + KEY.hex()[2:], "00" * 32, "ff" * 32]
)
def test_what_is_no_key_is_refused_and_not_repeated(text):
    with pytest.raises(ValueError, match="64 hexadecimal digits") as refused:
        venue_adapter("hyperliquid").credentials.secret_parse(text, "")
    assert len(text) < 10 or text not in str(refused.value)


# --- the process --------------------------------------------------------------------------------------
def test_a_hardened_process_leaves_no_core_and_cannot_be_dumped():
    """In a process of its own: it cannot be undone."""
    script = (
        "import ctypes, resource; from wallets.vault.keyfiles import harden; harden();"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    prelude = "import django; django.setup(); "
    said = subprocess.run(
        [sys.executable, "-c", prelude + script], capture_output=True, text=True, check=True
    )
    assert said.stdout.split("\n")[0] == "0 (0, 0)"
    assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 1
    assert resource.getrlimit(resource.RLIMIT_CORE)
