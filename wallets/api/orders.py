"""Order endpoints: list, place, modify and cancel orders through `wallets.services`."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.response import Response

from accounts.authentication import SignedInRequest
from core.api import BAD_REQUEST, CONFLICT, NOT_FOUND, NewestFirstPagination, validated_data
from wallets import selectors, services
from wallets.api import payloads, request_serializers, response_serializers
from wallets.api.common import (
    DENIED,
    IDEMPOTENCY,
    WalletsAPIView,
    client_id_of,
    order_or_404,
    venue_or_404,
    wallet_or_404,
)
from wallets.domain.errors import OrderDenied, OrderError, OrderInvalid
from wallets.domain.requests import OrderRequest
from wallets.models import Order

OPTIONAL = ("price", "trigger_price", "reduce_only", "slippage_percent")


def _request(params: dict[str, Any], venue: str, client_id: UUID) -> OrderRequest:
    given = {name: params[name] for name in OPTIONAL if params.get(name) is not None}
    if params.get("time_in_force") is not None:
        given["tif"] = params["time_in_force"]
    return OrderRequest(
        client_id=client_id,
        venue=venue,
        symbol=params["symbol"],
        side=params["side"],
        kind=params["order_type"],
        size=params["size"],
        **given,
    )


class OrderList(WalletsAPIView, GenericAPIView[Order]):
    serializer_class = response_serializers.OrderBody
    pagination_class = NewestFirstPagination
    queryset = Order.objects.none()

    @extend_schema(
        operation_id="orders_list",
        summary="Your orders, newest first",
        parameters=[request_serializers.OrdersQuery],
        responses={200: response_serializers.OrderBody(many=True), **BAD_REQUEST, **NOT_FOUND},
        tags=["orders"],
    )
    def get(self, request: SignedInRequest) -> Response:
        params = validated_data(request_serializers.OrdersQuery, request.query_params)
        return _paginated(
            self, selectors.orders_page(request.user, wallet_id=_wallet_id(request, params), **params)
        )

    @extend_schema(
        operation_id="order_place",
        summary="Place an order",
        description="201: the order is stored and will be sent; its status shows the result. "
        "A repeated request (same `client_id` or `Idempotency-Key`) returns the first order as it is now.",
        request=request_serializers.OrderPlace,
        responses={201: response_serializers.OrderBody, **DENIED, **NOT_FOUND},
        parameters=[IDEMPOTENCY],
        tags=["orders"],
    )
    def post(self, request: SignedInRequest) -> Response:
        params = validated_data(request_serializers.OrderPlace, request.data)
        venue = venue_or_404(request, params["wallet"])
        order_request = _request(params, venue, client_id_of(request, params.get("client_id")))
        order = services.order_place(
            user=request.user,
            wallet_id=params["wallet"],
            request=order_request,
            origin="api",
            http=request._request,
        )
        return Response(payloads.order_body(order), status=201)


def _wallet_id(request: SignedInRequest, params: dict[str, Any]) -> UUID | None:
    """The wallet id of a list filter, if given. Raises `NotFound` when the user may not read the wallet."""
    wallet_id: UUID | None = params.pop("wallet", None)
    return None if wallet_id is None else wallet_or_404(request, wallet_id).pk


def _paginated(view: GenericAPIView[Any], rows: QuerySet[Any]) -> Response:
    page = view.paginate_queryset(rows)
    return view.get_paginated_response(view.get_serializer(page, many=True).data)


class OrderBatch(WalletsAPIView):
    @extend_schema(
        operation_id="orders_place",
        summary="Place up to 20 orders of one wallet",
        description="Each order is risk-checked in turn; `results` has the same sequence.",
        request=request_serializers.OrderBatchBody,
        responses={200: response_serializers.BatchResponse, **NOT_FOUND},
        parameters=[IDEMPOTENCY],
        tags=["orders"],
    )
    def post(self, request: SignedInRequest) -> Response:
        params = validated_data(request_serializers.OrderBatchBody, request.data)
        venue = venue_or_404(request, params["wallet"])
        order_requests = [
            _request(
                order_request, venue, client_id_of(request, order_request.get("client_id"), part=f"#{number}")
            )
            for number, order_request in enumerate(params["orders"])
        ]
        results = services.orders_place(
            user=request.user,
            wallet_id=params["wallet"],
            requests=order_requests,
            origin="api",
            http=request._request,
        )
        return Response({"results": [_result(one) for one in results]})


def _result(one: Order | OrderError) -> dict[str, Any]:
    if isinstance(one, Order):
        return {"order": payloads.order_body(one), "error": None}
    code, details, order = "CONFLICT", {}, None
    match one:
        case OrderDenied():
            code, order = one.denial.value, payloads.order_body(one.order) if one.order else None
        case OrderInvalid():
            code, details = "VALIDATION_ERROR", {one.field: [one.message]}
    return {"order": order, "error": {"code": code, "message": one.message, "details": details}}


class OrdersCancel(WalletsAPIView):
    @extend_schema(
        operation_id="orders_cancel",
        summary="Cancel all open orders that match",
        request=request_serializers.CancelAll,
        responses={200: response_serializers.CancelResponse, **NOT_FOUND},
        tags=["orders"],
    )
    def post(self, request: SignedInRequest) -> Response:
        params = validated_data(request_serializers.CancelAll, request.data)
        number = services.orders_cancel(
            user=request.user,
            wallet_id=params.get("wallet"),
            symbol=params.get("symbol"),
            http=request._request,
        )
        return Response({"cancelling": number})


class OrderDetail(WalletsAPIView):
    @extend_schema(
        operation_id="order", summary="One order", responses=response_serializers.OrderBody, tags=["orders"]
    )
    def get(self, request: SignedInRequest, pk: UUID) -> Response:
        order = order_or_404(request, pk)
        return Response(payloads.order_body(order))

    @extend_schema(
        operation_id="order_modify",
        summary="Modify price or size of an open limit order",
        description="Returns a new order that `replaces` this one.",
        request=request_serializers.OrderChange,
        responses={201: response_serializers.OrderBody, **DENIED},
        parameters=[IDEMPOTENCY],
        tags=["orders"],
    )
    def patch(self, request: SignedInRequest, pk: UUID) -> Response:
        old = order_or_404(request, pk)
        params = validated_data(request_serializers.OrderChange, request.data)
        order = services.order_modify(
            user=request.user,
            order_id=old.pk,
            client_id=client_id_of(request, params.get("client_id"), part=f"@{pk}"),
            price=params.get("price"),
            size=params.get("size"),
            http=request._request,
        )
        return Response(payloads.order_body(order), status=201)

    @extend_schema(
        operation_id="order_cancel",
        summary="Cancel an order",
        description="An order that was not sent is cancelled at once; the others are cancelled at the exchange.",
        responses={200: response_serializers.OrderBody, **CONFLICT},
        tags=["orders"],
    )
    def delete(self, request: SignedInRequest, pk: UUID) -> Response:
        order = services.order_cancel(user=request.user, order_id=pk, http=request._request)
        return Response(payloads.order_body(order))
