"""Key verification: what a key may do according to the venue, and the wallet status that follows.

Only an agent (API wallet) of the wallet's own account may trade: it cannot withdraw. Times are in ms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from market.domain.orders import Agent, KeyRole

SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000
FIRST_PAUSE, LONGEST_PAUSE = 3 * SECOND, 600 * SECOND
ALERT_BEFORE = (14 * DAY, 3 * DAY)
Status = Literal["active", "waiting", "rejected", "expired"]

MASTER_KEY = (
    "This is the account's own key: it can withdraw. Create an API wallet at the exchange and enter its key."
)
NOT_AN_AGENT = "This is the key of an account, which can withdraw. " + MASTER_KEY.partition(". ")[2]
OTHER_ACCOUNT_KEY = "This key trades for another account, {master}."
NOT_APPROVED = "The exchange does not know {signer} yet: approve it there as an API wallet of this account."
KEY_REVOKED = "The exchange no longer accepts this key: it expired or was replaced. Enter a new key."
KEY_EXPIRED = "This key has expired. Approve a new one at the exchange and enter it."


@dataclass(frozen=True, slots=True)
class KeyVerdict:
    """Result of a key check. `waiting` leaves the wallet unchanged. `expires_at` and `name`: of an active key."""

    status: Status
    reason: str = ""
    delete: bool = False  # the key could do more than trade, or trades for another account
    name: str = ""
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class RegisteredKey:
    """A wallet's account, its key's address, and whether that key has traded for it before."""

    account: str
    signer: str
    proven: bool


def evaluate_key(key: RegisteredKey, role: KeyRole, agents: Sequence[Agent], now: int) -> KeyVerdict:
    """Judge a key by its role; `agents` are those listed for the account, which omits agents without a name."""
    bad: Status = (
        "expired" if key.proven else "rejected"
    )  # events of a wallet that has traded are still applied
    if role.role == "missing":
        if key.proven:
            return KeyVerdict("expired", KEY_REVOKED)
        return KeyVerdict("waiting", NOT_APPROVED.format(signer=key.signer))
    if role.role != "agent":
        return KeyVerdict(bad, MASTER_KEY if key.signer == key.account else NOT_AN_AGENT, delete=True)
    if role.master != key.account:
        return KeyVerdict(bad, OTHER_ACCOUNT_KEY.format(master=short(role.master or "")), delete=True)
    listed = next((agent for agent in agents if agent.address == key.signer), None)
    if listed is None:
        return KeyVerdict("active")
    if listed.valid_until is not None and listed.valid_until <= now:
        return KeyVerdict("expired", KEY_EXPIRED)
    return KeyVerdict("active", name=listed.name, expires_at=listed.valid_until)


def short(address: str) -> str:
    return f"{address[:6]}…{address[-4:]}"


# --- schedule -----------------------------------------------------------------------------------------
def recheck_delay(status: str, waited: int) -> int:
    """The delay in ms before the next check at the venue, after waiting `waited` ms."""
    if status == "active":
        return DAY
    if status == "expired":
        return HOUR
    return max(FIRST_PAUSE, min(waited // 4, LONGEST_PAUSE))


def expiry_alert(expires_at: int | None, now: int, before: int | None) -> str:
    """The alert for the owner when the expiry came near since the check at `before`; else empty."""
    if expires_at is None:
        return ""
    remaining = expires_at - now
    for near in ALERT_BEFORE:
        if remaining <= near and (before is None or expires_at - before > near):
            return f"The key expires in {max(0, remaining // DAY)} days. Approve a new one at the exchange and enter it."
    return ""
