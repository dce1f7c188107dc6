"""`manage.py demo_trader`: demo user of a local installation, with password and one-time login link."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.services import login_code_create

EMAIL = "demo@cryptotrade.localhost"


class Command(BaseCommand):
    help = "Create the demo trader if missing, write var/demo.json (0600), print a one-time sign-in link."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", required=True, help="address of this server")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("there is no demo trader in production")
        path = Path(settings.VAR_DIR) / "demo.json"
        user, password = self._trader(path)
        # This mailbox does not exist: the address is marked as confirmed.
        EmailAddress.objects.update_or_create(
            user=user, email=user.email, defaults={"verified": True, "primary": True}
        )
        _write_private(path, {"url": options["url"], "email": user.email, "password": password})
        # The code follows a `#`: browsers do not send that part, so it never appears in a log.
        self.stdout.write(f"{options['url']}/accounts/link/#{login_code_create(user=user)}")

    def _trader(self, path: Path) -> tuple[User, str]:
        user = User.objects.filter(email=EMAIL).first()
        stored = json.loads(path.read_text())["password"] if path.exists() else None
        if user and stored and user.check_password(stored):
            return user, stored
        password = secrets.token_urlsafe(15)
        if user is None:
            return User.objects.create_user(EMAIL, password, name="Demo trader"), password
        user.set_password(password)
        user.save(update_fields=["password"])
        return user, password


def _write_private(path: Path, content: dict[str, str]) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file)
