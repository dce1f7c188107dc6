"""The books of bots, posted from those of their wallets: each fact once, whatever dies or comes late.

Whoever posts holds the wallet's `BooksMark`. Entries, running rows and the mark are one transaction.
"""

import logging
from typing import Any
from uuid import UUID

from django.db import DataError, IntegrityError, transaction

from bots.models import BooksMark
from bots.selectors import wallets_unposted
from bots.services.posting import Posting

# What the database does not take, and numbers that no column holds.
REFUSED = (IntegrityError, DataError, ArithmeticError)
logger = logging.getLogger(__name__)


def books_post_all() -> None:
    """Of every wallet that has news; two queries when none has. Several processes may do so at once."""
    for wallet_id in wallets_unposted():
        try:
            books_post(wallet_id=wallet_id)
        except REFUSED:  # the other wallets are not to wait for this one
            logger.exception("books not posted", extra={"subject": str(wallet_id)})


def books_post(*, wallet_id: UUID) -> None:
    """All that is new in this wallet, unless somebody else is at it."""
    more = True
    while more:
        with transaction.atomic():
            marks = BooksMark.objects.select_for_update(no_key=True, skip_locked=True)
            mark = marks.filter(wallet=wallet_id).first()
            more = mark is not None and Posting(mark).post()


def books_post_locked(*, wallet_id: Any) -> BooksMark:
    """Everything that is booked. Until this transaction ends nobody else posts for the wallet."""
    BooksMark.objects.get_or_create(wallet_id=wallet_id)
    mark = BooksMark.objects.select_for_update(no_key=True).get(wallet=wallet_id)
    while Posting(mark).post():
        pass  # as many batches as there are
    return mark
