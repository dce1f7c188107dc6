"""API endpoint of the position attribution of a wallet."""

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from accounts.authentication import SignedInRequest
from bots import selectors
from bots.api.common import BotsAPIView
from bots.api.serializers import DecimalField, Fields
from core.api import NOT_FOUND, NOT_FOUND_MESSAGE
from wallets.selectors import wallet_get


class HoldingBody(serializers.Serializer[Any]):
    """Position of one holder, amounts in quote units. For spot only `size` is meaningful: other amounts are
    in the wallet's ledger."""

    size = DecimalField(help_text="Below zero: short.")
    cost = DecimalField(help_text="Signed cost of the position.")
    realised_pnl = DecimalField(
        help_text="Before fees. What the venue netted between holders is in the residual."
    )
    fees = DecimalField(help_text="Above zero: paid.")
    funding = DecimalField(help_text="Above zero: received.")


class BotHoldingBody(HoldingBody):
    bot = serializers.UUIDField()
    name = serializers.CharField()


class AttributionBody(serializers.Serializer[Fields]):
    """Attribution of one instrument: bots, manual and residual sum to the total in every field."""

    venue = serializers.CharField()
    symbol = serializers.CharField()
    kind = serializers.CharField()
    bots = BotHoldingBody(many=True)
    manual = HoldingBody(help_text="Manual trading, and the funding beyond the bots' shares.")
    residual = HoldingBody(help_text="Unattributed: no order placed here explains it.")
    total = HoldingBody(help_text="The venue's own position.")


class AttributionPage(serializers.Serializer[Fields]):
    """Page with all results; there is never a second page."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = AttributionBody(many=True)


class WalletAttribution(BotsAPIView):
    @extend_schema(
        operation_id="wallet_attribution", tags=["wallets"], responses={200: AttributionPage, **NOT_FOUND},
        summary="Position attribution of a wallet: its bots, manual trading, unattributed",
    )  # fmt: skip
    def get(self, request: SignedInRequest, pk: UUID) -> Response:
        wallet = wallet_get(request.user, pk)
        if wallet is None:
            raise Http404(NOT_FOUND_MESSAGE)
        rows = [AttributionBody(_fields(split)).data for split in selectors.attribution_of(wallet)]
        return Response({"next": None, "previous": None, "results": rows})


def _fields(split: selectors.InstrumentAttribution) -> Fields:
    return {
        "venue": split.instrument.venue_id, "symbol": split.instrument.symbol, "kind": split.instrument.kind,
        "bots": [
            {"bot": one.bot, "name": one.name, **{name: getattr(one.position, name) for name in _FIELDS}}
            for one in split.shares
        ],
        "manual": split.manual, "residual": split.residual, "total": split.venue,
    }  # fmt: skip


_FIELDS = ("size", "cost", "realised_pnl", "fees", "funding")
