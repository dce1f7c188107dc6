"""Forms: order ticket, order modification, new wallet, key, label and trading limits."""

import re
from decimal import Decimal
from typing import Any, ClassVar
from uuid import uuid4

from django import forms
from django.utils.translation import gettext_lazy as _

from core.formatting import decimal_parse
from wallets.domain.requests import OrderRequest
from wallets.domain.status import OrderStatus, TradingState

MAX_LENGTH = 60
GROUPED = re.compile(r"[1-9]\d{0,2}(?:([,.])\d{3})(?:\1\d{3})*(?:(?!\1)[.,]\d+)?")
INVALID_NUMBER = _("Enter a number, for example 1234.5.")


class AmbiguousNumber(ValueError):
    """The text is not a number, or can be read in two ways."""


def parse_amount(typed: str) -> Decimal:
    """Parse a number as typed: `71,283.5`, `71283.5`, `0,25`. Raises `AmbiguousNumber`.

    A single comma before exactly three digits may group thousands or start the decimals: it is refused,
    because a wrong guess would change the order by a factor of a thousand.
    """
    text = re.sub(r"\s", "", typed).replace("\N{MINUS SIGN}", "-")
    separators = re.findall(r"[.,]", text)
    if len(separators) == 1 and separators[0] == ",":
        if re.fullmatch(r"-?[1-9]\d{0,2},\d{3}", text):
            raise AmbiguousNumber(
                _("This can be read in two ways. Enter {thousands} or {decimals}.").format(
                    thousands=text.replace(",", ""), decimals=text.replace(",", ".")
                )
            )
        text = text.replace(",", ".")
    elif len(separators) > 1:
        if not GROUPED.fullmatch(text.lstrip("-")):
            raise AmbiguousNumber(INVALID_NUMBER)
        whole, decimals = text, ""
        if separators[-1] != separators[0]:
            whole, _point, decimals = text.rpartition(separators[-1])
        text = whole.replace(separators[0], "") + (f".{decimals}" if decimals else "")
    number = decimal_parse(text) if re.fullmatch(r"-?[0-9]*\.?[0-9]*", text) else None
    if number is None:
        raise AmbiguousNumber(INVALID_NUMBER)
    return number


def figure_or_none(typed: str) -> Decimal | None:
    """The typed number if it is valid and greater than 0."""
    try:
        number = parse_amount(typed)
    except AmbiguousNumber:
        return None
    return number if number > 0 else None


class AmountField(forms.CharField):
    """A decimal number in the usual notations of users."""

    def __init__(self, *, affix: str = "", **options: Any) -> None:
        self.affix = affix
        super().__init__(**{"max_length": MAX_LENGTH, "required": False, **options})

    def clean(self, value: object) -> Any:
        typed = super().clean(value)
        if not typed:
            return None
        try:
            return parse_amount(typed)
        except AmbiguousNumber as error:
            raise forms.ValidationError(str(error)) from error

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        attrs = {"autocomplete": "off", "spellcheck": "false"}
        return {**super().widget_attrs(widget), **attrs, "class": "num", "inputmode": "decimal"}


# --- orders -------------------------------------------------------------------------------------------
SIDES = (("buy", _("Buy")), ("sell", _("Sell")))
KINDS = (("limit", _("Limit")), ("market", _("Market")), ("stop", _("Stop")), ("take", _("Take profit")))
SLIPPAGES = (("0.1", "0.1 %"), ("0.5", "0.5 %"), ("1", "1 %"), ("3", "3 %"))


class TicketForm(forms.Form):
    """Order ticket. `client_id` is generated at rendering: a form submitted twice places one order."""

    client_id = forms.UUIDField(widget=forms.HiddenInput)
    wallet = forms.UUIDField()
    side = forms.ChoiceField(choices=SIDES)
    kind = forms.ChoiceField(choices=KINDS)
    price = AmountField()
    trigger_price = AmountField()
    size = AmountField(required=True, error_messages={"required": _("Enter a size")})
    with_limit = forms.BooleanField(required=False)
    post_only = forms.BooleanField(required=False)
    reduce_only = forms.BooleanField(required=False)
    slippage = forms.ChoiceField(choices=SLIPPAGES, required=False)

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        kind = data.get("kind")
        if self._has_limit() and data.get("price") is None and "price" not in self.errors:
            self.add_error("price", _("Enter a price"))
        triggered = kind in ("stop", "take")
        if triggered and data.get("trigger_price") is None and "trigger_price" not in self.errors:
            self.add_error("trigger_price", _("Enter a trigger price"))
        return data

    def _has_limit(self) -> bool:
        data = self.cleaned_data
        return data.get("kind") == "limit" or (
            data.get("kind") in ("stop", "take") and bool(data.get("with_limit"))
        )

    def request(self, *, venue: str, symbol: str) -> OrderRequest:
        """The order request of a valid form. Call it only after `is_valid()`."""
        data = self.cleaned_data
        kind = data["kind"]
        triggered = kind in ("stop", "take")
        if triggered:
            name = "take_profit" if kind == "take" else kind
            kind = f"{name}_{'limit' if data['with_limit'] else 'market'}"
        return OrderRequest(
            client_id=data["client_id"],
            venue=venue,
            symbol=symbol,
            side=data["side"],
            kind=kind,
            size=data["size"],
            price=data["price"] if self._has_limit() else None,
            trigger_price=data["trigger_price"] if triggered else None,
            tif="alo" if kind == "limit" and data["post_only"] else "gtc",
            reduce_only=data["reduce_only"] or triggered,  # the venue requires it for trigger orders
            slippage_percent=Decimal(data["slippage"]) if kind == "market" and data["slippage"] else None,
        )

    @staticmethod
    def fresh(**initial: Any) -> "TicketForm":
        """An empty ticket with a new client id."""
        defaults = {"side": "buy", "kind": "limit", "slippage": "0.5", **initial}
        return TicketForm(initial={**defaults, "client_id": uuid4()})


class ChangeForm(forms.Form):
    """Modification of a resting order: price and size."""

    client_id = forms.UUIDField(widget=forms.HiddenInput)
    price = AmountField(required=True)
    size = AmountField(required=True)


class CancelAllForm(forms.Form):
    wallet = forms.UUIDField(required=False)
    symbol = forms.CharField(max_length=60, required=False)
    scope = forms.ChoiceField(required=False, choices=[(scope, scope) for scope in ("manual", "bots", "all")])


STATUS_FILTERS = [("live", _("Open orders")), *((status.value, status.value) for status in OrderStatus)]
ORDER_SORTS = ("created_at", "-created_at", "updated_at", "-updated_at")


class OrdersForm(forms.Form):
    """Query string of the orders page. `filters()` ignores invalid values."""

    wallet = forms.UUIDField(required=False)
    symbol = forms.CharField(max_length=60, required=False, strip=True)
    status = forms.ChoiceField(required=False, choices=STATUS_FILTERS)
    sort = forms.ChoiceField(required=False, choices=[(sort, sort) for sort in ORDER_SORTS])

    def filters(self) -> dict[str, Any]:
        self.is_valid()
        return {name: self.cleaned_data.get(name) or "" for name in self.fields}


class LeverageForm(forms.Form):
    leverage = forms.IntegerField(min_value=1, max_value=100)


# --- wallets ------------------------------------------------------------------------------------------
KEY_SOURCES = (
    ("make", _("Create a key here")),
    ("paste", _("Paste a key")),
    ("simulated", _("Open a simulated account")),
)
SECRET = {"autocomplete": "off", "spellcheck": "false"}


class NewWalletForm(forms.Form):
    """Form of the wallet wizard. The key is never rendered back."""

    client_id = forms.UUIDField(widget=forms.HiddenInput)
    venue = forms.SlugField(max_length=40)
    key_source = forms.ChoiceField(choices=KEY_SOURCES)
    label = forms.CharField(max_length=60, label=_("Wallet name"), strip=True)
    address = forms.CharField(max_length=80, required=False, label=_("Account address"), strip=True)
    key = forms.CharField(
        max_length=80,
        required=False,
        label=_("API wallet key"),
        widget=forms.PasswordInput(attrs=SECRET, render_value=False),
    )

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        source = data.get("key_source")
        if source in ("make", "paste") and not data.get("address") and "address" not in self.errors:
            self.add_error("address", _("Enter the account's address at the exchange"))
        if source == "paste" and not data.get("key") and "key" not in self.errors:
            self.add_error("key", _("Enter the API wallet key"))
        return data


class KeyForm(forms.Form):
    """A new API wallet key for a wallet."""

    key = forms.CharField(
        max_length=80,
        required=True,
        label=_("API wallet key"),
        widget=forms.PasswordInput(attrs=SECRET, render_value=False),
    )


class LabelForm(forms.Form):
    label = forms.CharField(max_length=60, label=_("Name"), strip=True)


class LimitsForm(forms.Form):
    """Trading limits of a wallet, notionals in `asset`. Empty: the default limit."""

    max_order_notional = AmountField(label=_("Max order value"))
    max_daily_notional = AmountField(label=_("Daily limit"))
    max_position_notional = AmountField(label=_("Max position value"))
    max_leverage = forms.IntegerField(label=_("Max leverage"), min_value=1, max_value=100, required=False)
    price_band_percent = AmountField(label=_("Max deviation from the mark price"), affix="%")
    orders_per_minute = forms.IntegerField(
        label=_("Max orders per minute"), min_value=1, max_value=10_000, required=False
    )

    NOTIONALS: ClassVar[tuple[str, ...]] = (
        "max_order_notional",
        "max_daily_notional",
        "max_position_notional",
    )
    POSITIVE: ClassVar[tuple[str, ...]] = (
        "max_order_notional", "max_daily_notional", "max_position_notional", "price_band_percent",
    )  # fmt: skip

    def __init__(self, *args: Any, asset: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.NOTIONALS:
            field = self.fields[name]
            assert isinstance(field, AmountField)
            field.affix = asset

    def clean(self) -> dict[str, Any]:
        for name in self.POSITIVE:
            value = self.cleaned_data.get(name)
            if value is not None and value <= 0:
                self.add_error(name, _("Enter a number greater than 0, or leave empty"))
        return self.cleaned_data


class StateForm(forms.Form):
    state = forms.ChoiceField(choices=[(state.value, state.value) for state in TradingState])
    reason = forms.CharField(max_length=200, required=False, strip=True)
