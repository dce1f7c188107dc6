"""All routes of the project as paths with sample arguments."""

import re
import uuid
from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

FILLED = {"uuid": str(uuid.UUID(int=7)), "int": "7", "slug": "hyperliquid-sim", "path": "BTC", "str": "thing"}


def _walk(patterns, prefix: str) -> Iterator[str]:
    for pattern in patterns:
        text = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, text)
        elif isinstance(pattern, URLPattern):
            yield text


def _filled(text: str) -> str:
    text = re.sub(r"\(\?P<\w+>[^)]*\)|\([^)]*\)", "thing", text)
    text = re.sub(r"<(?:(\w+):)?\w+>", lambda found: FILLED.get(found[1] or "str", "thing"), text)
    return re.sub(r"[\^$?*+]|\\Z|\\", "", text)


def routes() -> list[str]:
    return sorted({_filled(text) for text in _walk(get_resolver().url_patterns, "/")})
