"""`/bots/`: pages, and what is done from them."""

from django.urls import include, path

from bots.views import actions, attribution, bots, wizard

BOTS = [
    path("", bots.bots, name="list"),
    path("cards/", bots.cards, name="cards"),
    path("new/", wizard.new, name="new"),
    path("new/<slug:key>/preview/", wizard.preview, name="preview"),
    path("new/load/", wizard.load, name="load"),
    path("of/<uuid:pk>/attribution/", attribution.attribution, name="attribution"),
    path("<uuid:pk>/", bots.bot, name="bot"),
    path("<uuid:pk>/live/", bots.live, name="live"),
    path("<uuid:pk>/records/", bots.records, name="records"),
    path("<uuid:pk>/equity/", bots.equity, name="equity"),
    path("<uuid:pk>/why/<uuid:order>/", actions.why, name="why"),
    path("<uuid:pk>/start/", actions.start, name="start"),
    path("<uuid:pk>/stop/", actions.stop, name="stop"),
    path("<uuid:pk>/inputs/", actions.inputs, name="inputs"),
    path("<uuid:pk>/clone/", actions.clone, name="clone"),
    path("<uuid:pk>/archive/", actions.archive, name="archive"),
]
urlpatterns = [path("bots/", include((BOTS, "bots")))]
