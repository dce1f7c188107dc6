"""Access matrix: every route of the project with its access class. An unlisted route fails the tests.

`verbs` are the allowed methods; all others must be refused. A route with a `kind` has an object:
`make(owner)` creates one and returns the path arguments; the rules of that kind
(accounts/domain/permissions.py) define the other users with access, unless the route is `OWNER` only.
`keys` are the methods allowed to an API key with every scope; None: as the access class defines.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import uuid4

from allauth.mfa.models import Authenticator
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.services import api_key_create, session_open
from bots.models import Bot, BotInputs
from market.models import Instrument, Venue
from tests.accounts.auth_factories import request
from wallets.models import Order, Wallet


class Access(StrEnum):
    OPEN = "anonymous visitors"
    PERSON = "signed-in users; no API key"
    USER = "signed-in users, and API keys with the scope read"
    OWNER = "only the owner of the object"
    RULES = "users allowed by the rules of the object's kind"
    STAFF = "staff with a second factor"


@dataclass(frozen=True)
class Route:
    access: Access
    verbs: str = "GET"
    kind: str | None = None
    make: Callable[[Any], dict[str, Any]] | None = None
    keys: str | None = None


def _session(owner):
    return {"pk": session_open(user=owner, kind="api", request=request()).sid}


def _page_session(owner):
    return {"sid": _session(owner)["pk"]}


def _key(owner):
    return {"pk": api_key_create(user=owner, name="k", scopes=["read"], days=1)[0].pk}


def _passkey(owner):
    data = {"name": "key", "credential": {}, "passwordless": True}
    return {"pk": Authenticator.objects.create(user=owner, type="webauthn", data=data).pk}


def _instrument(owner):
    return {"venue": "hyperliquid-sim", "symbol": "BTC"}


def _wallet(owner):
    Venue.objects.get_or_create(name="hyperliquid-sim", defaults={"title": "Simulator", "simulated": True})
    number = Wallet.objects.count() + 1
    return {
        "pk": Wallet.objects.create(
            user=owner, venue_id="hyperliquid-sim", label="w", address=f"0x{number:040x}", status="active"
        ).pk
    }


def _order(owner):
    instrument, _ = Instrument.objects.get_or_create(
        venue_id="hyperliquid-sim", symbol="BTC",
        defaults={"kind": "perp", "base": "BTC", "quote": "USDC", "size_decimals": 5, "price_decimals": 1},
    )  # fmt: skip
    order = Order.objects.create(
        wallet_id=_wallet(owner)["pk"], instrument=instrument, client_id=uuid4(), origin="api", side="buy",
        kind="limit", tif="gtc", price=1, size=1,
    )  # fmt: skip
    return {"pk": order.pk}


def _bot(owner):
    instrument = Order.objects.get(pk=_order(owner)["pk"]).instrument
    bot = Bot.objects.create(
        user=owner, wallet_id=_wallet(owner)["pk"], instrument=instrument, strategy="as-grid", name="b",
        budget=1000,
    )  # fmt: skip
    BotInputs.objects.create(bot=bot, version=1, inputs={})
    return {"pk": bot.pk}


def _strategy(owner):
    return {"key": "as-grid"}


def _bot_order(owner):
    bot, order = _bot(owner)["pk"], _order(owner)["pk"]
    Order.objects.filter(pk=order).update(source_id=bot)
    return {"pk": bot, "order": order}


def _bot_export(owner):
    return {**_bot(owner), "what": "definition"}


OPEN, PERSON, USER, OWNER, RULES, STAFF = Access
FORM = "GET POST PUT"  # Django's form views take a PUT as a POST
ROUTES: dict[str, Route] = {
    # --- market data and monitoring
    "": Route(OPEN),
    "market/": Route(OPEN),
    "market/<slug:venue>/<path:symbol>/": Route(OPEN, make=_instrument),
    "status/": Route(OPEN),
    "health": Route(OPEN),
    "ready": Route(OPEN),
    "metrics": Route(OPEN),
    "api/schema/": Route(OPEN),
    "api/docs/": Route(OPEN),
    "api/v1/venues": Route(OPEN),
    "api/v1/instruments": Route(OPEN),
    "api/v1/ticks": Route(OPEN),
    "api/v1/candles": Route(OPEN),
    "api/v1/book": Route(OPEN),
    "api/v1/trades": Route(OPEN),
    # --- login, sign-up, recovery
    "accounts/login/": Route(OPEN, FORM),
    "accounts/login/passkey/": Route(OPEN, FORM),
    "accounts/login/second-factor/": Route(OPEN, FORM),
    "accounts/logout/": Route(OPEN, "GET POST"),
    "accounts/signup/": Route(OPEN, FORM),
    "accounts/verify/": Route(OPEN, FORM),
    "accounts/recover/": Route(OPEN, FORM),
    "accounts/recover/code/": Route(OPEN, FORM),
    "accounts/recover/password/": Route(OPEN, FORM),
    "accounts/inactive/": Route(OPEN, FORM),
    "accounts/link/": Route(OPEN, "GET POST"),
    "api/v1/auth/signup": Route(OPEN, "POST"),
    "api/v1/auth/verify": Route(OPEN, "POST"),
    "api/v1/auth/login": Route(OPEN, "POST"),
    "api/v1/auth/refresh": Route(OPEN, "POST"),
    # --- the user's account
    "account/": Route(PERSON, FORM),
    "account/security/": Route(PERSON),
    "account/password/": Route(PERSON, FORM),
    "account/email/": Route(PERSON, FORM),
    "account/totp/": Route(PERSON, FORM),
    "account/totp/off/": Route(PERSON, FORM),
    "account/recovery-codes/": Route(PERSON),
    "account/recovery-codes/new/": Route(PERSON, FORM),
    "account/passkeys/new/": Route(PERSON, FORM),
    "account/passkeys/<int:pk>/remove/": Route(OWNER, "GET POST DELETE", "passkey", _passkey),
    "account/export/": Route(PERSON, "POST"),
    "account/delete/": Route(PERSON, FORM),
    "account/sessions/": Route(PERSON),
    "account/sessions/others/revoke/": Route(PERSON, "POST"),
    "account/sessions/<uuid:sid>/revoke/": Route(OWNER, "POST", "session", _page_session),
    "account/keys/": Route(PERSON),
    "account/keys/new/": Route(PERSON, FORM),
    "account/keys/<uuid:pk>/revoke/": Route(OWNER, "POST", "api_key", _key),
    "account/activity/": Route(PERSON),
    "account/step-up/": Route(PERSON, FORM),
    "api/v1/auth/logout": Route(PERSON, "POST"),
    "api/v1/auth/password": Route(PERSON, "POST"),
    "api/v1/auth/2fa": Route(PERSON, "GET POST PUT DELETE"),
    "api/v1/auth/step-up": Route(PERSON, "POST"),
    "api/v1/auth/sessions": Route(PERSON),
    "api/v1/auth/sessions/<uuid:pk>": Route(RULES, "DELETE", "session", _session),
    "api/v1/api-keys": Route(PERSON, "GET POST"),
    "api/v1/api-keys/<uuid:pk>": Route(RULES, "GET PATCH DELETE", "api_key", _key),
    "api/v1/me": Route(USER, "GET PATCH"),
    # --- orders, wallets, bots
    "orders/": Route(PERSON),
    "orders/ticket/<slug:venue>/<path:symbol>/": Route(OPEN, make=_instrument),
    "orders/preview/<slug:venue>/<path:symbol>/": Route(PERSON, make=_instrument),
    "orders/share/<slug:venue>/<path:symbol>/": Route(PERSON, make=_instrument),
    "orders/place/<slug:venue>/<path:symbol>/": Route(PERSON, "POST", make=_instrument),
    "orders/leverage/<slug:venue>/<path:symbol>/": Route(PERSON, "POST", make=_instrument),
    "orders/tables/<slug:venue>/<path:symbol>/": Route(PERSON, make=_instrument),
    "orders/cancel/": Route(PERSON, "GET POST"),
    "orders/<uuid:pk>/": Route(OWNER, "GET", "order", _order),
    "orders/<uuid:pk>/notice/": Route(OWNER, "GET", "order", _order),
    "orders/<uuid:pk>/row/": Route(OWNER, "GET", "order", _order),
    "orders/<uuid:pk>/cancel/": Route(OWNER, "POST", "order", _order),
    "orders/<uuid:pk>/change/": Route(OWNER, "GET POST", "order", _order),
    "wallets/": Route(PERSON),
    "wallets/new/": Route(PERSON, FORM),
    "wallets/<uuid:pk>/": Route(OWNER, "GET", "wallet", _wallet),
    "wallets/<uuid:pk>/card/": Route(OWNER, "GET", "wallet", _wallet),
    "wallets/<uuid:pk>/check/": Route(OWNER, "GET", "wallet", _wallet),
    "wallets/<uuid:pk>/account/": Route(OWNER, "GET", "wallet", _wallet),
    "wallets/<uuid:pk>/limits/": Route(OWNER, FORM, "wallet", _wallet),
    "wallets/<uuid:pk>/rename/": Route(OWNER, "POST", "wallet", _wallet),
    "wallets/<uuid:pk>/state/": Route(OWNER, "POST", "wallet", _wallet),
    "wallets/<uuid:pk>/key/": Route(OWNER, FORM, "wallet", _wallet),
    "wallets/<uuid:pk>/archive/": Route(OWNER, "GET POST", "wallet", _wallet),
    "api/v1/wallets": Route(USER, "GET POST"),
    "api/v1/wallets/<uuid:pk>": Route(RULES, "GET PATCH DELETE", "wallet", _wallet, keys="GET"),
    "api/v1/wallets/<uuid:pk>/state": Route(RULES, "POST", "wallet", _wallet, keys="POST"),
    "api/v1/wallets/<uuid:pk>/key": Route(RULES, "PUT", "wallet", _wallet, keys=""),
    "api/v1/wallets/<uuid:pk>/leverage": Route(RULES, "POST", "wallet", _wallet, keys="POST"),
    "api/v1/wallets/<uuid:pk>/balances": Route(RULES, "GET", "wallet", _wallet, keys="GET"),
    "api/v1/wallets/<uuid:pk>/positions": Route(RULES, "GET", "wallet", _wallet, keys="GET"),
    "api/v1/wallets/<uuid:pk>/orders": Route(RULES, "GET", "wallet", _wallet, keys="GET"),
    "api/v1/wallets/<uuid:pk>/fills": Route(RULES, "GET", "wallet", _wallet, keys="GET"),
    "api/v1/wallets/<uuid:pk>/ledger-entries": Route(RULES, "GET", "wallet", _wallet, keys="GET"),
    "api/v1/wallets/<uuid:pk>/ledger-transactions": Route(RULES, "GET", "wallet", _wallet, keys="GET"),
    "api/v1/wallets/<uuid:pk>/attribution": Route(RULES, "GET", "wallet", _wallet, keys="GET"),
    "api/v1/orders": Route(USER, "GET POST", keys="GET POST"),
    "api/v1/orders/batch": Route(USER, "POST", keys="POST"),
    "api/v1/orders/cancel": Route(USER, "POST", keys="POST"),
    "api/v1/orders/<uuid:pk>": Route(RULES, "GET PATCH DELETE", "order", _order, keys="GET PATCH DELETE"),
    "api/v1/fills": Route(USER),
    "bots/": Route(PERSON),
    "bots/new/": Route(PERSON, "GET POST"),
    "bots/<uuid:pk>/": Route(OWNER, "GET", "bot", _bot),
    "bots/cards/": Route(PERSON),
    "bots/new/<slug:key>/preview/": Route(PERSON, make=_strategy),
    "bots/new/load/": Route(PERSON, "POST"),
    "bots/<uuid:pk>/summary/": Route(OWNER, "GET", "bot", _bot),
    "bots/<uuid:pk>/history/": Route(OWNER, "GET", "bot", _bot),
    "bots/<uuid:pk>/equity/": Route(OWNER, "GET", "bot", _bot),
    "bots/<uuid:pk>/orders/<uuid:order>/": Route(OWNER, "GET", "bot", _bot_order),
    "bots/of/<uuid:pk>/attribution/": Route(OWNER, "GET", "wallet", _wallet),
    "bots/<uuid:pk>/start/": Route(OWNER, "POST", "bot", _bot),
    "bots/<uuid:pk>/stop/": Route(OWNER, "GET POST", "bot", _bot),
    "bots/<uuid:pk>/inputs/": Route(OWNER, "POST", "bot", _bot),
    "bots/<uuid:pk>/clone/": Route(OWNER, "POST", "bot", _bot),
    "bots/<uuid:pk>/archive/": Route(OWNER, "POST", "bot", _bot),
    "api/v1/strategies": Route(USER),
    "api/v1/bots": Route(USER, "GET POST", keys="GET POST"),
    "api/v1/bots/<uuid:pk>": Route(RULES, "GET PATCH DELETE", "bot", _bot, keys="GET PATCH DELETE"),
    "api/v1/bots/preview": Route(USER, "POST", keys="POST"),
    "api/v1/bots/<uuid:pk>/inputs": Route(RULES, "GET", "bot", _bot, keys="GET"),
    "api/v1/bots/<uuid:pk>/equity": Route(RULES, "GET", "bot", _bot, keys="GET"),
    "api/v1/bots/<uuid:pk>/export/<str:what>": Route(OWNER, "GET", "bot", _bot_export, keys="GET"),
    "api/v1/bots/<uuid:pk>/clone": Route(RULES, "POST", "bot", _bot, keys="POST"),
    "api/v1/bots/<uuid:pk>/start": Route(RULES, "POST", "bot", _bot, keys="POST"),
    "api/v1/bots/<uuid:pk>/stop": Route(RULES, "POST", "bot", _bot, keys="POST"),
    "api/v1/bots/<uuid:pk>/events": Route(RULES, "GET", "bot", _bot, keys="GET"),
    "api/v1/bots/<uuid:pk>/orders": Route(RULES, "GET", "bot", _bot, keys="GET"),
    "api/v1/bots/<uuid:pk>/fills": Route(RULES, "GET", "bot", _bot, keys="GET"),
}
PREFIXES: dict[str, Route] = {"admin/": Route(STAFF)}


def walk(patterns: Any = None, prefix: str = "") -> Iterator[str]:
    """Every route pattern of the URL conf."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def classified(route: str) -> Route | None:
    """The entry of a route; an API route with a trailing slash has the entry of the one without."""
    if route.startswith("api/v1/"):
        route = route.rstrip("/")
    if route in ROUTES:
        return ROUTES[route]
    return next((found for prefix, found in PREFIXES.items() if route.startswith(prefix)), None)
