"""Placing, changing and cancelling orders. What is decided is decided in `wallets.services`."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import BAD, CONFLICT, MISSING, Newest, body_of
from wallets import selectors, services
from wallets.api import payloads, request_serializers, response_serializers
from wallets.api.common import (
    DENIED,
    IDEMPOTENCY,
    HouseView,
    client_id_of,
    order_or_404,
    venue_or_404,
    wallet_or_404,
)
from wallets.domain.errors import OrderDenied, OrderError, OrderInvalid
from wallets.domain.requests import OrderRequest
from wallets.models import Order

TRADE = "trade"
OPTIONAL = ("price", "trigger_price", "tif", "reduce_only", "slippage_percent")


def _request(asked: dict[str, Any], venue: str, client_id: UUID) -> OrderRequest:
    given = {name: asked[name] for name in OPTIONAL if asked.get(name) is not None}
    return OrderRequest(
        client_id=client_id,
        venue=venue,
        symbol=asked["symbol"],
        side=asked["side"],
        kind=asked["kind"],
        size=asked["size"],
        **given,
    )


class OrderList(HouseView, GenericAPIView[Order]):
    scopes: ClassVar[dict[str, str]] = {"POST": TRADE}
    serializer_class = response_serializers.OrderBody
    pagination_class = Newest
    queryset = Order.objects.none()

    @extend_schema(
        operation_id="orders_list",
        summary="Your orders, newest first",
        parameters=[request_serializers.OrdersQuery],
        responses={200: response_serializers.OrderBody(many=True), **BAD, **MISSING},
        tags=["orders"],
    )
    def get(self, request: Request) -> Response:
        asked = body_of(request_serializers.OrdersQuery, request.query_params)
        return _page(self, selectors.orders_page(request.user, wallet_id=_wallet(request, asked), **asked))

    @extend_schema(
        operation_id="order_place",
        summary="Place an order",
        description="201: the order is ours and on its way; its status tells what became of it. "
        "A repetition (same `client_id` or `Idempotency-Key`) answers with the first order as it is now.",
        request=request_serializers.OrderPlace,
        responses={201: response_serializers.OrderBody, **DENIED, **MISSING},
        parameters=[IDEMPOTENCY],
        tags=["orders"],
    )
    def post(self, request: Request) -> Response:
        asked = body_of(request_serializers.OrderPlace, request.data)
        venue = venue_or_404(request, asked["wallet"])
        wish = _request(asked, venue, client_id_of(request, asked.get("client_id")))
        order = services.order_place(
            user=request.user, wallet_id=asked["wallet"], request=wish, origin="api", http=request._request
        )
        return Response(payloads.order_body(order), status=201)


def _wallet(request: Request, asked: dict[str, Any]) -> UUID | None:
    """The wallet that a list is of; one that the reader may not see is none."""
    wallet_id: UUID | None = asked.pop("wallet", None)
    return None if wallet_id is None else wallet_or_404(request, wallet_id).pk


def _page(view: GenericAPIView[Any], rows: QuerySet[Any]) -> Response:
    page = view.paginate_queryset(rows)
    return view.get_paginated_response(view.get_serializer(page, many=True).data)


class OrderBatch(HouseView):
    scopes: ClassVar[dict[str, str]] = {"POST": TRADE}

    @extend_schema(
        operation_id="orders_place",
        summary="Place up to 20 orders of one wallet",
        description="Each is judged by itself, in turn; `results` keeps their order.",
        request=request_serializers.OrderBatchBody,
        responses={200: response_serializers.BatchAnswer, **MISSING},
        parameters=[IDEMPOTENCY],
        tags=["orders"],
    )
    def post(self, request: Request) -> Response:
        asked = body_of(request_serializers.OrderBatchBody, request.data)
        venue = venue_or_404(request, asked["wallet"])
        wishes = [
            _request(wish, venue, client_id_of(request, wish.get("client_id"), part=f"#{number}"))
            for number, wish in enumerate(asked["orders"])
        ]
        done = services.orders_place(
            user=request.user, wallet_id=asked["wallet"], requests=wishes, origin="api", http=request._request
        )
        return Response({"results": [_result(one) for one in done]})


def _result(one: Order | OrderError) -> dict[str, Any]:
    if isinstance(one, Order):
        return {"order": payloads.order_body(one), "error": None}
    code, details, order = "CONFLICT", {}, None
    match one:
        case OrderDenied():
            code, order = one.denial.value, payloads.order_body(one.order) if one.order else None
        case OrderInvalid():
            code, details = "VALIDATION_ERROR", {one.field: [one.sentence]}
    return {"order": order, "error": {"code": code, "message": one.sentence, "details": details}}


class OrdersCancel(HouseView):
    scopes: ClassVar[dict[str, str]] = {"POST": TRADE}

    @extend_schema(
        operation_id="orders_cancel",
        summary="Cancel every live order that matches",
        request=request_serializers.CancelAll,
        responses={200: response_serializers.CancelAnswer, **MISSING},
        tags=["orders"],
    )
    def post(self, request: Request) -> Response:
        asked = body_of(request_serializers.CancelAll, request.data)
        number = services.orders_cancel(
            user=request.user,
            wallet_id=asked.get("wallet"),
            symbol=asked.get("symbol"),
            http=request._request,
        )
        return Response({"cancelling": number})


class OrderDetail(HouseView):
    scopes: ClassVar[dict[str, str]] = {"PATCH": TRADE, "DELETE": TRADE}

    @extend_schema(
        operation_id="order", summary="One order", responses=response_serializers.OrderBody, tags=["orders"]
    )
    def get(self, request: Request, pk: UUID) -> Response:
        order = order_or_404(request, pk)
        return Response(payloads.order_body(order))

    @extend_schema(
        operation_id="order_modify",
        summary="Change price or size of a resting limit order",
        description="The answer is a new order that `replaces` this one.",
        request=request_serializers.OrderChange,
        responses={201: response_serializers.OrderBody, **DENIED},
        parameters=[IDEMPOTENCY],
        tags=["orders"],
    )
    def patch(self, request: Request, pk: UUID) -> Response:
        old = order_or_404(request, pk)
        asked = body_of(request_serializers.OrderChange, request.data)
        order = services.order_modify(
            user=request.user,
            order_id=old.pk,
            client_id=client_id_of(request, asked.get("client_id"), part=f"@{pk}"),
            price=asked.get("price"),
            size=asked.get("size"),
            http=request._request,
        )
        return Response(payloads.order_body(order), status=201)

    @extend_schema(
        operation_id="order_cancel",
        summary="Cancel an order",
        description="One that has not left the house is cancelled at once; for others the venue is asked.",
        responses={200: response_serializers.OrderBody, **CONFLICT},
        tags=["orders"],
    )
    def delete(self, request: Request, pk: UUID) -> Response:
        order = services.order_cancel(user=request.user, order_id=pk, http=request._request)
        return Response(payloads.order_body(order))
