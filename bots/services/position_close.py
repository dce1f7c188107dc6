"""Closing what is a bot's own, never more, on a wallet where others may hold the opposite."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from bots.domain.attribution import Closing, closing
from bots.domain.order_planner import PlaceOrder, Request
from bots.domain.state_sync import Money
from bots.models import Bot, HolderBook
from bots.selectors import splits_of
from bots.services.dto import Loaded
from bots.services.ledger import books_post, books_post_locked
from wallets.services import wallet_hold

ZERO = Decimal(0)
logger = logging.getLogger(__name__)


def capped(*, loaded: Loaded, requests: Sequence[Request]) -> list[Request]:
    """The requests, but closing orders as large as the bot's own position still is at the venue.

    Reduce-only is asked for where the venue could grant it; where the net position is smaller or
    opposite, a plain order of the bot's size is right. Where nothing is left there is no order: the bot
    hears of one that was not taken. Call it in the transaction that places; locks the wallet's row.
    """
    if not any(isinstance(request, PlaceOrder) and request.closing for request in requests):
        return list(requests)
    wallet_hold(user=loaded.user, wallet_id=loaded.wallet)
    books_post_locked(wallet_id=loaded.wallet)
    left = left_of(loaded.wallet, Bot.objects.select_related("instrument").get(pk=loaded.bot))
    kept: list[Request] = []
    for request in requests:
        if not isinstance(request, PlaceOrder) or not request.closing:
            kept.append(request)
        elif (cut := _cut(loaded, request, left)) is not None:
            kept.append(cut)
    return kept


def left_of(wallet_id: UUID, bot: Bot) -> Closing | None:
    """How to close what the books say is the bot's own; None when nothing of it is left."""
    for split in splits_of(wallet_id, bot.instrument.base):
        if any(share.bot == bot.pk for share in split.shares):
            return closing(str(bot.pk), split.sizes)
    return None


def what_remains(*, bot_id: UUID) -> tuple[Money, int]:
    """What is left of the bot's position, and the last fill that was counted. The rest is written off."""
    bot = Bot.objects.select_related("instrument").get(pk=bot_id)
    with transaction.atomic():
        mark = books_post_locked(wallet_id=bot.wallet_id)
        left = left_of(bot.wallet_id, bot)
        size = ZERO if left is None else left.size if left.side == "sell" else -left.size
        # Nobody else is to take it for a loss of theirs as well.
        HolderBook.objects.filter(bot=bot).exclude(gone=F("size") - size).update(gone=F("size") - size)
        funding = _funding(bot_id)
    covered = left is None or left.reduce_only or bot.instrument.kind == "spot"
    return Money(funding, size, covered), mark.fills_until


def money_of(*, bot_id: UUID, traded: bool) -> Money:
    """What the bot's book says; it is posted first when the bot has just `traded`."""
    if traded:
        books_post(wallet_id=Bot.objects.values_list("wallet", flat=True).get(pk=bot_id))
    return Money(_funding(bot_id))


def _funding(bot_id: UUID) -> Decimal:
    return HolderBook.objects.filter(bot=bot_id).values_list("funding", flat=True).first() or ZERO


def _cut(loaded: Loaded, request: PlaceOrder, left: Closing | None) -> PlaceOrder | None:
    order, terms = request.order, loaded.spec.terms
    if left is None or left.side != order.side:
        logger.warning("nothing of it is left to close", extra={"subject": str(loaded.bot)})
        return None
    size = terms.size_down(min(order.size, left.size))
    if not size:
        return None
    reduce_only = left.reduce_only and terms.instrument.kind == "perp"
    why: dict[str, Any] = {**(order.why or {}), "left": str(left.size)}
    return replace(request, order=replace(order, size=size, reduce_only=reduce_only, why=why))
