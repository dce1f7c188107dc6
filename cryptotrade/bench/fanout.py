"""One feed, many readers: what a second of CPU delivers, and how old it is then."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from cryptotrade.bench.measure import Scene, measure
from cryptotrade.bench.options import Options
from cryptotrade.bench.payloads import Load
from cryptotrade.bench.peers import OURS, Peer, peers_available
from cryptotrade.bench.processes import Bench, BenchError
from cryptotrade.bench.report import Row, document
from cryptotrade.bench.stats import median_of, ratio

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
    "open loop: latency counts from when an update was due, not from when it was sent; for us, who conflate, "
    "it is the age of the newest value in each element of a push, with the feed's flush (50 ms) and the "
    "reader's rate in it",
    "CPU is that of the server's process tree; Redis is beside it in redis_cpu, and nobody else's is counted",
    f"ratios: deliveries and updates from `{PAGE}`, where every client is sent topics × rate updates a second; "
    f"messages from `{ONE_TOPIC}`, where one message is one update for everybody",
)
Say = Callable[[str], None]


def scenes(options: Options) -> list[Scene]:
    one, page = Load(1, ONE_TOPIC_HZ), Load(options.topics, options.rate)
    clients, seconds = options.clients, options.seconds
    return [Scene(ONE_TOPIC, one, clients, seconds), Scene(PAGE, page, clients, seconds)]


def run(bench: Bench, options: Options, say: Say) -> Row:
    """Every peer in both scenes, in turns; medians over the runs."""
    peers, notes = peers_available(options.peers)
    rows: list[Row] = []
    for number in range(options.runs):
        for scene in scenes(options):
            for peer in _in_turn(peers, number):
                say(f"run {number + 1}/{options.runs}: {peer.name}, {scene.name}")
                notes += _try(bench, peer, scene, rows)
    results = _medians(rows, peers, options)
    notes += [note for row in results for note in remarks(row)]
    return document("fanout", asdict(options), results, ratios(results), [*METHOD, *notes])


def _in_turn(peers: Sequence[Peer], number: int) -> Sequence[Peer]:
    """Who came first comes last in the next run."""
    return peers[::-1] if number % 2 else peers


def _try(bench: Bench, peer: Peer, scene: Scene, rows: list[Row]) -> list[str]:
    try:
        rows.append(measure(bench, peer, scene))
    except BenchError as problem:
        if peer.name == OURS:
            raise
        return [f"{peer.name}, {scene.name}: not measured, {problem}"]
    return []


def _medians(rows: Sequence[Row], peers: Iterable[Peer], options: Options) -> list[Row]:
    groups = [
        [row for row in rows if (row["name"], row["scenario"]) == (peer.name, scene.name)]
        for scene in scenes(options)
        for peer in peers
    ]
    return [summary(group) for group in groups if group]


def summary(rows: Sequence[Row]) -> Row:
    """Medians of the runs; what spoils a figure is the worst of them."""
    worst = {key: max(row[key] for row in rows) for key in ("client_cpu", "publisher_late_ms", "lost")}
    return {**median_of(rows), **worst, "runs": len(rows)}


def remarks(row: Row) -> list[str]:
    """What a reader of the row must not overlook."""
    who = f"{row['name']}, {row['scenario']}"
    found = {
        f"CLIENT BOUND: {who}: the load client used {row['client_cpu']:.0%} of its core; the figures say "
        "more about it than about the server": row["client_bound"],
        f"{who}: lost {row['lost']} updates (gaps in seq)": row["lost"],
        f"{who}: could not keep up, {row['delivered_share']:.0%} of what was published came in time": row[
            "delivered_share"
        ]
        < 0.9,
        f"{who}: {row['undelivered']} updates had not come 2 s after the end": row["undelivered"],
        f"{who}: the feed was up to {row['publisher_late_ms']:g} ms late": row["publisher_late_ms"] > LATE_MS,
    }
    return [text for text, holds in found.items() if holds]


def ratios(results: Sequence[Row]) -> dict[str, Any]:
    """{peer: {"deliveries", "updates", "messages", and all of them for each scene}}: ours by theirs."""
    ours = {row["scenario"]: row for row in results if row["name"] == OURS}
    found: dict[str, Any] = {}
    for row in results:
        if row["name"] == OURS or row["scenario"] not in ours:
            continue
        mine = ours[row["scenario"]]
        pair = {
            key: ratio(mine[f"{key}_per_cpu_s"], row[f"{key}_per_cpu_s"])
            for key in ("deliveries", "updates", "messages")
        }
        found.setdefault(row["name"], {})[row["scenario"]] = pair
    return {
        peer: {
            "deliveries": by.get(PAGE, {}).get("deliveries"),
            "updates": by.get(PAGE, {}).get("updates"),
            "messages": by.get(ONE_TOPIC, {}).get("messages"),
            **by,
        }
        for peer, by in found.items()
    }
