"""Typed inputs of a strategy: one declaration gives the form, the JSON Schema and the validation.

    class Mine(Strategy):
        dip = Number("How far below the market to bid", unit="%", default="1", minimum="0.1", maximum="20")

`self.dip` is then a Decimal. Numbers are text in JSON, so that no digit is lost.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

if TYPE_CHECKING:
    from bots.sdk.strategy import Strategy

T = TypeVar("T")
DRAFT = "https://json-schema.org/draft/2020-12/schema"
STRICT = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")  # as `number_parse` of core/numbers.py
NUMBER = r"^-?[0-9]{1,18}(\.[0-9]{1,18})?$"
Value = Decimal | int | str | bool | None


class InvalidInputs(ValueError):
    """Invalid inputs. `errors` maps input names to one sentence each."""

    def __init__(self, errors: dict[str, str]) -> None:
        self.errors = errors
        super().__init__(" ".join(errors.values()))


class Input(ABC, Generic[T]):
    """Base class of inputs. `parse` returns the value or raises ValueError with a sentence for the user."""

    def __init__(self, label: str, *, help: str = "", unit: str = "", optional: bool = False) -> None:
        self.label = label
        self.help = help
        self.unit = unit
        self.optional = optional
        self.default: T | None = None
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: "Strategy", owner: type) -> T: ...
    def __get__(self, instance: "Strategy | None", owner: type) -> Self | T:
        if instance is None:
            return self
        value: T = instance.inputs[self.name]
        return value

    @property
    def required(self) -> bool:
        """Whether a value must be given: there is no default and the input is not optional."""
        return self.default is None and not self.optional

    @abstractmethod
    def parse(self, raw: object) -> T:
        """The parsed value. Raises ValueError."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """JSON Schema of this input."""

    def _schema(self, **kind: Any) -> dict[str, Any]:
        described: dict[str, Any] = {"title": self.label, **kind}
        if self.optional:
            described["type"] = [kind["type"], "null"]
        if self.help:
            described["description"] = self.help
        if self.unit:
            described["x-unit"] = self.unit
        if self.default is not None:
            described["default"] = str(self.default) if isinstance(self.default, Decimal) else self.default
        return described


class Number(Input[Decimal]):
    """A decimal number within inclusive bounds. Bounds and default are declared as text."""

    def __init__(
        self,
        label: str,
        *,
        unit: str,
        minimum: str,
        maximum: str,
        default: str | None = None,
        help: str = "",
    ) -> None:
        super().__init__(label, help=help, unit=unit)
        self.minimum = Decimal(minimum)
        self.maximum = Decimal(maximum)
        self.default = None if default is None else Decimal(default)

    def parse(self, raw: object) -> Decimal:
        return check_bounds(self.label, raw, self.minimum, self.maximum)

    def describe(self) -> dict[str, Any]:
        return self._schema(**_number(self.minimum, self.maximum))


class OptionalNumber(Input[Decimal | None]):
    """A decimal number within inclusive bounds that may be left empty."""

    def __init__(self, label: str, *, unit: str, minimum: str, maximum: str, help: str = "") -> None:
        super().__init__(label, help=help, unit=unit, optional=True)
        self.minimum = Decimal(minimum)
        self.maximum = Decimal(maximum)

    def parse(self, raw: object) -> Decimal | None:
        return check_bounds(self.label, raw, self.minimum, self.maximum)

    def describe(self) -> dict[str, Any]:
        return self._schema(**_number(self.minimum, self.maximum))


class Integer(Input[int]):
    """A whole number within inclusive bounds."""

    def __init__(
        self,
        label: str,
        *,
        minimum: int,
        maximum: int,
        default: int | None = None,
        unit: str = "",
        help: str = "",
    ) -> None:
        super().__init__(label, help=help, unit=unit)
        self.minimum = minimum
        self.maximum = maximum
        self.default = default

    def parse(self, raw: object) -> int:
        number = check_bounds(self.label, raw, Decimal(self.minimum), Decimal(self.maximum))
        if number != number.to_integral_value():
            raise ValueError(f"{self.label}: {raw} is not a whole number.")
        return int(number)

    def describe(self) -> dict[str, Any]:
        return self._schema(type="integer", minimum=self.minimum, maximum=self.maximum)


class Choice(Input[str]):
    """One of several choices; `choices` maps values to labels."""

    def __init__(
        self, label: str, choices: Mapping[str, str], *, default: str | None = None, help: str = ""
    ) -> None:
        super().__init__(label, help=help)
        self.choices = dict(choices)
        self.default = default

    def parse(self, raw: object) -> str:
        if not isinstance(raw, str) or raw not in self.choices:
            raise ValueError(f"{self.label}: choose one of {', '.join(self.choices)}.")
        return raw

    def describe(self) -> dict[str, Any]:
        return self._schema(
            type="string", oneOf=[{"const": value, "title": text} for value, text in self.choices.items()]
        )


class Boolean(Input[bool]):
    """Yes or no."""

    def __init__(self, label: str, *, default: bool, help: str = "") -> None:
        super().__init__(label, help=help)
        self.default = default

    def parse(self, raw: object) -> bool:
        if not isinstance(raw, bool):
            raise ValueError(f"{self.label}: must be true or false.")
        return raw

    def describe(self) -> dict[str, Any]:
        return self._schema(type="boolean")


def _number(minimum: Decimal, maximum: Decimal) -> dict[str, Any]:
    bounds = {"x-minimum": str(minimum), "x-maximum": str(maximum)}
    return {"type": "string", "format": "decimal", "pattern": NUMBER, **bounds}


def check_bounds(label: str, raw: object, minimum: Decimal, maximum: Decimal) -> Decimal:
    """The number in `raw`, checked against the bounds. Raises ValueError with a sentence for the user."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | Decimal):
        raise ValueError(f'{label}: {raw!r} is not a number; write it as text, for example "0.5".')
    if isinstance(raw, str) and not STRICT.fullmatch(raw):
        raise ValueError(f"{label}: {raw!r} is not a number.")
    number = Decimal(raw)
    if not number.is_finite() or not minimum <= number <= maximum:
        raise ValueError(f"{label}: {raw} is not between {minimum} and {maximum}.")
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -18:
        raise ValueError(f"{label}: {raw} has more than 18 decimals.")
    return number


def declared_inputs(strategy: type) -> dict[str, Input[Any]]:
    """The inputs of a strategy by name in the order of declaration, those of its base classes first."""
    found: dict[str, Input[Any]] = {}
    for parent in reversed(strategy.__mro__):
        found.update({name: value for name, value in vars(parent).items() if isinstance(value, Input)})
    return found


def schema(strategy: type) -> dict[str, Any]:
    """The inputs as JSON Schema, draft 2020-12. `x-minimum`, `x-maximum` and `x-unit` are for forms."""
    inputs = declared_inputs(strategy)
    return {
        "$schema": DRAFT,
        "title": strategy.__name__,
        "type": "object",
        "properties": {name: each.describe() for name, each in inputs.items()},
        "required": [name for name, each in inputs.items() if each.required],
        "additionalProperties": False,
    }


def parse_inputs(strategy: type, raw: Mapping[str, object]) -> dict[str, Value]:
    """The value of every input, with defaults. Raises `InvalidInputs` with a sentence per invalid one."""
    inputs = declared_inputs(strategy)
    errors = {name: f"Unknown input {name!r}." for name in raw if name not in inputs}
    values: dict[str, Value] = {}
    for name, each in inputs.items():
        given = raw.get(name)
        if given is None or given == "":
            values[name] = each.default
            if each.required:
                errors[name] = f"{each.label}: enter a value."
            continue
        try:
            values[name] = each.parse(given)
        except ValueError as error:
            errors[name] = str(error)
    if errors:
        raise InvalidInputs(errors)
    return values


def dump_inputs(values: Mapping[str, Value]) -> dict[str, Any]:
    """The inputs as JSON values: the inverse of `parse_inputs`."""
    return {
        name: str(value) if isinstance(value, Decimal) else value
        for name, value in values.items()
        if value is not None
    }
