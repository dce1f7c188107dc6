"""The fan-out core, driven by random histories: whatever happens, a client can rebuild the truth."""

import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from market.domain.fanout import Fanout, Join
from market.domain.topic_reader import encode_ok
from market.domain.topics import BookTopic, TopicClass, book_delta

TOPICS = {
    "ticks.v": TopicClass.STATE,
    "book.v.X": TopicClass.BOOK,
    "trades.v.X": TopicClass.LOG,
    "candles.v.X.1m": TopicClass.VALUE,
}


class Reader:
    """A client as the protocol describes it: it checks every number and rebuilds every value."""

    def __init__(self):
        self.names, self.at, self.value = {}, {}, {}
        self.blocked = False

    def read(self, frame):
        said = orjson.loads(frame)
        if said["op"] == "ok":
            self.names[said["id"]] = said["topic"]
            self.at[said["topic"]] = (said["epoch"], said["seq"])
            self.value[said["topic"]] = self.start(said["topic"], said["snap"])
            return
        for number, first, last, body in said["m"]:
            name = self.names[number]
            epoch, seen = self.at[name]
            assert first == seen + 1, f"{name}: told {first}, expected {seen + 1}"
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
    """Writers, joins, leaves, blocked sockets, epochs and lost updates in any order."""

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
            self.heal(key)

    @rule(key=st.sampled_from(sorted(TOPICS)))
    def heal(self, key):
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
            self.fanout.join(Join(reader, self.fanout.topics[key], rate, None, None, self.ticks + 3))

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), key=st.sampled_from(sorted(TOPICS)), rate=st.sampled_from([2, 20]))
    def subscribe_more(self, data, key, rate):
        reader = data.draw(st.sampled_from(self.readers))
        self.fanout.join(Join(reader, self.fanout.topics[key], rate, None, None, self.ticks + 3))

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), key=st.sampled_from(sorted(TOPICS)))
    def unsubscribe(self, data, key):
        reader = data.draw(st.sampled_from(self.readers))
        self.fanout.leave(reader, key)
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

    @rule(count=st.integers(1, 12), jam=st.integers(0, 3))
    def time_passes(self, count, jam):
        for _ in range(count):
            self.ticks += 1
            for delivery in self.fanout.tick(self.ticks, blocked=lambda reader: reader.blocked):
                for seat in list(delivery.seats):
                    assert not seat.client.blocked
                    for frame in delivery.frames:
                        seat.client.read(frame)
                    if jam and len(self.readers) > 1 and seat.client is self.readers[jam % len(self.readers)]:
                        seat.client.blocked = True
                        self.fanout.fall_behind(seat.client)

    @invariant()
    def everybody_free_and_up_to_date_has_the_truth(self):
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
            self.free_everybody()
            for reader in list(self.readers):
                self.fanout.remove(reader)
            assert self.fanout.watched() == set()

    def free_everybody(self):
        """When all sockets are free and every topic is healed, one second makes everybody equal."""
        for reader in self.readers:
            reader.blocked = False
        for key in TOPICS:
            self.heal(key)
        for _ in range(2):
            self.time_passes(count=20, jam=0)
        for reader in self.readers:
            for key, topic in self.fanout.topics.items():
                if self.fanout.reads(reader, key) and topic.seq:
                    assert reader.at[key] == (topic.epoch, topic.seq)
        self.everybody_free_and_up_to_date_has_the_truth()


FanoutMachine.TestCase.settings = settings(
    max_examples=120, stateful_step_count=80, deadline=None, suppress_health_check=list(HealthCheck)
)
TestFanout = FanoutMachine.TestCase


class Case:
    """One topic, one reader, told by hand."""

    def __init__(self, key):
        self.fanout = Fanout()
        self.topic = self.fanout.topic(key, TOPICS[key])
        self.tick = 0

    def join(self, client, rate=20):
        self.fanout.join(Join(client, self.topic, rate, None, None, self.tick))

    def run(self, ticks=1):
        out = []
        for _ in range(ticks):
            self.tick += 1
            for delivery in self.fanout.tick(self.tick, blocked=lambda _: False):
                out.extend((seat.client, frame) for seat in delivery.seats for frame in delivery.frames)
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
    assert case.topic.state.whole() == {"A": "new"}


@pytest.mark.parametrize(
    ("epoch", "seq", "recovered", "snap"),
    [
        (1, 3, True, ["d", "e"]),
        (1, 5, True, []),
        (1, 9, False, ["a", "b", "c", "d", "e"]),
        (7, 3, False, ["a", "b", "c", "d", "e"]),
        (None, None, False, ["a", "b", "c", "d", "e"]),
    ],
)
def test_a_log_is_recovered_from_where_the_client_was(epoch, seq, recovered, snap):
    case = Case("trades.v.X")
    case.topic.update(epoch=1, first=1, last=5, body=["a", "b", "c", "d", "e"])
    said = orjson.loads(encode_ok(case.topic, epoch=epoch, seq=seq))
    assert (said["recovered"], said["snap"]) == (recovered, snap)


def test_a_log_that_outran_a_sleeper_says_that_it_was_not_recovered():
    case = Case("trades.v.X")
    case.topic.update(epoch=1, first=1, last=600, body=list(range(600)))
    said = orjson.loads(encode_ok(case.topic, epoch=1, seq=10))
    assert said["recovered"] is False
    assert said["snap"] == list(range(88, 600))


def _play(case, *, blocked=()):
    """One tick; frames go to readers, which check every number themselves."""
    case.tick += 1
    for delivery in case.fanout.tick(case.tick, blocked=lambda reader: reader in blocked):
        for seat in list(delivery.seats):
            for frame in delivery.frames:
                seat.client.read(frame)


def test_a_late_joiner_of_a_slow_lane_is_never_told_something_twice():
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


def test_a_client_that_is_behind_joins_another_topic_without_a_hole():
    case, reader = Case("ticks.v"), Reader()
    candles = case.fanout.topic("candles.v.X.1m", TopicClass.VALUE)
    case.topic.update(epoch=1, first=1, last=1, body={"A": 1})
    candles.update(epoch=1, first=1, last=1, body=[1])
    case.join(reader, rate=1)
    _play(case)
    case.fanout.fall_behind(reader)
    case.fanout.join(Join(reader, candles, 1, None, None, case.tick))
    _play(case)
    candles.update(epoch=1, first=2, last=2, body=[2])
    other = Reader()
    case.fanout.join(Join(other, candles, 1, None, None, case.tick))  # flushes the lane early
    for _ in range(20):
        _play(case)
    assert reader.value == {"ticks.v": {"A": 1}, "candles.v.X.1m": [2]}
    assert reader.at["candles.v.X.1m"] == (1, 2)


def test_a_blocked_client_gets_nothing_and_then_one_update_for_all_it_missed():
    case, reader = Case("ticks.v"), Reader()
    case.topic.update(epoch=1, first=1, last=1, body={"A": 1})
    case.join(reader)
    _play(case)
    case.fanout.fall_behind(reader)
    for seq in range(2, 6):
        case.topic.update(epoch=1, first=seq, last=seq, body={"A": seq})
        _play(case, blocked=[reader])
    assert reader.at == {"ticks.v": (1, 1)}
    assert case.fanout.behind() == [reader]
    _play(case)
    assert reader.at == {"ticks.v": (1, 5)}
    assert case.fanout.behind() == []


def test_an_update_that_comes_twice_changes_nothing():
    case = Case("trades.v.X")
    for _ in range(2):
        assert case.topic.update(epoch=1, first=1, last=2, body=["a", "b"])
    assert case.topic.update(epoch=1, first=2, last=3, body=["b", "c"])
    assert case.topic.update(epoch=1, first=1, last=1, body=["a"])
    assert (case.topic.seq, case.topic.state.whole()) == (3, ["a", "b", "c"])


def test_a_missing_update_is_noticed_and_a_removed_level_is_healed_by_the_snapshot():
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
    case.fanout.fall_behind(reader)
    for seq in range(2, 2000):
        gone = [[str(seq - 1), "0"]] if seq > 2 else [["0", "0"]]
        body = {"bids": [[str(seq), "1"], *gone], "asks": [], "t": seq}
        case.topic.update(epoch=1, first=seq, last=seq, body=body)
    _play(case)
    assert reader.value["book.v.X"]["bids"] == {"1999": "1"}
    assert len(case.topic.state._levels["bids"]) < 1000
