"""Venues that this build can read, by name. A venue's module is imported when it is first used."""

from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from market.domain.session import Codec
from market.venues.base import Feed, Tap


@dataclass(frozen=True)
class VenueKind:
    """How a venue is shown, what reads it (dotted paths), and which setting holds its address."""

    title: str
    feed: str
    codec: str
    url_setting: str
    simulated: bool = False


HYPERLIQUID_FEED = "market.venues.hyperliquid.client.HyperliquidFeed"
HYPERLIQUID_CODEC = "market.venues.hyperliquid.codec.HyperliquidCodec"
KINDS = {
    "simulator": VenueKind("Simulator", HYPERLIQUID_FEED, HYPERLIQUID_CODEC, "SIMULATOR_URL", simulated=True),
    "hyperliquid": VenueKind("Hyperliquid", HYPERLIQUID_FEED, HYPERLIQUID_CODEC, "HYPERLIQUID_URL"),
}


def venue_kind(name: str) -> VenueKind:
    """Raises `ImproperlyConfigured` for a name that is not in `KINDS`."""
    try:
        return KINDS[name]
    except KeyError:
        raise ImproperlyConfigured(f"no venue {name!r}; known: {', '.join(KINDS)}") from None


def venue_feed(name: str, *, tap: Tap | None = None) -> Feed:
    """A new reader of that venue, at the address that the settings give. `tap` sees its raw frames."""
    kind = venue_kind(name)
    feed: Feed = import_string(kind.feed)(name, getattr(settings, kind.url_setting), tap=tap)
    return feed


def venue_codec(name: str) -> Codec:
    """What translates that venue's stream."""
    codec: Codec = import_string(venue_kind(name).codec)()
    return codec
