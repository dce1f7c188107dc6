"""Wallet endpoints: create, read, rename, set limits and trading state, replace key, archive."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.response import Response

from accounts.authentication import SignedInRequest
from core.api import CONFLICT, NOT_FOUND, NewestFirstPagination, validated_data
from wallets import selectors, services
from wallets.api import request_serializers, response_serializers
from wallets.api.common import (
    IDEMPOTENCY,
    WalletsAPIView,
    client_id_of,
    require_step_up,
    wallet_or_404,
)
from wallets.api.payloads import wallet_body
from wallets.domain.status import STRICTNESS, TradingState
from wallets.models import Wallet


class WalletList(WalletsAPIView, GenericAPIView[Wallet]):
    serializer_class = response_serializers.WalletBody
    pagination_class = NewestFirstPagination
    queryset = Wallet.objects.none()

    @extend_schema(
        operation_id="wallets_list", summary="Your wallets, newest first", tags=["wallets"],
        responses={200: response_serializers.WalletBody(many=True)},
    )  # fmt: skip
    def get(self, request: SignedInRequest) -> Response:
        page = self.paginate_queryset(selectors.wallets_of(request.user))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="wallet_create",
        summary="Add a wallet",
        description="With `key`: it is sealed at once and verified. Without: a key is generated, and "
        "`signer.address` has to be approved at the exchange. `simulated`: an account with play money.",
        request=request_serializers.WalletCreate,
        responses={201: response_serializers.WalletBody, **NOT_FOUND},
        parameters=[IDEMPOTENCY],
        tags=["wallets"],
    )
    def post(self, request: SignedInRequest) -> Response:
        params = validated_data(request_serializers.WalletCreate, request.data)
        client_id = client_id_of(request, None)
        if params["simulated"]:
            wallet = services.simulated_account_open(
                user=request.user, venue=params["venue"], label=params["label"], client_id=client_id,
                http=request._request,
            )  # fmt: skip
        else:
            require_step_up(request, "wallet.add")
            wallet = services.wallet_create(
                user=request.user, venue=params["venue"], label=params["label"], address=params["address"],
                client_id=client_id, key=_bytes(params.get("key")), http=request._request,
            )  # fmt: skip
        return Response(wallet_body(wallet), status=201)


def _bytes(key: str | None) -> bytes | None:
    return None if key is None else key.encode()


class WalletDetail(WalletsAPIView):
    @extend_schema(operation_id="wallet", summary="One wallet", responses=response_serializers.WalletBody,
                   tags=["wallets"])  # fmt: skip
    def get(self, request: SignedInRequest, pk: UUID) -> Response:
        return Response(wallet_body(wallet_or_404(request, pk)))

    @extend_schema(
        operation_id="wallet_change", summary="Rename a wallet, or set its limits", tags=["wallets"],
        description="Limits require recent authentication (403 `REAUTH_REQUIRED`).",
        request=request_serializers.WalletChange, responses=response_serializers.WalletBody,
    )  # fmt: skip
    def patch(self, request: SignedInRequest, pk: UUID) -> Response:
        wallet = wallet_or_404(request, pk)
        params = validated_data(request_serializers.WalletChange, request.data)
        common: dict[str, Any] = {"user": request.user, "wallet_id": wallet.pk, "http": request._request}
        label = params.pop("label", None)
        if params:
            require_step_up(request, "wallet.limits")
            wallet = services.wallet_limits_set(**common, limits=params)
        if label is not None:
            wallet = services.wallet_rename(**common, label=label)
        return Response(wallet_body(wallet))

    @extend_schema(
        operation_id="wallet_archive", summary="Archive a wallet: its key is deleted, its records stay",
        description="Not possible while it has open orders. Requires recent authentication (403 `REAUTH_REQUIRED`).",
        responses={204: OpenApiResponse(description="Archived"), **CONFLICT}, tags=["wallets"],
    )  # fmt: skip
    def delete(self, request: SignedInRequest, pk: UUID) -> Response:
        wallet = wallet_or_404(request, pk)
        require_step_up(request, "wallet.archive")
        services.wallet_archive(user=request.user, wallet_id=wallet.pk, http=request._request)
        return Response(status=204)


class WalletState(WalletsAPIView):
    @extend_schema(
        operation_id="wallet_state", summary="Set the trading state of a wallet: halted, reduce-only or active",
        description="A looser state requires recent authentication (403 `REAUTH_REQUIRED`); a state set by an "
        "administrator cannot be loosened (409).",
        request=request_serializers.TradingStateBody, responses={200: response_serializers.WalletBody, **CONFLICT}, tags=["wallets"],
    )  # fmt: skip
    def post(self, request: SignedInRequest, pk: UUID) -> Response:
        wallet = wallet_or_404(request, pk)
        params = validated_data(request_serializers.TradingStateBody, request.data)
        state = TradingState(params["state"])
        if STRICTNESS.index(state) < STRICTNESS.index(TradingState(wallet.trading_state)):
            require_step_up(request, "wallet.live")
        services.trading_state_set(
            actor=request.user, scope="wallet", target=wallet.pk, state=state, reason=params["reason"],
            http=request._request,
        )  # fmt: skip
        return Response(wallet_body(wallet_or_404(request, pk)))


class WalletKey(WalletsAPIView):
    @extend_schema(
        operation_id="wallet_key", summary="Replace the key of a wallet", tags=["wallets"],
        description="The key is sealed at once and verified. Requires recent authentication (403 `REAUTH_REQUIRED`).",
        request=request_serializers.KeyReplace, responses=response_serializers.WalletBody,
    )  # fmt: skip
    def put(self, request: SignedInRequest, pk: UUID) -> Response:
        wallet = wallet_or_404(request, pk)
        params = validated_data(request_serializers.KeyReplace, request.data)
        require_step_up(request, "wallet.replace_key")
        wallet = services.wallet_key_replace(
            user=request.user, wallet_id=wallet.pk, key=params["key"].encode(), http=request._request
        )
        return Response(wallet_body(wallet))


class WalletLeverage(WalletsAPIView):
    @extend_schema(
        operation_id="wallet_leverage", summary="Set the leverage of an instrument", tags=["wallets"],
        request=request_serializers.LeverageBody, responses={204: OpenApiResponse(description="Requested")},
    )  # fmt: skip
    def post(self, request: SignedInRequest, pk: UUID) -> Response:
        wallet = wallet_or_404(request, pk)
        params: dict[str, Any] = validated_data(request_serializers.LeverageBody, request.data)
        services.leverage_set(user=request.user, wallet_id=wallet.pk, **params, http=request._request)
        return Response(status=204)
