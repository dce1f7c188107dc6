"""Children are kept alive, their lines are kept, and they are stopped together. Real processes."""

import asyncio
import itertools
import json
import os
import sys

import psutil
import pytest

from cryptotrade import process_supervisor
from cryptotrade.process_supervisor import Supervisor, pauses, readable


@pytest.fixture
def said():
    return []


@pytest.fixture
def supervisor(tmp_path, said, monkeypatch):
    monkeypatch.setattr(process_supervisor, "FIRST_PAUSE", 0.01)
    return Supervisor(tmp_path / "log", lambda name, line: said.append((name, line)))


async def until(true, seconds=60.0):
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


def python(code):
    return [sys.executable, "-u", "-c", code]


async def test_a_child_that_ends_is_started_again_and_its_lines_are_kept(supervisor, said, tmp_path):
    supervisor.start("clock", python("print('tick')"), dict(os.environ))
    await until(lambda: said.count(("clock", "tick")) >= 3)
    await supervisor.stop()
    assert (tmp_path / "log" / "clock.log").read_text().count("tick\n") >= 3
    assert any("starting again" in line for _, line in said)


async def test_stopping_asks_first_and_waits(supervisor, said):
    code = """
import signal, sys
def leave(*_):
    print("bye"); sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("here"); signal.pause()
"""
    supervisor.start("polite", python(code), dict(os.environ))
    await until(lambda: ("polite", "here") in said)
    await supervisor.stop()
    assert said[-1] == ("polite", "bye")


async def test_a_child_that_will_not_leave_is_ended(supervisor, said, monkeypatch):
    monkeypatch.setattr(process_supervisor, "STOP_SECONDS", 0.2)
    code = (
        "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid()); signal.pause()"
    )
    supervisor.start("stubborn", python(code), dict(os.environ))
    await until(lambda: said)
    await supervisor.stop()
    assert not psutil.pid_exists(int(said[0][1]))


async def test_a_child_that_waits_to_be_restarted_does_not_hold_up_the_stop(supervisor, said, monkeypatch):
    monkeypatch.setattr(process_supervisor, "FIRST_PAUSE", 600.0)
    supervisor.start("broken", python("raise SystemExit(3)"), dict(os.environ))
    await until(lambda: any("status 3" in line for _, line in said))
    async with asyncio.timeout(60):
        await supervisor.stop()


async def test_a_very_long_line_does_not_end_the_copying(supervisor, said):
    supervisor.start("long", python("print('x' * 3_000_000); print('after')"), dict(os.environ))
    await until(lambda: ("long", "after") in said)
    await supervisor.stop()


def test_pauses_double_up_to_a_bound():
    assert list(itertools.islice(pauses(), 7)) == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]


def test_json_lines_are_shortened_for_people_and_others_left_alone():
    line = {
        "timestamp": "2026-11-20T17:39:41.123+00:00",
        "level": "INFO",
        "logger": "x",
        "message": "claimed",
        "venue": "v",
    }
    assert readable(json.dumps(line).encode()) == "17:39:41 INFO    claimed venue=v"
    assert readable(json.dumps({**line, "logger": "cryptotrade.logging"}).encode()) == ""
    assert readable(b"plain text\n") == "plain text"
    assert readable(b'{"not": "ours"}') == '{"not": "ours"}'
    assert readable(json.dumps({**line, "exception": "Traceback"}).encode()).endswith("\nTraceback")
