"""Start, stop, other inputs, clone, archive; and why one order is what it is."""

from uuid import UUID, uuid4

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from bots import selectors, services
from bots.domain.errors import BotConflict, BotInvalid
from bots.domain.lifecycle import StopPolicy
from bots.forms import InputsForm, StopForm
from bots.models import Bot
from bots.sdk import Strategy
from bots.views.base import NO_SUCH, done, own_bot, private, refused
from bots.views.bots import bot_context, live_context
from wallets.selectors import order_why, source_orders


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
@require_http_methods(["GET", "POST"])
def stop(request: HttpRequest, pk: UUID) -> HttpResponse:
    """GET is the question, with the figures of this moment."""
    bot = own_bot(request, pk)
    if request.method == "GET":
        terms = selectors.bot_terms(bot)
        return render(request, "bots/stop.html", {**live_context(bot), "taker": terms.fees.taker})
    form = StopForm(request.POST)
    if not form.is_valid():
        return refused(request, bot, BotConflict("Say what shall become of its orders."))
    policy = StopPolicy(form.cleaned_data["policy"])
    services.bot_stop(user=request.user, bot_id=bot.pk, policy=policy, http=request)
    return done(request, bot, f"{bot.name} is being stopped.")


@private
@require_POST
def inputs(request: HttpRequest, pk: UUID) -> HttpResponse:
    bot = own_bot(request, pk)
    form = InputsForm(_strategy_of(bot), request.POST)
    if form.is_valid():
        try:
            newest = services.bot_inputs_set(
                user=request.user, bot_id=bot.pk, inputs=form.inputs(), http=request
            )
            return done(request, bot, f"Version {newest.version} of its inputs is in force.")
        except BotInvalid as invalid:
            form.add_refusal(invalid.errors)
    return render(request, "bots/bot.html", bot_context(request, bot, form), status=422)


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


@private
@require_GET
def why(request: HttpRequest, pk: UUID, order: UUID) -> HttpResponse:
    """What led to this order, what our checks said, and what the venue answered."""
    bot = own_bot(request, pk)
    found = source_orders(bot.pk).select_related("wallet").filter(pk=order).first()
    if found is None:
        raise Http404(NO_SUCH)
    return render(request, "bots/order_detail.html", {"bot": bot, "order": found, "story": order_why(found)})


def _strategy_of(bot: Bot) -> type[Strategy]:
    strategy = selectors.strategy_get(bot.strategy)
    if strategy is None:
        raise Http404("The strategy is not in this house any more.")
    return strategy
