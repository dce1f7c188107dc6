"""TOTP seeds: encrypted at rest and bound to their user; each code is accepted once.

Format of a sealed seed: `1:<key id>:<user id or ->:<base64 of nonce and AES-256-GCM ciphertext>`. Key
id and user id are authenticated (AEAD), so neither can be exchanged.
"""

import base64
import hashlib
import os
from collections.abc import Iterator

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import Q

VERSION = "1"
NO_USER = "-"
NONCE_BYTES = 12


class DecryptionError(Exception):
    """The seed was changed, sealed with an unknown key, or copied from another user's row."""


def seal(text: str, *, user: str | None) -> str:
    """Encrypt `text` with the newest key, bound to this user."""
    key_id, key = next(_keys())
    nonce = os.urandom(NONCE_BYTES)
    head = f"{VERSION}:{key_id}:{user or NO_USER}"
    sealed = nonce + AESGCM(key).encrypt(nonce, text.encode(), head.encode())
    return f"{head}:{base64.b64encode(sealed).decode()}"


def unseal(sealed: str) -> str:
    """Decrypt a sealed seed. Raises `DecryptionError`."""
    head, _, body = sealed.rpartition(":")
    try:
        version, key_id, user = head.split(":")
        raw = base64.b64decode(body, validate=True)
        key = dict(_keys())[key_id]
        text = AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], head.encode()).decode()
    except (ValueError, KeyError, InvalidTag) as error:
        raise DecryptionError("a TOTP seed cannot be decrypted") from error
    if version != VERSION or _is_copied(sealed, user):
        raise DecryptionError("a TOTP seed belongs to another user")
    return text


def _is_copied(sealed: str, user: str) -> bool:
    """Whether another user's row holds a copy: write access to the table would allow a login as that user."""
    rows = Authenticator.objects.filter(Q(data__secret=sealed) | Q(data__seed=sealed))
    return user != NO_USER and rows.exclude(user_id=user).exists()


def _keys() -> Iterator[tuple[str, bytes]]:
    """(id, key) of each secret in MFA_KEY, newest first."""
    secrets = [part.strip() for part in settings.MFA_KEY.split(",") if part.strip()]
    if not secrets:
        raise ImproperlyConfigured("MFA_KEY is not set; see .env.example")
    for secret in secrets:
        key = HKDF(SHA256(), 32, salt=None, info=b"cryptotrade second factors").derive(secret.encode())
        yield hashlib.sha256(key).hexdigest()[:8], key


def totp_code_consume(authenticator: Authenticator, code: str) -> bool:
    """Whether `code` is valid for this authenticator and its 30-second counter was not used before.

    The counter is stored in PostgreSQL: neither another process nor an emptied Redis can accept it again.
    """
    with transaction.atomic():
        row = Authenticator.objects.select_for_update(no_key=True).get(pk=authenticator.pk)
        seed = unseal(row.data["secret"])
        counter = _counter_of(seed, code)
        if counter is None or counter <= row.data.get("last_counter", -1):
            return False
        row.data["last_counter"] = counter
        row.save(update_fields=["data"])
    authenticator.data = row.data
    return True


def _counter_of(seed: str, code: str) -> int | None:
    for counter in totp.yield_hotp_counters_from_time():
        if compare_user_code(actual=code, expected=totp.format_hotp_value(totp.hotp_value(seed, counter))):
            return int(counter)
    return None


def install_single_use_totp() -> None:
    """Replace allauth's TOTP check by `totp_code_consume` on all its code paths.

    allauth remembers a used code for one period, which is shorter than the code's validity when a clock
    difference of one period is tolerated (MFA_TOTP_TOLERANCE).
    """
    totp.TOTP.validate_code = lambda self, code: totp_code_consume(self.instance, code)
