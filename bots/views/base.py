"""What these pages share: the reader's own bots, and a refusal said aloud."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache

from bots import selectors
from bots.domain.errors import BotError, BotNotFound
from bots.models import Bot

View = Callable[..., HttpResponseBase]
NO_SUCH = "There is no such thing, or it is not yours."


def private(view: View) -> View:
    """For whoever has signed in, kept by no cache; what is not yours does not exist."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except BotNotFound as error:
            raise Http404(NO_SUCH) from error

    return never_cache(login_required(guarded))


def own_bot(request: HttpRequest, pk: UUID) -> Bot:
    """The reader's own bot; support reads those of others in the administration."""
    bot = selectors.bot_get(request.user, pk)
    if bot is None or bot.user_id != request.user.pk:
        raise BotNotFound(NO_SUCH)
    return bot


def done(request: HttpRequest, bot: Bot, sentence: str) -> HttpResponse:
    messages.success(request, sentence)
    return redirect("bots:bot", pk=bot.pk)


def refused(request: HttpRequest, bot: Bot, error: BotError) -> HttpResponse:
    """Nothing was changed; the page says why."""
    messages.error(request, error.sentence)
    return redirect("bots:bot", pk=bot.pk)
