"""The books of a bot, built from the fills of its own orders and nothing else."""

from collections.abc import Iterable
from typing import cast
from uuid import UUID

from bots.domain.books import Book, BotFill, built
from bots.models import Bot
from market.domain.events import Side
from wallets.selectors import source_fills


def book_of(bot: Bot) -> Book:
    """Of all its runs. Funding is not shared out yet: it is in the wallet's books alone."""
    fills = [
        BotFill(
            ref=f"{fill.order_id}:{fill.trade_id}",
            side=cast("Side", fill.side),
            price=fill.price,
            size=fill.size,
            fee=fill.fee,
            fee_asset=fill.fee_asset,
            time=fill.time,
        )
        for fill in source_fills(bot.pk)
    ]
    return built(bot.instrument.base, bot.instrument.quote, fills)


def books_of(bots: Iterable[Bot]) -> dict[UUID, Book]:
    """The book of each."""
    return {bot.pk: book_of(bot) for bot in bots}
