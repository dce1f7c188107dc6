"""Account data endpoints: balances, positions, orders, fills and ledger of a wallet."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from accounts.authentication import SignedInRequest
from core.api import BAD_REQUEST, NOT_FOUND, NewestFirstByIdPagination, NewestFirstPagination, validated_data
from core.formatting import plain
from wallets import selectors
from wallets.api import request_serializers, response_serializers
from wallets.api.common import (
    PaginatedWalletsView,
    WalletsAPIView,
    wallet_or_404,
)
from wallets.api.payloads import entry_price, text
from wallets.models import Fill, LedgerEntry, LedgerTransaction, Order


class NewestFills(NewestFirstPagination):
    ordering = ("-time", "-id")  # type: ignore[assignment]  # a tuple, as Django REST framework accepts it


def _single_page(results: Iterable[dict[str, Any]]) -> Response:
    return Response({"next": None, "previous": None, "results": list(results)})


class BalanceList(WalletsAPIView):
    @extend_schema(
        operation_id="wallet_balances", responses=response_serializers.BalancePage, tags=["wallets"],
        summary="Balances of a wallet by account type and asset",
    )  # fmt: skip
    def get(self, request: SignedInRequest, pk: UUID) -> Response:
        wallet = wallet_or_404(request, pk)
        return _single_page(
            {
                "account_type": row.account_type,
                "asset": row.asset,
                "available": plain(row.available),
                "reserved": plain(row.reserved),
                "total": plain(row.total),
            }
            for row in selectors.balances_of(wallet)
        )


class PositionList(WalletsAPIView):
    @extend_schema(
        operation_id="wallet_positions", responses=response_serializers.PositionPage, tags=["wallets"],
        summary="Open positions at the mark price",
    )  # fmt: skip
    def get(self, request: SignedInRequest, pk: UUID) -> Response:
        wallet = wallet_or_404(request, pk)
        prices = selectors.prices_of(wallet.venue_id)
        marks = {symbol: prices.mark(symbol) for symbol in prices.ticks}
        return _single_page(_position(row) for row in selectors.positions_of(wallet, marks))


def _position(row: selectors.PositionRow) -> dict[str, Any]:
    position = row.position
    return {
        "venue": position.instrument.venue_id,
        "symbol": position.instrument.symbol,
        "size": plain(position.size),
        "entry_price": text(entry_price(position)),
        "mark_price": text(row.mark),
        "unrealised_pnl": text(row.unrealised_pnl),
        "realised_pnl": plain(position.realised_pnl),
        "fees": plain(position.fees),
        "funding": plain(position.funding),
        "leverage": position.leverage,
        "isolated": position.isolated,
        "margin_used": plain(position.margin_used),
        "liquidation_price": text(position.liquidation_price),
    }


class WalletOrders(PaginatedWalletsView):
    serializer_class = response_serializers.OrderBody
    pagination_class = NewestFirstPagination
    queryset = Order.objects.none()

    @extend_schema(operation_id="wallet_orders", summary="Orders of one wallet", tags=["wallets"],
                   responses={200: response_serializers.OrderBody(many=True)})  # fmt: skip
    def get(self, request: SignedInRequest, pk: UUID) -> Response:
        return self.page(selectors.orders_page(request.user, wallet_id=wallet_or_404(request, pk).pk))


class WalletFills(PaginatedWalletsView):
    serializer_class = response_serializers.FillBody
    pagination_class = NewestFills
    queryset = Fill.objects.none()

    @extend_schema(operation_id="wallet_fills", summary="Fills of one wallet", tags=["wallets"],
                   responses={200: response_serializers.FillBody(many=True)})  # fmt: skip
    def get(self, request: SignedInRequest, pk: UUID) -> Response:
        return self.page(selectors.fills_page(request.user, wallet_id=wallet_or_404(request, pk).pk))


class LedgerEntryList(PaginatedWalletsView):
    serializer_class = response_serializers.EntryBody
    pagination_class = NewestFirstByIdPagination
    queryset = LedgerEntry.objects.none()

    @extend_schema(operation_id="wallet_entries", summary="Ledger entries of a wallet", tags=["wallets"],
                   responses={200: response_serializers.EntryBody(many=True)})  # fmt: skip
    def get(self, request: SignedInRequest, pk: UUID) -> Response:
        return self.page(selectors.ledger_entries_page(request.user, wallet_or_404(request, pk).pk))


class LedgerTransactionList(PaginatedWalletsView):
    serializer_class = response_serializers.TransactionBody
    pagination_class = NewestFirstByIdPagination
    queryset = LedgerTransaction.objects.none()

    @extend_schema(operation_id="wallet_transfers", summary="Ledger transactions of a wallet", tags=["wallets"],
                   responses={200: response_serializers.TransactionBody(many=True)})  # fmt: skip
    def get(self, request: SignedInRequest, pk: UUID) -> Response:
        return self.page(selectors.ledger_transactions_page(request.user, wallet_or_404(request, pk).pk))


class FillList(PaginatedWalletsView):
    serializer_class = response_serializers.FillBody
    pagination_class = NewestFills
    queryset = Fill.objects.none()

    @extend_schema(
        operation_id="fills_list",
        summary="Your fills, newest first",
        parameters=[request_serializers.FillsQuery],
        responses={200: response_serializers.FillBody(many=True), **BAD_REQUEST, **NOT_FOUND},
        tags=["orders"],
    )
    def get(self, request: SignedInRequest) -> Response:
        params = validated_data(request_serializers.FillsQuery, request.query_params)
        wallet_id = params.pop("wallet", None)
        if wallet_id is not None:
            wallet_or_404(request, wallet_id)
        return self.page(selectors.fills_page(request.user, wallet_id=wallet_id, **params))
