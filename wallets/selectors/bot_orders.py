"""Bot orders: orders and fills by the bot that placed them (`source`: its id)."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Count, Max, QuerySet, Window
from django.db.models.functions import RowNumber

from wallets.domain.status import LIVE
from wallets.models import Fill, Order

# Read at every update of every bot: only the columns that are used.
FILL_COLUMNS = (
    "trade_id",
    "side",
    "price",
    "size",
    "fee",
    "fee_asset",
    "time",
    "order__client_id",
    "order__provenance",
)


def source_orders(source: UUID) -> QuerySet[Order]:
    """All orders of a bot, newest first."""
    return Order.objects.filter(source_id=source).select_related("instrument").order_by("-created_at", "-pk")


class OrderStanding(NamedTuple):
    """Status of an order; `message` is its reason where there is one."""

    status: str
    message: str
    cancel_requested: bool


def source_orders_by_client_id(source: UUID, client_ids: Collection[UUID]) -> dict[UUID, OrderStanding]:
    """Order status by client id; orders that were never stored are absent."""
    rows = Order.objects.filter(source_id=source, client_id__in=client_ids).order_by()
    columns = rows.values_list("client_id", "status", "message", "cancel_requested_at")
    return {
        client_id: OrderStanding(status, message, requested_at is not None)
        for client_id, status, message, requested_at in columns
    }


def source_fills(source: UUID) -> QuerySet[Fill]:
    """All fills of a bot's orders, newest first."""
    rows = Fill.objects.filter(order__source_id=source).select_related("order", "instrument")
    return rows.order_by("-time", "-pk")


def source_fills_after(source: UUID, pk: int) -> list[Fill]:
    """Fills stored after the fill `pk`, in that order.

    A bot has one wallet, and its fills are stored under that wallet's row lock: their keys become visible in
    rising order, so that no fill is skipped.
    """
    rows = Fill.objects.filter(order__source_id=source, pk__gt=pk).select_related("order").only(*FILL_COLUMNS)
    return list(rows.order_by("pk"))


def sources_changed(since: datetime) -> dict[UUID, datetime]:
    """The time of the last order change of each bot with a change since `since`.

    Changes of one bot's orders are made under its wallet's row lock: a later one has a later time.
    """
    rows = Order.objects.filter(source_id__isnull=False, updated_at__gte=since).values("source_id").order_by()
    changed = rows.annotate(newest=Max("updated_at")).values_list("source_id", "newest")
    return {source: newest for source, newest in changed if source is not None}


def sources_live(sources: Collection[UUID]) -> dict[UUID, int]:
    """The number of live orders of each bot; bots without any are absent."""
    rows = Order.objects.filter(source_id__in=sources, status__in=LIVE).values("source_id").order_by()
    counted = rows.annotate(count=Count("pk")).values_list("source_id", "count")
    return {source: count for source, count in counted if source is not None}


def source_newest_fills(sources: Collection[UUID], most: int) -> list[Fill]:
    """The newest `most` fills of each bot, oldest first."""
    number = Window(RowNumber(), partition_by="order__source_id", order_by=("-time", "-pk"))
    rows = Fill.objects.filter(order__source_id__in=sources).annotate(number=number)
    return list(rows.filter(number__lte=most).select_related("order").order_by("time", "pk"))
