"""One measurement: a new server on one core, clients and feed on the other, one time window."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks.payloads import Load
from benchmarks.peers import Peer, Ports
from benchmarks.processes import Bench, BenchError, Child, cpu_ns, free_port, pause, rss_mb
from core.http import http_get

START_SECONDS = 30.0
SETTLE_SECONDS = 0.7
CLIENT_BOUND = 0.7
MODULES = "benchmarks"


@dataclass(frozen=True)
class Scenario:
    """Scenario: `clients` clients (of which `slow` are slow consumers) of a `load`, for `seconds`."""

    name: str
    load: Load
    clients: int
    seconds: float
    slow: int = 0

    @property
    def requested_rate(self) -> int:
        """The rate that clients request from the hub: the lowest that delivers every update."""
        return next((rate for rate in (1, 2, 5, 10, 20) if rate >= self.load.rate), 20)

    def expected(self) -> float:
        """Number of updates that all fast clients together should receive in the window."""
        return (self.clients - self.slow) * self.load.topics * self.load.rate * self.seconds


@dataclass(frozen=True)
class Sample:
    """CPU (ns) and memory (MB) of all processes at one time."""

    server: int
    redis: int
    client: int
    rss: float


def measure(bench: Bench, peer: Peer, scenario: Scenario) -> dict[str, Any]:
    """Measure a peer in a scenario; returns one row. Raises `BenchError`."""
    with ExitStack() as stack:
        ports = Ports(free_port(), free_port())
        command = peer.command(ports, bench.folder)
        feed = _start_feed(bench, stack, peer, scenario, ports) if peer.fed_by_redis else None
        server = stack.enter_context(bench.child(peer.name, command, core=bench.cores.server))
        server.wait_listening(ports.clients, START_SECONDS)
        feed = feed or _start_feed(bench, stack, peer, scenario, ports)
        load_client = stack.enter_context(_module(bench, "load_client"))
        load_client.send(_client_job(peer, scenario, ports))
        connected = load_client.receive(START_SECONDS * 2)["connected"]
        if not connected:
            raise BenchError(f"no client of {peer.name} was served")
        before, after = _window(bench, server, load_client, scenario)
        feed.send({"stop": True})
        published = feed.receive(START_SECONDS)
        load_client.send({"final": published["final"]})
        received = load_client.receive(START_SECONDS * 2)
        return {
            **_row(peer, scenario, received, before, after),
            "connected": connected,
            "publisher_late_ms": published["late_ms"],
            "closed_1013": _slow_closed(peer, ports),
        }


def _start_feed(bench: Bench, stack: ExitStack, peer: Peer, scenario: Scenario, ports: Ports) -> Child:
    feed = stack.enter_context(_module(bench, "publisher"))
    feed.send(_feed_job(peer, scenario, ports))
    feed.receive(START_SECONDS)
    return feed


def _module(bench: Bench, name: str) -> Child:
    return bench.python(name, "-m", f"{MODULES}.{name}", core=bench.cores.load)


def _feed_job(peer: Peer, scenario: Scenario, ports: Ports) -> Mapping[str, Any]:
    load = scenario.load
    return {"sink": peer.sink, "topics": load.topics, "rate": load.rate, "port": peer.feed_port(ports)}


def _client_job(peer: Peer, scenario: Scenario, ports: Ports) -> Mapping[str, Any]:
    topics = scenario.load.names()
    return {
        "port": ports.clients,
        "path": peer.path(topics),
        "dialect": "nchan" if peer.sink == "nchan" else peer.dialect,
        "topics": topics,
        "rate": scenario.requested_rate,
        "clients": scenario.clients,
        "slow": scenario.slow,
    }


def _window(bench: Bench, server: Child, load_client: Child, scenario: Scenario) -> tuple[Sample, Sample]:
    start = time.monotonic_ns() + int(SETTLE_SECONDS * 1e9)
    end = start + int(scenario.seconds * 1e9)
    load_client.send({"start": start, "end": end})
    samples = []
    for time_ns in (start, end):
        pause((time_ns - time.monotonic_ns()) / 1e9)
        redis = cpu_ns(bench.redis_pid) if bench.redis_pid else 0
        samples.append(Sample(cpu_ns(server.pid), redis, cpu_ns(load_client.pid), rss_mb(server.pid)))
    return samples[0], samples[1]


def _row(
    peer: Peer, scenario: Scenario, received: Mapping[str, Any], before: Sample, after: Sample
) -> dict[str, Any]:
    cpu = (after.server - before.server) / 1e9
    client_cpu = (after.client - before.client) / 1e9 / scenario.seconds
    return {
        "name": peer.name,
        "scenario": scenario.name,
        "messages_per_cpu_s": round(received["messages"] / cpu) if cpu else None,
        "updates_per_cpu_s": round(received["updates"] / cpu) if cpu else None,
        "deliveries_per_cpu_s": round(received["deliveries"] / cpu) if cpu else None,
        **{key: received[key] for key in ("p50_ms", "p99_ms", "p999_ms", "lost", "undelivered")},
        "delivered_share": round(received["updates"] / scenario.expected(), 4),
        **{key: received[key] for key in ("messages", "deliveries", "updates", "closed", "slow_closed")},
        "rss_mb": round(after.rss, 1),
        "rss_growth_mb": round(after.rss - before.rss, 1),
        "server_cpu": round(cpu / scenario.seconds, 4),
        "redis_cpu": round((after.redis - before.redis) / 1e9 / scenario.seconds, 4),
        "client_cpu": round(client_cpu, 4),
        "client_bound": client_cpu > CLIENT_BOUND,
    }


def _slow_closed(peer: Peer, ports: Ports) -> int | None:
    """Number of clients that our hub closed with 1013, by its metrics; None for other servers."""
    if peer.dialect != "hub":
        return None
    url = f"http://127.0.0.1:{ports.clients}/metrics"
    result = asyncio.run(http_get(url, timeout_seconds=10))
    if result.status != 200:
        raise BenchError(f"{url} returned {result.status}")
    counts = [
        line.split()[1]
        for line in result.body.decode().splitlines()
        if line.startswith("cryptotrade_hub_clients_slow_closed_total")
    ]
    return int(float(counts[0])) if counts else None
