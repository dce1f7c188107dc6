"""Accounts with play money at simulated venues."""

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from asgiref.sync import async_to_sync
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from market.domain.errors import VenueError
from market.selectors import venue_get
from market.venues import venue_adapter
from wallets.domain.errors import WalletInvalid, WalletRejected
from wallets.models import Wallet
from wallets.services.wallets import wallet_by_client_id, wallet_create

if TYPE_CHECKING:
    from accounts.models import User

MAX_AMOUNT = 1_000_000


@sensitive_variables("key")
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

    Its key is generated in the web process, which never happens with real keys, sealed and discarded. Raises
    `WalletInvalid` for a venue that is not simulated, `WalletRejected` when the simulator does not respond.
    """
    if existing := wallet_by_client_id(user=user, client_id=client_id):
        return existing
    found = venue_get(venue)
    if found is None or not found.simulated:
        raise WalletInvalid("venue", "Accounts can be opened at simulated exchanges only.")
    if not 0 < usdc <= MAX_AMOUNT:
        raise WalletInvalid("usdc", f"Enter an amount greater than 0, at most {MAX_AMOUNT}.")
    try:
        account, key = async_to_sync(venue_adapter(venue).simulated_account_open)(Decimal(usdc))
    except VenueError as problem:
        raise WalletRejected(f"The simulated exchange {problem.problem}.") from problem
    return wallet_create(
        user=user, venue=venue, label=label, address=account, client_id=client_id, key=key.encode(), http=http
    )
