"""Waking `execution` once something it has to do is committed."""

from functools import partial
from uuid import UUID

from django.db import transaction

from market import hub

CHANNEL = "wallets-execution"


def execution_nudge(wallet_id: UUID | str) -> None:
    """After this transaction; a nudge that is lost costs a second."""
    transaction.on_commit(partial(hub.nudge, CHANNEL, str(wallet_id)))
