"""Creates and starts the demo user's bot: an AS grid on the simulated market."""

import threading
import time
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from bots.domain.errors import BotError
from bots.domain.requests import BotRequest
from bots.selectors import bots_of, run_last
from bots.services import bot_create, bot_start
from wallets.selectors import wallets_of

if TYPE_CHECKING:
    from accounts.models import User

SYMBOL = "BTC"
TIMEOUT, POLL_INTERVAL = 30.0, 0.3
BUDGET = Decimal(2_000)
# Levels close to the market, which follow it quickly: a demonstration should trade within minutes.
INPUTS = {
    "direction": "neutral", "levels": 3, "step": "8", "spread": "6", "recentre": "25", "decay": "2",
    "horizon": "10", "interval": "1m",
}  # fmt: skip


class Command(BaseCommand):
    help = "Give a user who has a simulated wallet and no bots an AS grid, and start it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        user = get_user_model().objects.get(email=options["email"])
        existing = bots_of(user).first() or bots_of(user, archived=True).first()
        if existing is not None and run_last(existing) is not None:
            return
        wallet = self._wallet(user)
        if wallet is None:
            return
        request = BotRequest(
            client_id=uuid.uuid5(user.pk, "demo bot"), wallet_id=wallet.pk, symbol=SYMBOL,
            strategy="as-grid", budget=BUDGET, inputs=INPUTS, name="Demo AS grid",
        )  # fmt: skip
        try:
            bot = bot_create(user=user, request=request)
            bot_start(user=user, bot_id=bot.pk)
        except BotError as error:
            raise CommandError(str(error)) from error

    def _wallet(self, user: "User") -> Any:
        """The first simulated wallet; waits while the execution worker checks a new one."""
        deadline, pause = time.monotonic() + TIMEOUT, threading.Event()
        while True:
            wallet = wallets_of(user).filter(venue__simulated=True, status__in=("checking", "active")).first()
            if wallet is None or wallet.status == "active" or time.monotonic() > deadline:
                return wallet
            pause.wait(POLL_INTERVAL)
