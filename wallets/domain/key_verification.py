"""What a key is, by what the venue says of its address, and what follows for its wallet.

Only an agent of the wallet's own account may trade: it cannot withdraw. Times are ms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from market.domain.orders import Agent, KeyRole

SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000
FIRST_PAUSE, LONGEST_PAUSE = 3 * SECOND, 600 * SECOND
ALERT_BEFORE = (14 * DAY, 3 * DAY)
Status = Literal["active", "waiting", "refused", "expired"]

OWN_KEY = (
    "This is the account's own key: it can withdraw. "
    "Create an API wallet at the venue and enter that one's key."
)
NOT_AN_AGENT = "This is the key of an account, which can withdraw. " + OWN_KEY.partition(". ")[2]
STRANGER = "This key trades for another account, {master}."
NOT_YET = "The venue does not know {signer} yet: approve it there as an API wallet of this account."
GONE = "The venue no longer knows this key: it ended, or another took its place. Enter a new one."
ENDED = "This key has reached its end. Approve a new one at the venue and enter it."


@dataclass(frozen=True, slots=True)
class Verdict:
    """`waiting` leaves the wallet as it is. `expires_at` and `name` belong to an active key."""

    status: Status
    reason: str = ""
    delete: bool = False  # it could do more than trade, or trades for somebody else
    name: str = ""
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A wallet's account, its key's address, and whether that key has traded for it before."""

    account: str
    signer: str
    proven: bool


def judge(held: Held, role: KeyRole, agents: Sequence[Agent], now: int) -> Verdict:
    """`agents` are those that the venue lists for the account; it lists no agent without a name."""
    bad: Status = "expired" if held.proven else "refused"  # what has traded is still booked
    if role.role == "missing":
        if held.proven:
            return Verdict("expired", GONE)
        return Verdict("waiting", NOT_YET.format(signer=held.signer))
    if role.role != "agent":
        return Verdict(bad, OWN_KEY if held.signer == held.account else NOT_AN_AGENT, delete=True)
    if role.master != held.account:
        return Verdict(bad, STRANGER.format(master=short(role.master or "")), delete=True)
    listed = next((agent for agent in agents if agent.address == held.signer), None)
    if listed is None:
        return Verdict("active")
    if listed.valid_until is not None and listed.valid_until <= now:
        return Verdict("expired", ENDED)
    return Verdict("active", name=listed.name, expires_at=listed.valid_until)


def short(address: str) -> str:
    return f"{address[:6]}…{address[-4:]}"


# --- when ----------------------------------------------------------------------------------------------
def pause(status: str, waited: int) -> int:
    """How long to wait before the venue is asked again, after waiting `waited`: ms."""
    if status == "active":
        return DAY
    if status == "expired":
        return HOUR
    return max(FIRST_PAUSE, min(waited // 4, LONGEST_PAUSE))


def alert(expires_at: int | None, now: int, before: int | None) -> str:
    """What to tell the owner when the end came near since the look at `before`; else nothing."""
    if expires_at is None:
        return ""
    left = expires_at - now
    for near in ALERT_BEFORE:
        if left <= near and (before is None or expires_at - before > near):
            return f"Its key ends in {max(0, left // DAY)} days. Approve a new one at the venue and enter it."
    return ""
