"""Seeds of second factors: sealed at rest, bound to their user, and no code works twice.

A sealed seed reads `1:<key id>:<user id or ->:<base64 of nonce and AES-256-GCM ciphertext>`. The key
id and the user id are authenticated with it, so neither can be exchanged.
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
NOBODY = "-"
NONCE_BYTES = 12


class SealBroken(Exception):
    """This seed was changed, sealed with a key we do not have, or moved from another user's row."""


def seal(text: str, *, user: str | None) -> str:
    """`text` sealed with the newest key, for this user alone."""
    key_id, key = next(_keys())
    nonce = os.urandom(NONCE_BYTES)
    head = f"{VERSION}:{key_id}:{user or NOBODY}"
    sealed = nonce + AESGCM(key).encrypt(nonce, text.encode(), head.encode())
    return f"{head}:{base64.b64encode(sealed).decode()}"


def unseal(sealed: str) -> str:
    """What was sealed. Raises `SealBroken`."""
    head, _, body = sealed.rpartition(":")
    try:
        version, key_id, user = head.split(":")
        raw = base64.b64decode(body, validate=True)
        key = dict(_keys())[key_id]
        text = AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], head.encode()).decode()
    except (ValueError, KeyError, InvalidTag) as error:
        raise SealBroken("a second factor's seed cannot be opened") from error
    if version != VERSION or _is_elsewhere(sealed, user):
        raise SealBroken("a second factor's seed is not its user's")
    return text


def _is_elsewhere(sealed: str, user: str) -> bool:
    """True when another user's row holds a copy: whoever can write the table could sign in as them."""
    holders = Authenticator.objects.filter(Q(data__secret=sealed) | Q(data__seed=sealed))
    return user != NOBODY and holders.exclude(user_id=user).exists()


def _keys() -> Iterator[tuple[str, bytes]]:
    """(id, key) of each secret in MFA_KEY, newest first."""
    secrets = [word.strip() for word in settings.MFA_KEY.split(",") if word.strip()]
    if not secrets:
        raise ImproperlyConfigured("MFA_KEY is not set; see .env.example")
    for secret in secrets:
        key = HKDF(SHA256(), 32, salt=None, info=b"cryptotrade second factors").derive(secret.encode())
        yield hashlib.sha256(key).hexdigest()[:8], key


def code_use(authenticator: Authenticator, code: str) -> bool:
    """True when `code` is this authenticator's and its half-minute is later than the last one used.

    PostgreSQL remembers that half-minute: a second process, or a Redis that forgot, cannot accept it again.
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


def one_use_install() -> None:
    """Put `code_use` behind every path of allauth.

    Its own memory of a used code lasts one period, which is shorter than a code is valid when the
    clocks may differ by one (MFA_TOTP_TOLERANCE).
    """
    totp.TOTP.validate_code = lambda self, code: code_use(self.instance, code)
