"""ASGI application: routes HTTP requests, websockets and the channels of the workers."""

import os
from typing import Any

from channels.routing import ChannelNameRouter, ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cryptotrade.settings")
_http = get_asgi_application()  # sets up Django, so that the imports below may load models

from accounts.selectors import live_credentials  # noqa: E402
from accounts.services import principal_from_session, principal_from_token  # noqa: E402
from bots.consumers import SupervisorConsumer  # noqa: E402
from core.asgi import Receive, Send  # noqa: E402
from cryptotrade.errors import BodyLimit  # noqa: E402
from cryptotrade.rate_limit_middleware import stream_address, stream_rate_limit_wait  # noqa: E402
from market.consumers import StreamConsumer  # noqa: E402
from market.feed.worker import FeedConsumer  # noqa: E402
from wallets.consumers import ExecutionConsumer  # noqa: E402

WORKERS = (FeedConsumer, ExecutionConsumer, SupervisorConsumer)

_stream = StreamConsumer(
    session_user=principal_from_session,
    token_user=principal_from_token,
    credentials_live=live_credentials,
    address=stream_address,
    wait=stream_rate_limit_wait,
)


async def _websocket(scope: dict[str, Any], receive: Receive, send: Send) -> None:
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
