"""Start, stop, other inputs, clone, archive."""

from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from bots import services
from bots.domain.errors import BotConflict, BotInvalid
from bots.domain.lifecycle import StopPolicy
from bots.forms import InputsForm, StopForm
from bots.views.base import done, own_bot, private, refused
from bots.views.bots import bot_context, strategy_of


@private
@require_POST
def start(request: HttpRequest, pk: UUID) -> HttpResponse:
    bot = own_bot(request, pk)
    try:
        services.bot_start(user=request.user, bot_id=bot.pk, http=request)
    except BotConflict as conflict:
        return refused(request, bot, conflict)
    return done(request, bot, f"{bot.name} is being started.")


@private
@require_POST
def stop(request: HttpRequest, pk: UUID) -> HttpResponse:
    bot, form = own_bot(request, pk), StopForm(request.POST)
    if not form.is_valid():
        return refused(request, bot, BotConflict("Say what shall become of its orders."))
    policy = StopPolicy(form.cleaned_data["policy"])
    services.bot_stop(user=request.user, bot_id=bot.pk, policy=policy, http=request)
    return done(request, bot, f"{bot.name} is being stopped.")


@private
@require_POST
def inputs(request: HttpRequest, pk: UUID) -> HttpResponse:
    bot = own_bot(request, pk)
    form = InputsForm(strategy_of(bot), request.POST)
    if form.is_valid():
        try:
            newest = services.bot_inputs_set(
                user=request.user, bot_id=bot.pk, inputs=form.inputs(), http=request
            )
            return done(request, bot, f"Version {newest.version} of its inputs is in force.")
        except BotInvalid as invalid:
            form.add_refusal(invalid.errors)
    return render(request, "bots/bot.html", bot_context(request, bot, form))


@private
@require_POST
def clone(request: HttpRequest, pk: UUID) -> HttpResponse:
    bot = own_bot(request, pk)
    try:
        made = services.bot_clone(user=request.user, bot_id=bot.pk, client_id=uuid4(), http=request)
    except (BotInvalid, BotConflict) as error:
        return refused(request, bot, error)
    return done(request, made, f"{made.name} is a copy. It is stopped.")


@private
@require_POST
def archive(request: HttpRequest, pk: UUID) -> HttpResponse:
    bot = own_bot(request, pk)
    try:
        services.bot_archive(user=request.user, bot_id=bot.pk, http=request)
    except BotConflict as conflict:
        return refused(request, bot, conflict)
    return done(request, bot, f"{bot.name} was put away.")
