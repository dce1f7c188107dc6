"""Plain data that survives being written down: JSON with exact decimals.

A Decimal is written as `{"$decimal": "1.50"}`; everything else is what JSON says. What would come back
as something else (tuples, sets, keys that are no text, infinities) is refused rather than changed.
"""

from decimal import Decimal
from math import isfinite
from typing import Any

Plain = None | bool | int | float | str | Decimal | list[Any] | dict[str, Any]
DECIMAL = "$decimal"
DEEPEST = 16
LARGEST = 1 << 63  # JSON readers agree on whole numbers of 64 bits


class PlainInvalid(ValueError):
    """Something is not plain data. `path` says where, as in `state.levels[3]`."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path} {problem}")


def plain_encode(value: object, path: str = "state", depth: int = 0) -> Any:
    """The value as JSON can carry it. Raises PlainInvalid naming the first thing that cannot be carried."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if not -LARGEST <= value < LARGEST:
            raise PlainInvalid(path, "is a whole number beyond 64 bits; use a Decimal")
        return value
    if isinstance(value, Decimal | float):
        return _number_encode(value, path)
    if depth >= DEEPEST:
        raise PlainInvalid(path, f"is nested deeper than {DEEPEST}")
    if isinstance(value, list):
        return [plain_encode(item, f"{path}[{n}]", depth + 1) for n, item in enumerate(value)]
    if isinstance(value, dict):
        return {
            _key(key, path): plain_encode(item, f"{path}.{key}", depth + 1) for key, item in value.items()
        }
    raise PlainInvalid(path, f"is a {type(value).__name__}, which is not plain data")


def plain_decode(value: Any) -> Any:
    """The inverse of `plain_encode`."""
    if isinstance(value, list):
        return [plain_decode(item) for item in value]
    if isinstance(value, dict):
        if value.keys() == {DECIMAL}:
            return Decimal(value[DECIMAL])
        return {key: plain_decode(item) for key, item in value.items()}
    return value


def plain_same(one: object, other: object) -> bool:
    """Would both be written the same? Stricter than `==`: 1, True and 1.0 are three, and so are 1 and 1.00."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return len(one) == len(other) and all(
            key in other and plain_same(value, other[key]) for key, value in one.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(plain_same, one, other))
    if isinstance(one, Decimal | float):
        return one is other or str(one) == str(other)
    return one == other


def _number_encode(value: Decimal | float, path: str) -> Any:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise PlainInvalid(path, "is not a finite number")
        return {DECIMAL: str(value)}
    if not isfinite(value):
        raise PlainInvalid(path, "is not a finite number")
    return value


def _key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise PlainInvalid(path, f"has the key {key!r}, which is no text")
    if key.startswith("$"):
        raise PlainInvalid(path, f"has the key {key!r}; keys that begin with $ are ours")
    return key
