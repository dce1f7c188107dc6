"""Actions on a bot: start, stop, change inputs, clone, archive; and the details of one order."""

from uuid import UUID, uuid4

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.authentication import SignedInHttpRequest
from bots import selectors, services
from bots.domain.errors import BotConflict, BotInvalid
from bots.domain.lifecycle import StopPolicy
from bots.forms import InputsForm, StopForm
from bots.models import Bot
from bots.sdk import Strategy
from bots.views.base import NO_SUCH, own_bot, private, redirect_with_message, render_error
from bots.views.bots import bot_context, summary_context
from wallets.selectors import order_trace, source_orders


@private
@require_POST
def start(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    bot = own_bot(request, pk)
    try:
        services.bot_start(user=request.user, bot_id=bot.pk, http=request)
    except BotConflict as conflict:
        return render_error(request, bot, conflict)
    return redirect_with_message(request, bot, _("%(bot)s is being started.") % {"bot": bot.name})


@private
@require_http_methods(["GET", "POST"])
def stop(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    """GET shows the stop dialog with current figures; POST stops the bot."""
    bot = own_bot(request, pk)
    if request.method == "GET":
        terms = selectors.bot_terms(bot)
        return render(request, "bots/stop.html", {**summary_context(bot), "taker": terms.fees.taker})
    form = StopForm(request.POST)
    if not form.is_valid():
        return render_error(
            request, bot, BotConflict(_("Choose what to do with open orders and the position."))
        )
    policy = StopPolicy(form.cleaned_data["policy"])
    services.bot_stop(user=request.user, bot_id=bot.pk, policy=policy, http=request)
    return redirect_with_message(request, bot, _("%(bot)s is being stopped.") % {"bot": bot.name})


@private
@require_POST
def inputs(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    bot = own_bot(request, pk)
    form = InputsForm(_strategy_of(bot), request.POST)
    if form.is_valid():
        try:
            newest = services.bot_inputs_update(
                user=request.user, bot_id=bot.pk, inputs=form.inputs(), http=request
            )
            sentence = _("Version %(version)s of the inputs is active.") % {"version": newest.version}
            return redirect_with_message(request, bot, sentence)
        except BotInvalid as invalid:
            form.add_refusal(invalid.errors)
    return render(request, "bots/bot.html", bot_context(request, bot, form), status=422)


@private
@require_POST
def clone(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    bot = own_bot(request, pk)
    try:
        copy = services.bot_clone(user=request.user, bot_id=bot.pk, client_id=uuid4(), http=request)
    except (BotInvalid, BotConflict) as error:
        return render_error(request, bot, error)
    sentence = _("%(bot)s was created as a copy. It is stopped.") % {"bot": copy.name}
    return redirect_with_message(request, copy, sentence)


@private
@require_POST
def archive(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    bot = own_bot(request, pk)
    try:
        services.bot_archive(user=request.user, bot_id=bot.pk, http=request)
    except BotConflict as conflict:
        return render_error(request, bot, conflict)
    return redirect_with_message(request, bot, _("%(bot)s was archived.") % {"bot": bot.name})


@private
@require_GET
def order_detail(request: SignedInHttpRequest, pk: UUID, order: UUID) -> HttpResponse:
    """Details of an order: the decision that led to it, the risk check, and the venue's response."""
    bot = own_bot(request, pk)
    found = source_orders(bot.pk).select_related("wallet").filter(pk=order).first()
    if found is None:
        raise Http404(NO_SUCH)
    return render(
        request, "bots/order_detail.html", {"bot": bot, "order": found, "story": order_trace(found)}
    )


def _strategy_of(bot: Bot) -> type[Strategy]:
    strategy = selectors.strategy_get(bot.strategy)
    if strategy is None:
        raise Http404(_("The strategy is no longer available."))
    return strategy
