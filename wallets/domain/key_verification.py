"""Schedule of key checks at the venue, and the alert before a key expires. Times are in ms."""

SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000
FIRST_PAUSE, LONGEST_PAUSE = 3 * SECOND, 600 * SECOND
ALERT_BEFORE = (14 * DAY, 3 * DAY)


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
