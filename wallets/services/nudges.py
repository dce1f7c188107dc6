"""Waking a worker once something it has to do is committed."""

from collections.abc import Iterable
from uuid import UUID

from market import hub

CHANNEL = "wallets-execution"
SOURCES = "bots-supervisor"


def execution_nudge(wallet_id: UUID | str) -> None:
    """After this transaction: something is to be done for this wallet."""
    hub.nudge_on_commit(CHANNEL, str(wallet_id))


def sources_nudge(sources: Iterable[UUID]) -> None:
    """After this transaction: something of these bots changed."""
    for source in set(sources):
        hub.nudge_on_commit(SOURCES, str(source))
