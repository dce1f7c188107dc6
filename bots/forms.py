"""Forms of bots: a new bot, its inputs (from the strategy's schema), the bot list filter, and stopping."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self, cast
from uuid import UUID, uuid4

from django import forms
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from bots.domain.lifecycle import Status, StopPolicy
from bots.domain.requests import BotRequest
from bots.models import StopPolicies
from bots.sdk import Strategy, schema
from bots.selectors.cards import NEEDS_ATTENTION, SORTS, BotFilter
from bots.selectors.exports import FORMAT, VERSION
from bots.strategies import STRATEGIES
from core.formatting import plain
from wallets.forms import AmountField

if TYPE_CHECKING:
    from wallets.models import Wallet

NO_AUTOCOMPLETE = {"autocomplete": "off", "spellcheck": "false"}
MAX_FILE_BYTES = 65_536


# --- inputs of a strategy --------------------------------------------------------------------------------
def input_fields(strategy: type[Strategy], given: Mapping[str, Any] | None = None) -> dict[str, forms.Field]:
    """A form field for each input, named `in_<name>`; `given` are stored inputs."""
    described = schema(strategy)
    return {
        f"in_{name}": _field(each, (given or {}).get(name, each.get("default")))
        for name, each in described["properties"].items()
    }


def _field(each: dict[str, Any], value: object) -> forms.Field:
    """No field is required here: the strategy's own validation reports missing inputs."""
    common: dict[str, Any] = {
        "label": each["title"], "help_text": _help(each), "initial": value, "required": False,
    }  # fmt: skip
    if "oneOf" in each:
        choices = [(one["const"], one["title"]) for one in each["oneOf"]]
        return forms.ChoiceField(choices=choices, **common)
    if each.get("type") == "boolean":
        return forms.BooleanField(**common)
    return AmountField(affix=each.get("x-unit", ""), **common)


def _help(each: Mapping[str, Any]) -> str:
    """Help text of an input: its bounds, then its description."""
    minimum, maximum = (each.get(f"x-{end}", each.get(end)) for end in ("minimum", "maximum"))
    bounds = (
        ""
        if minimum is None
        else _t("%(minimum)s to %(maximum)s.") % {"minimum": minimum, "maximum": maximum}
    )
    return " ".join(part for part in (bounds, each.get("description", "")) if part)


class InputsForm(forms.Form):
    """Inputs of one strategy. The strategy validates them itself; `add_refusal` adds its errors."""

    def __init__(
        self, strategy: type[Strategy], *args: Any, given: Mapping[str, object] | None = None, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.fields.update(input_fields(strategy, given))

    def inputs(self) -> dict[str, Any]:
        """The raw inputs for `bots.sdk.parse_inputs`; call it after `is_valid`."""
        return {
            name.removeprefix("in_"): _raw(self.fields[name], value)
            for name, value in self.cleaned_data.items()
            if name.startswith("in_")
        }

    def add_refusal(self, errors: Mapping[str, str]) -> None:
        """Add the errors of the strategy or a service to the matching fields."""
        for name, sentence in errors.items():
            field = f"in_{name}" if f"in_{name}" in self.fields else name
            self.add_error(field if field in self.fields else None, sentence)


def _raw(field: forms.Field, value: object) -> Any:
    if isinstance(field, AmountField):
        return "" if value is None else plain(cast("Decimal", value))
    return value.strip() if isinstance(field, forms.CharField) and isinstance(value, str) else value


# --- a new bot -------------------------------------------------------------------------------------------
class NewBotForm(InputsForm):
    """Form of a new bot. `client_id` is created with the form, so that sending it twice creates one bot."""

    client_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    name = forms.CharField(max_length=60, required=False, label=_("Name"))
    wallet = forms.ChoiceField(label=_("Wallet"))
    symbol = forms.CharField(max_length=60, label=_("Instrument"), help_text=_("Symbol on the exchange."))
    budget = AmountField(required=True, label=_("Budget"), help_text=_("Greater than 0."))
    leverage = forms.IntegerField(min_value=1, max_value=200, initial=1, label=_("Leverage"))

    def __init__(
        self, strategy: type[Strategy], *args: Any, wallets: "Iterable[Wallet]" = (), **options: Any
    ) -> None:
        super().__init__(strategy, *args, **options)
        choices = [(str(wallet.pk), f"{wallet.label} · {wallet.venue.title}") for wallet in wallets]
        self.fields["wallet"] = forms.ChoiceField(choices=choices, label=_("Wallet"))
        for name in ("budget", "leverage"):
            self.fields[name].widget = forms.TextInput(
                {**NO_AUTOCOMPLETE, "class": "num", "inputmode": "decimal"}
            )
        self.fields["symbol"].widget = forms.TextInput({**NO_AUTOCOMPLETE, "list": "symbols"})
        self.fields["leverage"].affix = "×"  # type: ignore[attr-defined]

    @classmethod
    def unsaved_values(
        cls, strategy: type[Strategy], typed: Mapping[str, Any], *, wallets: "Iterable[Wallet]"
    ) -> Self:
        """A form with the values typed so far, without validation."""
        inputs = {name: typed.get(f"in_{name}") for name in schema(strategy)["properties"]}
        common = {name: typed[name] for name in cls.base_fields if name in typed}
        return cls(strategy, wallets=wallets, initial=common, given=inputs)

    @property
    def common_values(self) -> list[forms.BoundField]:
        """The visible fields that are not inputs of the strategy."""
        return [field for field in self.visible_fields() if not field.name.startswith("in_")]

    @property
    def strategy_values(self) -> list[forms.BoundField]:
        """The visible fields of the strategy's inputs."""
        return [field for field in self.visible_fields() if field.name.startswith("in_")]

    def request(self, strategy: str) -> BotRequest:
        """The request for a new bot; call it after `is_valid`."""
        data = self.cleaned_data
        return BotRequest(
            client_id=data["client_id"], wallet_id=UUID(data["wallet"]), symbol=data["symbol"].strip(),
            strategy=strategy, budget=data["budget"], leverage=data["leverage"], name=data["name"],
            inputs=self.inputs(),
        )  # fmt: skip


class DefinitionForm(forms.Form):
    """Upload of a bot definition as written by `bots.selectors.exports`. Its content is untrusted."""

    file = forms.FileField(label=_("Definition"), help_text=_("JSON file exported from a bot."))

    def clean_file(self) -> dict[str, Any]:
        """The parsed definition."""
        file = self.cleaned_data["file"]
        if file.size > MAX_FILE_BYTES:
            raise forms.ValidationError(_t("The file is too large."))
        try:
            data = json.loads(file.read())
        except ValueError:
            raise forms.ValidationError(_t("The file is not valid JSON.")) from None
        if not isinstance(data, dict) or (data.get("format"), data.get("version")) != (FORMAT, VERSION):
            raise forms.ValidationError(_t("The file is not a bot definition."))
        if not isinstance(data.get("strategy"), str) or data["strategy"] not in STRATEGIES:
            raise forms.ValidationError(_t("The strategy of this definition is not available here."))
        return data

    def initial_values(self) -> tuple[dict[str, str], dict[str, Any]]:
        """Initial values for `NewBotForm`: the common fields, and the inputs. Call it after `is_valid`."""
        data = self.cleaned_data["file"]
        common = {name: str(data[name]) for name in ("name", "symbol", "budget", "leverage") if name in data}
        inputs = data.get("inputs")
        return common, inputs if isinstance(inputs, dict) else {}


# --- a list of bots --------------------------------------------------------------------------------------
class BotsForm(forms.Form):
    """Filter of the bot list. Invalid values are ignored."""

    state = forms.ChoiceField(
        choices=[(state, state) for state in ("", *map(str, Status), NEEDS_ATTENTION)], required=False
    )
    wallet = forms.UUIDField(required=False)
    strategy = forms.ChoiceField(choices=[(key, key) for key in ("", *STRATEGIES)], required=False)
    archived = forms.BooleanField(required=False)
    sort = forms.ChoiceField(
        choices=[(sign + key, key) for key in SORTS for sign in ("", "-")], required=False
    )

    def filters(self) -> BotFilter:
        """The filter, without invalid values."""
        self.is_valid()
        data = self.cleaned_data
        return BotFilter(
            state=data.get("state", ""),
            wallet=data.get("wallet"),
            strategy=data.get("strategy", ""),
            archived=data.get("archived", False) and self.data.get("archived") != "0",
            sort=data.get("sort") or "-created",
        )


class StopForm(forms.Form):
    """Confirmation of a stop: the policy for the bot's orders and position."""

    policy = forms.ChoiceField(choices=StopPolicies.choices, initial=StopPolicy.CANCEL_OWN)
