"""`/api/v1/strategies` and `/api/v1/bots`: as programs make, start and stop bots."""

import pytest

from bots.models import Bot, Run
from bots.strategies import STRATEGIES
from tests.wallets.world import PERP, world_make

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


def test_what_is_wrong_with_an_input_is_said_under_its_name(world, client):
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
    assert (stopped.json()["desired"], stopped.json()["stop_policy"]) == ("stopped", "cancel_own")
    assert client.post(f"{where}/stop", {"policy": "whatever"}, content_type=JSON).status_code == 400


def test_journal_orders_and_fills_can_be_read_in_pages(world, client):
    where = f"/api/v1/bots/{made(world, client).json()['id']}"
    client.post(f"{where}/start")
    events = client.get(f"{where}/events").json()["results"]
    assert [event["text"] for event in events] == ["Started."]
    assert client.get(f"{where}/orders").json()["results"] == []
    assert client.get(f"{where}/fills").json()["results"] == []


def test_somebody_elses_bot_is_a_404(world, bob, client):
    where = f"/api/v1/bots/{made(world, client).json()['id']}"
    client.force_login(bob)
    assert client.get(where).status_code == 404
    assert client.post(f"{where}/start").status_code == 404
    assert not Run.objects.exists()
