"""The stream session core, driven by a scripted venue and a fake clock."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.domain.errors import ParseError
from market.domain.events import Candle, Context, Mids, Quote, Trades
from market.domain.session import Ack, Pong, Refusal, Session, Undecodable
from market.domain.subscriptions import Limits, Pace, Subscription, backoff, kind_of, shard

LIMITS = Limits(subscriptions=5, messages_per_second=3, messages_per_minute=40)
MIDS = Subscription("mids")
SUBSCRIPTIONS = [MIDS, *(Subscription("quote", symbol) for symbol in "ABCD")]


class WordCodec:
    """Frames are words: `+quote:A` asks, `ack+quote:A` confirms, `q:A` is data."""

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


def settled(limits=LIMITS, wanted=SUBSCRIPTIONS):
    session = Session(WordCodec(), limits)
    session.desired(wanted)
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
    pace = Pace(Limits(messages_per_second=100, messages_per_minute=10))
    assert sum(pace.take(0.0) for _ in range(50)) == 10
    assert not pace.take(59.9)
    assert pace.take(60.0)


def test_a_settled_session_says_nothing_but_pings():
    session = settled()
    assert session.acked == set(SUBSCRIPTIONS)
    assert session.due(20.0) == []
    assert session.due(30.0) == [b"ping"]
    assert session.due(31.0) == []
    assert session.due(60.0) == [b"ping"]


def test_after_a_reconnect_everything_is_asked_for_again():
    session = settled()
    session.disconnected()
    assert session.acked == frozenset()
    session.connected(100.0)
    assert session.due(100.0) == [b"+mids:", b"+quote:A", b"+quote:B"]


def test_what_is_no_longer_wanted_is_left_before_new_things_join():
    session = settled()
    session.desired([*SUBSCRIPTIONS[1:], Subscription("book", "A")])
    assert session.due(20.0) == [b"-mids:"]  # the connection is full
    session.receive(b"ack -mids:", 20.1)
    assert session.due(22.0) == [b"+book:A"]


def test_more_subscriptions_than_a_connection_takes_is_an_error():
    with pytest.raises(ValueError, match="6 subscriptions"):
        Session(WordCodec(), LIMITS).desired([*SUBSCRIPTIONS, Subscription("book", "A")])


def test_an_answer_that_never_comes_is_asked_for_again():
    session = Session(WordCodec(), LIMITS)
    session.desired([MIDS])
    session.connected(0.0)
    assert session.due(0.0) == [b"+mids:"]
    assert session.due(9.0) == []
    assert session.due(10.0) == [b"+mids:"]


def test_a_refused_subscription_is_reported_and_tried_again_later():
    session = Session(WordCodec(), LIMITS)
    session.desired([MIDS])
    session.connected(0.0)
    session.due(0.0)
    assert session.receive(b"no mids:", 0.0) == [Refusal("no mids:", MIDS)]
    assert session.due(29.0) == []
    assert session.due(60.0) == [b"ping", b"+mids:"]


def test_junk_is_an_event_and_the_session_goes_on():
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


def test_a_connection_from_which_nothing_is_wanted_is_never_stale():
    session = Session(WordCodec(), LIMITS)
    session.connected(0.0)
    assert session.is_stale(1e6) is None


def test_one_silent_channel_is_noticed_though_another_moves():
    session = settled(Limits(subscriptions=5, crowd=4))
    session.receive(b"data A", 10.0)
    for now in range(11, 30):
        session.receive(b"mids", float(now))
        assert session.is_stale(float(now)) is None
    session.receive(b"mids", 30.5)
    assert session.is_stale(30.5) == "quote silent for 20 s"


def test_a_few_quiet_instruments_are_not_a_silent_channel():
    session = settled(Limits(subscriptions=5, crowd=5))
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
    """A session and its venue; the script may drop the line, lose answers and change our mind."""

    def __init__(self):
        self.session, self.venue, self.now, self.wanted = (
            Session(WordCodec(), LIMITS),
            FlakyVenue(),
            0.0,
            set(),
        )
        self.session.connected(self.now)

    def desire(self, wanted):
        self.wanted = wanted
        self.session.desired(sorted(wanted))

    def drop(self, _):
        self.session.disconnected()
        self.venue = FlakyVenue()
        self.session.connected(self.now)

    def junk(self, frame):
        self.session.receive(frame, self.now)

    def tick(self, heard):
        answers = [self.venue.answer(frame) for frame in self.session.due(self.now)]
        for reply in answers if heard else []:
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
    assert play.session.acked == play.wanted
    names = {WordCodec().subscribe(s)[1:] for s in play.wanted}
    assert play.venue.subscribed >= names


@given(
    st.lists(st.integers(0, 60), unique=True),
    st.lists(st.integers(0, 60), unique=True),
)
def test_sharding_respects_the_limit_and_moves_nothing_that_stays(before, after):
    limits = Limits(subscriptions=10, connections=4)

    def subs(numbers):
        return [Subscription("quote", str(number)) for number in numbers]

    first, dropped = shard(subs(before), [], limits)
    second, lost = shard(subs(after), first, limits)
    assert len([*itertools.chain(*second), *lost]) == len(after)
    assert lost == subs(after)[40:]
    assert len(dropped) == max(0, len(before) - 40)
    assert all(len(connection) <= 10 for connection in second)
    home = {s: n for n, held in enumerate(first) for s in held}
    assert all(home.get(s, n) == n for n, held in enumerate(second) for s in held)


def test_backoff_doubles_to_a_cap_and_is_spread_by_the_jitter():
    assert list(itertools.islice(backoff(lambda: 1.0, first=1, most=6), 5)) == [1, 2, 4, 6, 6]
    assert list(itertools.islice(backoff(lambda: 0.0, first=1, most=6), 3)) == [0.5, 1, 2]


def test_streams_that_were_left_no_longer_count_as_a_silent_crowd():
    session = settled(Limits(subscriptions=5, crowd=4))
    session.desired([MIDS, SUBSCRIPTIONS[1]])
    ack(session, session.due(20.0), 20.0)
    session.receive(b"mids", 60.0)
    assert session.is_stale(60.0) is None
