"""Routes of the bot pages under `/bots/`."""

from django.urls import include, path

from bots.views import actions, bots, wizard

BOTS = [
    path("", bots.bots, name="list"),
    path("cards/", bots.cards, name="cards"),
    path("new/", wizard.new, name="new"),
    path("new/<slug:key>/preview/", wizard.preview, name="preview"),
    path("new/load/", wizard.load, name="load"),
    path("of/<uuid:pk>/attribution/", bots.attribution, name="attribution"),
    path("<uuid:pk>/", bots.bot, name="bot"),
    path("<uuid:pk>/summary/", bots.summary, name="summary"),
    path("<uuid:pk>/history/", bots.history, name="history"),
    path("<uuid:pk>/equity/", bots.equity, name="equity"),
    path("<uuid:pk>/orders/<uuid:order>/", actions.order_detail, name="order_detail"),
    path("<uuid:pk>/start/", actions.start, name="start"),
    path("<uuid:pk>/stop/", actions.stop, name="stop"),
    path("<uuid:pk>/inputs/", actions.inputs, name="inputs"),
    path("<uuid:pk>/clone/", actions.clone, name="clone"),
    path("<uuid:pk>/archive/", actions.archive, name="archive"),
]
urlpatterns = [path("bots/", include((BOTS, "bots")))]
