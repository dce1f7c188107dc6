"""From what a run wants to what is asked of the wallet: numbered requests, judged and in safe order."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from bots.domain import order_diff, risk
from bots.domain.lifecycle import DECIDING, Signal, Status, StopPolicy, moved
from bots.domain.orders import Live, Move, Withdraw
from bots.domain.snapshot import Snapshot
from bots.sdk.context import Terms
from bots.sdk.intents import Level
from market.domain.orders import OrderKind, Tif
from wallets.domain.requests import OrderRequest

CLOSE = "close"
WORST = Decimal("0.05")  # how far from the best price a closing order may trade
TIFS: dict[str, Tif] = {"post_only": "alo", "resting": "gtc", "ioc": "ioc"}


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """Ask the wallet for this order. A `closing` one is for the bot's own size, counted without the
    others of its wallet: `books.closing` says whether the venue could take it as reduce-only."""

    level_id: str
    order: OrderRequest
    closing: bool = False


@dataclass(frozen=True, slots=True)
class CancelOrder:
    client_id: UUID


@dataclass(frozen=True, slots=True)
class ModifyOrder:
    """Replace the order `client_id` by `order`, which has a client id of its own and differs in price and size."""

    client_id: UUID
    level_id: str
    order: OrderRequest


Request = PlaceOrder | CancelOrder | ModifyOrder


class Desk:
    """One visit: it changes the snapshot and collects requests. `why` is written on every order."""

    def __init__(self, run: UUID, terms: Terms, snapshot: Snapshot, why: dict[str, Any]) -> None:
        self.snapshot = snapshot
        self.requests: list[Request] = []
        self._run = run
        self._terms = terms
        self._why = why

    def act(self, now: int) -> None:
        """Do what the run's state asks for."""
        if self.snapshot.status in DECIDING:
            if self.snapshot.closing:
                self._close(now)
            else:
                self._converge(self.snapshot.wanted, self.snapshot.live, now)
        elif self.snapshot.status in (Status.STOPPING, Status.FAULTED):
            self._wind_down(now)

    def _wind_down(self, now: int) -> None:
        policy = self.snapshot.policy
        if policy == StopPolicy.CANCEL_OWN:
            self._converge((), self.snapshot.live, now)
        elif policy == StopPolicy.CANCEL_AND_CLOSE_OWN and self.snapshot.closing:
            self._close(now)
        if policy == StopPolicy.KEEP or not (self.snapshot.live or self.snapshot.closing):
            self._change(status=moved(self.snapshot.status, Signal.DONE))

    def _close(self, now: int) -> None:
        """Others first, then one order for the bot's own position, again until nothing is left of it."""
        others = tuple(order for order in self.snapshot.live if order.level.id != CLOSE)
        if others:
            self._converge((), others, now)
            return
        if self.snapshot.live:
            return
        size = self._terms.size_down(abs(self.snapshot.position.size))
        if not size:
            self._change(closing=False, held_back="")
            return
        level = self._closing_level(size)
        reducing = self._terms.instrument.kind == "perp" and self.snapshot.covered
        if level is None:
            self._change(held_back="There is no price yet to close the position at.")
        elif not reducing and not self._terms.tradable(level.price, size):
            self._change(closing=False, held_back=f"{size} is left, too little for the venue to trade.")
        else:
            self._converge((level,), (), now)

    def _closing_level(self, size: Decimal) -> Level | None:
        tick, perp = self.snapshot.tick, self._terms.instrument.kind == "perp"
        if tick is None:
            return None
        if self.snapshot.position.size > 0:
            return Level(CLOSE, "sell", self._terms.price_up(tick.bid * (1 - WORST)), size, "ioc", perp)
        return Level(CLOSE, "buy", self._terms.price_down(tick.ask * (1 + WORST)), size, "ioc", perp)

    def _converge(self, wanted: tuple[Level, ...], live: tuple[Live, ...], now: int) -> None:
        waiting = {each.level_id: each for each in self.snapshot.refusals if each.until > now}
        plan = order_diff.diff((level for level in wanted if level.id not in waiting), live)
        held = [
            f"Level {each.level_id} was refused {each.count} times and waits a moment."
            for each in waiting.values()
            if any(level.id == each.level_id for level in wanted)
        ]
        held += [f"Level {level.id} waits: {why}." for level, why in plan.held_back]
        self._adopt(plan.adopted)
        for action in plan.actions:
            if isinstance(action, Withdraw):
                self._withdraw(action.client_id)
                self.requests.append(CancelOrder(action.client_id))
            elif problem := self._ask(action.level, action.client_id if isinstance(action, Move) else None):
                held.append(f"Level {action.level.id} waits: {problem}.")
        self._change(held_back=held[0] if held else "")

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

    def _withdraw(self, client_id: UUID) -> None:
        self._change(
            live=tuple(
                replace(order, state="cancelling") if order.client_id == client_id else order
                for order in self.snapshot.live
            )
        )

    def _ask(self, level: Level, former: UUID | None) -> str | None:
        """Ask for an order, in place of `former` where there is one; or say why not."""
        number = self.snapshot.orders_made + 1
        client_id = uuid5(self._run, str(number))
        new = Live(client_id, level, level.size, "placing", former)
        now = self.snapshot
        bid = now.tick.bid if now.tick else None
        if problem := risk.refusal(self._terms, now.position, now.live, new, bid):
            return problem
        order = self._request(client_id, level, number)
        if former is None:
            self.requests.append(PlaceOrder(level.id, order, closing=level.id == CLOSE))
        else:
            self._withdraw(former)
            self.requests.append(ModifyOrder(former, level.id, order))
        self._change(orders_made=number, live=(*self.snapshot.live, new))
        return None

    def _request(self, client_id: UUID, level: Level, number: int) -> OrderRequest:
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
            why={**self._why, "level": level.id, "n": number},
        )

    def _change(self, **changes: Any) -> None:
        self.snapshot = replace(self.snapshot, **changes)
