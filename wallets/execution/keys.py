"""Key maintenance of one wallet: generates a requested key; verifies it before trading and once a day."""

from django.utils import timezone

from core.leases import Claim
from core.threads import in_thread
from market.venues.base import Trader
from wallets.domain.key_verification import evaluate_key
from wallets.services import key_check_prepare, key_check_store, key_generate
from wallets.services.dto import Event
from wallets.vault import Unsealer


async def ensure_key(claim: Claim, trader: Trader, unsealer: Unsealer) -> list[Event]:
    """Generate or verify the key if due. May be called often. Raises `VenueError`, `LeaseLost`."""
    made = await in_thread(key_generate, claim=claim, unsealer=unsealer)
    return made or await verify_key(claim, trader, unsealer)


async def verify_key(claim: Claim, trader: Trader, unsealer: Unsealer) -> list[Event]:
    """Verify the wallet's key at the venue, if due, and store the result."""
    now = int(timezone.now().timestamp() * 1000)
    key_check, events = await in_thread(key_check_prepare, claim=claim, unsealer=unsealer, now=now)
    if key_check is None:
        return events
    role = await trader.role(key_check.key.signer)
    agents = await trader.agents(key_check.key.account) if role.role == "agent" else []
    verdict = evaluate_key(key_check.key, role, agents, now)
    return await in_thread(key_check_store, claim=claim, key_check=key_check, verdict=verdict, now=now)
