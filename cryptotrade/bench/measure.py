"""One measurement: a fresh server on one core, its readers and its feed on the other, one window of time."""

import time
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from cryptotrade.bench.payloads import Load
from cryptotrade.bench.peers import Peer, Ports
from cryptotrade.bench.processes import Bench, BenchError, Child, cpu_ns, free_port, pause, rss_mb

START_SECONDS = 30.0
SETTLE_SECONDS = 0.7
CLIENT_BOUND = 0.7
MODULES = "cryptotrade.bench"


@dataclass(frozen=True)
class Scene:
    """What is measured: `clients` readers (`slow` of them hardly read) of a `load`, for `seconds`."""

    name: str
    load: Load
    clients: int
    seconds: float
    slow: int = 0

    @property
    def asked_rate(self) -> int:
        """What our readers ask the hub for: the nearest rate that shows every update."""
        return next((rate for rate in (1, 2, 5, 10, 20) if rate >= self.load.rate), 20)

    def expected(self) -> float:
        """Updates that all fast readers together should know of after the window."""
        return (self.clients - self.slow) * self.load.topics * self.load.rate * self.seconds


@dataclass(frozen=True)
class Sample:
    """CPU (ns) and memory (MB) of everybody at one moment."""

    server: int
    redis: int
    client: int
    rss: float


def measure(bench: Bench, peer: Peer, scene: Scene) -> dict[str, Any]:
    """One row. Raises `BenchError`."""
    with ExitStack() as stack:
        ports = Ports(free_port(), free_port())
        command = peer.command(ports, bench.folder)
        feed = _start_feed(bench, stack, peer, scene, ports) if peer.fed_by_redis else None
        server = stack.enter_context(bench.child(peer.name, command, core=bench.cores.server))
        server.wait_listening(ports.clients, START_SECONDS)
        feed = feed or _start_feed(bench, stack, peer, scene, ports)
        crowd = stack.enter_context(_module(bench, "load_client"))
        crowd.tell(_crowd_order(peer, scene, ports))
        connected = crowd.hear(START_SECONDS * 2)["connected"]
        if not connected:
            raise BenchError(f"no client of {peer.name} was served")
        before, after = _window(bench, server, crowd, scene)
        feed.tell({"stop": True})
        published = feed.hear(START_SECONDS)
        crowd.tell({"final": published["final"]})
        heard = crowd.hear(START_SECONDS * 2)
        return {
            **_row(peer, scene, heard, before, after),
            "connected": connected,
            "publisher_late_ms": published["late_ms"],
            "closed_1013": _slow_closed(peer, ports),
        }


def _start_feed(bench: Bench, stack: ExitStack, peer: Peer, scene: Scene, ports: Ports) -> Child:
    feed = stack.enter_context(_module(bench, "publisher"))
    feed.tell(_feed_order(peer, scene, ports))
    feed.hear(START_SECONDS)
    return feed


def _module(bench: Bench, name: str) -> Child:
    return bench.python(name, "-m", f"{MODULES}.{name}", core=bench.cores.load)


def _feed_order(peer: Peer, scene: Scene, ports: Ports) -> Mapping[str, Any]:
    load = scene.load
    return {"sink": peer.sink, "topics": load.topics, "rate": load.rate, "port": peer.feed_port(ports)}


def _crowd_order(peer: Peer, scene: Scene, ports: Ports) -> Mapping[str, Any]:
    topics = scene.load.names()
    return {
        "port": ports.clients,
        "path": peer.path(topics),
        "dialect": "nchan" if peer.sink == "nchan" else peer.dialect,
        "topics": topics,
        "rate": scene.asked_rate,
        "clients": scene.clients,
        "slow": scene.slow,
    }


def _window(bench: Bench, server: Child, crowd: Child, scene: Scene) -> tuple[Sample, Sample]:
    start = time.monotonic_ns() + int(SETTLE_SECONDS * 1e9)
    end = start + int(scene.seconds * 1e9)
    crowd.tell({"start": start, "end": end})
    samples = []
    for moment in (start, end):
        pause((moment - time.monotonic_ns()) / 1e9)
        redis = cpu_ns(bench.redis_pid) if bench.redis_pid else 0
        samples.append(Sample(cpu_ns(server.pid), redis, cpu_ns(crowd.pid), rss_mb(server.pid)))
    return samples[0], samples[1]


def _row(peer: Peer, scene: Scene, heard: Mapping[str, Any], before: Sample, after: Sample) -> dict[str, Any]:
    cpu = (after.server - before.server) / 1e9
    client_cpu = (after.client - before.client) / 1e9 / scene.seconds
    return {
        "name": peer.name,
        "scenario": scene.name,
        "messages_per_cpu_s": round(heard["messages"] / cpu) if cpu else None,
        "updates_per_cpu_s": round(heard["updates"] / cpu) if cpu else None,
        "deliveries_per_cpu_s": round(heard["deliveries"] / cpu) if cpu else None,
        **{key: heard[key] for key in ("p50_ms", "p99_ms", "p999_ms", "lost", "undelivered")},
        "delivered_share": round(heard["updates"] / scene.expected(), 4),
        **{key: heard[key] for key in ("messages", "deliveries", "updates", "closed", "slow_closed")},
        "rss_mb": round(after.rss, 1),
        "rss_growth_mb": round(after.rss - before.rss, 1),
        "server_cpu": round(cpu / scene.seconds, 4),
        "redis_cpu": round((after.redis - before.redis) / 1e9 / scene.seconds, 4),
        "client_cpu": round(client_cpu, 4),
        "client_bound": client_cpu > CLIENT_BOUND,
    }


def _slow_closed(peer: Peer, ports: Ports) -> int | None:
    """How many our hub closed with 1013, by its own account; None for others, who do not."""
    if peer.dialect != "hub":
        return None
    with urllib.request.urlopen(f"http://127.0.0.1:{ports.clients}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    counts = [
        line.split()[1] for line in text.splitlines() if line.startswith("hub_clients_slow_closed_total")
    ]
    return int(float(counts[0])) if counts else None
