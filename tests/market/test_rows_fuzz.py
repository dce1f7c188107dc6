"""Every list of every recorded answer, with one row dropped or damaged: all other rows are still decoded."""

import copy
import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from market.domain.orders import AccountMessage
from market.domain.session import Undecodable
from market.venues.hyperliquid import accounts
from market.venues.hyperliquid.codec import (
    book_read,
    candles_read,
    contexts_read,
    frame_decode,
    mids_read,
    trades_read,
)
from market.venues.hyperliquid.instruments import perps_read, spots_read
from market.venues.hyperliquid.ledger_updates import movements_read
from market.venues.hyperliquid.private_streams import PrivateCodec
from market.venues.rows import rows_decode
from tests.market.recordings import recorded
from tests.market.test_accounts_codec import FILL, FOO, FUNDING, OO, OWN, position, state

Path = tuple[Any, ...]
Decode = Callable[[Any], list[object]]
MOST = 40  # rows of one list that are damaged
DROP = object()
DAMAGES: tuple[Any, ...] = (DROP, None, "S&P500", 1e-8, [], {}, -1)
FIELD_DAMAGES: tuple[Any, ...] = (None, "1e-8", "S&P500", [], -1)


def private(message: Any) -> list[object]:
    events = PrivateCodec(OWN).decode(json.dumps(message).encode())
    return [event for event in events if isinstance(event, AccountMessage)]


def public(message: Any) -> list[object]:
    """Each trade, level and price is one row."""
    found: list[object] = []
    for event in frame_decode(json.dumps(message).encode()):
        if not isinstance(event, Undecodable):
            found += book_rows(event) if hasattr(event, "bids") else list(getattr(event, "trades", (event,)))
    return found


def book_rows(book: Any) -> list[object]:
    return [*book.bids, *book.asks]


def account(answer: Any) -> list[object]:
    read = accounts.account_read(*answer)
    return [*read.positions, *[key for key in read.cash if key != ("perp", "USDC")]]


FUNDED = {"time": 7, "hash": "0x0", "delta": {"type": "funding", **FUNDING}}
DEPOSIT = {"time": 4, "hash": "0x0", "delta": {"type": "deposit", "usdc": "1.0"}}
SPOT = {"balances": [{"coin": coin, "total": "3.5"} for coin in ("PURR", "HYPE", "USDC")]}
CHILD = FOO | {"oid": 78, "isTrigger": True, "triggerPx": "2900.0", "orderType": "Stop Market", "tif": None}
ORDERS = [FOO | {"oid": number} for number in (1, 2)] + [FOO | {"oid": 3, "children": [CHILD]}]
UPDATE = {"order": OO, "status": "open", "statusTimestamp": 2000}
SAMPLES: dict[str, tuple[Decode, Any]] = {
    "frontendOpenOrders": (accounts.open_orders_read, ORDERS),
    "userFillsByTime": (accounts.fills_read, [FILL | {"tid": number} for number in range(4)]),
    "userFunding": (accounts.fundings_read, [FUNDED, FUNDED | {"time": 8}, FUNDED | {"time": 9}]),
    "userNonFundingLedgerUpdates": (lambda rows: movements_read(rows, OWN), [DEPOSIT] * 3),
    "clearinghouseState": (account, [state(position(), position(coin="BTC"), position(coin="SOL")), SPOT]),
    "extraAgents": (
        accounts.agents_read,
        [{"name": name, "address": OWN, "validUntil": None} for name in ("a", "b", "c")],
    ),
    "orderUpdates": (private, {"channel": "orderUpdates", "data": [UPDATE] * 3}),
    "userFills": (private, {"channel": "userFills", "data": {"user": OWN, "fills": [FILL] * 3}}),
    "userFundings": (
        private,
        {"channel": "userFundings", "data": {"user": OWN, "fundings": [FUNDING | {"time": 7}] * 3}},
    ),
}
READERS: dict[str, Decode] = {
    "meta": lambda answer: perps_read("v", answer),
    "spotMeta": lambda answer: spots_read("v", answer),
    "l2Book": lambda answer: book_rows(book_read(answer)),
    "allMids": lambda answer: list(mids_read(answer).mids),
    "candleSnapshot": candles_read,
}


def lists_of(answer: Any, at: Path = ()) -> Iterator[Path]:
    """The path of every list in the answer, and of a mapping of prices."""
    if isinstance(answer, list):
        yield at
    pairs = (
        enumerate(answer) if isinstance(answer, list) else answer.items() if isinstance(answer, dict) else ()
    )
    for key, value in list(pairs)[:MOST]:
        yield from lists_of(value, (*at, key))


def get(answer: Any, path: Path) -> Any:
    for key in path:
        answer = answer[key]
    return answer


def damaged(answer: Any, path: Path) -> Iterator[tuple[str, Any]]:
    """The answer with one row of one list dropped, replaced, or one of its fields replaced."""
    rows = get(answer, path)
    step = max(1, len(rows) // MOST)
    for index in range(0, len(rows), step):
        for damage in DAMAGES:
            spoilt = copy.deepcopy(answer)
            found = get(spoilt, path)
            if damage is DROP:
                del found[index]
            else:
                found[index] = damage
            yield f"{path}[{index}] {damage!r}", spoilt
        if isinstance(rows[index], dict) and index < 3 * step:
            for field in rows[index]:
                for damage in FIELD_DAMAGES:
                    spoilt = copy.deepcopy(answer)
                    get(spoilt, path)[index][field] = damage
                    yield f"{path}[{index}].{field} {damage!r}", spoilt


def row_lists(answer: Any) -> list[Path]:
    """Lists of rows: not a pair, and not the list around a pair of answers or of sides of a book."""
    return [path for path in lists_of(answer) if len(get(answer, path)) > 2]


def check(decode: Decode, answer: Any, lost: Callable[[Path], int] = lambda path: 1) -> int:
    answer = json.loads(json.dumps(answer))  # no row twice as the same object
    before = len(decode(copy.deepcopy(answer)))
    assert before > 1
    count = 0
    for path in row_lists(answer):
        for what, spoilt in damaged(answer, path):
            assert len(decode(spoilt)) >= before - lost(path), what
            count += 1
    assert count > 10
    return count


@pytest.mark.parametrize("name", SAMPLES)
def test_one_damaged_row_of_an_account_leaves_the_others(name):
    decode, answer = SAMPLES[name]
    check(decode, answer, lambda path: 2 if name == "frontendOpenOrders" else 1)  # an order with its child


def test_one_damaged_row_of_a_recorded_answer_leaves_the_others():
    seen = set()
    for path in recorded("fixtures/hyperliquid_sdk_cassettes/*.yaml"):
        for exchange in yaml.safe_load(path.read_text())["interactions"]:
            kind = json.loads(exchange["request"]["body"])["type"]
            answer = json.loads(exchange["response"]["body"]["string"])
            if kind in READERS and kind not in seen and row_lists(answer):
                check(READERS[kind], answer)
                seen.add(kind)
    assert {"meta", "l2Book", "candleSnapshot"} <= seen


def test_one_damaged_row_of_the_list_of_all_contexts_leaves_the_others():
    (path,) = recorded("assets/hyperliquid_metaAndAssetCtxs_20260310.json.gz")
    meta, contexts = json.loads(gzip.decompress(path.read_bytes()))
    check(lambda answer: perps_read("v", answer), {"universe": meta["universe"]})
    check(lambda rows: contexts_read([meta, rows]), contexts)
    # A context names no instrument: the list of names is needed in its order, and only a dropped name shifts it.
    names = len(meta["universe"])
    for index in range(0, names, names // MOST):
        spoilt = copy.deepcopy(meta)
        spoilt["universe"][index] = None
        assert len(contexts_read([spoilt, contexts])) >= len(contexts_read([meta, contexts])) - 1


def test_one_damaged_row_of_recorded_messages_leaves_the_others():
    (path,) = recorded("fixtures/tardis_messages/hyperliquid.jsonl")
    checked = set()
    for line in path.read_text().splitlines():
        message = json.loads(line)["message"]
        if message["channel"] not in checked and row_lists(message):
            check(public, message)
            checked.add(message["channel"])
    assert "trades" in checked


def test_one_damaged_price_of_all_mids_leaves_the_others():
    folder = {path.name: path.read_bytes() for path in recorded("fixtures/nautilus_examples/hyperliquid/*")}
    mids = json.loads(folder["ws_allmids.json"])
    mids = mids["data"]["mids"]
    for symbol in mids:
        for damage in FIELD_DAMAGES:
            assert len(mids_read(mids | {symbol: damage}).mids) == len(mids) - 1


def test_one_damaged_trade_leaves_the_others():
    folder = {path.name: path.read_bytes() for path in recorded("fixtures/nautilus_examples/hyperliquid/*")}
    check(trades_read, json.loads(folder["http_recent_trades_btc.json"]))
    spot = json.loads(folder["http_spot_meta_non_usdc_collateral.json"])
    pairs = [{"name": f"@{number}", "tokens": [1, 0], "index": number} for number in range(5)]
    tokens = [{"index": index, "name": name, "szDecimals": 2} for index, name in enumerate("UABC")]
    check(
        lambda answer: spots_read("v", answer),
        {"tokens": tokens, "universe": pairs},
        # A pair needs both its tokens.
        lambda path: len(pairs) if path == ("tokens",) else 1,
    )
    assert len(spots_read("v", spot).rejected) == 0


def test_a_value_that_is_no_list_is_an_error_of_the_whole():
    with pytest.raises(Exception, match="not a list"):
        rows_decode({"error": "x"}, lambda row: row)
