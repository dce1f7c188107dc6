"""User events: messages of the `me` topic as JSON. The process that commits publishes them after the commit."""

from decimal import Decimal

from django.utils import timezone

from core.formatting import plain
from wallets.models import Fill, Order, Position, Wallet
from wallets.services.dto import Event


def order_event(order: Order, wallet: Wallet) -> Event:
    return {
        "type": "order",
        "id": str(order.pk),
        "wallet": str(wallet.pk),
        "venue": wallet.venue_id,
        "symbol": order.instrument.symbol,
        "side": order.side,
        "order_type": order.kind,
        "status": str(order.status),
        "price": plain(order.price),
        "trigger_price": _figure(order.trigger_price),
        "size": plain(order.size),
        "filled_size": plain(order.filled),
        "code": order.code,
        "message": order.message,
        "at": int(timezone.now().timestamp() * 1000),
    }


def fill_event(fill: Fill, wallet: Wallet) -> Event:
    return {
        "type": "fill",
        "order": str(fill.order_id),
        "wallet": str(wallet.pk),
        "venue": wallet.venue_id,
        "symbol": fill.instrument.symbol,
        "side": fill.side,
        "price": plain(fill.price),
        "size": plain(fill.size),
        "fee": plain(fill.fee),
        "fee_asset": fill.fee_asset,
        "time": fill.time,
    }


def balance_event(wallet: Wallet) -> Event:
    return {"type": "balance", "wallet": str(wallet.pk)}


def position_event(position: Position, wallet: Wallet) -> Event:
    return {
        "type": "position",
        "wallet": str(wallet.pk),
        "symbol": position.instrument.symbol,
        "size": plain(position.size),
    }


def wallet_event(wallet: Wallet) -> Event:
    return {
        "type": "wallet",
        "wallet": str(wallet.pk),
        "status": str(wallet.status),
        "reason": wallet.status_reason,
        "stream_status": str(wallet.stream_status),
    }


def alert_event(wallet: Wallet, level: str, text: str) -> Event:
    return {"type": "alert", "wallet": str(wallet.pk), "level": level, "text": text}


def _figure(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)
