"""The demo trader of a local house: a user with a generated password, and a link that works once."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.services import sign_in_code_mint

EMAIL = "demo@cryptotrade.localhost"


class Command(BaseCommand):
    help = "Create the demo trader if new, write var/demo.json (0600), print a one-time sign-in link."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", required=True, help="address of this house")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("there is no demo trader in production")
        path = Path(settings.VAR_DIR) / "demo.json"
        user, password = self._trader(path)
        # Nobody reads this mailbox: the address counts as confirmed.
        EmailAddress.objects.update_or_create(
            user=user, email=user.email, defaults={"verified": True, "primary": True}
        )
        _write_private(path, {"url": options["url"], "email": user.email, "password": password})
        # The code is behind a `#`: browsers keep that part to themselves, so no log ever has it.
        self.stdout.write(f"{options['url']}/accounts/link/#{sign_in_code_mint(user=user)}")

    def _trader(self, path: Path) -> tuple[User, str]:
        user = User.objects.filter(email=EMAIL).first()
        known = json.loads(path.read_text())["password"] if path.exists() else None
        if user and known and user.check_password(known):
            return user, known
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
