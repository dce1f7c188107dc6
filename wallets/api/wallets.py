"""Wallets: opened, looked at, limited, halted, given another key, archived."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import CONFLICT, MISSING, Newest, body_of
from wallets import selectors, services
from wallets.api import request_serializers, response_serializers
from wallets.api.common import (
    IDEMPOTENCY,
    HouseView,
    client_id_of,
    proof_want,
    wallet_or_404,
)
from wallets.api.payloads import wallet_body
from wallets.domain.status import STRICTNESS, TradingState
from wallets.models import Wallet


class WalletList(HouseView, GenericAPIView[Wallet]):
    serializer_class = response_serializers.WalletBody
    pagination_class = Newest
    queryset = Wallet.objects.none()

    @extend_schema(
        operation_id="wallets_list", summary="Your wallets, newest first", tags=["wallets"],
        responses={200: response_serializers.WalletBody(many=True)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(selectors.wallets_of(request.user))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="wallet_create",
        summary="Add a wallet",
        description="With `key`: it is sealed at once and checked by us. Without: we make one, and "
        "`signer.address` is what you approve at the venue. `simulated`: an account with play money.",
        request=request_serializers.WalletCreate,
        responses={201: response_serializers.WalletBody, **MISSING},
        parameters=[IDEMPOTENCY],
        tags=["wallets"],
    )
    def post(self, request: Request) -> Response:
        asked = body_of(request_serializers.WalletCreate, request.data)
        client_id = client_id_of(request, None)
        if asked["simulated"]:
            wallet = services.simulated_account_open(
                user=request.user, venue=asked["venue"], label=asked["label"], client_id=client_id,
                http=request._request,
            )  # fmt: skip
        else:
            proof_want(request, "wallet.add")
            wallet = services.wallet_create(
                user=request.user, venue=asked["venue"], label=asked["label"], address=asked["address"],
                client_id=client_id, key=_bytes(asked.get("key")), http=request._request,
            )  # fmt: skip
        return Response(wallet_body(wallet), status=201)


def _bytes(key: str | None) -> bytes | None:
    return None if key is None else key.encode()


class WalletDetail(HouseView):
    @extend_schema(operation_id="wallet", summary="One wallet", responses=response_serializers.WalletBody,
                   tags=["wallets"])  # fmt: skip
    def get(self, request: Request, pk: UUID) -> Response:
        return Response(wallet_body(wallet_or_404(request, pk)))

    @extend_schema(
        operation_id="wallet_change", summary="Rename a wallet, or set its limits", tags=["wallets"],
        description="Limits want a fresh proof (403 `REAUTH_REQUIRED`).",
        request=request_serializers.WalletChange, responses=response_serializers.WalletBody,
    )  # fmt: skip
    def patch(self, request: Request, pk: UUID) -> Response:
        wallet = wallet_or_404(request, pk)
        asked = body_of(request_serializers.WalletChange, request.data)
        common: dict[str, Any] = {"user": request.user, "wallet_id": wallet.pk, "http": request._request}
        label = asked.pop("label", None)
        if asked:
            proof_want(request, "wallet.limits")
            wallet = services.wallet_limits_set(**common, limits=asked)
        if label is not None:
            wallet = services.wallet_rename(**common, label=label)
        return Response(wallet_body(wallet))

    @extend_schema(
        operation_id="wallet_archive", summary="Archive a wallet: its key is deleted, its books stay",
        description="Refused while it has live orders. Wants a fresh proof (403 `REAUTH_REQUIRED`).",
        responses={204: OpenApiResponse(description="Archived"), **CONFLICT}, tags=["wallets"],
    )  # fmt: skip
    def delete(self, request: Request, pk: UUID) -> Response:
        wallet = wallet_or_404(request, pk)
        proof_want(request, "wallet.archive")
        services.wallet_archive(user=request.user, wallet_id=wallet.pk, http=request._request)
        return Response(status=204)


class WalletState(HouseView):
    scopes: ClassVar[dict[str, str]] = {"POST": "trade"}

    @extend_schema(
        operation_id="wallet_state", summary="Halt a wallet, let it only reduce, or let it trade again",
        description="Anything looser than now wants a fresh proof (403 `REAUTH_REQUIRED`); what an administrator "
        "made stricter stays so (409).",
        request=request_serializers.StateBody, responses={200: response_serializers.WalletBody, **CONFLICT}, tags=["wallets"],
    )  # fmt: skip
    def post(self, request: Request, pk: UUID) -> Response:
        wallet = wallet_or_404(request, pk)
        asked = body_of(request_serializers.StateBody, request.data)
        state = TradingState(asked["state"])
        if STRICTNESS.index(state) < STRICTNESS.index(TradingState(wallet.trading_state)):
            proof_want(request, "wallet.live")
        services.trading_state_set(
            actor=request.user, scope="wallet", target=wallet.pk, state=state, reason=asked["reason"],
            http=request._request,
        )  # fmt: skip
        return Response(wallet_body(wallet_or_404(request, pk)))


class WalletKey(HouseView):
    @extend_schema(
        operation_id="wallet_key", summary="Replace the key of a wallet", tags=["wallets"],
        description="It is sealed at once and checked. Wants a fresh proof (403 `REAUTH_REQUIRED`).",
        request=request_serializers.KeyReplace, responses=response_serializers.WalletBody,
    )  # fmt: skip
    def put(self, request: Request, pk: UUID) -> Response:
        wallet = wallet_or_404(request, pk)
        asked = body_of(request_serializers.KeyReplace, request.data)
        proof_want(request, "wallet.replace_key")
        wallet = services.wallet_key_replace(
            user=request.user, wallet_id=wallet.pk, key=asked["key"].encode(), http=request._request
        )
        return Response(wallet_body(wallet))


class WalletLeverage(HouseView):
    scopes: ClassVar[dict[str, str]] = {"POST": "trade"}

    @extend_schema(
        operation_id="wallet_leverage", summary="Set the leverage of an instrument", tags=["wallets"],
        request=request_serializers.LeverageBody, responses={204: OpenApiResponse(description="Asked for")},
    )  # fmt: skip
    def post(self, request: Request, pk: UUID) -> Response:
        wallet = wallet_or_404(request, pk)
        asked: dict[str, Any] = body_of(request_serializers.LeverageBody, request.data)
        services.leverage_set(user=request.user, wallet_id=wallet.pk, **asked, http=request._request)
        return Response(status=204)
