"""The simulator process: starts without database and Redis, saves and restores its state, stops on a signal."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from simulator.markets.candles import MINUTE
from simulator.markets.world_loader import WorldOptions, state_encode, state_read, state_write, world_open
from simulator.throughput import simulator_throughput
from tests.market.recordings import recorded
from tests.simulator.conftest import NOW

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = {"DATABASE_URL": "postgresql://unused@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}


@contextmanager
def simulator(var, *arguments):
    """A simulator process and the URL of its venue."""
    command = [
        sys.executable, "manage.py", "run_simulator",
        "--port", "0", "--control-port", "0", "--state", str(var), *arguments,
    ]  # fmt: skip
    environment = {**os.environ, **NOWHERE}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        yield process, next(address for line in process.stderr if (address := _address(line)))
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def _address(line):
    found = re.search(r"simulator at (http://[\d.:]+)", json.loads(line)["message"])
    return found and found[1]


def ask(url, **request):
    body = json.dumps(request).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/info", body), timeout=60) as response:
        return json.load(response)


def end(process, number):
    process.send_signal(number)
    return process.wait(timeout=60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_and_restores_the_world(tmp_path, number):
    with simulator(tmp_path, "--seed", "5") as (process, url):
        before = ask(url, type="allMids")
        assert end(process, number) == 0
        assert all(json.loads(line)["level"] == "INFO" for line in process.stderr)
    assert state_read(tmp_path)["seed"] == 5
    with simulator(tmp_path) as (process, url):
        after = ask(url, type="allMids")
        now = int(time.time() * 1000)
        request = {"coin": "BTC", "interval": "1m", "startTime": now - 10 * MINUTE, "endTime": now}
        candles = ask(url, type="candleSnapshot", req=request)
        assert end(process, number) == 0
    assert set(before) == set(after)
    for coin, mid in before.items():
        assert float(after[coin]) == pytest.approx(float(mid), rel=0.02)
    assert {b["t"] - a["t"] for a, b in pairwise(candles)} == {MINUTE}


def test_it_restores_the_world_after_a_kill(tmp_path):
    with simulator(tmp_path, "--seed", "6") as (process, url):
        deadline = time.monotonic() + 60
        while not (tmp_path / "world.json").exists():
            ask(url, type="exchangeStatus")
            assert time.monotonic() < deadline
        process.kill()
        process.wait()
    assert state_read(tmp_path)["seed"] == 6


def test_it_plays_recorded_prices(tmp_path):
    with simulator(tmp_path, "--playback", str(recorded("candles/hyperliquid_perp_5m")[0])) as (_, url):
        [meta, contexts] = ask(url, type="metaAndAssetCtxs")
        book = ask(url, type="l2Book", coin="BTC")
        index = [row["name"] for row in meta["universe"]].index("BTC")
        bid, ask_ = (float(side[0]["px"]) for side in book["levels"])
        # One block may lie between the two requests.
        assert bid - 10 <= float(contexts[index]["oraclePx"]) <= ask_ + 10


@pytest.mark.parametrize("arguments", [("--playback", "/nonexistent"), ("--playback", ".")])
def test_a_folder_without_recordings_is_an_error(tmp_path, arguments):
    command = [sys.executable, "manage.py", "run_simulator", "--port", "0", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "CommandError" in done.stderr


# --- world loader ------------------------------------------------------------------------------
def test_without_a_seed_the_saved_one_is_used(tmp_path):
    assert world_open(WorldOptions(), state=tmp_path, now=NOW).seed == 1
    state_write(tmp_path, state_encode(world_open(WorldOptions(seed=8), state=None, now=NOW).dump()))
    assert world_open(WorldOptions(), state=tmp_path, now=NOW + 1000).seed == 8
    assert world_open(WorldOptions(seed=9), state=tmp_path, now=NOW + 1000).seed == 9


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 0}', b"\xff"])
def test_an_unreadable_saved_world_is_ignored(tmp_path, content):
    (tmp_path / "world.json").write_bytes(content)
    assert world_open(WorldOptions(), state=tmp_path, now=NOW).seed == 1


def test_playback_of_the_same_recordings_continues(tmp_path):
    options = WorldOptions(playback_dir=recorded("candles/hyperliquid_perp_5m")[0])
    first = world_open(options, state=tmp_path, now=NOW)
    state_write(tmp_path, state_encode(first.dump()))
    later = world_open(options, state=tmp_path, now=NOW + 3 * MINUTE)
    assert later.playback == first.playback
    faster = world_open(
        WorldOptions(playback_dir=options.playback_dir, speed=10), state=tmp_path, now=NOW + 3 * MINUTE
    )
    assert faster.playback.since == NOW + 3 * MINUTE


@pytest.mark.parametrize("speed", [0.0, -1.0, 1e9])
def test_an_impossible_speed_is_refused(speed):
    options = WorldOptions(playback_dir=recorded("candles/hyperliquid_perp_5m")[0], speed=speed)
    with pytest.raises(ValueError, match="speed"):
        world_open(options, state=None, now=NOW)


def test_the_throughput_can_be_measured():
    assert simulator_throughput(0.2) > 0
