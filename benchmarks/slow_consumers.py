"""Slow consumers benchmark: their effect on the latency of other clients, and on server memory."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from benchmarks.fanout import METHOD, Print, remarks, summary
from benchmarks.measure import Scenario, measure
from benchmarks.payloads import Load
from benchmarks.peers import CRYPTOTRADE, peers_available
from benchmarks.processes import Bench, BenchError
from benchmarks.report import Options, Row, document, ratio

DEFAULTS = Options(
    seconds=16.0, clients=100, topics=20, rate=20.0, runs=1, peers=("channels-pubsub", "websockets")
)
SLOW_SHARE = 0.05
ALL_FAST, SOME_SLOW = "all_fast", "some_slow"
FAST_SECONDS = 6.0
COLUMNS = (
    "name", "scenario", "p50_ms", "p99_ms", "p999_ms", "lost", "undelivered", "delivered_share", "rss_mb",
    "rss_growth_mb", "slow_closed", "closed_1013", "updates_per_cpu_s", "client_bound",
)  # fmt: skip
NOTES = (
    f"{SLOW_SHARE:.0%} of the clients read 256 bytes a second into the smallest buffer the kernel gives; "
    "latencies are those of the others",
    "closed_1013: by our hub's own count; slow_closed: slow connections that were closed, by either side",
)


def scenarios(options: Options) -> list[Scenario]:
    load = Load(options.topics, options.rate)
    fast = Scenario(ALL_FAST, load, options.clients, min(options.seconds, FAST_SECONDS))
    slow = max(1, round(options.clients * SLOW_SHARE))
    return [fast, replace(fast, name=SOME_SLOW, seconds=options.seconds, slow=slow)]


def run(bench: Bench, options: Options, say: Print) -> Row:
    """Measure our hub and each peer, without and with slow consumers."""
    peers, notes = peers_available(options.peers)
    results: list[Row] = []
    for peer in peers:
        for scenario in scenarios(options):
            say(f"{peer.name}, {scenario.name}")
            try:
                rows = [measure(bench, peer, scenario) for _ in range(options.runs)]
            except BenchError as problem:
                if peer.name == CRYPTOTRADE:
                    raise
                notes.append(f"{peer.name}, {scenario.name}: not measured, {problem}")
                continue
            results.append(summary(rows))
    notes += [note for row in results for note in remarks(row)]
    return document(
        "slow-consumers", asdict(options), results, ratios(results), [*NOTES, *METHOD[1:3], *notes]
    )


def ratios(results: Sequence[Row]) -> dict[str, Any]:
    """{name: factor of the fast clients' p50 and p99 with slow consumers, and memory growth}, for every server."""
    rows = {(row["name"], row["scenario"]): row for row in results}
    result: dict[str, Any] = {}
    for name, scenario in rows:
        with_slow, without = rows.get((name, SOME_SLOW)), rows.get((name, ALL_FAST))
        if scenario != SOME_SLOW or not with_slow or not without:
            continue
        result[name] = {
            "p50": ratio(with_slow["p50_ms"], without["p50_ms"]),
            "p99": ratio(with_slow["p99_ms"], without["p99_ms"]),
            "rss_growth_mb": with_slow["rss_growth_mb"],
        }
    return result
