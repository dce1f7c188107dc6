"""`manage.py web`: the web process (uvicorn)."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core import env
from core.redis_versions import refuse_vulnerable_redis


class Command(BaseCommand):
    help = "Serve pages, the API and /ws/stream (uvicorn). Any number may run behind one address."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=env.text("HOST", "127.0.0.1"))
        parser.add_argument("--port", type=int, default=env.number("PORT", 8000))

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_vulnerable_redis()
        # Imported here, because loading the application loads every app.
        from cryptotrade.asgi import application
        from cryptotrade.web import serve

        serve(application, host=options["host"], port=options["port"])
