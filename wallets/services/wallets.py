"""Wallets: added, given another key, named, limited, archived. For the web, which can seal and not open.

A pasted key is sealed in the transaction that stores the wallet; afterwards nobody but `execution` can
read it, and that asks the venue what it is before it trades (`wallets.execution.keys`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.views.decorators.debug import sensitive_variables

from accounts.audit import AuditAction, record
from market.selectors import venue_get
from market.venues.hyperliquid.signing import address_of
from wallets.domain.errors import NotFound, WalletInvalid, WalletRefused
from wallets.domain.status import LIVE
from wallets.domain.wallet_validation import MOST_WALLETS, address_parse, label_parse, limits_parse
from wallets.models import Order, Wallet, WalletSecret
from wallets.services.nudges import execution_nudge
from wallets.vault import NoSealingKey, key_parse, seal

ENDED = (Wallet.Status.ARCHIVED, Wallet.Status.REFUSED)
OWN_KEY = (
    "This is the account's own key: it can withdraw. Create an API wallet at the venue and enter that one's."
)
TAKEN = {
    "wallets_one_signer": ("key", "This key trades for another wallet already. Every wallet needs its own."),
    "wallets_wallet_account": ("address", "You have a wallet for this account already."),
}


def wallet_of_client(*, user: Any, client_id: UUID) -> Wallet | None:
    """The wallet that an earlier request under this id made."""
    return Wallet.objects.filter(user=user, client_id=client_id).first()


@sensitive_variables("key", "secret")
def wallet_create(  # noqa: PLR0913  a wallet is what these say
    *,
    user: Any,
    venue: str,
    label: str,
    address: str,
    client_id: UUID,
    key: bytes | None,
    http: Any = None,
) -> Wallet:
    """A wallet that is being checked; the same one when this `client_id` was here before.

    `key` is the text of a pasted key; None asks `execution` to make one. Raises `WalletInvalid`, or
    `WalletRefused` for one wallet too many and for another body under the same id.
    """
    account, name = address_parse(address), label_parse(label)
    if venue_get(venue) is None:
        raise WalletInvalid("venue", "There is no such venue.")
    secret = _secret(key, account)
    with _one_of_each(), transaction.atomic():
        get_user_model().objects.select_for_update(no_key=True).get(pk=user.pk)  # two at once: one counts
        if known := wallet_of_client(user=user, client_id=client_id):
            if (known.venue_id, known.address) != (venue, account):
                raise WalletRefused("Under this id you have added another wallet.")
            return known
        if Wallet.objects.filter(user=user).exclude(status__in=ENDED).count() >= MOST_WALLETS:
            raise WalletRefused(f"You have {MOST_WALLETS} wallets. Archive one that you do not need.")
        wallet = Wallet(user=user, venue_id=venue, client_id=client_id, label=name, address=account)
        _key_put(wallet, secret)
        data = {"venue": venue, "address": account, "label": name, "signer": wallet.signer_address}
        _recorded(AuditAction.WALLET_CREATED, wallet, user, http, data)
    return wallet


@sensitive_variables("key", "secret")
def wallet_key_replace(*, user: Any, wallet_id: UUID, key: bytes | None, http: Any = None) -> Wallet:
    """The wallet, being checked with another key; it takes no orders until that is done.

    Raises `NotFound`, `WalletInvalid`, `WalletRefused`.
    """
    with _one_of_each(), transaction.atomic():
        wallet = _locked(user, wallet_id)
        secret = _secret(key, wallet.address)
        WalletSecret.objects.filter(wallet=wallet).delete()  # not an update: the web has no right to one
        before = wallet.signer_address
        _key_put(wallet, secret)
        data = {"signer": wallet.signer_address, "before": before}
        _recorded(AuditAction.WALLET_KEY_REPLACED, wallet, user, http, data)
    return wallet


@transaction.atomic
def wallet_archive(*, user: Any, wallet_id: UUID, http: Any = None) -> Wallet:
    """Its key is deleted, its books stay. Raises `WalletRefused` while an order could still be filled."""
    wallet = _locked(user, wallet_id)
    if live := Order.objects.filter(wallet=wallet, status__in=LIVE).count():
        raise WalletRefused(f"It has {live} live orders. Cancel them first.")
    WalletSecret.objects.filter(wallet=wallet).delete()
    data = {"signer": wallet.signer_address}
    wallet.status, wallet.status_reason, wallet.signer_address = Wallet.Status.ARCHIVED, "", ""
    wallet.save(update_fields=["status", "status_reason", "signer_address"])
    _recorded(AuditAction.WALLET_ARCHIVED, wallet, user, http, data)
    return wallet


@transaction.atomic
def wallet_rename(*, user: Any, wallet_id: UUID, label: str, http: Any = None) -> Wallet:
    wallet = _locked(user, wallet_id)
    data = {"before": wallet.label, "label": label_parse(label)}
    wallet.label = data["label"]
    wallet.save(update_fields=["label"])
    _recorded(AuditAction.WALLET_RENAMED, wallet, user, http, data)
    return wallet


@transaction.atomic
def wallet_limits_set(*, user: Any, wallet_id: UUID, limits: Mapping[str, Any], http: Any = None) -> Wallet:
    """Set the limits that are named; None: the house's own. Raises `WalletInvalid`."""
    wallet = _locked(user, wallet_id)
    wanted = limits_parse(limits)
    data = {name: [_plain(getattr(wallet, name)), _plain(value)] for name, value in wanted.items()}
    for name, value in wanted.items():
        setattr(wallet, name, value)
    wallet.save(update_fields=list(wanted))
    _recorded(AuditAction.WALLET_LIMITS_CHANGED, wallet, user, http, data)
    return wallet


# --- parts -----------------------------------------------------------------------------------------------
def _locked(user: Any, wallet_id: UUID) -> Wallet:
    wallets = Wallet.objects.select_for_update(no_key=True)
    wallet = wallets.filter(pk=wallet_id, user=user).exclude(status=Wallet.Status.ARCHIVED).first()
    if wallet is None:
        raise NotFound("There is no such wallet.")
    return wallet


@sensitive_variables("key", "secret")
def _secret(key: bytes | None, account: str) -> bytes | None:
    if key is None:
        return None
    try:
        secret = key_parse(key.decode(errors="replace"))
    except ValueError as error:
        raise WalletInvalid("key", str(error)) from None
    if address_of(secret) == account:
        raise WalletInvalid("key", OWN_KEY)
    return secret


@sensitive_variables("secret")
def _key_put(wallet: Wallet, secret: bytes | None) -> None:
    """Store the wallet with its sealed key, or with the wish for one."""
    wallet.status = Wallet.Status.KEY_WANTED if secret is None else Wallet.Status.CHECKING
    wallet.status_reason, wallet.signer_name = "", ""
    wallet.signer_expires_at = wallet.checked_at = None
    wallet.signer_address = "" if secret is None else address_of(secret)
    wallet.save()
    if secret is None:
        return
    try:
        kid, suite, sealed = seal(secret, user_id=wallet.user_id, wallet_id=wallet.pk, venue=wallet.venue_id)
    except NoSealingKey as error:
        raise WalletRefused("This house cannot keep keys yet: its administrator has to make one.") from error
    WalletSecret.objects.create(wallet=wallet, key_id=kid, suite=suite, sealed=sealed)


@contextmanager
def _one_of_each() -> Iterator[None]:
    """What the database refuses for being there already, in words."""
    try:
        yield
    except IntegrityError as error:
        constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
        if constraint not in TAKEN:
            raise
        raise WalletInvalid(*TAKEN[constraint]) from None


def _recorded(action: AuditAction, wallet: Wallet, user: Any, http: Any, data: dict[str, Any]) -> None:
    record(action=action, actor=user, subject=f"wallet:{wallet.pk}", data=data, request=http)
    execution_nudge(wallet.pk)


def _plain(value: Any) -> str | None:
    return None if value is None else f"{value:f}" if hasattr(value, "as_tuple") else str(value)
