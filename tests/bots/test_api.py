"""`/api/v1/strategies` and `/api/v1/bots`: as programs make, start and stop bots."""

import csv
import io
import json
from decimal import Decimal

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient

from accounts.domain.permissions import Role
from bots.models import Bot, BotRun
from bots.selectors import exports
from bots.strategies import STRATEGIES
from tests.accounts.test_admin import staff
from tests.bots.test_pages import filled
from tests.wallets.factories import PERP, prices, world_make

pytestmark = pytest.mark.django_db
JSON = "application/json"


@pytest.fixture
def world(alice, client):
    client.force_login(alice)
    return world_make(alice)


def body(world, **changes):
    fields = {
        "wallet": str(world.wallet.pk), "symbol": PERP, "strategy": "as-grid", "budget": "2000",
        "inputs": {"levels": 3},
    }  # fmt: skip
    return {**fields, **changes}


def made(world, client, **headers):
    return client.post("/api/v1/bots", body(world), content_type=JSON, headers=headers)


def test_strategies_come_with_the_schema_of_their_inputs(world, client):
    rows = client.get("/api/v1/strategies").json()["results"]
    assert [row["key"] for row in rows] == list(STRATEGIES)
    assert rows[0]["schema"]["properties"]["levels"]["maximum"] == 50


def test_a_bot_made_twice_under_one_key_is_one_bot(world, client):
    answers = [made(world, client, **{"idempotency-key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert answers[0].json()["budget"] == "2000"


def test_errors_of_inputs_are_reported_by_input_name(world, client):
    answer = client.post("/api/v1/bots", body(world, inputs={"levels": 99}), content_type=JSON)
    assert answer.status_code == 400
    assert "levels" in answer.json()["error"]["details"]
    assert not Bot.objects.exists()


def test_start_stop_and_other_inputs(world, client):
    where = f"/api/v1/bots/{made(world, client).json()['id']}"
    assert client.post(f"{where}/start").json()["status"] == "starting"
    changed = client.patch(where, {"inputs": {"levels": 4}}, content_type=JSON)
    assert changed.json()["inputs_version"] == 2
    assert client.delete(where).status_code == 409
    stopped = client.post(f"{where}/stop", {"policy": "cancel_own"}, content_type=JSON)
    assert (stopped.json()["desired_state"], stopped.json()["stop_policy"]) == ("stopped", "cancel_own")
    assert client.post(f"{where}/stop", {"policy": "whatever"}, content_type=JSON).status_code == 400


def test_journal_orders_and_fills_can_be_read_in_pages(world, client):
    where = f"/api/v1/bots/{made(world, client).json()['id']}"
    client.post(f"{where}/start")
    events = client.get(f"{where}/events").json()["results"]
    assert [event["text"] for event in events] == ["Started."]
    assert client.get(f"{where}/orders").json()["results"] == []
    assert client.get(f"{where}/fills").json()["results"] == []


def test_a_bot_of_another_user_is_a_404(world, bob, client):
    where = f"/api/v1/bots/{made(world, client).json()['id']}"
    client.force_login(bob)
    assert client.get(where).status_code == 404
    assert client.post(f"{where}/start").status_code == 404
    assert not BotRun.objects.exists()


# --- reading ---------------------------------------------------------------------------------------------
STANDS = {
    "stopped": ("Stopped by its owner.", ""),
    "faulted": ("ValueError: the author slipped", "Traceback (most recent call last)"),
    "idle": ("The trend is 3.4 deviations; 3 is the most.", ""),
}


@pytest.mark.parametrize("status", sorted(STANDS))
def test_stopped_faulted_and_idle_bots_have_a_reason(world, client, status):
    bot = made(world, client).json()["id"]
    reason, trace = STANDS[status]
    Bot.objects.filter(pk=bot).update(status=status, reason=reason, traceback=trace)
    said = client.get(f"/api/v1/bots/{bot}").json()
    assert (said["status"], said["status_text"], said["traceback"]) == (status, reason, trace)


def test_the_list_is_filtered_sorted_and_paged(world, client):
    ids = [
        client.post("/api/v1/bots", body(world, name=name), content_type=JSON).json()["id"] for name in "cab"
    ]
    Bot.objects.filter(pk=ids[1]).update(status="idle")

    def names(query):
        return [row["name"] for row in client.get(f"/api/v1/bots?{query}").json()["results"]]

    assert names("") == ["b", "a", "c"]
    assert names("sort=name") == ["a", "b", "c"]
    assert names("state=idle") == ["a"]
    assert names("strategy=dca") == []
    first = client.get("/api/v1/bots?sort=name&limit=2").json()
    rest = client.get(first["next"]).json()
    assert [row["name"] for row in first["results"] + rest["results"]] == ["a", "b", "c"]
    assert client.get("/api/v1/bots?sort=budget").status_code == 400


GRID = {"lower": "45000", "upper": "55000", "cells": 10, "spacing": "arithmetic", "direction": "long"}


def test_a_preview_shows_levels_and_worst_cases_and_stores_nothing(world, client):
    prices()
    asked = body(world, strategy="grid", inputs=GRID)
    said = client.post("/api/v1/bots/preview", asked, content_type=JSON).json()
    buys = next(side for side in said["sides"] if side["side"] == "buy")
    cost = sum(
        Decimal(level["price"]) * Decimal(level["size"]) for level in said["levels"] if level["side"] == "buy"
    )
    assert buys["levels"] > 0
    assert Decimal(buys["notional"]) == cost <= Decimal(said["buying_power"])
    assert not Bot.objects.exists()
    wrong = client.post("/api/v1/bots/preview", body(world, budget="0"), content_type=JSON)
    assert "budget" in wrong.json()["error"]["details"]


def test_a_clone_is_another_stopped_bot_and_twice_under_one_key_is_once(world, client):
    where = f"/api/v1/bots/{made(world, client).json()['id']}/clone"
    answers = [
        client.post(where, {"name": "again"}, content_type=JSON, headers={"idempotency-key": "k"}).json()
        for _ in range(2)
    ]
    assert answers[0]["id"] == answers[1]["id"]
    assert (answers[0]["name"], answers[0]["status"], Bot.objects.count()) == ("again", "stopped", 2)


def test_versions_of_inputs_come_with_what_each_changed(world, client):
    where = f"/api/v1/bots/{made(world, client).json()['id']}"
    client.patch(where, {"inputs": {"levels": 4}}, content_type=JSON)
    newest, first = client.get(f"{where}/inputs").json()["results"]
    assert (newest["version"], first["version"], first["changes"]) == (2, 1, [])
    assert newest["changes"] == [{"name": "levels", "before": 3, "after": 4}]


def test_the_journal_can_be_read_by_kind(world, client):
    where = f"/api/v1/bots/{made(world, client).json()['id']}"
    client.post(f"{where}/start")
    client.patch(where, {"inputs": {"levels": 4}}, content_type=JSON)
    kinds = [row["kind"] for row in client.get(f"{where}/events?kind=inputs").json()["results"]]
    assert kinds == ["inputs"]
    assert client.get(f"{where}/events?kind=gossip").status_code == 400


def test_equity_has_a_point_for_each_fill_and_one_for_now(world, client):
    prices()
    bot = Bot.objects.get(pk=made(world, client).json()["id"])
    filled(world, bot)
    points = client.get(f"/api/v1/bots/{bot.pk}/equity").json()["results"]
    assert [point["realised_pnl"] for point in points] == ["-0.1", "-0.1"]  # the fee
    assert points[-1]["total"] == "9.9"  # 0.01 bought at 49,000, worth 50,000 now
    assert client.get(f"/api/v1/bots/{bot.pk}").json()["figures"]["pnl"] == "9.9"


# --- files -----------------------------------------------------------------------------------------------
def export(client, bot, what):
    return b"".join(client.get(f"/api/v1/bots/{bot}/export/{what}").streaming_content).decode()


def test_everything_that_a_bot_is_and_did_can_be_taken_away(world, client):
    bot = Bot.objects.get(pk=made(world, client).json()["id"])
    order = filled(world, bot)
    client.post(f"/api/v1/bots/{bot.pk}/start")
    definition = json.loads(export(client, bot.pk, "definition"))
    assert (definition["strategy"], definition["inputs"]["levels"]) == ("as-grid", 3)
    (sent,) = csv.DictReader(io.StringIO(export(client, bot.pk, "orders")))
    (traded,) = csv.DictReader(io.StringIO(export(client, bot.pk, "fills")))
    assert (sent["id"], sent["level"], sent["price"]) == (str(order.pk), "b1", "49000")
    assert (traded["order"], traded["size"], traded["maker"]) == (str(order.pk), "0.01", "True")
    journal = [json.loads(line) for line in export(client, bot.pk, "journal").splitlines()]
    assert [entry["text"] for entry in journal] == ["Started."]
    assert client.get(f"/api/v1/bots/{bot.pk}/export/keys").status_code == 404


def test_a_file_leaves_an_asynchronous_server_line_by_line(world, client, alice):
    bot = made(world, client).json()["id"]

    async def read() -> bytes:
        asynchronous = AsyncClient()
        await asynchronous.aforce_login(alice)
        answer = await asynchronous.get(f"/api/v1/bots/{bot}/export/orders")
        assert answer.is_async
        return b"".join([part async for part in answer.streaming_content])

    assert async_to_sync(read)().startswith(b"id,client_id,")


def test_only_its_owner_takes_files(world, client):
    bot = made(world, client).json()["id"]
    helper = staff(Role.SUPPORT)
    assert helper.get(f"/api/v1/bots/{bot}").status_code == 200  # support may read all bots
    assert helper.get(f"/api/v1/bots/{bot}/export/orders").status_code == 404


@pytest.mark.parametrize("text", ["=1+1", "@x", "+2", "-2", "\tx"])
def test_no_cell_is_a_formula(text):
    assert exports._cell(text) == f"'{text}"


def test_limits_per_user_are_enforced(world, client, settings):
    settings.MAX_BOTS_PER_USER, settings.MAX_RUNNING_BOTS_PER_USER = 2, 1
    first, second = (made(world, client).json()["id"] for _ in range(2))
    assert made(world, client).status_code == 409
    assert client.post(f"/api/v1/bots/{first}/start").status_code == 200
    assert client.post(f"/api/v1/bots/{first}/start").status_code == 200  # it runs already
    assert client.post(f"/api/v1/bots/{second}/start").status_code == 409
