"""Shared code of the bot pages: access to the user's own bots, and messages."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache

from accounts.authentication import SignedInHttpRequest
from bots import selectors
from bots.domain.errors import BotError, BotNotFound
from bots.models import Bot

View = Callable[..., HttpResponseBase]
NO_SUCH = "Not found, or it belongs to another user."


def private(view: View) -> View:
    """View decorator: requires login, disables caching, and maps `BotNotFound` to 404.

    Objects of other users are reported as not found.
    """

    @wraps(view)
    def guarded(request: SignedInHttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except BotNotFound as error:
            raise Http404(NO_SUCH) from error

    return never_cache(login_required(guarded))


def own_bot(request: SignedInHttpRequest, pk: UUID) -> Bot:
    """The user's own bot; support reads bots of other users in the admin. Raises `BotNotFound`."""
    bot = selectors.bot_get(request.user, pk)
    if bot is None or bot.user_id != request.user.pk:
        raise BotNotFound(NO_SUCH)
    return bot


def redirect_with_message(request: SignedInHttpRequest, bot: Bot, sentence: str) -> HttpResponse:
    """Redirect to the bot's page with a success message."""
    messages.success(request, sentence)
    return redirect("bots:bot", pk=bot.pk)


def render_error(request: SignedInHttpRequest, bot: Bot, error: BotError) -> HttpResponse:
    """Redirect to the bot's page with the error as a message; nothing was changed."""
    messages.error(request, error.message)
    return redirect("bots:bot", pk=bot.pk)
