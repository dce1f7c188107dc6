"""Position close: caps a close at the bot's own size, on a wallet where other holders may be opposite."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from bots.domain.attribution import CloseOrder, close_order, missing_size
from bots.domain.order_planner import ModifyOrder, PlaceOrder, Request
from bots.domain.state_sync import PositionView
from bots.models import Bot, HolderPosition
from bots.selectors import attributions_of
from bots.services.dto import LoadedRun
from bots.services.ledger import wallet_fills_post, wallet_fills_post_locked
from core.formatting import plain
from wallets.selectors import net_position
from wallets.services import wallet_lock

ZERO = Decimal(0)
logger = logging.getLogger(__name__)


def cap_close_requests(*, loaded: LoadedRun, requests: Sequence[Request]) -> list[Request]:
    """The requests, with closing orders capped at the bot's own position that remains at the venue.

    A closing order is reduce-only where the venue would accept that; where the net position is smaller or
    opposite, a plain order of the bot's size is correct. Where nothing remains, the order is omitted: state
    synchronisation then reports it as rejected. Call it in the transaction that places the orders; it locks
    the wallet's row.
    """
    if not any(isinstance(request, PlaceOrder) and request.closing for request in requests):
        return list(requests)
    wallet_lock(user=loaded.user, wallet_id=loaded.wallet)
    wallet_fills_post_locked(wallet_id=loaded.wallet)
    remaining = remaining_size(loaded.wallet, Bot.objects.select_related("instrument").get(pk=loaded.bot))
    capped: list[Request] = []
    for request in requests:
        if not isinstance(request, PlaceOrder) or not request.closing:
            capped.append(request)
        elif (capped_request := _cap_request(loaded, request, remaining)) is not None:
            capped.append(capped_request)
    return capped


def remaining_size(wallet_id: UUID, bot: Bot) -> CloseOrder | None:
    """The order that closes the bot's own position according to the ledger; None when nothing remains."""
    for split in attributions_of(wallet_id, bot.instrument.base):
        if any(share.bot == bot.pk for share in split.shares):
            return close_order(str(bot.pk), split.sizes)
    return None


def remaining_position(*, bot_id: UUID) -> tuple[PositionView, int]:
    """The remaining position of the bot and the last fill it includes. The rest is written off."""
    bot = Bot.objects.select_related("instrument").get(pk=bot_id)
    with transaction.atomic():
        cursor = wallet_fills_post_locked(wallet_id=bot.wallet_id)
        remaining = remaining_size(bot.wallet_id, bot)
        size = ZERO if remaining is None else remaining.size if remaining.side == "sell" else -remaining.size
        # Recorded, so that no other bot counts the same missing size as its own loss.
        HolderPosition.objects.filter(bot=bot).exclude(closed_externally=F("size") - size).update(
            closed_externally=F("size") - size
        )
        funding = _funding(bot_id)
    covered = remaining is None or remaining.reduce_only or bot.instrument.kind == "spot"
    return PositionView(funding, size, covered), cursor.last_fill_id


def position_conflict(*, bot_id: UUID) -> str:
    """Why the bot's position and the wallet's net position cannot both be true, in a sentence; empty if they can."""
    bot = Bot.objects.select_related("instrument").get(pk=bot_id)
    wallet_fills_post(wallet_id=bot.wallet_id)
    for split in attributions_of(bot.wallet_id, bot.instrument.base):
        if any(share.bot == bot.pk for share in split.shares):
            own, missing = split.sizes.bots[str(bot.pk)], missing_size(str(bot.pk), split.sizes)
            if missing < bot.instrument.size_step:
                return ""
            base, traded, back = (bot.instrument.base, *(("sold", "buy") if own > 0 else ("bought", "sell")))
            return (
                f"Paused: this bot holds {plain(abs(own))} {base}, but {plain(missing)} of it were {traded} by hand or at "
                f"the exchange. Its orders are cancelled. Stop the bot, or {back} {plain(missing)} {base} back."
            )
    return ""


def reduce_only_requests(
    *, loaded: LoadedRun, position: Decimal, requests: Sequence[Request]
) -> list[Request]:
    """The requests, with reduce-only orders as plain ones where only other bots' opposite positions hide the bot's own.

    The venue nets the positions of all bots and would reject them. What a person traded against the bot changes nothing:
    the order stays reduce-only, and the bot pauses (`position_conflict`). Call it in the transaction that places them.
    """
    if not any(_is_reducing(request) for request in requests):
        return list(requests)
    net = net_position(loaded.wallet, loaded.instrument_id)
    if net * position > 0 and abs(net) >= abs(position):
        return list(requests)
    wallet_lock(user=loaded.user, wallet_id=loaded.wallet)
    wallet_fills_post_locked(wallet_id=loaded.wallet)
    bot = Bot.objects.select_related("instrument").get(pk=loaded.bot)
    for split in attributions_of(loaded.wallet, bot.instrument.base):
        if any(share.bot == bot.pk for share in split.shares) and not missing_size(str(bot.pk), split.sizes):
            return [_plain(request) if _is_reducing(request) else request for request in requests]
    return list(requests)


def _is_reducing(request: Request) -> bool:
    if isinstance(request, PlaceOrder):
        return request.order.reduce_only and not request.closing
    return isinstance(request, ModifyOrder) and request.order.reduce_only


def _plain(request: Request) -> Request:
    assert isinstance(request, PlaceOrder | ModifyOrder), "a cancel has no order"
    return replace(request, order=replace(request.order, reduce_only=False))


def position_view(*, bot_id: UUID, traded: bool) -> PositionView:
    """The bot's position view from the ledger; new fills are posted first when the bot has just `traded`."""
    if traded:
        wallet_fills_post(wallet_id=Bot.objects.values_list("wallet", flat=True).get(pk=bot_id))
    return PositionView(_funding(bot_id))


def _funding(bot_id: UUID) -> Decimal:
    return HolderPosition.objects.filter(bot=bot_id).values_list("funding", flat=True).first() or ZERO


def _cap_request(loaded: LoadedRun, request: PlaceOrder, remaining: CloseOrder | None) -> PlaceOrder | None:
    order, terms = request.order, loaded.spec.terms
    if remaining is None or remaining.side != order.side:
        logger.warning("no position left to close", extra={"subject": str(loaded.bot)})
        return None
    size = terms.round_size_down(min(order.size, remaining.size))
    if not size:
        return None
    reduce_only = remaining.reduce_only and terms.instrument.kind == "perp"
    provenance: dict[str, Any] = {**(order.provenance or {}), "left": str(remaining.size)}
    return replace(request, order=replace(order, size=size, reduce_only=reduce_only, provenance=provenance))
