"""Waking the supervisor once something it has to do is committed."""

from functools import partial
from uuid import UUID

from django.db import transaction

from market import hub

CHANNEL = "bots-supervisor"


def supervisor_nudge(bot_id: UUID) -> None:
    """After this transaction; a nudge that is lost costs a second."""
    transaction.on_commit(partial(hub.nudge, CHANNEL, str(bot_id)))
