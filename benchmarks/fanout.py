"""Fan-out benchmark: deliveries per CPU second from one feed to many clients, and their latency."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.measure import Scenario, measure
from benchmarks.payloads import Load
from benchmarks.peers import CRYPTOTRADE, Peer, peers_available
from benchmarks.processes import Bench, BenchError
from benchmarks.report import Options, Row, document, median_of, ratio

DEFAULTS = Options(seconds=3.0, clients=200, topics=20, rate=10.0, runs=2)
ONE_TOPIC, PAGE = "one_topic", "page"
ONE_TOPIC_HZ = 20.0
LATE_MS = 50.0
COLUMNS = (
    "name", "scenario", "deliveries_per_cpu_s", "updates_per_cpu_s", "messages_per_cpu_s", "p50_ms", "p99_ms", "p999_ms", "lost",
    "undelivered", "delivered_share", "rss_mb", "server_cpu", "redis_cpu", "client_cpu", "client_bound",
)  # fmt: skip
METHOD = (
    "deliveries are updates of one topic that reached a reader, each with its own body (a push of ours holds "
    "many, a message of a peer one); updates add those that were conflated into them; messages are websocket "
    "messages",
    "open loop: latency counts from when an update was due, not from when it was sent; for our conflating hub "
    "it is the age of the newest value in each element of a push, with the feed's flush (50 ms) and the "
    "reader's rate in it",
    "CPU is that of the server's process tree; Redis is reported separately in redis_cpu; no other process is counted",
    f"ratios: deliveries and updates from `{PAGE}`, where every client is sent topics × rate updates a second; "
    f"messages from `{ONE_TOPIC}`, where one message is one update for every client",
)
Print = Callable[[str], None]


def scenarios(options: Options) -> list[Scenario]:
    one, page = Load(1, ONE_TOPIC_HZ), Load(options.topics, options.rate)
    clients, seconds = options.clients, options.seconds
    return [Scenario(ONE_TOPIC, one, clients, seconds), Scenario(PAGE, page, clients, seconds)]


def run(bench: Bench, options: Options, say: Print) -> Row:
    """Measure every peer in both scenarios, in alternating order; medians over the runs."""
    peers, notes = peers_available(options.peers)
    rows: list[Row] = []
    for number in range(options.runs):
        for scenario in scenarios(options):
            for peer in _alternating(peers, number):
                say(f"run {number + 1}/{options.runs}: {peer.name}, {scenario.name}")
                notes += _try(bench, peer, scenario, rows)
    results = _medians(rows, peers, options)
    notes += [note for row in results for note in remarks(row)]
    return document("fanout", asdict(options), results, ratios(results), [*METHOD, *notes])


def _alternating(peers: Sequence[Peer], number: int) -> Sequence[Peer]:
    """Reverse the order of peers in every other run."""
    return peers[::-1] if number % 2 else peers


def _try(bench: Bench, peer: Peer, scenario: Scenario, rows: list[Row]) -> list[str]:
    try:
        rows.append(measure(bench, peer, scenario))
    except BenchError as problem:
        if peer.name == CRYPTOTRADE:
            raise
        return [f"{peer.name}, {scenario.name}: not measured, {problem}"]
    return []


def _medians(rows: Sequence[Row], peers: Iterable[Peer], options: Options) -> list[Row]:
    groups = [
        [row for row in rows if (row["name"], row["scenario"]) == (peer.name, scenario.name)]
        for scenario in scenarios(options)
        for peer in peers
    ]
    return [summary(group) for group in groups if group]


def summary(rows: Sequence[Row]) -> Row:
    """Medians of the runs; for quality indicators (loss, client CPU) the worst run."""
    worst = {key: max(row[key] for row in rows) for key in ("client_cpu", "publisher_late_ms", "lost")}
    return {**median_of(rows), **worst, "runs": len(rows)}


def remarks(row: Row) -> list[str]:
    """Warnings on a row that limit its validity."""
    label = f"{row['name']}, {row['scenario']}"
    result = {
        f"CLIENT BOUND: {label}: the load client used {row['client_cpu']:.0%} of its core; the figures say "
        "more about it than about the server": row["client_bound"],
        f"{label}: lost {row['lost']} updates (gaps in seq)": row["lost"],
        f"{label}: could not keep up, {row['delivered_share']:.0%} of what was published came in time": row[
            "delivered_share"
        ]
        < 0.9,
        f"{label}: {row['undelivered']} updates had not come 2 s after the end": row["undelivered"],
        f"{label}: the feed was up to {row['publisher_late_ms']:g} ms late": row["publisher_late_ms"]
        > LATE_MS,
    }
    return [text for text, holds in result.items() if holds]


def ratios(results: Sequence[Row]) -> dict[str, Any]:
    """{peer: {"deliveries", "updates", "messages", and all of them per scenario}}: our value divided by the peer's."""
    own_rows = {row["scenario"]: row for row in results if row["name"] == CRYPTOTRADE}
    result: dict[str, Any] = {}
    for row in results:
        if row["name"] == CRYPTOTRADE or row["scenario"] not in own_rows:
            continue
        own = own_rows[row["scenario"]]
        pair = {
            key: ratio(own[f"{key}_per_cpu_s"], row[f"{key}_per_cpu_s"])
            for key in ("deliveries", "updates", "messages")
        }
        result.setdefault(row["name"], {})[row["scenario"]] = pair
    return {
        peer: {
            "deliveries": by.get(PAGE, {}).get("deliveries"),
            "updates": by.get(PAGE, {}).get("updates"),
            "messages": by.get(ONE_TOPIC, {}).get("messages"),
            **by,
        }
        for peer, by in result.items()
    }
