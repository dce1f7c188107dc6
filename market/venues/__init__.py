"""Venues that this build can read, by name. A venue's module is imported when it is first used."""

from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from market.venues.base import Feed


@dataclass(frozen=True)
class VenueKind:
    """How a venue is shown, what reads it, and which setting holds its address."""

    title: str
    feed: str
    url_setting: str
    simulated: bool = False


HYPERLIQUID_FEED = "market.venues.hyperliquid.client.HyperliquidFeed"
KINDS = {
    "simulator": VenueKind("Simulator", HYPERLIQUID_FEED, "SIMULATOR_URL", simulated=True),
    "hyperliquid": VenueKind("Hyperliquid", HYPERLIQUID_FEED, "HYPERLIQUID_URL"),
}


def venue_kind(name: str) -> VenueKind:
    """Raises `ImproperlyConfigured` for a name that is not in `KINDS`."""
    try:
        return KINDS[name]
    except KeyError:
        raise ImproperlyConfigured(f"no venue {name!r}; known: {', '.join(KINDS)}") from None


def venue_feed(name: str) -> Feed:
    """A new reader of that venue, at the address that the settings give."""
    kind = venue_kind(name)
    feed: Feed = import_string(kind.feed)(name, getattr(settings, kind.url_setting))
    return feed
