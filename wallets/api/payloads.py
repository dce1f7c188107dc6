"""JSON bodies of the API, written by hand: serializers would slow down the response to a placed order."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from core.formatting import plain
from wallets.domain.wallet_validation import LIMITS
from wallets.models import Fill, LedgerEntry, LedgerTransaction, Order, Position, Wallet

AVERAGE_STEP = Decimal(1).scaleb(-12)


def ms(moment: datetime | None) -> int | None:
    """ms since 1970, UTC."""
    return None if moment is None else int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def text(number: Decimal | None) -> str | None:
    return None if number is None else plain(number)


def average_price(order: Order) -> Decimal | None:
    """Average fill price, to twelve decimals; None before the first fill."""
    return (order.filled_notional / order.filled).quantize(AVERAGE_STEP) if order.filled else None


def entry_price(position: Position) -> Decimal | None:
    """Entry price of the position, to twelve decimals; None when flat."""
    return (position.cost / position.size).quantize(AVERAGE_STEP) if position.size else None


def order_body(order: Order) -> dict[str, Any]:
    return {
        "id": str(order.pk),
        "client_id": str(order.client_id),
        "wallet": str(order.wallet_id),
        "venue": order.instrument.venue_id,
        "symbol": order.instrument.symbol,
        "side": order.side,
        "order_type": order.kind,
        "time_in_force": order.tif,
        "reduce_only": order.reduce_only,
        "price": plain(order.price),
        "trigger_price": text(order.trigger_price),
        "size": plain(order.size),
        "filled_size": plain(order.filled),
        "average_price": text(average_price(order)),
        "status": str(order.status),
        "code": order.code,
        "message": order.message,
        "origin": order.origin,
        "replaces": str(order.replaces_id) if order.replaces_id else None,
        "flags": order.flags,
        "cancel_requested": order.cancel_requested_at is not None,
        "created_at": ms(order.created_at),
        "updated_at": ms(order.updated_at),
    }


def fill_body(fill: Fill) -> dict[str, Any]:
    return {
        "id": fill.pk,
        "order": str(fill.order_id),
        "wallet": str(fill.wallet_id),
        "venue": fill.instrument.venue_id,
        "symbol": fill.instrument.symbol,
        "side": fill.side,
        "price": plain(fill.price),
        "size": plain(fill.size),
        "fee": plain(fill.fee),
        "fee_asset": fill.fee_asset,
        "other_fees": [{"asset": asset, "amount": amount} for asset, amount in fill.other_fees],
        "closed_pnl": plain(fill.closed_pnl),
        "taker": fill.taker,
        "liquidation": fill.liquidation,
        "trade_id": fill.trade_id,
        "time": fill.time,
    }


def wallet_body(wallet: Wallet) -> dict[str, Any]:
    signer = {
        "address": wallet.signer_address or None,
        "name": wallet.signer_name or None,
        "expires_at": ms(wallet.signer_expires_at),
        "checked_at": ms(wallet.checked_at),
    }
    return {
        "id": str(wallet.pk),
        "venue": wallet.venue_id,
        "simulated": wallet.venue.simulated,
        "label": wallet.label,
        "address": wallet.address,
        "status": wallet.status,
        "status_reason": wallet.status_reason,
        "signer": signer,
        "trading_state": wallet.trading_state,
        "trading_reason": wallet.trading_reason,
        "halted_by_admin": wallet.halted_by_admin,
        "limits": {name: _limit(getattr(wallet, name)) for name in LIMITS},
        "stream_status": wallet.stream_status,
        "equity": text(wallet.equity),
        "residual": wallet.residual,
        "created_at": ms(wallet.created_at),
        "reconciled_at": ms(wallet.reconciled_at),
    }


def _limit(value: Decimal | int | None) -> str | int | None:
    return plain(value) if isinstance(value, Decimal) else value


def entry_body(entry: LedgerEntry) -> dict[str, Any]:
    transaction = entry.transaction
    event = {
        "transaction": transaction.pk,
        "ref": transaction.ref,
        "kind": transaction.kind,
        "time": transaction.time,
    }
    return {"id": entry.pk, **event, **leg_body(entry)}


def leg_body(entry: LedgerEntry) -> dict[str, str]:
    return {
        "account_type": entry.account_type,
        "asset": entry.asset,
        "account": entry.account,
        "amount": plain(entry.amount),
    }


def transaction_body(transaction: LedgerTransaction) -> dict[str, Any]:
    return {
        "id": transaction.pk,
        "ref": transaction.ref,
        "kind": transaction.kind,
        "order": str(transaction.order_id) if transaction.order_id else None,
        "note": transaction.note,
        "time": transaction.time,
        "entries": [leg_body(entry) for entry in transaction.entries.all()],
    }
