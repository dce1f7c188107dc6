"""`manage.py migrate`, which refuses a database of an older version that cannot be migrated."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.loader import MigrationLoader


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        if unknown := unknown_migrations(options["database"]):
            raise _refusal(f"migration {unknown[0]}")
        try:
            super().handle(*args, **options)
        except InconsistentMigrationHistory as problem:  # a table moved to an app that did not exist then
            raise _refusal(str(problem)) from problem


def _refusal(detail: str) -> CommandError:
    return CommandError(
        f"This database was made by an older version of CryptoTrade ({detail}) and cannot be upgraded: "
        f"move {settings.VAR_DIR} (or the database) away and start again."
    )


def unknown_migrations(database: str) -> list[str]:
    """Applied migrations of the project's own apps that have no file any more, as `app.name`, sorted."""
    own = {
        config.label for config in apps.get_app_configs() if config.path.startswith(str(settings.BASE_DIR))
    }
    loader = MigrationLoader(connections[database])
    unknown = loader.applied_migrations.keys() - loader.disk_migrations.keys()
    return sorted(f"{app}.{name}" for app, name in unknown if app in own)
