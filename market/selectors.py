"""What pages and the API read of the market. Live values come from Redis, history from PostgreSQL."""

from market import hub


def venue_ages() -> dict[str, int]:
    """Milliseconds since each venue's feed worker was last heard of, by venue name."""
    return {name: status.silent_ms for name, status in hub.venue_statuses().items()}
