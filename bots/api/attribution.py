"""Whose the positions of a wallet are, as programs read it."""

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import MISSING, NO_SUCH
from bots import selectors
from bots.api.common import HouseView
from bots.api.serializers import Fields, Figure
from wallets.selectors import wallet_get


class HeldBody(serializers.Serializer[Any]):
    """Money in quote units. Of spot only `size` counts: money is in the wallet's ledger alone."""

    size = Figure(help_text="Below zero: short.")
    cost = Figure(help_text="The signed price paid for it.")
    realised = Figure(help_text="Before fees. What the venue netted between holders is in the residual.")
    fees = Figure(help_text="Above zero: paid.")
    funding = Figure(help_text="Above zero: received.")


class ShareBody(HeldBody):
    bot = serializers.UUIDField()
    name = serializers.CharField()


class SplitBody(serializers.Serializer[Fields]):
    """Bots, manual and residual sum to the total, figure by figure."""

    venue = serializers.CharField()
    symbol = serializers.CharField()
    kind = serializers.CharField()
    bots = ShareBody(many=True)
    manual = HeldBody(help_text="What people asked for here, and the rest of the funding.")
    residual = HeldBody(help_text="What no order of this house explains.")
    total = HeldBody(help_text="The venue's own.")


class SplitPage(serializers.Serializer[Fields]):
    """All of them: there is no second page."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = SplitBody(many=True)


class WalletAttribution(HouseView):
    @extend_schema(
        operation_id="wallet_attribution", tags=["wallets"], responses={200: SplitPage, **MISSING},
        summary="Whose the positions of a wallet are: its bots', yours, and what is not explained",
    )  # fmt: skip
    def get(self, request: Request, pk: UUID) -> Response:
        wallet = wallet_get(request.user, pk)
        if wallet is None:
            raise Http404(NO_SUCH)
        rows = [SplitBody(_fields(split)).data for split in selectors.attribution_of(wallet)]
        return Response({"next": None, "previous": None, "results": rows})


def _fields(split: selectors.Split) -> Fields:
    return {
        "venue": split.instrument.venue_id, "symbol": split.instrument.symbol, "kind": split.instrument.kind,
        "bots": [
            {"bot": one.bot, "name": one.name, **{name: getattr(one.position, name) for name in _FIGURES}}
            for one in split.shares
        ],
        "manual": split.manual, "residual": split.residual, "total": split.venue,
    }  # fmt: skip


_FIGURES = ("size", "cost", "realised", "fees", "funding")
