"""Typed inputs of a strategy: declared once, and from that the form, the schema and the validation.

    class Mine(Strategy):
        dip = Number("How far below the market to bid", unit="%", default="1", minimum="0.1", maximum="20")

`self.dip` is then a Decimal. Numbers travel as text in JSON, so that no digit is lost.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")
DRAFT = "https://json-schema.org/draft/2020-12/schema"
NUMBER = r"^-?[0-9]{1,18}(\.[0-9]{1,18})?$"
Value = Decimal | int | str | bool | None


class InputsInvalid(ValueError):
    """Inputs that cannot be used. `errors` is input name → one sentence."""

    def __init__(self, errors: dict[str, str]) -> None:
        self.errors = errors
        super().__init__(" ".join(errors.values()))


class Input(ABC, Generic[T]):
    """One input. Subclasses read a raw value or raise ValueError with the sentence for the person."""

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
    def __get__(self, instance: Any, owner: type) -> T: ...
    def __get__(self, instance: Any, owner: type) -> Self | T:
        if instance is None:
            return self
        value: T = instance.inputs[self.name]
        return value

    @property
    def required(self) -> bool:
        return self.default is None and not self.optional

    @abstractmethod
    def read(self, raw: object) -> T:
        """The value, or ValueError."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """This input in JSON Schema."""

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
    """A decimal number within bounds that include their ends. Bounds and default are written as text."""

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

    def read(self, raw: object) -> Decimal:
        return bounded(self.label, raw, self.minimum, self.maximum)

    def described(self) -> dict[str, Any]:
        return self._schema(**_number(self.minimum, self.maximum))


class OptionalNumber(Input[Decimal | None]):
    """A number that may be left empty."""

    def __init__(self, label: str, *, unit: str, minimum: str, maximum: str, help: str = "") -> None:
        super().__init__(label, help=help, unit=unit, optional=True)
        self.minimum = Decimal(minimum)
        self.maximum = Decimal(maximum)

    def read(self, raw: object) -> Decimal | None:
        return bounded(self.label, raw, self.minimum, self.maximum)

    def described(self) -> dict[str, Any]:
        return self._schema(**_number(self.minimum, self.maximum))


class Whole(Input[int]):
    """A whole number within bounds that include their ends."""

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

    def read(self, raw: object) -> int:
        number = bounded(self.label, raw, Decimal(self.minimum), Decimal(self.maximum))
        if number != number.to_integral_value():
            raise ValueError(f"{self.label}: {raw} is not a whole number.")
        return int(number)

    def described(self) -> dict[str, Any]:
        return self._schema(type="integer", minimum=self.minimum, maximum=self.maximum)


class Choice(Input[str]):
    """One of a few; `choices` is value → what the person reads."""

    def __init__(
        self, label: str, choices: Mapping[str, str], *, default: str | None = None, help: str = ""
    ) -> None:
        super().__init__(label, help=help)
        self.choices = dict(choices)
        self.default = default

    def read(self, raw: object) -> str:
        if not isinstance(raw, str) or raw not in self.choices:
            raise ValueError(f"{self.label}: choose one of {', '.join(self.choices)}.")
        return raw

    def described(self) -> dict[str, Any]:
        return self._schema(
            type="string", oneOf=[{"const": value, "title": text} for value, text in self.choices.items()]
        )


class Flag(Input[bool]):
    """Yes or no."""

    def __init__(self, label: str, *, default: bool, help: str = "") -> None:
        super().__init__(label, help=help)
        self.default = default

    def read(self, raw: object) -> bool:
        if not isinstance(raw, bool):
            raise ValueError(f"{self.label}: say true or false.")
        return raw

    def described(self) -> dict[str, Any]:
        return self._schema(type="boolean")


def _number(minimum: Decimal, maximum: Decimal) -> dict[str, Any]:
    bounds = {"x-minimum": str(minimum), "x-maximum": str(maximum)}
    return {"type": "string", "format": "decimal", "pattern": NUMBER, **bounds}


def bounded(label: str, raw: object, minimum: Decimal, maximum: Decimal) -> Decimal:
    """The number written in `raw`. Raises ValueError with a sentence."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | Decimal):
        raise ValueError(f'{label}: {raw!r} is not a number; write it as text, for example "0.5".')
    try:
        number = Decimal(raw)
    except InvalidOperation:
        raise ValueError(f"{label}: {raw!r} is not a number.") from None
    if not number.is_finite() or not minimum <= number <= maximum:
        raise ValueError(f"{label}: {raw} is not between {minimum} and {maximum}.")
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -18:
        raise ValueError(f"{label}: {raw} has more than 18 decimals.")
    return number


def declared(strategy: type) -> dict[str, Input[Any]]:
    """The inputs of a strategy by name, those of its parents first, in the order of declaration."""
    found: dict[str, Input[Any]] = {}
    for parent in reversed(strategy.__mro__):
        found.update({name: value for name, value in vars(parent).items() if isinstance(value, Input)})
    return found


def schema(strategy: type) -> dict[str, Any]:
    """The inputs as JSON Schema, draft 2020-12. `x-minimum`, `x-maximum` and `x-unit` are for forms."""
    inputs = declared(strategy)
    return {
        "$schema": DRAFT,
        "title": strategy.__name__,
        "type": "object",
        "properties": {name: each.described() for name, each in inputs.items()},
        "required": [name for name, each in inputs.items() if each.required],
        "additionalProperties": False,
    }


def inputs_read(strategy: type, raw: Mapping[str, object]) -> dict[str, Value]:
    """Every input, defaults filled in. Raises InputsInvalid with a sentence for each that is wrong."""
    inputs = declared(strategy)
    errors = {name: f"There is no input called {name!r}." for name in raw if name not in inputs}
    values: dict[str, Value] = {}
    for name, each in inputs.items():
        given = raw.get(name)
        if given is None or given == "":
            values[name] = each.default
            if each.required:
                errors[name] = f"{each.label}: this is needed."
            continue
        try:
            values[name] = each.read(given)
        except ValueError as error:
            errors[name] = str(error)
    if errors:
        raise InputsInvalid(errors)
    return values


def inputs_write(values: Mapping[str, Value]) -> dict[str, Any]:
    """Inputs as JSON carries them: `inputs_read` reads them back."""
    return {
        name: str(value) if isinstance(value, Decimal) else value
        for name, value in values.items()
        if value is not None
    }
