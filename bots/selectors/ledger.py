"""PnL of bots, read from the rows that ledger posting maintains."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from uuid import UUID

from bots.domain.ledger import LedgerAccount
from bots.domain.pnl import BotPnl
from bots.models import Bot, BotBalance, HolderPosition, LedgerCursor
from bots.sdk.context import Position
from wallets.selectors import wallets_with_unposted_rows

Balances = Mapping[tuple[LedgerAccount, str], Decimal]


def bot_pnl(bot: Bot) -> BotPnl:
    """The bot's PnL over all its runs."""
    return bots_pnl([bot])[bot.pk]


def bots_pnl(bots: Iterable[Bot]) -> dict[UUID, BotPnl]:
    """The PnL of each bot, by primary key; `bots` with their instruments loaded. Two queries."""
    instruments = {bot.pk: bot.instrument for bot in bots}
    rows = {row.bot_id: row for row in HolderPosition.objects.filter(bot__in=instruments)}
    sums: dict[UUID, dict[tuple[LedgerAccount, str], Decimal]] = defaultdict(dict)
    for balance in BotBalance.objects.filter(bot__in=instruments):
        sums[balance.bot_id][LedgerAccount(balance.account), balance.asset] = balance.amount
    return {
        pk: book_read(rows[pk], instrument.base, instrument.quote, sums[pk])
        if pk in rows
        else BotPnl(instrument.base, instrument.quote)
        for pk, instrument in instruments.items()
    }


def book_read(row: HolderPosition, base: str, quote: str, balances: Balances | None = None) -> BotPnl:
    """The PnL stored in this row. Without `balances` the result's balances are empty: do not use them."""
    return BotPnl(
        base=base, quote=quote, position=Position(row.size, row.cost, row.realised_pnl, row.fees, row.funding),
        balances=balances or {}, fills=row.fills, round_trips=row.round_trips, volume=row.volume, peak=row.peak,
        max_drawdown=row.max_drawdown, time_in_market=row.time_in_market, updated_time=row.updated_time,
    )  # fmt: skip


def wallets_with_unposted() -> list[UUID]:
    """Wallets of bots with unposted fills or funding. Two queries for any number of wallets."""
    cursors = LedgerCursor.objects.values_list("wallet", "last_fill_id", "last_funding_id")
    return wallets_with_unposted_rows(list(cursors))
