"""What people type: a new bot and its inputs, made from the strategy's schema; and how to stop one."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from django import forms

from bots.domain.lifecycle import StopPolicy
from bots.models import StopPolicies
from bots.sdk import Strategy, schema

QUIET = {"autocomplete": "off", "spellcheck": "false"}


def input_fields(strategy: type[Strategy], given: Mapping[str, Any] | None = None) -> dict[str, forms.Field]:
    """A field for each input, named `in_<name>`; `given` are inputs as they are stored."""
    described = schema(strategy)
    return {
        f"in_{name}": _field(each, (given or {}).get(name, each.get("default")))
        for name, each in described["properties"].items()
    }


def _field(each: dict[str, Any], value: Any) -> forms.Field:
    """Nothing is required here: the strategy says what is missing, in its own words."""
    common: dict[str, Any] = {
        "label": each["title"], "help_text": each.get("description", ""), "initial": value, "required": False,
    }  # fmt: skip
    if "oneOf" in each:
        choices = [(one["const"], one["title"]) for one in each["oneOf"]]
        return forms.ChoiceField(choices=choices, **common)
    if each.get("type") == "boolean":
        return forms.BooleanField(**common)
    field = forms.CharField(max_length=60, **common)
    field.widget.attrs.update({**QUIET, "class": "num", "inputmode": "decimal"})
    field.affix = each.get("x-unit", "")  # type: ignore[attr-defined]
    return field


class InputsForm(forms.Form):
    """The inputs of one strategy. The strategy itself judges them: `add_refusal` shows what it said."""

    def __init__(self, strategy: type[Strategy], *args: Any, given: Any = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields.update(input_fields(strategy, given))

    def inputs(self) -> dict[str, Any]:
        """As `bots.sdk.inputs_read` takes them; call it after `is_valid`."""
        return {
            name.removeprefix("in_"): _raw(self.fields[name], value)
            for name, value in self.cleaned_data.items()
            if name.startswith("in_")
        }

    def add_refusal(self, errors: Mapping[str, str]) -> None:
        for name, sentence in errors.items():
            field = f"in_{name}" if f"in_{name}" in self.fields else name
            self.add_error(field if field in self.fields else None, sentence)


def _raw(field: forms.Field, value: Any) -> Any:
    return value.strip() if isinstance(field, forms.CharField) and isinstance(value, str) else value


class NewBotForm(InputsForm):
    """`client_id` was minted when the form was shown: sent twice, it is one bot."""

    client_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    name = forms.CharField(max_length=60, required=False, label="Name")
    wallet = forms.ChoiceField(label="Wallet")
    symbol = forms.CharField(max_length=60, label="Instrument", help_text="As the venue calls it.")
    budget = forms.DecimalField(max_digits=20, decimal_places=8, label="Budget, in quote units")
    leverage = forms.IntegerField(min_value=1, max_value=200, initial=1, label="Leverage")

    def __init__(self, strategy: type[Strategy], *args: Any, wallets: Any = (), **options: Any) -> None:
        super().__init__(strategy, *args, **options)
        choices = [(str(wallet.pk), f"{wallet.label} · {wallet.venue.title}") for wallet in wallets]
        self.fields["wallet"] = forms.ChoiceField(choices=choices, label="Wallet")

    @property
    def frame(self) -> list[forms.BoundField]:
        """Everything that is no input of the strategy."""
        return [field for field in self.visible_fields() if not field.name.startswith("in_")]

    @property
    def inner(self) -> list[forms.BoundField]:
        return [field for field in self.visible_fields() if field.name.startswith("in_")]


class StopForm(forms.Form):
    """The one question that every stop asks."""

    policy = forms.ChoiceField(choices=StopPolicies.choices, initial=StopPolicy.CANCEL_OWN)
