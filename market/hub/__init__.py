"""This app's only door to the channel layer and to the live values in Redis (docs/life-of-a-tick.md)."""

from market.hub.client import Client
from market.hub.hub import Hub
from market.hub.nudges import Nudges, nudge, nudge_on_commit
from market.hub.publisher import Publisher, user_event_publish, venue_group
from market.hub.snapshots import Snapshot, VenueStatus, topic_read, topic_watch, venue_statuses
from market.hub.threads import DATABASE_AWAY, in_thread, in_thread_ahead
from market.hub.user_events import Announcer
from market.hub.workers import WorkerConsumer

__all__ = [
    "DATABASE_AWAY",
    "Announcer",
    "Client",
    "Hub",
    "Nudges",
    "Publisher",
    "Snapshot",
    "VenueStatus",
    "WorkerConsumer",
    "in_thread",
    "in_thread_ahead",
    "nudge",
    "nudge_on_commit",
    "topic_read",
    "topic_watch",
    "user_event_publish",
    "venue_group",
    "venue_statuses",
]
