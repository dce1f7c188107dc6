"""What people type: a new bot and its inputs, made from the strategy's schema; and how to stop one."""

import json
from collections.abc import Mapping
from typing import Any, Self
from uuid import UUID, uuid4

from django import forms

from bots.domain.lifecycle import Status, StopPolicy
from bots.domain.requests import BotRequest
from bots.models import StopPolicies
from bots.sdk import Strategy, schema
from bots.selectors.bot_list import NEEDS_YOU, SORTS, Wish
from bots.selectors.exports import FORMAT, VERSION
from bots.strategies import STRATEGIES

QUIET = {"autocomplete": "off", "spellcheck": "false"}
FILE_LARGEST = 65_536


# --- inputs of a strategy --------------------------------------------------------------------------------
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
        "label": each["title"], "help_text": _help(each), "initial": value, "required": False,
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


def _help(each: Mapping[str, Any]) -> str:
    """Its bounds, then what the author says of it."""
    least, most = (each.get(f"x-{end}", each.get(end)) for end in ("minimum", "maximum"))
    bounds = "" if least is None else f"{least} to {most}."
    return " ".join(part for part in (bounds, each.get("description", "")) if part)


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


# --- a new bot -------------------------------------------------------------------------------------------
class NewBotForm(InputsForm):
    """`client_id` was minted when the form was shown: sent twice, it is one bot."""

    client_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    name = forms.CharField(max_length=60, required=False, label="Name")
    wallet = forms.ChoiceField(label="Wallet")
    symbol = forms.CharField(max_length=60, label="Instrument", help_text="As the venue calls it.")
    budget = forms.DecimalField(max_digits=20, decimal_places=8, label="Budget", help_text="Above 0.")
    leverage = forms.IntegerField(min_value=1, max_value=200, initial=1, label="Leverage")

    def __init__(self, strategy: type[Strategy], *args: Any, wallets: Any = (), **options: Any) -> None:
        super().__init__(strategy, *args, **options)
        choices = [(str(wallet.pk), f"{wallet.label} · {wallet.venue.title}") for wallet in wallets]
        self.fields["wallet"] = forms.ChoiceField(choices=choices, label="Wallet")
        for name in ("budget", "leverage"):
            self.fields[name].widget = forms.TextInput({**QUIET, "class": "num", "inputmode": "decimal"})
        self.fields["symbol"].widget = forms.TextInput({**QUIET, "list": "symbols"})
        self.fields["leverage"].affix = "×"  # type: ignore[attr-defined]

    @classmethod
    def retyped(cls, strategy: type[Strategy], typed: Mapping[str, Any], *, wallets: Any) -> Self:
        """What was typed so far, judged by nobody yet."""
        inputs = {name: typed.get(f"in_{name}") for name in schema(strategy)["properties"]}
        frame = {name: typed[name] for name in cls.base_fields if name in typed}
        return cls(strategy, wallets=wallets, initial=frame, given=inputs)

    @property
    def frame(self) -> list[forms.BoundField]:
        """Everything that is no input of the strategy."""
        return [field for field in self.visible_fields() if not field.name.startswith("in_")]

    @property
    def inner(self) -> list[forms.BoundField]:
        return [field for field in self.visible_fields() if field.name.startswith("in_")]

    def request(self, strategy: str) -> BotRequest:
        """Call it after `is_valid`."""
        said = self.cleaned_data
        return BotRequest(
            client_id=said["client_id"], wallet_id=UUID(said["wallet"]), symbol=said["symbol"].strip(),
            strategy=strategy, budget=said["budget"], leverage=said["leverage"], name=said["name"],
            inputs=self.inputs(),
        )  # fmt: skip


class DefinitionForm(forms.Form):
    """A definition as `bots.selectors.exports` writes it. It comes from anywhere: nothing in it is trusted."""

    file = forms.FileField(label="Definition", help_text="The JSON file that a bot exports.")

    def clean_file(self) -> dict[str, Any]:
        file = self.cleaned_data["file"]
        if file.size > FILE_LARGEST:
            raise forms.ValidationError("This is too large to be a definition.")
        try:
            said = json.loads(file.read())
        except ValueError:
            raise forms.ValidationError("This is no JSON.") from None
        if not isinstance(said, dict) or (said.get("format"), said.get("version")) != (FORMAT, VERSION):
            raise forms.ValidationError("This is not the definition of a bot.")
        if not isinstance(said.get("strategy"), str) or said["strategy"] not in STRATEGIES:
            raise forms.ValidationError("This house does not have the strategy of this definition.")
        return said

    def given(self) -> tuple[dict[str, str], dict[str, Any]]:
        """The first values of the form: those of its frame, and the inputs. Call it after `is_valid`."""
        said = self.cleaned_data["file"]
        frame = {name: str(said[name]) for name in ("name", "symbol", "budget", "leverage") if name in said}
        inputs = said.get("inputs")
        return frame, inputs if isinstance(inputs, dict) else {}


# --- a list of bots --------------------------------------------------------------------------------------
class BotsForm(forms.Form):
    """The filter of the list. What cannot be understood is left out."""

    state = forms.ChoiceField(
        choices=[(state, state) for state in ("", *map(str, Status), NEEDS_YOU)], required=False
    )
    wallet = forms.UUIDField(required=False)
    strategy = forms.ChoiceField(choices=[(key, key) for key in ("", *STRATEGIES)], required=False)
    archived = forms.BooleanField(required=False)
    sort = forms.ChoiceField(
        choices=[(sign + key, key) for key in SORTS for sign in ("", "-")], required=False
    )

    def asked(self) -> Wish:
        self.is_valid()
        said = self.cleaned_data
        return Wish(
            state=said.get("state", ""),
            wallet=said.get("wallet"),
            strategy=said.get("strategy", ""),
            archived=said.get("archived", False) and self.data.get("archived") != "0",
            sort=said.get("sort") or "-created",
        )


class StopForm(forms.Form):
    """The one question that every stop asks."""

    policy = forms.ChoiceField(choices=StopPolicies.choices, initial=StopPolicy.CANCEL_OWN)
