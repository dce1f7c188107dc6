"""Hyperliquid passes the contract of a venue, against its simulator."""

from decimal import Decimal

import orjson
import pytest

from market.venues import venue_adapter
from market.venues.hyperliquid import signing, user_actions
from market.venues.hyperliquid.trader import HyperliquidTrader
from simulator.hyperliquid.faults import fault_parse
from simulator.hyperliquid.server import Config, Simulator, wall_clock
from tests.market.venue_contract import VenueContract, VenueUnderTest
from tests.simulator.conftest import small_world
from tests.simulator.signed_client import USD, new_key


@pytest.fixture
async def venue():
    simulator = Simulator(small_world(now=wall_clock()), Config(port=0, control_port=0))
    await simulator.start()
    trader = HyperliquidTrader(
        "hyperliquid-sim", f"http://127.0.0.1:{simulator.port}", network="testnet", first_pause=0.001
    )
    master, agent = new_key(), new_key()
    account = signing.address_of(master)
    simulator.account_engine.fund(account, 100_000 * USD)
    approval = user_actions.approve_agent(
        key=master, agent=signing.address_of(agent), name="", nonce=wall_clock(), network="testnet"
    )
    assert simulator.account_engine.handle_action(approval, wall_clock()).body["status"] == "ok"
    market = simulator.world.markets["BTC"]

    def lose_next_response():
        simulator.faults.begin(
            fault_parse({"kind": "lost_reply", "count": 1}, simulator.world.markets), market_now()
        )

    def market_now():
        return simulator.world.now

    def damage_lists():
        post = trader._rest.post

        async def damaged(request, **options):
            body = orjson.loads(await post(request, **options))
            return orjson.dumps([*body, {"coin": "S&P500"}] if isinstance(body, list) else body)

        trader._rest.post = damaged

    yield VenueUnderTest(
        adapter=venue_adapter("hyperliquid-sim"), trader=trader, account=account, secret=agent,
        secret_text="0x" + agent.hex(), symbol="BTC",
        price=lambda: Decimal(market.listing.price_text(market.listing.floor(round(market.mark)))),
        round_price=lambda price: Decimal(round(price)), size=Decimal("0.01"), now=wall_clock,
        lose_next_response=lose_next_response, damage_lists=damage_lists,
    )  # fmt: skip
    await trader.close()
    await simulator.stop()


class TestHyperliquid(VenueContract):
    pass
