"""Orders and fills by the bot that asked for them."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Count, Max, QuerySet, Window
from django.db.models.functions import RowNumber

from wallets.domain.status import LIVE
from wallets.models import Fill, Order

# Asked for at every piece of news of every bot: no more columns than are told.
TOLD = ("trade_id", "side", "price", "size", "fee", "fee_asset", "time", "order__client_id", "order__why")


def source_orders(source: UUID) -> QuerySet[Order]:
    """All orders of a bot, newest first."""
    return Order.objects.filter(source_id=source).select_related("instrument").order_by("-created_at", "-pk")


class Stands(NamedTuple):
    """How an order stands; `message` says why where there is something to say."""

    status: str
    message: str
    cancel_asked: bool


def source_orders_named(source: UUID, client_ids: Collection[UUID]) -> dict[UUID, Stands]:
    """By client id; what was never stored is absent."""
    rows = Order.objects.filter(source_id=source, client_id__in=client_ids).order_by()
    columns = rows.values_list("client_id", "status", "message", "cancel_asked_at")
    return {
        client_id: Stands(status, message, asked is not None) for client_id, status, message, asked in columns
    }


def source_fills(source: UUID) -> QuerySet[Fill]:
    """All fills of a bot's orders, newest first."""
    rows = Fill.objects.filter(order__source_id=source).select_related("order", "instrument")
    return rows.order_by("-time", "-pk")


def source_fills_after(source: UUID, pk: int) -> list[Fill]:
    """Those booked after the fill `pk`, in the order in which they were booked.

    A bot has one wallet, and its fills are booked under that wallet's row lock: their keys become
    visible in rising order, so that none is ever passed over.
    """
    rows = Fill.objects.filter(order__source_id=source, pk__gt=pk).select_related("order").only(*TOLD)
    return list(rows.order_by("pk"))


def sources_changed(since: datetime) -> dict[UUID, datetime]:
    """When the orders of each bot changed last, for the bots with a change since then.

    Changes of one bot's orders are made under its wallet's row lock: a later one has a later time.
    """
    rows = Order.objects.filter(source_id__isnull=False, updated_at__gte=since).values("source_id").order_by()
    said = rows.annotate(newest=Max("updated_at")).values_list("source_id", "newest")
    return {source: newest for source, newest in said if source is not None}


def sources_live(sources: Collection[UUID]) -> dict[UUID, int]:
    """How many orders of each bot may still trade; bots without any are absent."""
    rows = Order.objects.filter(source_id__in=sources, status__in=LIVE).values("source_id").order_by()
    counted = rows.annotate(count=Count("pk")).values_list("source_id", "count")
    return {source: count for source, count in counted if source is not None}


def sources_fills_newest(sources: Collection[UUID], most: int) -> list[Fill]:
    """Of each bot its newest `most` fills, oldest first."""
    number = Window(RowNumber(), partition_by="order__source_id", order_by=("-time", "-pk"))
    rows = Fill.objects.filter(order__source_id__in=sources).annotate(number=number)
    return list(rows.filter(number__lte=most).select_related("order").order_by("time", "pk"))
