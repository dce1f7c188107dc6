"""Accounts at the simulated venue: opened at its control plane, with money that is none."""

import json
import secrets
import time
import urllib.error
import urllib.request
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from market.selectors import venue_get
from market.venues.hyperliquid import signing
from wallets.domain.errors import WalletInvalid, WalletRefused
from wallets.models import Wallet
from wallets.services.wallets import wallet_create, wallet_of_client

SECONDS = 5
MOST_USDC = 1_000_000


@sensitive_variables("master", "agent")
def simulated_account_open(
    *,
    user: Any,
    client_id: UUID,
    venue: str = "simulator",
    label: str = "Simulator",
    usdc: Decimal | int = 10_000,
    http: Any = None,
) -> Wallet:
    """An account with play money and a wallet for it; the same one when this `client_id` was here before.

    Both keys are made here in the web, which real keys never are: the account's own approves the agent's
    and is forgotten, the agent's is sealed and forgotten. Raises `WalletInvalid` for a venue that is not
    simulated, `WalletRefused` when it is away.
    """
    if known := wallet_of_client(user=user, client_id=client_id):
        return known
    found = venue_get(venue)
    if found is None or not found.simulated:
        raise WalletInvalid("venue", "Only a simulated venue gives accounts away.")
    if not 0 < usdc <= MOST_USDC:
        raise WalletInvalid("usdc", f"Above 0 and at most {MOST_USDC}.")
    master, agent = secrets.token_bytes(32), secrets.token_bytes(32)
    address = signing.address_of(master)
    control = f"http://127.0.0.1:{settings.SIMULATOR_CONTROL_PORT}/accounts"
    _post(control, {"address": address, "usdc": str(usdc)})
    _agent_approve(master, signing.address_of(agent))
    return wallet_create(
        user=user, venue=venue, label=label, address=address, client_id=client_id,
        key=agent.hex().encode(), http=http,
    )  # fmt: skip


@sensitive_variables("master")
def _agent_approve(master: bytes, agent: str) -> None:
    """Without a name: such an agent does not end by itself, and nobody could approve another."""
    nonce = time.time_ns() // 1_000_000
    action = signing.approve_agent_action(agent=agent, name="", nonce=nonce, network="testnet")
    signature = signing.sign(signing.approve_agent_digest(action), master)
    answer = _post(f"{settings.SIMULATOR_URL}/exchange", signing.envelope(action, nonce, signature))
    if answer.get("status") != "ok":
        raise WalletRefused(f"The simulated venue refused the key: {answer.get('response')}")


def _post(url: str, body: Any) -> Any:
    content = {"Content-Type": "application/json"}
    sent = json.dumps(body).encode()
    asked = urllib.request.Request(url, data=sent, headers=content)  # noqa: S310  our own
    try:
        with urllib.request.urlopen(asked, timeout=SECONDS) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise WalletRefused(f"The simulated venue answered {error.code}.") from error
    except (OSError, ValueError) as error:
        raise WalletRefused("The simulated venue does not answer. Is it running?") from error
