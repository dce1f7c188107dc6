"""Funded accounts at the simulated Hyperliquid, opened by its control API."""

import secrets
import time
from decimal import Decimal
from typing import Any

import aiohttp
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from market.domain.errors import VenueRejected, VenueUnavailable
from market.venues.hyperliquid import signing, user_actions

VENUE = "hyperliquid-sim"
TIMEOUT = aiohttp.ClientTimeout(total=5)


@sensitive_variables("master", "agent", "approval")
async def account_open(amount: Decimal) -> tuple[str, str]:
    """Open an account with `amount` USDC and approve an agent for it. Returns its address and the agent's key as text.

    The account's own key approves the agent, which does not expire, and is discarded. Raises `VenueRejected`, `VenueUnavailable`.
    """
    master, agent = secrets.token_bytes(32), secrets.token_bytes(32)
    address = signing.address_of(master)
    approval = user_actions.approve_agent(
        key=master,
        agent=signing.address_of(agent),
        name="",
        nonce=time.time_ns() // 1_000_000,
        network="testnet",
    )
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        control = f"http://127.0.0.1:{settings.SIMULATOR_CONTROL_PORT}/accounts"
        await _post(
            session, control, {"address": address, "usdc": str(amount)}, token=settings.SIMULATOR_TOKEN
        )
        response = await _post(session, f"{settings.SIMULATOR_URL}/exchange", approval)
    if response.get("status") != "ok":
        raise VenueRejected(VENUE, f"rejected the key: {response.get('response')}")
    return address, agent.hex()


async def _post(session: aiohttp.ClientSession, url: str, body: dict[str, Any], token: str = "") -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        async with session.post(url, json=body, headers=headers) as response:
            if response.status >= 400:
                raise VenueRejected(VENUE, f"responded with error {response.status}")
            return await response.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as problem:
        raise VenueUnavailable(VENUE, "does not respond; check that it is running") from problem
