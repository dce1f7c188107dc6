"""Wallet services: create, replace key, rename, set limits, archive. Run in the web, which cannot unseal keys.

A pasted key is sealed in the transaction that stores the wallet; afterwards only the execution worker can
unseal it, and checks at the venue what the key may do before it trades (`wallets.execution.wallet_actor`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from accounts.audit import AuditAction, record
from market.selectors import venue_get
from market.venues import venue_adapter
from wallets.domain.errors import NotFound, WalletInvalid, WalletRejected
from wallets.domain.status import LIVE
from wallets.domain.wallet_validation import MAX_WALLETS, label_parse, limits_parse
from wallets.models import Order, Wallet, WalletSecret
from wallets.services.nudges import execution_nudge
from wallets.vault import NoSealingKey, seal

if TYPE_CHECKING:
    from accounts.models import User

TERMINAL_STATUSES = (Wallet.Status.ARCHIVED, Wallet.Status.REJECTED)
UNIQUE_ERRORS = {
    "wallets_one_signer": (
        "key",
        "This key already trades for another wallet. Every wallet needs its own key.",
    ),
    "wallets_wallet_account": ("address", "You already have a wallet for this account."),
}


def wallet_by_client_id(*, user: "User", client_id: UUID) -> Wallet | None:
    """The wallet created by an earlier request with this client id."""
    return Wallet.objects.filter(user=user, client_id=client_id).first()


@sensitive_variables("key", "secret")
def wallet_create(  # noqa: PLR0913  the fields of a wallet
    *,
    user: "User",
    venue: str,
    label: str,
    address: str,
    client_id: UUID,
    key: bytes | None,
    http: HttpRequest | None = None,
) -> Wallet:
    """Create a wallet; its key is checked later. The existing wallet for a repeated `client_id`.

    `key` is the text of a pasted key; None makes the execution worker generate one. Raises `WalletInvalid`,
    or `WalletRejected` above the maximum number of wallets and for another request under the same id.
    """
    name = label_parse(label)
    if venue_get(venue) is None:
        raise WalletInvalid("venue", "Unknown exchange.")
    account = _account(venue, address)
    secret = _secret(venue, key, account)
    with _unique_errors(), transaction.atomic():
        get_user_model().objects.select_for_update(no_key=True).get(
            pk=user.pk
        )  # concurrent requests: serialise the count
        if existing := wallet_by_client_id(user=user, client_id=client_id):
            if (existing.venue_id, existing.address) != (venue, account):
                raise WalletRejected("This request id was used for another wallet.")
            return existing
        if Wallet.objects.filter(user=user).exclude(status__in=TERMINAL_STATUSES).count() >= MAX_WALLETS:
            raise WalletRejected(f"You have {MAX_WALLETS} wallets, which is the maximum. Archive one first.")
        wallet = Wallet(user=user, venue_id=venue, client_id=client_id, label=name, address=account)
        _key_put(wallet, secret)
        data = {"venue": venue, "address": account, "label": name, "signer": wallet.signer_address}
        _record(AuditAction.WALLET_CREATED, wallet, user, http, data)
    return wallet


@sensitive_variables("key", "secret")
def wallet_key_replace(
    *, user: "User", wallet_id: UUID, key: bytes | None, http: HttpRequest | None = None
) -> Wallet:
    """Replace the key of a wallet; it accepts no orders until the new key was checked.

    Raises `NotFound`, `WalletInvalid`, `WalletRejected`.
    """
    with _unique_errors(), transaction.atomic():
        wallet = _locked(user, wallet_id)
        secret = _secret(wallet.venue_id, key, wallet.address)
        WalletSecret.objects.filter(
            wallet=wallet
        ).delete()  # not an update: the web's database role may not update
        before = wallet.signer_address
        _key_put(wallet, secret)
        data = {"signer": wallet.signer_address, "before": before}
        _record(AuditAction.WALLET_KEY_REPLACED, wallet, user, http, data)
    return wallet


@transaction.atomic
def wallet_archive(*, user: "User", wallet_id: UUID, http: HttpRequest | None = None) -> Wallet:
    """Archive a wallet: its key is deleted, its records stay. Raises `WalletRejected` while it has live orders."""
    wallet = _locked(user, wallet_id)
    if live := Order.objects.filter(wallet=wallet, status__in=LIVE).count():
        raise WalletRejected(f"The wallet has {live} open orders. Cancel them first.")
    WalletSecret.objects.filter(wallet=wallet).delete()
    data = {"signer": wallet.signer_address}
    wallet.status, wallet.status_reason, wallet.signer_address = Wallet.Status.ARCHIVED, "", ""
    wallet.save(update_fields=["status", "status_reason", "signer_address"])
    _record(AuditAction.WALLET_ARCHIVED, wallet, user, http, data)
    return wallet


@transaction.atomic
def wallet_rename(*, user: "User", wallet_id: UUID, label: str, http: HttpRequest | None = None) -> Wallet:
    wallet = _locked(user, wallet_id)
    data = {"before": wallet.label, "label": label_parse(label)}
    wallet.label = data["label"]
    wallet.save(update_fields=["label"])
    _record(AuditAction.WALLET_RENAMED, wallet, user, http, data)
    return wallet


@transaction.atomic
def wallet_limits_set(
    *, user: "User", wallet_id: UUID, limits: Mapping[str, Any], http: HttpRequest | None = None
) -> Wallet:
    """Set the given limits; None: the server's default. Raises `WalletInvalid`."""
    wallet = _locked(user, wallet_id)
    values = limits_parse(limits)
    data = {
        name: [_audit_value(getattr(wallet, name)), _audit_value(value)] for name, value in values.items()
    }
    for name, value in values.items():
        setattr(wallet, name, value)
    wallet.save(update_fields=list(values))
    _record(AuditAction.WALLET_LIMITS_CHANGED, wallet, user, http, data)
    return wallet


# --- helpers ------------------------------------------------------------------------------------------
def _locked(user: "User", wallet_id: UUID) -> Wallet:
    wallets = Wallet.objects.select_for_update(no_key=True)
    wallet = wallets.filter(pk=wallet_id, user=user).exclude(status=Wallet.Status.ARCHIVED).first()
    if wallet is None:
        raise NotFound("Wallet not found.")
    return wallet


def _account(venue: str, text: str) -> str:
    try:
        return venue_adapter(venue).credentials.account_parse(text)
    except ValueError as error:
        raise WalletInvalid("address", str(error)) from None


@sensitive_variables("key")
def _secret(venue: str, key: bytes | None, account: str) -> bytes | None:
    scheme = venue_adapter(venue).credentials
    if key is None:
        if not scheme.can_generate:
            raise WalletInvalid("key", "Enter a key: this exchange creates keys on its own site only.")
        return None
    try:
        return scheme.secret_parse(key.decode(errors="replace"), account)
    except ValueError as error:
        raise WalletInvalid("key", str(error)) from None


@sensitive_variables("secret")
def _key_put(wallet: Wallet, secret: bytes | None) -> None:
    """Store the wallet with its sealed key, or as waiting for a generated key."""
    wallet.status = Wallet.Status.KEY_PENDING if secret is None else Wallet.Status.CHECKING
    wallet.status_reason, wallet.signer_name = "", ""
    wallet.signer_expires_at = wallet.checked_at = None
    wallet.signer_address = (
        "" if secret is None else venue_adapter(wallet.venue_id).credentials.key_id(secret)
    )
    wallet.save()
    if secret is None:
        return
    try:
        kid, suite, sealed = seal(secret, user_id=wallet.user_id, wallet_id=wallet.pk, venue=wallet.venue_id)
    except NoSealingKey as error:
        raise WalletRejected(
            "This server cannot store keys yet: an administrator has to create a sealing key."
        ) from error
    WalletSecret.objects.create(wallet=wallet, key_id=kid, suite=suite, sealed=sealed)


@contextmanager
def _unique_errors() -> Iterator[None]:
    """Turn a violated unique constraint into a `WalletInvalid` with its message."""
    try:
        yield
    except IntegrityError as error:
        constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
        if constraint not in UNIQUE_ERRORS:
            raise
        raise WalletInvalid(*UNIQUE_ERRORS[constraint]) from None


def _record(
    action: AuditAction, wallet: Wallet, user: "User", http: HttpRequest | None, data: dict[str, Any]
) -> None:
    record(action=action, actor=user, subject=f"wallet:{wallet.pk}", data=data, request=http)
    execution_nudge(wallet.pk)


def _audit_value(value: object) -> str | None:
    return None if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value)
