"""Public interface of the hub: channel layer and live values in Redis (docs/market-data-pipeline.md).

No other package of this app accesses the channel layer or these Redis keys.
"""

from market.hub.client import Client
from market.hub.hub import Hub
from market.hub.publisher import Publisher, UserEventPublisher, user_event_publish, venue_group
from market.hub.snapshots import Snapshot, VenueStatus, topic_read, topic_watch, venue_statuses

__all__ = [
    "Client",
    "Hub",
    "Publisher",
    "Snapshot",
    "UserEventPublisher",
    "VenueStatus",
    "topic_read",
    "topic_watch",
    "user_event_publish",
    "venue_group",
    "venue_statuses",
]
