"""What a wallet holds and what happened to it: balances, positions, fills, ledger."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import BAD, MISSING, Newest, NewestRows, body_of
from market.domain.formatting import plain
from wallets import selectors
from wallets.api import request_serializers, response_serializers
from wallets.api.common import (
    HouseView,
    Pages,
    wallet_or_404,
)
from wallets.api.payloads import entry_price, text
from wallets.models import Fill, LedgerEntry, LedgerTransfer, Order


class NewestFills(Newest):
    ordering = ("-time", "-id")  # type: ignore[assignment]  # as Django REST framework takes it


def _whole(results: Iterable[dict[str, Any]]) -> Response:
    return Response({"next": None, "previous": None, "results": list(results)})


class BalanceList(HouseView):
    @extend_schema(
        operation_id="wallet_balances", responses=response_serializers.BalancePage, tags=["wallets"],
        summary="What a wallet has, by pot and asset",
    )  # fmt: skip
    def get(self, request: Request, pk: UUID) -> Response:
        wallet = wallet_or_404(request, pk)
        return _whole(
            {
                "pot": held.pot,
                "asset": held.asset,
                "available": plain(held.available),
                "reserved": plain(held.reserved),
                "total": plain(held.total),
            }
            for held in selectors.balances_of(wallet)
        )


class PositionList(HouseView):
    @extend_schema(
        operation_id="wallet_positions", responses=response_serializers.PositionPage, tags=["wallets"],
        summary="Open positions at the mark",
    )  # fmt: skip
    def get(self, request: Request, pk: UUID) -> Response:
        wallet = wallet_or_404(request, pk)
        prices = selectors.prices_of(wallet.venue_id)
        marks = {symbol: prices.mark(symbol) for symbol in prices.ticks}
        return _whole(_position(held) for held in selectors.positions_of(wallet, marks))


def _position(held: selectors.Held) -> dict[str, Any]:
    position = held.row
    return {
        "venue": position.instrument.venue_id,
        "symbol": position.instrument.symbol,
        "size": plain(position.size),
        "entry_price": text(entry_price(position)),
        "mark": text(held.mark),
        "unrealised": text(held.unrealised),
        "realised": plain(position.realised),
        "fees": plain(position.fees),
        "funding": plain(position.funding),
        "leverage": position.leverage,
        "isolated": position.isolated,
        "margin_used": plain(position.margin_used),
        "liquidation_price": text(position.liquidation_price),
    }


class WalletOrders(Pages):
    serializer_class = response_serializers.OrderBody
    pagination_class = Newest
    queryset = Order.objects.none()

    @extend_schema(operation_id="wallet_orders", summary="Orders of one wallet", tags=["wallets"],
                   responses={200: response_serializers.OrderBody(many=True)})  # fmt: skip
    def get(self, request: Request, pk: UUID) -> Response:
        return self.page(selectors.orders_page(request.user, wallet_id=wallet_or_404(request, pk).pk))


class WalletFills(Pages):
    serializer_class = response_serializers.FillBody
    pagination_class = NewestFills
    queryset = Fill.objects.none()

    @extend_schema(operation_id="wallet_fills", summary="Fills of one wallet", tags=["wallets"],
                   responses={200: response_serializers.FillBody(many=True)})  # fmt: skip
    def get(self, request: Request, pk: UUID) -> Response:
        return self.page(selectors.fills_page(request.user, wallet_id=wallet_or_404(request, pk).pk))


class EntryList(Pages):
    serializer_class = response_serializers.EntryBody
    pagination_class = NewestRows
    queryset = LedgerEntry.objects.none()

    @extend_schema(operation_id="wallet_entries", summary="The ledger, entry by entry", tags=["wallets"],
                   responses={200: response_serializers.EntryBody(many=True)})  # fmt: skip
    def get(self, request: Request, pk: UUID) -> Response:
        return self.page(selectors.entries_page(request.user, wallet_or_404(request, pk).pk))


class TransferList(Pages):
    serializer_class = response_serializers.TransferBody
    pagination_class = NewestRows
    queryset = LedgerTransfer.objects.none()

    @extend_schema(operation_id="wallet_transfers", summary="The ledger, event by event", tags=["wallets"],
                   responses={200: response_serializers.TransferBody(many=True)})  # fmt: skip
    def get(self, request: Request, pk: UUID) -> Response:
        return self.page(selectors.transfers_page(request.user, wallet_or_404(request, pk).pk))


class FillList(Pages):
    serializer_class = response_serializers.FillBody
    pagination_class = NewestFills
    queryset = Fill.objects.none()

    @extend_schema(
        operation_id="fills_list",
        summary="Your fills, newest first",
        parameters=[request_serializers.FillsQuery],
        responses={200: response_serializers.FillBody(many=True), **BAD, **MISSING},
        tags=["orders"],
    )
    def get(self, request: Request) -> Response:
        asked = body_of(request_serializers.FillsQuery, request.query_params)
        wallet_id = asked.pop("wallet", None)
        if wallet_id is not None:
            wallet_or_404(request, wallet_id)
        return self.page(selectors.fills_page(request.user, wallet_id=wallet_id, **asked))
