"""The last look at pending orders before they are written down to be sent."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from market.domain.formatting import plain
from market.domain.orders import CancelSpec, ModifySpec, OrderSpec
from wallets.domain.denials import Denial
from wallets.domain.lifecycle import OrderEvent
from wallets.domain.position import closable
from wallets.domain.status import AT_VENUE, TERMINAL, OrderStatus, TradingState
from wallets.models import Order, Submission, Wallet
from wallets.selectors.risk_context import trading_state
from wallets.services.dto import Prepared
from wallets.services.unit_of_work import Books

MOST_LOOKED_AT = 500
PAUSE = 1_000  # ms after an envelope was refused: the venue is busy, or counts what we send
Group = Literal["alo", "others", "modify"]
LAPSED = "It waited too long to be sent and never left us."


def instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


class Gate:
    """Pending orders of one wallet; `wallet` is a locked row of `wallets_with_states`, `now` in ms."""

    def __init__(self, wallet: Any, epoch: int, now: int) -> None:
        self.wallet = wallet
        self.books = Books(wallet, instant(now))
        self._epoch = epoch
        self._now = now

    def take(self, *, most: int, valid_until: int) -> list[Prepared]:
        """At most `most` orders, in up to three actions."""
        if self._is_paused():
            return []
        waiting = Order.objects.filter(wallet=self.wallet, status=OrderStatus.PENDING)
        looked_at = waiting.select_related("instrument", "replaces__instrument").order_by("created_at")[
            :MOST_LOOKED_AT
        ]
        groups: dict[Group, list[Order]] = {"alo": [], "others": [], "modify": []}
        for order in self.books.orders_know(looked_at):
            group = self._group(order)
            if group and sum(map(len, groups.values())) < most:
                groups[group].append(order)
        return [self._prepared(group, orders, valid_until) for group, orders in groups.items() if orders]

    def _is_paused(self) -> bool:
        refused = Submission.objects.filter(wallet=self.wallet, outcome=Submission.Outcome.REFUSED)
        return refused.filter(answer__again=True, nonce__gt=self._now - PAUSE).exists()

    def _group(self, order: Order) -> Group | None:
        """Where it goes; None when it ends here, or has to wait."""
        if self.lapse(self.books, order, self._now):
            return None
        if self.wallet.status != Wallet.Status.ACTIVE:
            return None
        if sentence := self._forbidden(order):
            self.books.order_move(order, OrderEvent.DENIED, code=sentence[0].value, message=sentence[1])
            return None
        if order.replaces and not _never_left(order.replaces):
            return "modify" if order.replaces.status in AT_VENUE else None
        return "alo" if order.tif == Order.Tif.ALO else "others"

    @staticmethod
    def lapse(books: Books, order: Order, now: int) -> bool:
        """End a pending order that was cancelled or waited too long. True when it did."""
        if order.cancel_asked_at is not None:
            books.order_move(order, OrderEvent.CANCELLED_HERE)
        elif order.send_before is not None and order.send_before <= instant(now):
            books.order_move(order, OrderEvent.LAPSED, code="expired", message=LAPSED)
        return order.status != OrderStatus.PENDING

    def _forbidden(self, order: Order) -> tuple[Denial, str] | None:
        """What changed since it was approved: the trading state, or the order that it replaces."""
        state = trading_state(self.wallet)
        if state is TradingState.HALTED:
            return Denial.HALTED, Denial.HALTED.sentence()
        if state is TradingState.REDUCING and not self._reduces(order):
            size, base = plain(self._closable(order)), order.instrument.base
            return Denial.REDUCING, Denial.REDUCING.sentence(closable=size, base=base)
        old = order.replaces
        if old and old.status in TERMINAL and not _never_left(old):
            return Denial.REPLACED_GONE, Denial.REPLACED_GONE.sentence()
        return None

    def _reduces(self, order: Order) -> bool:
        if order.instrument.kind == "spot":
            return order.side == Order.Side.SELL
        return order.reduce_only or order.size <= self._closable(order)

    def _closable(self, order: Order) -> Any:
        held = self.books.position(order.instrument).size
        return closable(order.side, held, held * 0)

    def _prepared(self, group: Group, orders: list[Order], valid_until: int) -> Prepared:
        changing = group == "modify"
        kind = Submission.Kind.MODIFY if changing else Submission.Kind.PLACE
        submission = self.submission(kind, orders, valid_until=valid_until)
        for order in orders:
            order.submission = submission
            self.books.order_move(order, OrderEvent.TAKEN)
        ids: list[UUID] = [order.pk for order in orders]
        specs = [spec_of(order) for order in orders]
        if not changing:
            return Prepared(submission.pk, "place", submission.nonce, valid_until, ids, orders=specs)
        changes = [
            ModifySpec(self.target(order.replaces), spec)
            for order, spec in zip(orders, specs, strict=True)
            if order.replaces is not None
        ]
        return Prepared(submission.pk, "modify", submission.nonce, valid_until, ids, changes=changes)

    def submission(self, kind: str, orders: Sequence[Order], *, valid_until: int | None) -> Submission:
        """The written-down action, with the next nonce of the wallet's one line."""
        self.wallet.last_nonce = max(self._now, self.wallet.last_nonce + 1)
        self.wallet.save(update_fields=["last_nonce"])
        return Submission.objects.create(
            wallet=self.wallet,
            kind=kind,
            signer=self.wallet.signer_address,
            nonce=self.wallet.last_nonce,
            valid_until=valid_until,
            epoch=self._epoch,
            answer={"orders": [str(order.pk) for order in orders]},
        )

    @staticmethod
    def target(order: Order) -> CancelSpec:
        """By the venue's id where it is known, else by ours."""
        symbol = order.instrument.symbol
        if order.venue_order_id:
            return CancelSpec(symbol, venue_id=order.venue_order_id)
        return CancelSpec(symbol, client_id=order.venue_client_id)


def spec_of(order: Order) -> OrderSpec:
    """The order as it is sent."""
    row: Any = order  # its columns hold the domain's literals
    return OrderSpec(
        client_id=order.venue_client_id,
        symbol=order.instrument.symbol,
        side=row.side,
        kind=row.kind,
        tif=row.tif,
        price=order.price,
        size=order.size,
        reduce_only=order.reduce_only,
        trigger_price=order.trigger_price,
    )


def _never_left(order: Order) -> bool:
    """It was cancelled here before anything was sent, so there is nothing at the venue to replace."""
    return order.status == OrderStatus.CANCELLED and not order.venue_order_id and order.accepted_at is None
