from typing import TYPE_CHECKING, Any

from django.apps import AppConfig

if TYPE_CHECKING:
    from accounts.models import User


class WalletsConfig(AppConfig):
    name = "wallets"

    def ready(self) -> None:
        from accounts.services import account_ending

        account_ending.connect(_require_archived_wallets, dispatch_uid="wallets.account_ending")


def _require_archived_wallets(*, user: "User", **_: Any) -> None:
    """Refuse the deletion of an account with wallets that are not archived: their keys could still trade."""
    from accounts.services import DeletionRefused
    from wallets.models import Wallet

    ended = (Wallet.Status.ARCHIVED, Wallet.Status.REJECTED)
    if Wallet.objects.filter(user=user).exclude(status__in=ended).exists():
        raise DeletionRefused("Archive your wallets first: their keys could still trade.")
