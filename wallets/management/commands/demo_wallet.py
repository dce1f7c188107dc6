"""Creates the demo user's simulated wallet, so that a local installation can trade immediately."""

import uuid
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from wallets.domain.errors import OrderError
from wallets.models import Wallet
from wallets.services import simulated_account_open


class Command(BaseCommand):
    help = "Give a user without wallets a simulated one with 10,000 USDC."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        user = get_user_model().objects.get(email=options["email"])
        if Wallet.objects.filter(user=user).exists():
            return
        try:
            simulated_account_open(
                user=user, client_id=uuid.uuid5(user.pk, "demo wallet"), label="Demo", usdc=10_000
            )
        except OrderError as error:
            raise CommandError(str(error)) from error
