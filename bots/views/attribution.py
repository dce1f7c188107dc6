"""Position attribution of a wallet: a fragment for the wallet page."""

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.authentication import SignedInHttpRequest
from bots import selectors
from bots.views.base import NO_SUCH, private
from wallets.selectors import wallet_get


@private
@require_GET
def attribution(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    wallet = wallet_get(request.user, pk)
    if wallet is None or wallet.user_id != request.user.pk:
        raise Http404(NO_SUCH)
    splits = selectors.attribution_of(wallet)
    return render(request, "bots/attribution.html", {"wallet": wallet, "splits": splits})
