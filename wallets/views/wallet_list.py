"""Wallet list: one card per wallet."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.authentication import SignedInHttpRequest
from wallets import selectors
from wallets.views.base import own_wallet, private


@private
@require_GET
def wallets(request: SignedInHttpRequest) -> HttpResponse:
    """All cards; `?archived=1` includes archived wallets."""
    all_wallets = list(selectors.wallets_of(request.user))
    archived = [wallet for wallet in all_wallets if wallet.status == "archived"]
    with_archived = request.GET.get("archived") == "1"
    shown = all_wallets if with_archived else [one for one in all_wallets if one not in archived]
    context = {
        "cards": [selectors.card_of(wallet) for wallet in shown],
        "archived": len(archived),
        "with_archived": len(shown) == len(all_wallets),
        "now": timezone.now(),
    }
    return render(request, "wallets/list.html", context)


@private
@require_GET
def card(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    """One card, for reloads after a change of its wallet."""
    context = {"card": selectors.card_of(own_wallet(request, pk)), "now": timezone.now()}
    return render(request, "wallets/card.html", context)
