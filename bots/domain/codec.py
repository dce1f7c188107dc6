"""JSON codec of the bot journal: snapshots, ticks and events, encoded and decoded without loss (msgspec).

The round trip is exact, so that a journal can be replayed. The fields of a value are encoded by their declared
types, decimals as text; only the value itself carries the name of its class.
"""

from dataclasses import replace
from typing import Any, get_args

import msgspec

from bots.domain import events
from bots.domain.snapshot import Snapshot
from bots.sdk.events import Tick
from bots.sdk.json_codec import json_decode, json_encode

FORMAT = (
    2  # of the JSON of journal entries and of the provenance of orders; raise it when their shape changes
)

_CLASSES: tuple[type, ...] = (*get_args(events.Event), Snapshot, Tick)
_BY_NAME = {cls.__name__: cls for cls in _CLASSES}
_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {cls: msgspec.json.Decoder(cls) for cls in _CLASSES}


def encode(value: object) -> Any:
    """The JSON form of a value of the classes above, of None, or of a sequence of them.

    Raises `TypeError` for a value that would be decoded as another one, such as a number in place of a flag.
    """
    if value is None:
        return None
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    name, decoder = type(value).__name__, _DECODERS.get(type(value))
    if decoder is None:
        raise TypeError(f"{name} is not journalled")
    if isinstance(value, events.InputsChanged):  # its inputs have no declared types
        value = replace(value, inputs=json_encode(value.inputs, "inputs"))
    text = msgspec.json.encode(value)
    try:
        exact = decoder.decode(text) == value
    except msgspec.ValidationError as error:
        raise TypeError(f"{name}: {error}") from error
    if not exact:
        raise TypeError(f"{name} would be decoded as another value")
    return {"$": name} | msgspec.json.decode(text)


def decode(value: Any) -> Any:
    """The inverse of `encode`; lists are decoded as tuples. Raises `msgspec.ValidationError`."""
    if value is None:
        return None
    if isinstance(value, list):
        return tuple(decode(item) for item in value)
    decoded: Any = msgspec.convert(value, _BY_NAME[value["$"]])
    if isinstance(decoded, events.InputsChanged):
        return replace(decoded, inputs=json_decode(decoded.inputs))
    return decoded
