"""Contract of a venue: the tests that every `VenueAdapter` and `Trader` has to pass (docs/adding-a-venue.md).

A test module of a venue subclasses `VenueContract` and provides the fixture `venue`, a `VenueUnderTest`: an account
with funds at a server that speaks the venue's protocol.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest

from market.domain.errors import VenueRejected, VenueUnavailable
from market.domain.keys import RegisteredKey
from market.domain.orders import Accepted, CancelSpec, OrderSpec, Rejected
from market.venues.base import OutcomeUnknown, Trader, VenueAdapter
from market.venues.rows import rejected_of
from wallets.models import Order, Wallet

ZERO = Decimal(0)
MAX_ID_LENGTH = Order._meta.get_field("venue_client_id").max_length
MAX_ACCOUNT_LENGTH = Wallet._meta.get_field("address").max_length


class SecretSigner:
    """A `market.venues.base.Signer` with its secret in memory."""

    def __init__(self, adapter: VenueAdapter, secret: bytes) -> None:
        self._scheme, self._secret = adapter.credentials, secret
        self.key_id = adapter.credentials.key_id(secret)

    def sign(self, payload: bytes) -> dict[str, object]:
        return self._scheme.sign(payload, self._secret)


@dataclass
class VenueUnderTest:
    """A venue with one funded account. `price` is near the market's, `size` a valid size worth less than the funds.

    `now` is the venue's time in ms. `lose_next_response` makes the server execute the next trading request and close
    the connection without a response; `damage_lists` adds a row that cannot be decoded to every list from then on.
    """

    adapter: VenueAdapter
    trader: Trader
    account: str
    secret: bytes
    secret_text: str
    symbol: str
    price: Callable[[], Decimal]
    round_price: Callable[[Decimal], Decimal]
    size: Decimal
    now: Callable[[], int]
    lose_next_response: Callable[[], None]
    damage_lists: Callable[[], None]

    def __post_init__(self) -> None:
        self.signer = SecretSigner(self.adapter, self.secret)
        self._nonces = count(self.now())

    def auth(self, valid_until: int | None = None) -> dict[str, Any]:
        until = self.now() + self.adapter.validity("place").duration if valid_until is None else valid_until
        return {"signer": self.signer, "nonce": next(self._nonces), "valid_until": until}

    def order(self, factor: str, *, tif: str = "gtc", kind: str = "limit", side: str = "buy") -> OrderSpec:
        price = self.round_price(self.price() * Decimal(factor))
        client_id = self.adapter.client_order_id(uuid4())
        return OrderSpec(client_id, self.symbol, side, kind, tif, price, self.size)

    async def cancel(self, spec: CancelSpec):
        [answer] = await self.trader.cancel([spec], signer=self.signer, nonce=next(self._nonces))
        return answer

    async def get(self, order: OrderSpec):
        return await self.trader.order_get(self.account, client_id=order.client_id)


class VenueContract:
    """Tests of one venue; the subclass has the fixture `venue`."""

    # --- the adapter -----------------------------------------------------------------------------------
    def test_client_order_ids_are_stable_and_of_one_order_each(self, venue):
        one, other = UUID(int=1), UUID(int=1 << 64)
        ids = {venue.adapter.client_order_id(order_id) for order_id in (one, one, other)}
        assert len(ids) == 2
        assert all(0 < len(made) <= MAX_ID_LENGTH for made in ids)

    def test_a_credential_is_read_and_never_repeated(self, venue):
        scheme = venue.adapter.credentials
        assert scheme.account_parse(f" {venue.account} ") == venue.account
        assert len(venue.account) <= MAX_ACCOUNT_LENGTH
        assert scheme.secret_parse(f"{venue.secret_text}\n", venue.account) == venue.secret
        assert 0 < len(scheme.key_id(venue.secret)) <= MAX_ACCOUNT_LENGTH
        for read in (scheme.account_parse, lambda text: scheme.secret_parse(text, venue.account)):
            with pytest.raises(ValueError, match=r"\w") as refused:
                read("no-credential-of-any-venue")
            assert "no-credential-of-any-venue" not in str(refused.value)

    def test_the_public_id_and_signatures_do_not_contain_the_secret(self, venue):
        shown = venue.signer.key_id + json.dumps(venue.signer.sign(b"\1" * 32), default=str)
        assert venue.secret_text not in shown
        assert venue.secret.hex() not in shown

    def test_a_generated_secret_is_a_secret(self, venue):
        scheme = venue.adapter.credentials
        if not scheme.can_generate:
            pytest.skip("this venue creates keys on its own site only")
        made = {scheme.key_id(scheme.secret_generate()) for _ in range(3)}
        assert len(made) == 3

    def test_validity_names_a_mechanism_and_its_times(self, venue):
        for request in ("place", "modify", "leverage"):
            validity = venue.adapter.validity(request)
            assert validity.mechanism in ("expiry", "receive_window", "none")
            assert validity.duration > 0
            assert validity.settle > 0

    def test_fees_of_an_unknown_tier_are_those_of_the_lowest(self, venue):
        for kind in ("perp", "spot"):
            rates = venue.adapter.fee_rates(kind)
            assert venue.adapter.fee_rates(kind, "no such tier") == rates
            assert rates.maker <= rates.taker < Decimal("0.01")

    def test_collateral_and_margin_model_are_stated(self, venue):
        assert venue.adapter.collateral
        assert venue.adapter.margin_model in ("split", "unified")

    # --- the trader ------------------------------------------------------------------------------------
    async def test_a_resting_order_is_found_by_its_id_until_it_is_cancelled(self, venue):
        order = venue.order("0.9")
        [answer] = await venue.trader.place([order], **venue.auth())
        assert isinstance(answer, Accepted), answer
        assert answer.resting
        found = await venue.get(order)
        assert (found.symbol, found.side, found.price, found.size) == (
            order.symbol, order.side, order.price, order.size,
        )  # fmt: skip
        assert (found.client_id, found.status) == (order.client_id, "open")
        assert [one.client_id for one in await venue.trader.orders_open(venue.account)] == [order.client_id]
        assert isinstance(await venue.cancel(CancelSpec(venue.symbol, client_id=order.client_id)), Accepted)
        assert (await venue.get(order)).status == "cancelled"
        assert await venue.trader.orders_open(venue.account) == []

    async def test_a_cancel_of_an_order_that_is_not_open_is_rejected(self, venue):
        absent = venue.adapter.client_order_id(uuid4())
        assert isinstance(await venue.cancel(CancelSpec(venue.symbol, client_id=absent)), Rejected)

    async def test_an_order_that_was_never_sent_is_not_found(self, venue):
        assert await venue.get(venue.order("0.9")) is None

    async def test_fills_add_up_and_name_the_order(self, venue):
        before = await venue.trader.account(venue.account)
        order = venue.order("1.05", tif="ioc", kind="market")
        [answer] = await venue.trader.place([order], **venue.auth())
        assert isinstance(answer, Accepted), answer
        fills = await venue.trader.fills(venue.account, 0)
        assert sum(fill.size for fill in fills) == order.size
        assert {fill.client_id for fill in fills} == {order.client_id}
        assert len({fill.trade_id for fill in fills}) == len(fills)
        assert all(fill.price <= order.price and fill.time >= before.time for fill in fills)
        assert all(fill.fees and isinstance(amount, Decimal) for fill in fills for _, amount in fill.fees)
        assert await venue.trader.fills(venue.account, fills[-1].time + 1) == []

    async def test_a_row_that_cannot_be_decoded_is_left_out_and_reported(self, venue):
        order, bought = venue.order("0.9"), venue.order("1.05", tif="ioc", kind="market")
        await venue.trader.place([order, bought], **venue.auth())
        venue.damage_lists()
        for rows, ours in (
            (await venue.trader.orders_open(venue.account), order),
            (await venue.trader.fills(venue.account, 0), bought),
        ):
            assert {row.client_id for row in rows} == {ours.client_id}
            assert len(rejected_of(rows)) == 1

    async def test_a_request_after_its_validity_is_not_executed(self, venue):
        if venue.adapter.validity("place").mechanism == "none":
            pytest.skip("this venue enforces no validity")
        order = venue.order("0.9")
        with pytest.raises((VenueRejected, VenueUnavailable)) as refused:
            await venue.trader.place([order], **venue.auth(valid_until=venue.now() - 1_000))
        if refused.type is VenueRejected:
            assert venue.adapter.rejection_meaning(refused.value.problem) == "again"
        assert await venue.get(order) is None

    async def test_the_outcome_of_a_lost_response_is_unknown_until_the_venue_is_asked(self, venue):
        order = venue.order("0.9")
        venue.lose_next_response()
        with pytest.raises(OutcomeUnknown):
            await venue.trader.place([order], **venue.auth())
        assert (await venue.get(order)).status == "open"

    async def test_an_order_with_the_id_of_an_open_one_is_not_executed_again(self, venue):
        order = venue.order("0.9")
        await venue.trader.place([order], **venue.auth())
        try:
            [answer] = await venue.trader.place([order], **venue.auth())
            assert isinstance(answer, Rejected)
        except VenueRejected:
            pass
        assert len(await venue.trader.orders_open(venue.account)) == 1

    async def test_the_key_may_trade(self, venue):
        key = RegisteredKey(venue.account, venue.signer.key_id, proven=False)
        assert (await venue.trader.key_verify(key, venue.now())).status == "active"

    async def test_the_account_has_its_funds_in_the_collateral(self, venue):
        state = await venue.trader.account(venue.account)
        assert any(
            asset == venue.adapter.collateral and amount > 0 for (_, asset), amount in state.cash.items()
        )
        assert state.positions == ()
