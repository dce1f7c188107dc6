def test_health_answers_without_looking_at_anything(client):
    assert client.get("/health").json() == {"status": "ok"}


def test_ready_names_what_failed(client, db):
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["failed"] == ["venues"]
