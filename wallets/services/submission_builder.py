"""Submission builder: checks pending orders of one wallet a last time and stores them as submissions."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from core.formatting import plain
from market.domain.orders import CancelSpec, ModifySpec, OrderSpec
from wallets.domain.denials import Denial
from wallets.domain.ledger import exact
from wallets.domain.lifecycle import OrderEvent, replacement_size
from wallets.domain.position import reducible_size
from wallets.domain.status import AT_VENUE, TERMINAL, OrderStatus, TradingState
from wallets.models import Order, Submission, Wallet
from wallets.selectors.risk_context import trading_state
from wallets.services.dto import PreparedSubmission
from wallets.services.unit_of_work import WalletUnitOfWork

if TYPE_CHECKING:
    from wallets.selectors.risk_context import WalletWithStates

SCAN_LIMIT = 500
PAUSE = 1_000  # ms after a whole action was rejected: the venue is busy or limits the request rate
Group = Literal["alo", "others", "modify"]
LAPSED = "The order expired before it could be sent."


def from_ms(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


class SubmissionBuilder:
    """Builds submissions of one wallet; `wallet` is a locked row of `wallets_with_states`, `now` in ms."""

    def __init__(self, wallet: "WalletWithStates", epoch: int, now: int) -> None:
        self.wallet = wallet
        self.books = WalletUnitOfWork(wallet, from_ms(now))
        self._epoch = epoch
        self._now = now

    def build(self, *, most: int, valid_until: int) -> list[PreparedSubmission]:
        """Submissions for at most `most` orders, in up to three actions."""
        if self._is_paused():
            return []
        pending = Order.objects.filter(wallet=self.wallet, status=OrderStatus.PENDING)
        scanned = pending.select_related("instrument", "replaces__instrument").order_by("created_at")[
            :SCAN_LIMIT
        ]
        groups: dict[Group, list[Order]] = {"alo": [], "others": [], "modify": []}
        for order in self.books.track_orders(scanned):
            group = self._group(order)
            if group and sum(map(len, groups.values())) < most:
                groups[group].append(order)
        return [self._prepared(group, orders, valid_until) for group, orders in groups.items() if orders]

    def _is_paused(self) -> bool:
        refused = Submission.objects.filter(wallet=self.wallet, outcome=Submission.Outcome.REJECTED)
        return refused.filter(answer__again=True, nonce__gt=self._now - PAUSE).exists()

    def _group(self, order: Order) -> Group | None:
        """The action for this order; None when the order ends here or has to wait."""
        if self.expire(self.books, order, self._now):
            return None
        if self.wallet.status != Wallet.Status.ACTIVE:
            return None
        if denied := self._denial(order):
            self.books.order_transition(order, OrderEvent.DENIED, code=denied[0].value, message=denied[1])
            return None
        if order.replaces and not _was_never_sent(order.replaces):
            if order.replaces.status not in AT_VENUE or not self._fit_to_remainder(order, order.replaces):
                return None
            return "modify"
        return "alo" if order.tif == Order.Tif.ALO else "others"

    def _fit_to_remainder(self, order: Order, old: Order) -> bool:
        """Deduct what was filled of the replaced order after the change was requested. False: nothing remains."""
        late = old.filled - order.replaced_filled
        size = replacement_size(order.size, late)
        if size == order.size:
            return True
        order.replaced_filled = old.filled
        if size <= 0:
            denial = Denial.REPLACED_ORDER_CLOSED
            self.books.order_transition(order, OrderEvent.DENIED, code=denial.value, message=denial.message())
            return False
        order.initial_reservation = exact(order.initial_reservation * size / order.size)
        order.size = size
        self.books.reservation_set(order, min(order.reserved, order.initial_reservation))
        self.books.order_changed(order)
        return True

    @staticmethod
    def expire(books: WalletUnitOfWork, order: Order, now: int) -> bool:
        """End a pending order that was cancelled or waited too long. True when it ended."""
        if order.cancel_requested_at is not None:
            books.order_transition(order, OrderEvent.CANCELLED_LOCALLY)
        elif order.send_before is not None and order.send_before <= from_ms(now):
            books.order_transition(order, OrderEvent.EXPIRED_LOCALLY, code="expired", message=LAPSED)
        return order.status != OrderStatus.PENDING

    def _denial(self, order: Order) -> tuple[Denial, str] | None:
        """A denial due to changes since the approval: of the trading state, or of the order that it replaces."""
        state = trading_state(self.wallet)
        if state is TradingState.HALTED:
            return Denial.HALTED, Denial.HALTED.message()
        if state is TradingState.REDUCING and not self._reduces(order):
            size, base = plain(self._closable(order)), order.instrument.base
            return Denial.REDUCING, Denial.REDUCING.message(closable=size, base=base)
        old = order.replaces
        if old and old.status in TERMINAL and not _was_never_sent(old):
            return Denial.REPLACED_ORDER_CLOSED, Denial.REPLACED_ORDER_CLOSED.message()
        return None

    def _reduces(self, order: Order) -> bool:
        if order.instrument.kind == "spot":
            return order.side == Order.Side.SELL
        return order.reduce_only or order.size <= self._closable(order)

    def _closable(self, order: Order) -> Any:
        position = self.books.position(order.instrument).size
        return reducible_size(order.side, position, position * 0)

    def _prepared(self, group: Group, orders: list[Order], valid_until: int) -> PreparedSubmission:
        is_modify = group == "modify"
        kind = Submission.Kind.MODIFY if is_modify else Submission.Kind.PLACE
        submission = self.submission(kind, orders, valid_until=valid_until)
        for order in orders:
            order.submission = submission
            self.books.order_transition(order, OrderEvent.PREPARED)
        ids: list[UUID] = [order.pk for order in orders]
        specs = [spec_of(order) for order in orders]
        if not is_modify:
            return PreparedSubmission(
                submission.pk, "place", submission.nonce, valid_until, ids, orders=specs
            )
        changes = [
            ModifySpec(self.target(order.replaces), spec)
            for order, spec in zip(orders, specs, strict=True)
            if order.replaces is not None
        ]
        return PreparedSubmission(
            submission.pk, "modify", submission.nonce, valid_until, ids, changes=changes
        )

    def submission(self, kind: str, orders: Sequence[Order], *, valid_until: int | None) -> Submission:
        """Store the submission with the wallet's next nonce."""
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
        """The cancel target: the venue's order id where it is known, else the client order id."""
        symbol = order.instrument.symbol
        if order.venue_order_id:
            return CancelSpec(symbol, venue_id=order.venue_order_id)
        return CancelSpec(symbol, client_id=order.venue_client_id)


def spec_of(order: Order) -> OrderSpec:
    """The order as sent to the venue."""
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


def _was_never_sent(order: Order) -> bool:
    """The order was cancelled here before it was sent, so there is nothing to replace at the venue."""
    return order.status == OrderStatus.CANCELLED and not order.venue_order_id and order.accepted_at is None
