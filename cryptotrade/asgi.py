"""http and websocket entrances, and the Channels workers (filled in below as the apps grow)."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cryptotrade.settings")
application = ProtocolTypeRouter({"http": get_asgi_application()})
