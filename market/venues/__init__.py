"""Venues that this build can read and trade at, by name. A venue's module is imported when it is first used."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from market.domain.session import Codec
from market.venues.base import Feed, Tap, Trader
from market.venues.rate_limiter import WEIGHT_PER_MINUTE, Gate, SharedGate


@dataclass(frozen=True)
class VenueKind:
    """How a venue is shown, what reads it and trades there (dotted paths), and which settings hold its
    address and, if it has several, its network."""

    title: str
    feed: str
    codec: str
    trader: str
    url_setting: str
    network_setting: str = ""
    simulated: bool = False


HYPERLIQUID_FEED = "market.venues.hyperliquid.client.HyperliquidFeed"
HYPERLIQUID_CODEC = "market.venues.hyperliquid.codec.HyperliquidCodec"
HYPERLIQUID_TRADER = "market.venues.hyperliquid.trader.HyperliquidTrader"
HYPERLIQUID = (HYPERLIQUID_FEED, HYPERLIQUID_CODEC, HYPERLIQUID_TRADER)
KINDS = {
    "simulator": VenueKind("Simulator", *HYPERLIQUID, "SIMULATOR_URL", simulated=True),
    "hyperliquid": VenueKind("Hyperliquid", *HYPERLIQUID, "HYPERLIQUID_URL", "HYPERLIQUID_NETWORK"),
}
MAINNET_HOST = "api.hyperliquid.xyz"
WEIGHT_WHEN_LENIENT = 60_000


def venue_kind(name: str) -> VenueKind:
    """Raises `ImproperlyConfigured` for a name that is not in `KINDS`."""
    try:
        return KINDS[name]
    except KeyError:
        raise ImproperlyConfigured(f"no venue {name!r}; known: {', '.join(KINDS)}") from None


def venue_feed(name: str, *, tap: Tap | None = None) -> Feed:
    """A new reader of that venue, at the address that the settings give. `tap` sees its raw frames."""
    kind = venue_kind(name)
    url = getattr(settings, kind.url_setting)
    feed: Feed = import_string(kind.feed)(name, url, tap=tap, gate=_gate(name, kind))
    return feed


def trader_for(name: str) -> Trader:
    """A new trader at that venue. Raises `ImproperlyConfigured` where address and network contradict."""
    kind = venue_kind(name)
    url = getattr(settings, kind.url_setting)
    network = getattr(settings, kind.network_setting) if kind.network_setting else "testnet"
    if (urlsplit(url).hostname == MAINNET_HOST) != (network == "mainnet"):
        raise ImproperlyConfigured(f"{kind.url_setting} {url} is not of the network {network!r}")
    trader: Trader = import_string(kind.trader)(
        name, url, network=network, gate=_gate(name, kind), slots=settings.PRIVATE_STREAMS
    )
    return trader


def _gate(name: str, kind: VenueKind) -> Gate:
    """The budget that this host has at that venue. A lenient simulator counts nothing."""
    lenient = kind.simulated and settings.SIMULATOR_LIMITS == "lenient"
    return SharedGate(
        name,
        settings.EGRESS,
        settings.REDIS_URL,
        per_minute=WEIGHT_WHEN_LENIENT if lenient else WEIGHT_PER_MINUTE,
        burst=WEIGHT_PER_MINUTE,
    )


def venue_codec(name: str) -> Codec:
    """What translates that venue's stream."""
    codec: Codec = import_string(venue_kind(name).codec)()
    return codec
