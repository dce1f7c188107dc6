"""This app's only door to the channel layer and to the live values in Redis (docs/life-of-a-tick.md)."""

from market.hub.client import Client
from market.hub.nudges import Nudges, nudge
from market.hub.process import Hub
from market.hub.publish import Publisher, user_event_publish, venue_group
from market.hub.snapshots import Snapshot, VenueStatus, topic_read, topic_watch, venue_statuses
from market.hub.workers import WorkerConsumer

__all__ = [
    "Client",
    "Hub",
    "Nudges",
    "Publisher",
    "Snapshot",
    "VenueStatus",
    "WorkerConsumer",
    "nudge",
    "topic_read",
    "topic_watch",
    "user_event_publish",
    "venue_group",
    "venue_statuses",
]
