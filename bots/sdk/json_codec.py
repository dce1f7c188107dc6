"""JSON codec of strategy state: JSON with exact decimals.

A Decimal is encoded as `{"$decimal": "1.50"}`, everything else as standard JSON. Values that would be
decoded as something else (tuples, sets, non-text keys, infinities) are rejected, not changed.
"""

from decimal import Decimal
from math import isfinite
from typing import Any

JsonValue = None | bool | int | float | str | Decimal | list[Any] | dict[str, Any]
DECIMAL = "$decimal"
MAX_DEPTH = 16
MAX_SIZE = 1 << 63  # integers of 64 bits are safe in all JSON readers used here


class InvalidJsonValue(ValueError):
    """A value cannot be encoded. `path` says where it is, as in `state.levels[3]`."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path} {problem}")


def json_encode(value: object, path: str = "state", depth: int = 0) -> Any:
    """The value in JSON form. Raises `InvalidJsonValue` for the first value that cannot be encoded."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if not -MAX_SIZE <= value < MAX_SIZE:
            raise InvalidJsonValue(path, "is a whole number beyond 64 bits; use a Decimal")
        return value
    if isinstance(value, Decimal | float):
        return _number_encode(value, path)
    if depth >= MAX_DEPTH:
        raise InvalidJsonValue(path, f"is nested deeper than {MAX_DEPTH}")
    if isinstance(value, list):
        return [json_encode(item, f"{path}[{n}]", depth + 1) for n, item in enumerate(value)]
    if isinstance(value, dict):
        return {_key(key, path): json_encode(item, f"{path}.{key}", depth + 1) for key, item in value.items()}
    raise InvalidJsonValue(path, f"is a {type(value).__name__}, which is not plain data")


def json_decode(value: object) -> Any:
    """The inverse of `json_encode`."""
    if isinstance(value, list):
        return [json_decode(item) for item in value]
    if isinstance(value, dict):
        if value.keys() == {DECIMAL}:
            return Decimal(value[DECIMAL])
        return {key: json_decode(item) for key, item in value.items()}
    return value


def json_equal(one: object, other: object) -> bool:
    """Whether both have the same encoding. Stricter than `==`: 1, True and 1.0 differ, as do 1 and 1.00."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return len(one) == len(other) and all(
            key in other and json_equal(value, other[key]) for key, value in one.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(json_equal, one, other))
    if isinstance(one, Decimal | float):
        return one is other or str(one) == str(other)
    return one == other


def _number_encode(value: Decimal | float, path: str) -> Any:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise InvalidJsonValue(path, "is not a finite number")
        return {DECIMAL: str(value)}
    if not isfinite(value):
        raise InvalidJsonValue(path, "is not a finite number")
    return value


def _key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise InvalidJsonValue(path, f"has the key {key!r}, which is not text")
    if key.startswith("$"):
        raise InvalidJsonValue(path, f"has the key {key!r}; keys that begin with $ are reserved")
    return key
