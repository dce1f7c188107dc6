"""HTTP client of commands and tools, against a real server on a loopback port."""

import json

import pytest
from aiohttp import web

from core.http import http_get, is_ready


@pytest.fixture
async def serve():
    """`serve(status, body)`: the address of a server that answers every request so."""
    runners = []

    async def serve(status, body):
        async def answer(request):
            return web.Response(status=status, body=body)

        app = web.Application()
        app.router.add_get("/ready", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield serve
    for runner in runners:
        await runner.cleanup()


async def test_a_response_of_any_status_is_returned(serve):
    result = await http_get(f"{await serve(503, b'busy')}/ready", timeout_seconds=5)
    assert (result.status, result.body) == (503, b"busy")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"", True),
        (503, json.dumps({"failed": ["cpu"]}).encode(), True),
        (503, json.dumps({"failed": ["cpu", "memory"]}).encode(), True),
        (503, json.dumps({"failed": ["cpu", "database"]}).encode(), False),
        (503, json.dumps({"detail": "x"}).encode(), False),
        (503, b"[1]", False),
        (502, b"<html>", False),
    ],
)
async def test_a_stack_is_ready_when_nothing_but_the_machine_is_busy(serve, status, body, expected):
    assert await is_ready(await serve(status, body)) is expected


async def test_checks_are_ignored_only_on_request(serve):
    url = await serve(503, json.dumps({"failed": ["cpu"]}).encode())
    assert not await is_ready(url, ignored=frozenset())


async def test_a_server_that_does_not_run_is_not_ready(serve, unused_tcp_port):
    assert not await is_ready(f"http://127.0.0.1:{unused_tcp_port}")
