"""`manage.py up`: restart of the embedded services."""

import asyncio

from cryptotrade.management.commands import up


class FailingService:
    """A service that fails twice at start, each time with another exception."""

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
    output = []
    stack = up.LocalStack(tmp_path, 0, lambda name, text: output.append(text))
    stack.redis, stack.postgres = FailingService(), None
    watching = asyncio.create_task(stack._watch_services())
    async with asyncio.timeout(60):
        while not stack.redis.runs:
            await asyncio.sleep(0.01)
    watching.cancel()
    assert "it did not start: a bug of its library" in output
