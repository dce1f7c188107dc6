"""Simulator accounts: opened through the simulator's control API, with play money."""

import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from market.selectors import venue_get
from market.venues.hyperliquid import signing
from wallets.domain.errors import WalletInvalid, WalletRejected
from wallets.models import Wallet
from wallets.services.wallets import wallet_by_client_id, wallet_create

if TYPE_CHECKING:
    from accounts.models import User

TIMEOUT_SECONDS = 5
MAX_USDC = 1_000_000


@sensitive_variables("master", "agent")
def simulated_account_open(
    *,
    user: "User",
    client_id: UUID,
    venue: str = "hyperliquid-sim",
    label: str = "Simulator",
    usdc: Decimal | int = 10_000,
    http: HttpRequest | None = None,
) -> Wallet:
    """Open an account with play money and a wallet for it. The existing wallet for a repeated `client_id`.

    Both keys are generated in the web process, which never happens with real keys: the account's key
    approves the agent's and is discarded, the agent's key is sealed and discarded. Raises `WalletInvalid`
    for a venue that is not simulated, `WalletRejected` when the simulator does not respond.
    """
    if existing := wallet_by_client_id(user=user, client_id=client_id):
        return existing
    found = venue_get(venue)
    if found is None or not found.simulated:
        raise WalletInvalid("venue", "Accounts can be opened at simulated exchanges only.")
    if not 0 < usdc <= MAX_USDC:
        raise WalletInvalid("usdc", f"Enter an amount greater than 0, at most {MAX_USDC}.")
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
    """Approve the agent without a name: such an agent does not expire, and its key approves no other."""
    nonce = time.time_ns() // 1_000_000
    action = signing.approve_agent_action(agent=agent, name="", nonce=nonce, network="testnet")
    signature = signing.sign(signing.approve_agent_digest(action), master)
    response = _post(f"{settings.SIMULATOR_URL}/exchange", signing.envelope(action, nonce, signature))
    if response.get("status") != "ok":
        raise WalletRejected(f"The simulated exchange rejected the key: {response.get('response')}")


def _post(url: str, body: Mapping[str, object]) -> Any:
    content = {"Content-Type": "application/json"}
    data = json.dumps(body).encode()
    http_request = urllib.request.Request(url, data=data, headers=content)  # noqa: S310  our own
    try:
        with urllib.request.urlopen(http_request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise WalletRejected(f"The simulated exchange responded with error {error.code}.") from error
    except (OSError, ValueError) as error:
        raise WalletRejected("The simulated exchange does not respond. Check that it is running.") from error
