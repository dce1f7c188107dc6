"""Public interface of the hub: channel layer, live values in Redis, nudges (docs/market-data-pipeline.md).

No other package of this app accesses the channel layer or these Redis keys.
"""

from market.hub.client import Client
from market.hub.hub import Hub
from market.hub.nudges import NudgeSubscription, nudge, nudge_on_commit
from market.hub.publisher import Publisher, user_event_publish, venue_group
from market.hub.snapshots import Snapshot, VenueStatus, topic_read, topic_watch, venue_statuses
from market.hub.threads import DATABASE_ERRORS, in_poll_thread, in_thread
from market.hub.user_events import UserEventPublisher
from market.hub.workers import WorkerConsumer

__all__ = [
    "DATABASE_ERRORS",
    "Client",
    "Hub",
    "NudgeSubscription",
    "Publisher",
    "Snapshot",
    "UserEventPublisher",
    "VenueStatus",
    "WorkerConsumer",
    "in_poll_thread",
    "in_thread",
    "nudge",
    "nudge_on_commit",
    "topic_read",
    "topic_watch",
    "user_event_publish",
    "venue_group",
    "venue_statuses",
]
