"""Evaluation of a key by its role at the venue."""

import pytest

from market.domain.keys import KeyVerdict, RegisteredKey
from market.domain.orders import Agent, KeyRole
from market.venues.hyperliquid.credentials import evaluate_key
from market.venues.hyperliquid.signing import address_of
from wallets.domain.key_verification import DAY, HOUR, expiry_alert, recheck_delay

SIGNER, ACCOUNT = address_of(bytes([7]) * 32), address_of(bytes([9]) * 32)
NOW = 1_763_650_000_000
AGENT = KeyRole("agent", ACCOUNT)
LISTED = Agent(SIGNER, "global", NOW + DAY)
CASES = {
    "an agent of the account": (AGENT, [LISTED], "active", "active", False),
    "an agent that the venue does not list has no end": (AGENT, [], "active", "active", False),
    "an agent that does not end": (AGENT, [Agent(SIGNER, "x", None)], "active", "active", False),
    "an agent at its end": (AGENT, [Agent(SIGNER, "x", NOW)], "expired", "expired", False),
    "another agent of the account": (AGENT, [Agent("0x1", "x", NOW - 1)], "active", "active", False),
    "an agent of another account": (KeyRole("agent", "0x" + "5" * 40), [], "rejected", "expired", True),
    "a user": (KeyRole("user"), [], "rejected", "expired", True),
    "a sub-account": (KeyRole("sub_account", ACCOUNT), [], "rejected", "expired", True),
    "a vault": (KeyRole("vault"), [], "rejected", "expired", True),
    "unknown to the venue": (KeyRole("missing"), [], "waiting", "expired", False),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("proven", [False, True], ids=["new", "traded"])
def test_only_an_agent_of_the_account_is_active(case, proven):
    role, agents, fresh, traded, delete = case
    verdict = evaluate_key(RegisteredKey(ACCOUNT, SIGNER, proven), role, agents, NOW)
    assert (verdict.status, verdict.delete) == (traded if proven else fresh, delete)
    assert bool(verdict.reason) == (verdict.status != "active")


def test_an_active_key_carries_its_name_and_end():
    assert evaluate_key(RegisteredKey(ACCOUNT, SIGNER, proven=False), AGENT, [LISTED], NOW) == KeyVerdict(
        "active", name="global", expires_at=NOW + DAY
    )


def test_the_reason_tells_the_accounts_own_key_from_another_accounts():
    own = evaluate_key(RegisteredKey(ACCOUNT, ACCOUNT, proven=False), KeyRole("user"), [], NOW)
    assert own.reason.startswith("This is the account's own key: it can withdraw.")
    other = evaluate_key(RegisteredKey(ACCOUNT, SIGNER, proven=False), KeyRole("user"), [], NOW)
    assert "Create an API wallet at the exchange" in other.reason
    assert "own key:" not in other.reason


@pytest.mark.parametrize(
    ("status", "waited", "expected"),
    [
        ("active", 0, DAY),
        ("expired", 0, HOUR),
        ("checking", 0, 3_000),
        ("checking", 12_000, 3_000),
        ("approval_pending", 60_000, 15_000),
        ("approval_pending", DAY, 600_000),
    ],
)
def test_the_venue_is_asked_less_and_less(status, waited, expected):
    assert recheck_delay(status, waited) == expected


@pytest.mark.parametrize(
    ("left", "before", "alerted"),
    [
        (15 * DAY, None, False),
        (14 * DAY, None, True),  # near at the first check
        (13 * DAY, 1 * DAY, False),  # alerted before
        (13 * DAY, 2 * DAY, True),  # crossed since
        (4 * DAY, 1 * DAY, False),
        (3 * DAY, 1 * DAY, True),
        (2 * DAY, 1 * DAY, False),
    ],
)
def test_the_end_of_a_key_is_told_at_two_weeks_and_at_three_days(left, before, alerted):
    """`before`: time since the last check."""
    assert bool(expiry_alert(NOW + left, NOW, None if before is None else NOW - before)) == alerted
    assert expiry_alert(None, NOW, None) == ""
