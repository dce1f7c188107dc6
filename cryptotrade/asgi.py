"""http and websocket entrances, and the Channels workers (filled in below as the apps grow)."""

import os

from channels.routing import ChannelNameRouter, ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cryptotrade.settings")
http = get_asgi_application()  # loads the apps; what follows imports models

from market.feed.worker import FeedConsumer  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": http,
        "channel": ChannelNameRouter({"market-feed": FeedConsumer.as_asgi()}),
    }
)
