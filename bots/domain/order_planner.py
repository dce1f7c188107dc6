"""Order planner of a run: turns target levels into numbered, risk-checked order requests in a safe order."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from bots.domain import order_diff, risk
from bots.domain.lifecycle import ACTIVE, Status, StopPolicy, Transition, next_status
from bots.domain.orders import CancelAction, LiveOrder, ModifyAction
from bots.domain.snapshot import Snapshot
from bots.sdk.context import Terms
from bots.sdk.intents import Level
from market.domain.orders import OrderKind, Tif
from wallets.domain.requests import OrderRequest

CLOSE = "close"
CLOSE_SLIPPAGE = Decimal("0.05")  # how far from the best price a closing order may trade
TIFS: dict[str, Tif] = {"post_only": "alo", "gtc": "gtc", "ioc": "ioc"}


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """Request to place an order. A `closing` one is for the bot's own size, without the other holders of the
    wallet: `attribution.close_order` decides whether the venue would accept it as reduce-only."""

    level_id: str
    order: OrderRequest
    closing: bool = False


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Request to cancel an order."""

    client_id: UUID


@dataclass(frozen=True, slots=True)
class ModifyOrder:
    """Request to replace the order `client_id` by `order`, which has its own client id, price and size.

    `known_filled` of the replaced order was filled when this was decided; later fills are deducted from the size.
    """

    client_id: UUID
    level_id: str
    order: OrderRequest
    known_filled: Decimal = Decimal(0)


Request = PlaceOrder | CancelOrder | ModifyOrder


class OrderPlanner:
    """Plans the orders after one event: changes the snapshot and collects requests.

    `provenance` is stored with every order.
    """

    def __init__(self, run: UUID, terms: Terms, snapshot: Snapshot, provenance: dict[str, Any]) -> None:
        self.snapshot = snapshot
        self.requests: list[Request] = []
        self._run = run
        self._terms = terms
        self._provenance = provenance

    def plan_orders(self, now: int) -> None:
        """Plan the requests that the run's status calls for."""
        if self.snapshot.status in ACTIVE:
            if self.snapshot.closing:
                self._close(now)
            elif self.snapshot.conflict:
                self._converge((), self.snapshot.live, now)
            else:
                self._converge(self.snapshot.target, self.snapshot.live, now)
        elif self.snapshot.status in (Status.STOPPING, Status.FAULTED):
            self._wind_down(now)

    def _wind_down(self, now: int) -> None:
        policy = self.snapshot.policy
        if policy == StopPolicy.CANCEL_OWN:
            self._converge((), self.snapshot.live, now)
        elif policy == StopPolicy.CANCEL_AND_CLOSE_OWN and self.snapshot.closing:
            self._close(now)
        if policy == StopPolicy.KEEP or not (self.snapshot.live or self.snapshot.closing):
            self._change(status=next_status(self.snapshot.status, Transition.DONE))

    def _close(self, now: int) -> None:
        """Cancel the other orders, then close the bot's own position, repeatedly until nothing remains."""
        others = tuple(order for order in self.snapshot.live if order.level.id != CLOSE)
        if others:
            self._converge((), others, now)
            return
        if self.snapshot.live:
            return
        size = self._terms.round_size_down(abs(self.snapshot.position.size))
        if not size:
            self._change(closing=False, blocked_reason="")
            return
        level = self._closing_level(size)
        reducing = self._terms.instrument.kind == "perp" and self.snapshot.reduce_only_possible
        if level is None:
            self._change(blocked_reason="Cannot close the position: no price is available yet.")
        elif not reducing and not self._terms.is_tradable(level.price, size):
            self._change(
                closing=False, blocked_reason=f"{size} remains, below the exchange's minimum order size."
            )
        else:
            self._converge((level,), (), now)

    def _closing_level(self, size: Decimal) -> Level | None:
        tick, perp = self.snapshot.tick, self._terms.instrument.kind == "perp"
        if tick is None:
            return None
        if self.snapshot.position.size > 0:
            return Level(
                CLOSE, "sell", self._terms.round_price_up(tick.bid * (1 - CLOSE_SLIPPAGE)), size, "ioc", perp
            )
        return Level(
            CLOSE, "buy", self._terms.round_price_down(tick.ask * (1 + CLOSE_SLIPPAGE)), size, "ioc", perp
        )

    def _converge(self, target: tuple[Level, ...], live: tuple[LiveOrder, ...], now: int) -> None:
        backing_off = {each.level_id: each for each in self.snapshot.refusals if each.retry_at > now}
        order_changes = order_diff.diff((level for level in target if level.id not in backing_off), live)
        blocked = [
            f"Level {each.level_id} was rejected {each.count} times; retrying shortly."
            for each in backing_off.values()
            if any(level.id == each.level_id for level in target)
        ]
        blocked += [f"Level {level.id} waits: {reason}." for level, reason in order_changes.blocked]
        self._adopt(order_changes.adopted)
        for action in order_changes.actions:
            if isinstance(action, CancelAction):
                self._mark_cancelling(action.client_id)
                self.requests.append(CancelOrder(action.client_id))
            elif problem := self._request_order(
                action.level, action.client_id if isinstance(action, ModifyAction) else None
            ):
                blocked.append(f"Level {action.level.id} waits: {problem}.")
        self._change(blocked_reason=blocked[0] if blocked else "")

    def _adopt(self, adopted: dict[UUID, Level]) -> None:
        if adopted:
            self._change(
                live=tuple(
                    replace(order, level=replace(adopted[order.client_id], size=order.level.size))
                    if order.client_id in adopted
                    else order
                    for order in self.snapshot.live
                )
            )

    def _mark_cancelling(self, client_id: UUID) -> None:
        self._change(
            live=tuple(
                replace(order, state="cancelling") if order.client_id == client_id else order
                for order in self.snapshot.live
            )
        )

    def _request_order(self, level: Level, replaces: UUID | None) -> str | None:
        """Request an order (replacing `replaces`). Returns the reason if the risk check denies it."""
        number = self.snapshot.order_count + 1
        client_id = uuid5(self._run, str(number))
        new = LiveOrder(client_id, level, level.size, "placing", replaces)
        now = self.snapshot
        bid = now.tick.bid if now.tick else None
        if problem := risk.check_order(self._terms, now.position, now.live, new, bid):
            return problem
        order = self._order_request(client_id, level, number)
        if replaces is None:
            self.requests.append(PlaceOrder(level.id, order, closing=level.id == CLOSE))
        else:
            former = self.snapshot.order(replaces)
            filled = former.level.size - former.remaining if former else Decimal(0)
            self._mark_cancelling(replaces)
            self.requests.append(ModifyOrder(replaces, level.id, order, filled))
        self._change(order_count=number, live=(*self.snapshot.live, new))
        return None

    def _order_request(self, client_id: UUID, level: Level, number: int) -> OrderRequest:
        instrument = self._terms.instrument
        kind: OrderKind = "limit" if level.trigger is None else "stop_market"
        return OrderRequest(
            client_id=client_id,
            venue=instrument.venue,
            symbol=instrument.symbol,
            side=level.side,
            kind=kind,
            size=level.size,
            price=level.price,
            trigger_price=level.trigger,
            tif=TIFS[level.style] if level.trigger is None else "gtc",
            reduce_only=level.reduce_only,
            provenance={**self._provenance, "level": level.id, "n": number},
        )

    def _change(self, **changes: Any) -> None:
        self.snapshot = replace(self.snapshot, **changes)
