from market.domain.conflate import MAX_TRADES, Tape
from market.domain.events import Trade


def trade(number, time=None):
    return Trade("BTC", "1", "1", "buy", number if time is None else time, str(number))


def ids(trades):
    return [int(one.id) for one in trades]


def test_each_trade_passes_once():
    tape = Tape()
    assert ids(tape.add([trade(1), trade(2)])) == [1, 2]
    assert ids(tape.add([trade(2), trade(3)])) == [3]


def test_live_trades_are_buffered_until_the_gap_is_filled():
    tape = Tape()
    tape.add([trade(1)])
    tape.pause()
    assert tape.add([trade(5)]) == []
    tape.pause()  # a second gap forgets nothing
    assert ids(tape.fill([trade(n) for n in (1, 2, 3, 4)])) == [2, 3, 4, 5]
    assert ids(tape.add([trade(6)])) == [6]


def test_trades_of_one_millisecond_keep_the_order_of_the_venue():
    tape = Tape()
    tape.pause()
    assert ids(tape.fill([trade(9, time=1), trade(3, time=1), trade(5, time=0)])) == [5, 9, 3]


def test_memory_is_bounded():
    tape = Tape()
    tape.add(map(trade, range(3 * MAX_TRADES)))
    assert len(tape._seen) == MAX_TRADES
