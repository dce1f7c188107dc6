"""This app's only door to the channel layer and to the live values in Redis (docs/life-of-a-tick.md)."""

from market.hub.publish import Publisher, venue_group
from market.hub.snapshots import Snapshot, VenueStatus, topic_read, topic_watch, venue_statuses

__all__ = [
    "Publisher",
    "Snapshot",
    "VenueStatus",
    "topic_read",
    "topic_watch",
    "venue_group",
    "venue_statuses",
]
