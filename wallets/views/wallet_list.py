"""All wallets on one page, a card each."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from wallets import selectors
from wallets.views.base import own_wallet, private


@private
@require_GET
def wallets(request: HttpRequest) -> HttpResponse:
    """`?archived=1` shows those that were put away too."""
    every = list(selectors.wallets_of(request.user))
    put_away = [wallet for wallet in every if wallet.status == "archived"]
    shown = every if request.GET.get("archived") == "1" else [one for one in every if one not in put_away]
    context = {
        "cards": [selectors.card_of(wallet) for wallet in shown],
        "archived": len(put_away),
        "with_archived": len(shown) == len(every),
        "now": timezone.now(),
    }
    return render(request, "wallets/list.html", context)


@private
@require_GET
def card(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One card again, for a page whose wallet has changed."""
    context = {"card": selectors.card_of(own_wallet(request, pk)), "now": timezone.now()}
    return render(request, "wallets/card.html", context)
