"""Nudges: lossy wake-ups over Redis, sent to a worker after the commit of work for it."""

from collections.abc import Iterable
from uuid import UUID

from core.nudges import nudge_on_commit

CHANNEL = "wallets-execution"
SOURCES = "bots-supervisor"


def execution_nudge(wallet_id: UUID | str) -> None:
    """Wake the execution worker after this transaction: there is work for this wallet."""
    nudge_on_commit(CHANNEL, str(wallet_id))


def supervisor_nudge(sources: Iterable[UUID]) -> None:
    """Wake the bot supervisor after this transaction: orders of these bots changed."""
    for source in set(sources):
        nudge_on_commit(SOURCES, str(source))
