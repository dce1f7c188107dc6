"""Process supervisor with real processes: restarts, log files, common stop."""

import asyncio
import itertools
import json
import os
import sys

import psutil
import pytest

from cryptotrade import process_supervisor
from cryptotrade.process_supervisor import ProcessSupervisor, backoff_delays, format_log_line


@pytest.fixture
def output():
    return []


@pytest.fixture
def supervisor(tmp_path, output, monkeypatch):
    monkeypatch.setattr(process_supervisor, "MIN_RESTART_DELAY", 0.01)
    return ProcessSupervisor(tmp_path / "log", lambda name, line: output.append((name, line)))


async def until(true, seconds=60.0):
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


def python(code):
    return [sys.executable, "-u", "-c", code]


async def test_a_child_that_ends_is_started_again_and_its_lines_are_kept(supervisor, output, tmp_path):
    supervisor.start("clock", python("print('tick')"), dict(os.environ))
    await until(lambda: output.count(("clock", "tick")) >= 3)
    await supervisor.stop()
    assert (tmp_path / "log" / "clock.log").read_text().count("tick\n") >= 3
    assert any("restarting" in line for _, line in output)


async def test_stopping_asks_first_and_waits(supervisor, output):
    code = """
import signal, sys
def leave(*_):
    print("bye"); sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("here"); signal.pause()
"""
    supervisor.start("polite", python(code), dict(os.environ))
    await until(lambda: ("polite", "here") in output)
    await supervisor.stop()
    assert output[-1] == ("polite", "bye")


async def test_a_child_that_will_not_leave_is_ended(supervisor, output, monkeypatch):
    monkeypatch.setattr(process_supervisor, "STOP_SECONDS", 0.2)
    code = (
        "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid()); signal.pause()"
    )
    supervisor.start("stubborn", python(code), dict(os.environ))
    await until(lambda: output)
    await supervisor.stop()
    assert not psutil.pid_exists(int(output[0][1]))


async def test_a_child_that_waits_to_be_restarted_does_not_hold_up_the_stop(supervisor, output, monkeypatch):
    monkeypatch.setattr(process_supervisor, "MIN_RESTART_DELAY", 600.0)
    supervisor.start("broken", python("raise SystemExit(3)"), dict(os.environ))
    await until(lambda: any("status 3" in line for _, line in output))
    async with asyncio.timeout(60):
        await supervisor.stop()


async def test_a_very_long_line_does_not_end_the_copying(supervisor, output):
    supervisor.start("long", python("print('x' * 3_000_000); print('after')"), dict(os.environ))
    await until(lambda: ("long", "after") in output)
    await supervisor.stop()


def test_pauses_double_up_to_a_bound():
    assert list(itertools.islice(backoff_delays(), 7)) == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]


def test_json_lines_are_shortened_for_people_and_others_left_alone():
    line = {
        "timestamp": "2026-11-20T17:39:41.123+00:00",
        "level": "INFO",
        "logger": "x",
        "message": "claimed",
        "venue": "v",
    }
    assert format_log_line(json.dumps(line).encode()) == "17:39:41 INFO    claimed venue=v"
    assert format_log_line(json.dumps({**line, "logger": "cryptotrade.logging"}).encode()) == ""
    assert format_log_line(b"plain text\n") == "plain text"
    assert format_log_line(b'{"not": "a log line"}') == '{"not": "a log line"}'
    assert format_log_line(json.dumps({**line, "exception": "Traceback"}).encode()).endswith("\nTraceback")
