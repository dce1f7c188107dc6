"""Stream session core, driven by a scripted venue and a fake clock."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.domain.errors import ParseError
from market.domain.events import Candle, Context, Mids, Quote, Trades
from market.domain.session import Ack, Pong, Refusal, Session, Undecodable
from market.domain.subscriptions import MessagePacer, StreamLimits, Subscription, backoff, kind_of, shard

LIMITS = StreamLimits(subscriptions=5, messages_per_second=3, messages_per_minute=40)
MIDS = Subscription("mids")
SUBSCRIPTIONS = [MIDS, *(Subscription("quote", symbol) for symbol in "ABCD")]


class WordCodec:
    """Codec with words as frames: `+quote:A` subscribes, `ack +quote:A` confirms, `data A` is data."""

    def decode(self, frame):
        text = frame.decode()
        head, _, rest = text.partition(" ")
        if head == "ack":
            return [Ack(self._read(rest[1:]), rest[0] == "+")]
        if head == "no":
            return [Refusal(text, self._read(rest))]
        if head == "data":
            return [Quote(rest, "1", "2", 0)]
        if head == "mids":
            return [Mids({})]
        if head == "pong":
            return [Pong()]
        raise ParseError("junk", text)

    @staticmethod
    def _read(text):
        kind, _, symbol = text.partition(":")
        return Subscription(kind, symbol)

    def subscribe(self, subscription):
        return f"+{subscription.kind}:{subscription.symbol}".encode()

    def unsubscribe(self, subscription):
        return f"-{subscription.kind}:{subscription.symbol}".encode()

    def ping(self):
        return b"ping"


def ack(session, frames, now):
    for frame in frames:
        if frame != b"ping":
            session.receive(b"ack " + frame, now)


def settled(limits=LIMITS, desired=SUBSCRIPTIONS):
    session = Session(WordCodec(), limits)
    session.desired(desired)
    session.connected(0.0)
    for now in range(10):
        ack(session, session.due(float(now)), float(now))
    return session


def test_nothing_is_sent_before_the_connection_is_open():
    session = Session(WordCodec(), LIMITS)
    session.desired(SUBSCRIPTIONS)
    assert session.due(0.0) == []


def test_subscriptions_are_sent_in_order_and_paced():
    session = Session(WordCodec(), LIMITS)
    session.desired(SUBSCRIPTIONS)
    session.connected(0.0)
    assert session.due(0.0) == [b"+mids:", b"+quote:A", b"+quote:B"]
    assert session.due(0.5) == []
    assert session.due(1.0) == [b"+quote:C", b"+quote:D"]


def test_the_minute_budget_holds_back_what_the_second_would_allow():
    pace = MessagePacer(StreamLimits(messages_per_second=100, messages_per_minute=10))
    assert sum(pace.try_acquire(0.0) for _ in range(50)) == 10
    assert not pace.try_acquire(59.9)
    assert pace.try_acquire(60.0)


def test_a_settled_session_sends_only_pings():
    session = settled()
    assert session.acked == set(SUBSCRIPTIONS)
    assert session.due(20.0) == []
    assert session.due(30.0) == [b"ping"]
    assert session.due(31.0) == []
    assert session.due(60.0) == [b"ping"]


def test_after_a_reconnect_all_subscriptions_are_requested_again():
    session = settled()
    session.disconnected()
    assert session.acked == frozenset()
    session.connected(100.0)
    assert session.due(100.0) == [b"+mids:", b"+quote:A", b"+quote:B"]


def test_unsubscribes_are_sent_before_new_subscribes():
    session = settled()
    session.desired([*SUBSCRIPTIONS[1:], Subscription("book", "A")])
    assert session.due(20.0) == [b"-mids:"]  # the connection is full
    session.receive(b"ack -mids:", 20.1)
    assert session.due(22.0) == [b"+book:A"]


def test_more_subscriptions_than_a_connection_takes_is_an_error():
    with pytest.raises(ValueError, match="6 subscriptions"):
        Session(WordCodec(), LIMITS).desired([*SUBSCRIPTIONS, Subscription("book", "A")])


def test_a_request_without_an_answer_is_repeated():
    session = Session(WordCodec(), LIMITS)
    session.desired([MIDS])
    session.connected(0.0)
    assert session.due(0.0) == [b"+mids:"]
    assert session.due(9.0) == []
    assert session.due(10.0) == [b"+mids:"]


def test_a_rejected_subscription_is_reported_and_retried_later():
    session = Session(WordCodec(), LIMITS)
    session.desired([MIDS])
    session.connected(0.0)
    session.due(0.0)
    assert session.receive(b"no mids:", 0.0) == [Refusal("no mids:", MIDS)]
    assert session.due(29.0) == []
    assert session.due(60.0) == [b"ping", b"+mids:"]


def test_an_invalid_frame_is_an_event_and_the_session_continues():
    session = settled()
    (event,) = session.receive(b"rubbish", 10.0)
    assert isinstance(event, Undecodable)
    assert session.receive(b"data A", 10.0) == [Quote("A", "1", "2", 0)]


def test_pongs_do_not_count_as_progress():
    session = settled()
    session.receive(b"data A", 10.0)
    for now in range(11, 20):
        session.receive(b"pong", float(now))
        assert session.is_stale(float(now)) is None
    session.receive(b"pong", 20.5)
    assert session.is_stale(20.5) == "no data for 10 s"


def test_a_connection_that_never_says_anything_is_stale():
    session = Session(WordCodec(), LIMITS)
    session.desired([MIDS])
    session.connected(5.0)
    assert session.is_stale(15.0) is None
    assert session.is_stale(15.1) == "no data for 10 s"


def test_a_connection_without_subscriptions_is_never_stale():
    session = Session(WordCodec(), LIMITS)
    session.connected(0.0)
    assert session.is_stale(1e6) is None


def test_a_silent_channel_is_detected_while_another_updates():
    session = settled(StreamLimits(subscriptions=5, min_subscriptions=4))
    session.receive(b"data A", 10.0)
    for now in range(11, 30):
        session.receive(b"mids", float(now))
        assert session.is_stale(float(now)) is None
    session.receive(b"mids", 30.5)
    assert session.is_stale(30.5) == "quote silent for 20 s"


def test_a_few_quiet_instruments_are_not_a_silent_channel():
    session = settled(StreamLimits(subscriptions=5, min_subscriptions=5))
    session.receive(b"mids", 100.0)
    assert session.is_stale(100.0) is None


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (Quote("A", None, None, 0), "quote"),
        (Context("A", "1", "1", "1"), "context"),
        (Mids({}), "mids"),
        (Trades("A", ()), "trades"),
        (Candle("A", "1m", 0, *[0] * 5), "candle"),
    ],
)
def test_every_event_belongs_to_a_kind_of_stream(event, kind):
    assert kind_of(event) == kind


class FlakyVenue:
    """Keeps its own set of subscriptions per connection and may swallow answers."""

    def __init__(self):
        self.subscribed = set()

    def answer(self, frame):
        if frame == b"ping":
            return b"pong"
        name = frame[1:]
        (self.subscribed.add if frame[:1] == b"+" else self.subscribed.discard)(name)
        return b"ack " + frame


steps = st.one_of(
    st.tuples(st.just("desire"), st.sets(st.sampled_from(SUBSCRIPTIONS))),
    st.tuples(st.just("tick"), st.booleans()),
    st.tuples(st.just("drop"), st.none()),
    st.tuples(st.just("junk"), st.sampled_from([b"x", b"data A", b"no quote:A"])),
)


class Play:
    """A session and its venue; a script may drop the connection, lose answers and change subscriptions."""

    def __init__(self):
        self.session, self.venue, self.now, self.desired = (
            Session(WordCodec(), LIMITS),
            FlakyVenue(),
            0.0,
            set(),
        )
        self.session.connected(self.now)

    def desire(self, desired):
        self.desired = desired
        self.session.desired(sorted(desired))

    def drop(self, _):
        self.session.disconnected()
        self.venue = FlakyVenue()
        self.session.connected(self.now)

    def junk(self, frame):
        self.session.receive(frame, self.now)

    def tick(self, delivered):
        answers = [self.venue.answer(frame) for frame in self.session.due(self.now)]
        for reply in answers if delivered else []:
            self.session.receive(reply, self.now)


@settings(max_examples=200, deadline=None)
@given(st.lists(steps, max_size=30))
def test_whatever_happens_the_acked_set_converges_to_the_desired_one(script):
    play = Play()
    for step, detail in script:
        play.now += 0.7
        getattr(play, step)(detail)
    for _ in range(300):
        play.now += 0.5
        play.tick(True)
    assert play.session.acked == play.desired
    names = {WordCodec().subscribe(s)[1:] for s in play.desired}
    assert play.venue.subscribed >= names


@given(
    st.lists(st.integers(0, 60), unique=True),
    st.lists(st.integers(0, 60), unique=True),
)
def test_sharding_respects_the_limit_and_moves_nothing_that_stays(before, after):
    limits = StreamLimits(subscriptions=10, connections=4)

    def subs(numbers):
        return [Subscription("quote", str(number)) for number in numbers]

    first, dropped = shard(subs(before), [], limits)
    second, lost = shard(subs(after), first, limits)
    assert len([*itertools.chain(*second), *lost]) == len(after)
    assert lost == subs(after)[40:]
    assert len(dropped) == max(0, len(before) - 40)
    assert all(len(connection) <= 10 for connection in second)
    home = {s: n for n, assigned in enumerate(first) for s in assigned}
    assert all(home.get(s, n) == n for n, assigned in enumerate(second) for s in assigned)


def test_backoff_doubles_to_a_cap_and_is_spread_by_the_jitter():
    assert list(itertools.islice(backoff(lambda: 1.0, first=1, maximum=6), 5)) == [1, 2, 4, 6, 6]
    assert list(itertools.islice(backoff(lambda: 0.0, first=1, maximum=6), 3)) == [0.5, 1, 2]


def test_unsubscribed_streams_do_not_count_as_silent():
    session = settled(StreamLimits(subscriptions=5, min_subscriptions=4))
    session.desired([MIDS, SUBSCRIPTIONS[1]])
    ack(session, session.due(20.0), 20.0)
    session.receive(b"mids", 60.0)
    assert session.is_stale(60.0) is None
