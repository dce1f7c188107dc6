"""Registry of the supported venues by name. A venue's module is imported on first use."""

from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from market.domain.session import Codec
from market.venues.base import Feed, Tap, Trader, VenueAdapter
from market.venues.rate_limiter import WEIGHT_PER_MINUTE, RateLimiter, RedisRateLimiter


@dataclass(frozen=True)
class VenueKind:
    """Description of a venue: title, implementations (dotted paths) and the names of its settings.

    The settings are the address and, for a venue with several networks, the network.
    """

    title: str
    adapter: str
    feed: str
    codec: str
    trader: str
    url_setting: str
    network_setting: str = ""
    simulated: bool = False


HYPERLIQUID_ADAPTER = "market.venues.hyperliquid.adapter.HyperliquidAdapter"
HYPERLIQUID_FEED = "market.venues.hyperliquid.client.HyperliquidFeed"
HYPERLIQUID_CODEC = "market.venues.hyperliquid.codec.HyperliquidCodec"
HYPERLIQUID_TRADER = "market.venues.hyperliquid.trader.HyperliquidTrader"
HYPERLIQUID = (HYPERLIQUID_ADAPTER, HYPERLIQUID_FEED, HYPERLIQUID_CODEC, HYPERLIQUID_TRADER)
KINDS = {
    "hyperliquid-sim": VenueKind("Hyperliquid Sim", *HYPERLIQUID, "SIMULATOR_URL", simulated=True),
    "hyperliquid": VenueKind("Hyperliquid", *HYPERLIQUID, "HYPERLIQUID_URL", "HYPERLIQUID_NETWORK"),
}
MAINNET_HOST = "api.hyperliquid.xyz"
LENIENT_WEIGHT_PER_MINUTE = 60_000


def venue_kind(name: str) -> VenueKind:
    """The venue's entry of `KINDS`. Raises `ImproperlyConfigured` for an unknown name."""
    try:
        return KINDS[name]
    except KeyError:
        raise ImproperlyConfigured(f"no venue {name!r}; known: {', '.join(KINDS)}") from None


@cache
def venue_adapter(name: str) -> VenueAdapter:
    """The facts of the venue. Raises `ImproperlyConfigured` for an unknown name."""
    adapter: VenueAdapter = import_string(venue_kind(name).adapter)()
    return adapter


def venue_feed(name: str, *, tap: Tap | None = None) -> Feed:
    """A new feed of the venue at the configured address. `tap` receives the raw frames."""
    kind = venue_kind(name)
    url = getattr(settings, kind.url_setting)
    feed: Feed = import_string(kind.feed)(name, url, tap=tap, rate_limiter=_rate_limiter(name, kind))
    return feed


def trader_for(name: str) -> Trader:
    """A new trader at the venue. Raises `ImproperlyConfigured` when address and network do not match."""
    kind = venue_kind(name)
    url = getattr(settings, kind.url_setting)
    network = getattr(settings, kind.network_setting) if kind.network_setting else "testnet"
    if (urlsplit(url).hostname == MAINNET_HOST) != (network == "mainnet"):
        raise ImproperlyConfigured(f"{kind.url_setting} {url} does not belong to the network {network!r}")
    trader: Trader = import_string(kind.trader)(
        name, url, network=network, rate_limiter=_rate_limiter(name, kind), slots=settings.MAX_PRIVATE_STREAMS
    )
    return trader


def _rate_limiter(name: str, kind: VenueKind) -> RateLimiter:
    """Rate limiter of this host at the venue. A lenient simulator gets a budget that is never reached."""
    lenient = kind.simulated and settings.SIMULATOR_LIMITS == "lenient"
    return RedisRateLimiter(
        name,
        settings.EGRESS_ID,
        settings.REDIS_URL,
        per_minute=LENIENT_WEIGHT_PER_MINUTE if lenient else WEIGHT_PER_MINUTE,
        burst=WEIGHT_PER_MINUTE,
    )


def venue_codec(name: str) -> Codec:
    """The stream codec of the venue."""
    codec: Codec = import_string(venue_kind(name).codec)()
    return codec
