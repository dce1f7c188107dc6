"""The three entrances: http, websocket, and the channels of the workers."""

import os
from typing import Any

from channels.routing import ChannelNameRouter, ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cryptotrade.settings")
_http = get_asgi_application()  # sets Django up: what follows may import models

from accounts.selectors import credentials_live  # noqa: E402
from accounts.services import session_user, token_user  # noqa: E402
from bots.consumers import SupervisorConsumer  # noqa: E402
from cryptotrade.errors import BodyLimit  # noqa: E402
from cryptotrade.rate_limit_middleware import stream_address, stream_wait  # noqa: E402
from market.consumers import StreamConsumer  # noqa: E402
from market.feed.worker import FeedConsumer  # noqa: E402
from wallets.consumers import ExecutionConsumer  # noqa: E402

WORKERS = (FeedConsumer, ExecutionConsumer, SupervisorConsumer)

_stream = StreamConsumer(
    session_user=session_user,
    token_user=token_user,
    credentials_live=credentials_live,
    address=stream_address,
    wait=stream_wait,
)


async def _websocket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["path"].rstrip("/") == "/ws/stream":
        await _stream(scope, receive, send)
        return
    await receive()
    await send({"type": "websocket.close", "code": 1008})  # before accept: HTTP 403


application = ProtocolTypeRouter(
    {
        "http": BodyLimit(_http),
        "websocket": _websocket,
        "channel": ChannelNameRouter({worker.channel: worker.as_asgi() for worker in WORKERS}),
    }
)
