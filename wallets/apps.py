from typing import Any

from django.apps import AppConfig


class WalletsConfig(AppConfig):
    name = "wallets"

    def ready(self) -> None:
        from accounts.services import account_ending

        account_ending.connect(_wallets_first, dispatch_uid="wallets.account_ending")


def _wallets_first(*, user: Any, **_: Any) -> None:
    """A key of somebody who is gone would go on trading."""
    from accounts.services import DeletionRefused
    from wallets.models import Wallet

    ended = (Wallet.Status.ARCHIVED, Wallet.Status.REFUSED)
    if Wallet.objects.filter(user=user).exclude(status__in=ended).exists():
        raise DeletionRefused("Archive your wallets first: their keys could still trade.")
