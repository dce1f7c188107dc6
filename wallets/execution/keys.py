"""The key of one wallet: made when it is wanted, shown to the venue before it trades, and once a day."""

from django.utils import timezone

from market.hub import in_thread
from market.leases import Claim
from market.venues.base import Trader
from wallets.domain.key_verification import judge
from wallets.services import key_generate, key_judged, key_question
from wallets.services.dto import Event
from wallets.vault import Opener


async def keys_mind(claim: Claim, trader: Trader, opener: Opener) -> list[Event]:
    """Do what is due; called often, it asks the venue seldom. Raises `VenueError`, `LeaseLost`."""
    made = await in_thread(key_generate, claim=claim, opener=opener)
    return made or await key_attest(claim, trader, opener)


async def key_attest(claim: Claim, trader: Trader, opener: Opener) -> list[Event]:
    """Ask the venue what the wallet's key is, if it is time to, and act on the answer."""
    now = int(timezone.now().timestamp() * 1000)
    question, events = await in_thread(key_question, claim=claim, opener=opener, now=now)
    if question is None:
        return events
    role = await trader.role(question.held.signer)
    agents = await trader.agents(question.held.account) if role.role == "agent" else []
    verdict = judge(question.held, role, agents, now)
    return await in_thread(key_judged, claim=claim, question=question, verdict=verdict, now=now)
