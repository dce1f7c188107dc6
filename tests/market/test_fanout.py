"""Fan-out core, tested with random histories: a client can always rebuild the true values."""

import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from market.domain.fanout import Fanout, PendingSubscribe
from market.domain.topic_reader import encode_ok
from market.domain.topics import BookTopic, TopicClass, book_delta

TOPICS = {
    "ticks.v": TopicClass.STATE,
    "book.v.X": TopicClass.BOOK,
    "trades.v.X": TopicClass.LOG,
    "candles.v.X.1m": TopicClass.VALUE,
}


class Reader:
    """A protocol client that checks every sequence number and rebuilds every value."""

    def __init__(self):
        self.names, self.at, self.value = {}, {}, {}
        self.blocked = False

    def read(self, frame):
        message = orjson.loads(frame)
        if message["op"] == "ok":
            self.names[message["id"]] = message["topic"]
            self.at[message["topic"]] = (message["epoch"], message["seq"])
            self.value[message["topic"]] = self.start(message["topic"], message["snapshot"])
            return
        for number, first, last, body in message["m"]:
            name = self.names[number]
            epoch, seen = self.at[name]
            assert first == seen + 1, f"{name}: got {first}, expected {seen + 1}"
            assert last >= first
            self.at[name] = (epoch, last)
            self.value[name] = self.merge(name, self.value[name], body, last - first + 1)

    @staticmethod
    def start(name, snap):
        if name.startswith("book"):
            sides = snap or {"bids": [], "asks": []}
            return {side: dict(sides[side]) for side in BookTopic.SIDES}
        return snap

    @staticmethod
    def merge(name, value, body, updates):
        if name.startswith("ticks"):
            return {**(value or {}), **body}
        if name.startswith("trades"):
            assert len(body) == updates
            return (value or []) + body
        if name.startswith("book"):
            for side in BookTopic.SIDES:
                value[side] |= dict(body[side])
                value[side] = {price: size for price, size in value[side].items() if size != "0"}
            return value
        return body


class FanoutMachine(RuleBasedStateMachine):
    """Writes, subscribes, unsubscribes, blocked sockets, epochs and lost updates in any order."""

    @initialize()
    def begin(self):
        self.fanout = Fanout()
        for key, cls in TOPICS.items():
            self.fanout.topic(key, cls)
        self.truth = {
            "ticks.v": {},
            "book.v.X": {"bids": [], "asks": [], "t": 0},
            "trades.v.X": [],
            "candles.v.X.1m": None,
        }
        self.seq = dict.fromkeys(TOPICS, 0)
        self.epoch = 1
        self.ticks = 0
        self.readers = []
        self.last = {}

    @rule(data=st.data(), keys=st.sets(st.sampled_from(sorted(TOPICS)), min_size=1))
    def write_several(self, data, keys):
        for key in sorted(keys):
            self.write(key, data, lost=False)

    @rule(key=st.sampled_from(sorted(TOPICS)), data=st.data())
    def lose_an_update(self, key, data):
        self.write(key, data, lost=True)

    def write(self, key, data, *, lost):
        first = self.seq[key] + 1
        if key.startswith("ticks"):
            body = data.draw(st.dictionaries(st.sampled_from("ABCDE"), st.integers(0, 9), min_size=1))
            self.truth[key] = {**self.truth[key], **body}
            self.seq[key] += 1
        elif key.startswith("trades"):
            body = data.draw(st.lists(st.integers(0, 99), min_size=1, max_size=4))
            self.truth[key] = self.truth[key] + body
            self.seq[key] += len(body)
        elif key.startswith("book"):
            level = st.dictionaries(st.sampled_from(["1", "2", "3", "4"]), st.sampled_from(["5", "6"]))
            new = {side: [list(x) for x in data.draw(level).items()] for side in BookTopic.SIDES} | {
                "t": first
            }
            body = book_delta(self.truth[key], new)
            self.truth[key] = new
            self.seq[key] += 1
        else:
            body = self.truth[key] = data.draw(st.lists(st.integers(0, 99), min_size=1, max_size=2))
            self.seq[key] += 1
        topic = self.fanout.topics[key]
        if lost:
            return
        self.last[key] = {"epoch": self.epoch, "first": first, "last": self.seq[key], "body": body}
        if not topic.update(epoch=self.epoch, first=first, last=self.seq[key], body=body):
            self.resync(key)

    @rule(key=st.sampled_from(sorted(TOPICS)))
    def resync(self, key):
        if self.seq[key]:
            whole = self.truth[key][-512:] if key.startswith("trades") else self.truth[key]
            self.fanout.topics[key].replace(epoch=self.epoch, seq=self.seq[key], whole=whole)

    @rule()
    def new_writer(self):
        self.epoch += 1
        self.seq = dict.fromkeys(TOPICS, 0)
        self.truth = {
            "ticks.v": {},
            "book.v.X": {"bids": [], "asks": [], "t": 0},
            "trades.v.X": [],
            "candles.v.X.1m": None,
        }

    @rule(keys=st.sets(st.sampled_from(sorted(TOPICS)), min_size=1), rate=st.sampled_from([2, 20]))
    def connect(self, keys, rate):
        reader = Reader()
        self.readers.append(reader)
        for key in sorted(keys):
            self.fanout.subscribe(
                PendingSubscribe(reader, self.fanout.topics[key], rate, None, None, self.ticks + 3)
            )

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), key=st.sampled_from(sorted(TOPICS)), rate=st.sampled_from([2, 20]))
    def subscribe_more(self, data, key, rate):
        reader = data.draw(st.sampled_from(self.readers))
        self.fanout.subscribe(
            PendingSubscribe(reader, self.fanout.topics[key], rate, None, None, self.ticks + 3)
        )

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), key=st.sampled_from(sorted(TOPICS)))
    def unsubscribe(self, data, key):
        reader = data.draw(st.sampled_from(self.readers))
        self.fanout.unsubscribe(reader, key)
        reader.at.pop(key, None)

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def disconnect(self, data):
        reader = data.draw(st.sampled_from(self.readers))
        self.readers.remove(reader)
        self.fanout.remove(reader)

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def unblock(self, data):
        data.draw(st.sampled_from(self.readers)).blocked = False

    @rule(key=st.sampled_from(sorted(TOPICS)))
    def repeat_the_last_update(self, key):
        if key in self.last:
            self.fanout.topics[key].update(**self.last[key])

    @rule(count=st.integers(1, 12), blocked_reader=st.integers(0, 3))
    def time_passes(self, count, blocked_reader):
        for _ in range(count):
            self.ticks += 1
            for delivery in self.fanout.tick(self.ticks, blocked=lambda reader: reader.blocked):
                for subscriber in list(delivery.subscribers):
                    assert not subscriber.client.blocked
                    for frame in delivery.frames:
                        subscriber.client.read(frame)
                    if (
                        blocked_reader
                        and len(self.readers) > 1
                        and subscriber.client is self.readers[blocked_reader % len(self.readers)]
                    ):
                        subscriber.client.blocked = True
                        self.fanout.detach(subscriber.client)

    @invariant()
    def every_current_reader_has_the_true_value(self):
        for key, topic in self.fanout.topics.items():
            if topic.epoch != self.epoch or topic.seq != self.seq[key]:
                continue
            for reader in self.readers:
                if self.fanout.reads(reader, key) and reader.at.get(key) == (topic.epoch, topic.seq):
                    self.compare(key, reader.value[key])

    def compare(self, key, value):
        truth = self.truth[key]
        if key.startswith("book"):
            assert value == {side: dict(truth[side]) for side in BookTopic.SIDES}
        elif key.startswith("trades"):
            assert value == truth[len(truth) - len(value) :]
        else:
            assert value == truth

    def teardown(self):
        if hasattr(self, "fanout"):
            self.unblock_all()
            for reader in list(self.readers):
                self.fanout.remove(reader)
            assert self.fanout.watched() == set()

    def unblock_all(self):
        """With all sockets writable and all topics resynced, every reader is current after one second."""
        for reader in self.readers:
            reader.blocked = False
        for key in TOPICS:
            self.resync(key)
        for _ in range(2):
            self.time_passes(count=20, blocked_reader=0)
        for reader in self.readers:
            for key, topic in self.fanout.topics.items():
                if self.fanout.reads(reader, key) and topic.seq:
                    assert reader.at[key] == (topic.epoch, topic.seq)
        self.every_current_reader_has_the_true_value()


FanoutMachine.TestCase.settings = settings(
    max_examples=120, stateful_step_count=80, deadline=None, suppress_health_check=list(HealthCheck)
)
TestFanout = FanoutMachine.TestCase


class Case:
    """One topic with explicit updates and ticks."""

    def __init__(self, key):
        self.fanout = Fanout()
        self.topic = self.fanout.topic(key, TOPICS[key])
        self.tick = 0

    def join(self, client, rate=20):
        self.fanout.subscribe(PendingSubscribe(client, self.topic, rate, None, None, self.tick))

    def run(self, ticks=1):
        out = []
        for _ in range(ticks):
            self.tick += 1
            for delivery in self.fanout.tick(self.tick, blocked=lambda _: False):
                out.extend(
                    (subscriber.client, frame)
                    for subscriber in delivery.subscribers
                    for frame in delivery.frames
                )
        return out


def test_clients_of_one_cohort_are_given_the_same_string_object():
    case = Case("ticks.v")
    case.topic.update(epoch=1, first=1, last=1, body={"A": 1})
    case.join("one"), case.join("two")
    case.run()
    case.topic.update(epoch=1, first=2, last=2, body={"A": 2})
    (_, first), (_, second) = case.run()
    assert first is second


def test_a_slow_rate_gets_one_push_that_covers_the_range():
    case = Case("ticks.v")
    case.topic.update(epoch=1, first=1, last=1, body={"A": 1})
    case.join("reader", rate=1)
    case.run(20)
    for seq in range(2, 12):
        case.topic.update(epoch=1, first=seq, last=seq, body={"A": seq, f"K{seq}": seq})
    frames = [orjson.loads(frame) for _, frame in case.run(20)]
    assert [(m[1], m[2]) for frame in frames for m in frame["m"]] == [(2, 11)]
    assert frames[0]["m"][0][3]["A"] == 11


def test_a_stale_writer_is_ignored():
    case = Case("ticks.v")
    case.topic.update(epoch=2, first=1, last=1, body={"A": "new"})
    assert case.topic.update(epoch=1, first=1, last=9, body={"A": "old"})
    assert case.topic.state.full_value() == {"A": "new"}


@pytest.mark.parametrize(
    ("epoch", "seq", "recovered", "snapshot"),
    [
        (1, 3, True, ["d", "e"]),
        (1, 5, True, []),
        (1, 9, False, ["a", "b", "c", "d", "e"]),
        (7, 3, False, ["a", "b", "c", "d", "e"]),
        (None, None, False, ["a", "b", "c", "d", "e"]),
    ],
)
def test_a_log_is_recovered_from_where_the_client_was(epoch, seq, recovered, snapshot):
    case = Case("trades.v.X")
    case.topic.update(epoch=1, first=1, last=5, body=["a", "b", "c", "d", "e"])
    message = orjson.loads(encode_ok(case.topic, epoch=epoch, seq=seq))
    assert (message["recovered"], message["snapshot"]) == (recovered, snapshot)


def test_a_log_without_the_missed_items_is_not_recovered():
    case = Case("trades.v.X")
    case.topic.update(epoch=1, first=1, last=600, body=list(range(600)))
    message = orjson.loads(encode_ok(case.topic, epoch=1, seq=10))
    assert message["recovered"] is False
    assert message["snapshot"] == list(range(88, 600))


def _play(case, *, blocked=()):
    """One tick; the readers check every sequence number."""
    case.tick += 1
    for delivery in case.fanout.tick(case.tick, blocked=lambda reader: reader in blocked):
        for subscriber in list(delivery.subscribers):
            for frame in delivery.frames:
                subscriber.client.read(frame)


def test_a_late_subscriber_of_a_slow_lane_gets_no_update_twice():
    case, early, late = Case("ticks.v"), Reader(), Reader()
    case.topic.update(epoch=1, first=1, last=1, body={"A": 1})
    case.join(early, rate=1)
    for _ in range(21):
        _play(case)
    case.topic.update(epoch=1, first=2, last=2, body={"A": 2})
    case.join(late, rate=1)
    for _ in range(40):
        _play(case)
        if case.tick == 30:
            case.topic.update(epoch=1, first=3, last=3, body={"A": 3})
    assert early.value == late.value == {"ticks.v": {"A": 3}}
    assert early.at == late.at == {"ticks.v": (1, 3)}


def test_a_detached_client_subscribes_to_another_topic_without_a_gap():
    case, reader = Case("ticks.v"), Reader()
    candles = case.fanout.topic("candles.v.X.1m", TopicClass.VALUE)
    case.topic.update(epoch=1, first=1, last=1, body={"A": 1})
    candles.update(epoch=1, first=1, last=1, body=[1])
    case.join(reader, rate=1)
    _play(case)
    case.fanout.detach(reader)
    case.fanout.subscribe(PendingSubscribe(reader, candles, 1, None, None, case.tick))
    _play(case)
    candles.update(epoch=1, first=2, last=2, body=[2])
    other = Reader()
    case.fanout.subscribe(
        PendingSubscribe(other, candles, 1, None, None, case.tick)
    )  # flushes the lane early
    for _ in range(20):
        _play(case)
    assert reader.value == {"ticks.v": {"A": 1}, "candles.v.X.1m": [2]}
    assert reader.at["candles.v.X.1m"] == (1, 2)


def test_a_blocked_client_gets_one_update_for_all_missed_ones():
    case, reader = Case("ticks.v"), Reader()
    case.topic.update(epoch=1, first=1, last=1, body={"A": 1})
    case.join(reader)
    _play(case)
    case.fanout.detach(reader)
    for seq in range(2, 6):
        case.topic.update(epoch=1, first=seq, last=seq, body={"A": seq})
        _play(case, blocked=[reader])
    assert reader.at == {"ticks.v": (1, 1)}
    assert case.fanout.resume() == [reader]
    _play(case)
    assert reader.at == {"ticks.v": (1, 5)}
    assert case.fanout.resume() == []


def test_an_update_that_comes_twice_changes_nothing():
    case = Case("trades.v.X")
    for _ in range(2):
        assert case.topic.update(epoch=1, first=1, last=2, body=["a", "b"])
    assert case.topic.update(epoch=1, first=2, last=3, body=["b", "c"])
    assert case.topic.update(epoch=1, first=1, last=1, body=["a"])
    assert (case.topic.seq, case.topic.state.full_value()) == (3, ["a", "b", "c"])


def test_a_missing_update_is_detected_and_the_snapshot_removes_a_level():
    case, reader = Case("book.v.X"), Reader()
    case.topic.update(epoch=1, first=1, last=1, body={"bids": [["1", "5"], ["2", "6"]], "asks": [], "t": 1})
    case.join(reader)
    _play(case)
    assert not case.topic.update(epoch=1, first=3, last=3, body={"bids": [], "asks": [["3", "1"]], "t": 3})
    case.topic.replace(epoch=1, seq=3, whole={"bids": [["2", "6"]], "asks": [["3", "1"]], "t": 3})
    _play(case)
    assert reader.value["book.v.X"] == {"bids": {"2": "6"}, "asks": {"3": "1"}}


def test_a_book_reader_older_than_the_tombstones_gets_the_whole_book():
    case, reader = Case("book.v.X"), Reader()
    case.topic.update(epoch=1, first=1, last=1, body={"bids": [["0", "1"]], "asks": [], "t": 1})
    case.join(reader)
    _play(case)
    case.fanout.detach(reader)
    for seq in range(2, 2000):
        removed = [[str(seq - 1), "0"]] if seq > 2 else [["0", "0"]]
        body = {"bids": [[str(seq), "1"], *removed], "asks": [], "t": seq}
        case.topic.update(epoch=1, first=seq, last=seq, body=body)
    _play(case)
    assert reader.value["book.v.X"]["bids"] == {"1999": "1"}
    assert len(case.topic.state._levels["bids"]) < 1000
