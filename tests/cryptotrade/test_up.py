"""What `manage.py up` does for the services that it started."""

import asyncio

from cryptotrade.management.commands import up


class Stubborn:
    """A service that does not start twice, each time for another reason."""

    def __init__(self):
        self.problems = [ValueError("a bug of its library"), OSError("not yet")]
        self.runs = False

    def alive(self):
        return self.runs

    def start(self):
        if self.problems:
            raise self.problems.pop()
        self.runs = True


async def test_a_service_that_does_not_start_is_tried_again_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(up, "SERVICE_CHECK_SECONDS", 0.01)
    said = []
    house = up.House(tmp_path, 0, lambda name, text: said.append(text))
    house.redis, house.postgres = Stubborn(), None
    watching = asyncio.create_task(house._watch_services())
    async with asyncio.timeout(60):
        while not house.redis.runs:
            await asyncio.sleep(0.01)
    watching.cancel()
    assert "it did not start: a bug of its library" in said
