"""Waking `execution` once something it has to do is committed."""

from collections.abc import Iterable
from functools import partial
from uuid import UUID

from django.db import transaction

from market import hub

CHANNEL = "wallets-execution"
SOURCES = "bots-supervisor"


def execution_nudge(wallet_id: UUID | str) -> None:
    """After this transaction; a nudge that is lost costs a second."""
    transaction.on_commit(partial(hub.nudge, CHANNEL, str(wallet_id)))


def sources_nudge(sources: Iterable[UUID]) -> None:
    """After this transaction: orders of these bots changed."""
    for source in set(sources):
        transaction.on_commit(partial(hub.nudge, SOURCES, str(source)))
