"""`/bots/`: pages, and what is done from them."""

from django.urls import include, path

from bots.views import actions, attribution, bots

BOTS = [
    path("", bots.bots, name="list"),
    path("new/", bots.new, name="new"),
    path("of/<uuid:pk>/attribution/", attribution.attribution, name="attribution"),
    path("<uuid:pk>/", bots.bot, name="bot"),
    path("<uuid:pk>/card/", bots.card, name="card"),
    path("<uuid:pk>/start/", actions.start, name="start"),
    path("<uuid:pk>/stop/", actions.stop, name="stop"),
    path("<uuid:pk>/inputs/", actions.inputs, name="inputs"),
    path("<uuid:pk>/clone/", actions.clone, name="clone"),
    path("<uuid:pk>/archive/", actions.archive, name="archive"),
]
urlpatterns = [path("bots/", include((BOTS, "bots")))]
