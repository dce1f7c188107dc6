"""The stream tests on daphne, which serves `manage.py runserver`: the protocol is server-independent."""

import os
import socket
import subprocess
import sys
import time

import pytest
from django.db import connection

from tests.stream.test_stream import *  # noqa: F403
from tests.stream.test_stream import test_private_events_need_a_user_and_reach_only_that_user as _needs_rows


class Daphne:
    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"
        self.stream_url = f"ws://127.0.0.1:{port}/ws/stream"


def _answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def daphne(django_db_setup):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = connection.settings_dict
    host, name = settings["HOST"].replace("/", "%2F"), settings["NAME"]
    environment = {**os.environ, "DATABASE_URL": f"postgresql://{settings['USER']}@{host}/{name}"}
    command = [
        sys.executable,
        "-m",
        "daphne",
        "-b",
        "127.0.0.1",
        "-p",
        str(port),
        "cryptotrade.asgi:application",
    ]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not _answers(port):
        assert process.poll() is None
        assert time.monotonic() < deadline, "daphne did not start"
    yield Daphne(port)
    process.kill()
    process.wait()


@pytest.fixture
def server(db, daphne):
    return daphne


test_private_events_need_a_user_and_reach_only_that_user = _needs_rows
