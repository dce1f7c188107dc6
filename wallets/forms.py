"""Forms: order ticket, order modification, new wallet, key, label and trading limits."""

from decimal import Decimal
from typing import Any, ClassVar
from uuid import uuid4

from django import forms
from django.utils.translation import gettext_lazy as _

from core.numbers import MAX_LENGTH, InvalidNumber, number_typed, price_band
from wallets.domain.requests import OrderRequest
from wallets.domain.status import OrderStatus, TradingState

INVALID_NUMBER = _("Enter a number, for example 1234.5.")
TWO_READINGS = _("This can be read in two ways. Enter {thousands} or {decimals}.")


def invalid_number_text(error: InvalidNumber) -> str:
    """The sentence for the user."""
    if error.readings:
        return TWO_READINGS.format(thousands=error.readings[0], decimals=error.readings[1])
    return str(INVALID_NUMBER)


def figure_or_none(typed: str, *, mark: Decimal | None = None) -> Decimal | None:
    """The typed number if it is valid and greater than 0; a price is read with the `mark` price of its instrument."""
    try:
        number = number_typed(typed, price_band(mark) if mark else None)
    except InvalidNumber:
        return None
    return number if number > 0 else None


class AmountField(forms.CharField):
    """A decimal number in the usual notations of users. `band`: plausible values, which decide an ambiguous comma."""

    def __init__(self, *, affix: str = "", **options: Any) -> None:
        self.affix = affix
        self.band: tuple[Decimal, Decimal] | None = None
        super().__init__(**{"max_length": MAX_LENGTH, "required": False, **options})

    def clean(self, value: object) -> Any:
        typed = super().clean(value)
        if not typed:
            return None
        try:
            return number_typed(typed, self.band)
        except InvalidNumber as error:
            raise forms.ValidationError(invalid_number_text(error)) from error

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        attrs = {"autocomplete": "off", "spellcheck": "false"}
        return {**super().widget_attrs(widget), **attrs, "class": "num", "inputmode": "decimal"}


# --- orders -------------------------------------------------------------------------------------------
SIDES = (("buy", _("Buy")), ("sell", _("Sell")))
KINDS = (("limit", _("Limit")), ("market", _("Market")), ("stop", _("Stop")), ("take", _("Take profit")))
SLIPPAGES = (("0.1", "0.1 %"), ("0.5", "0.5 %"), ("1", "1 %"), ("3", "3 %"))


class PricedForm(forms.Form):
    """A form with prices; `mark`, the instrument's mark price, decides how an ambiguous comma in them is read."""

    def __init__(self, *args: Any, mark: Decimal | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("price", "trigger_price"):
            if mark and isinstance(field := self.fields.get(name), AmountField):
                field.band = price_band(mark)


class TicketForm(PricedForm):
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


class ChangeForm(PricedForm):
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
