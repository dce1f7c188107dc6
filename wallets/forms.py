"""What people type: the order ticket, a change of an order, a new wallet, its limits."""

import re
from decimal import Decimal
from typing import Any, ClassVar
from uuid import uuid4

from django import forms

from market.domain.formatting import decimal_parse
from wallets.domain.requests import OrderRequest
from wallets.domain.status import OrderStatus, TradingState

LONGEST = 60
GROUPED = re.compile(r"[1-9]\d{0,2}(?:([,.])\d{3})(?:\1\d{3})*(?:(?!\1)[.,]\d+)?")
EXAMPLE = "Write digits and one point, for example 1234.5."


class Unclear(ValueError):
    """The figure can be read in two ways, or in none."""


def figure_read(typed: str) -> Decimal:
    """The number that somebody typed: `71,283.5`, `71283.5`, `0,25`. Raises `Unclear`.

    One separator before exactly three digits may group thousands or begin decimals: that is refused,
    because a thousandfold order is not a guess to make.
    """
    text = re.sub(r"\s", "", typed).replace("\N{MINUS SIGN}", "-")
    marks = re.findall(r"[.,]", text)
    if len(marks) == 1 and marks[0] == ",":
        if re.fullmatch(r"-?[1-9]\d{0,2},\d{3}", text):
            raise Unclear(
                f"This can be read in two ways. Write {text.replace(',', '')} or {text.replace(',', '.')}."
            )
        text = text.replace(",", ".")
    elif len(marks) > 1:
        if not GROUPED.fullmatch(text.lstrip("-")):
            raise Unclear(EXAMPLE)
        whole, decimals = text, ""
        if marks[-1] != marks[0]:
            whole, _, decimals = text.rpartition(marks[-1])
        text = whole.replace(marks[0], "") + (f".{decimals}" if decimals else "")
    number = decimal_parse(text) if re.fullmatch(r"-?[0-9]*\.?[0-9]*", text) else None
    if number is None:
        raise Unclear(EXAMPLE)
    return number


def figure_or_none(typed: str) -> Decimal | None:
    """The number, where it is one above zero."""
    try:
        number = figure_read(typed)
    except Unclear:
        return None
    return number if number > 0 else None


class FigureField(forms.CharField):
    """A decimal number as people write it."""

    def __init__(self, *, affix: str = "", **options: Any) -> None:
        self.affix = affix
        super().__init__(**{"max_length": LONGEST, "required": False, **options})

    def clean(self, value: Any) -> Any:
        typed = super().clean(value)
        if not typed:
            return None
        try:
            return figure_read(typed)
        except Unclear as error:
            raise forms.ValidationError(str(error)) from error

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        quiet = {"autocomplete": "off", "spellcheck": "false"}
        return {**super().widget_attrs(widget), **quiet, "class": "num", "inputmode": "decimal"}


# --- orders ----------------------------------------------------------------------------------------------
SIDES = (("buy", "Buy"), ("sell", "Sell"))
KINDS = (("limit", "Limit"), ("market", "Market"), ("stop", "Stop"), ("take", "Take profit"))
SLIPPAGES = (("0.1", "0.1 %"), ("0.5", "0.5 %"), ("1", "1 %"), ("3", "3 %"))


class TicketForm(forms.Form):
    """The order ticket. `client_id` was minted when it was rendered: sent twice, it is one order."""

    client_id = forms.UUIDField(widget=forms.HiddenInput)
    wallet = forms.UUIDField()
    side = forms.ChoiceField(choices=SIDES)
    kind = forms.ChoiceField(choices=KINDS)
    price = FigureField()
    trigger_price = FigureField()
    size = FigureField(required=True, error_messages={"required": "Say how much."})
    with_limit = forms.BooleanField(required=False)
    post_only = forms.BooleanField(required=False)
    reduce_only = forms.BooleanField(required=False)
    slippage = forms.ChoiceField(choices=SLIPPAGES, required=False)

    def clean(self) -> dict[str, Any]:
        asked = self.cleaned_data
        kind = asked.get("kind")
        if self._has_limit() and asked.get("price") is None and "price" not in self.errors:
            self.add_error("price", "Say at which price.")
        triggered = kind in ("stop", "take")
        if triggered and asked.get("trigger_price") is None and "trigger_price" not in self.errors:
            self.add_error("trigger_price", "Say at which price it wakes up.")
        return asked

    def _has_limit(self) -> bool:
        asked = self.cleaned_data
        return asked.get("kind") == "limit" or (
            asked.get("kind") in ("stop", "take") and bool(asked.get("with_limit"))
        )

    def request(self, *, venue: str, symbol: str) -> OrderRequest:
        """The order that this asks for. Only after `is_valid()`."""
        asked = self.cleaned_data
        kind = asked["kind"]
        triggered = kind in ("stop", "take")
        if triggered:
            kind = f"{kind}_{'limit' if asked['with_limit'] else 'market'}"
        return OrderRequest(
            client_id=asked["client_id"],
            venue=venue,
            symbol=symbol,
            side=asked["side"],
            kind=kind,
            size=asked["size"],
            price=asked["price"] if self._has_limit() else None,
            trigger_price=asked["trigger_price"] if triggered else None,
            tif="alo" if kind == "limit" and asked["post_only"] else "gtc",
            reduce_only=asked["reduce_only"] or triggered,  # as the venue wants it
            slippage_percent=Decimal(asked["slippage"]) if kind == "market" and asked["slippage"] else None,
        )

    @staticmethod
    def fresh(**first: Any) -> "TicketForm":
        """An empty ticket under a new id."""
        beginning = {"side": "buy", "kind": "limit", "slippage": "0.5", **first}
        return TicketForm(initial={**beginning, "client_id": uuid4()})


class ChangeForm(forms.Form):
    """Another price or size for an order that rests."""

    client_id = forms.UUIDField(widget=forms.HiddenInput)
    price = FigureField(required=True)
    size = FigureField(required=True)


class CancelAllForm(forms.Form):
    wallet = forms.UUIDField(required=False)
    symbol = forms.CharField(max_length=60, required=False)


SHOWN = [("live", "Live"), *((status.value, status.value) for status in OrderStatus)]
ORDER_SORTS = ("created_at", "-created_at", "updated_at", "-updated_at")


class OrdersForm(forms.Form):
    """Query string of the orders page. `asked()` ignores what it does not understand."""

    wallet = forms.UUIDField(required=False)
    symbol = forms.CharField(max_length=60, required=False, strip=True)
    show = forms.ChoiceField(required=False, choices=SHOWN)
    sort = forms.ChoiceField(required=False, choices=[(sort, sort) for sort in ORDER_SORTS])

    def asked(self) -> dict[str, Any]:
        self.is_valid()
        return {name: self.cleaned_data.get(name) or "" for name in self.fields}


class LeverageForm(forms.Form):
    leverage = forms.IntegerField(min_value=1, max_value=100)


# --- wallets ---------------------------------------------------------------------------------------------
WAYS = (("make", "Make a key here"), ("paste", "Paste a key"), ("simulated", "Open a simulated account"))
SECRET = {"autocomplete": "off", "spellcheck": "false"}


class NewWalletForm(forms.Form):
    """The wizard's one form. A key is never rendered back, whatever else was wrong."""

    client_id = forms.UUIDField(widget=forms.HiddenInput)
    venue = forms.SlugField(max_length=40)
    way = forms.ChoiceField(choices=WAYS)
    label = forms.CharField(max_length=60, label="Name it", strip=True)
    address = forms.CharField(max_length=80, required=False, label="Account address", strip=True)
    key = forms.CharField(
        max_length=80,
        required=False,
        label="Key of the API wallet",
        widget=forms.PasswordInput(attrs=SECRET, render_value=False),
    )

    def clean(self) -> dict[str, Any]:
        asked = self.cleaned_data
        way = asked.get("way")
        if way in ("make", "paste") and not asked.get("address") and "address" not in self.errors:
            self.add_error("address", "Say which account: 0x and 40 digits.")
        if way == "paste" and not asked.get("key") and "key" not in self.errors:
            self.add_error("key", "Paste the key.")
        return asked


class KeyForm(forms.Form):
    """A new key for a wallet; left empty, we make one."""

    key = forms.CharField(
        max_length=80,
        required=True,
        label="Key of the API wallet",
        widget=forms.PasswordInput(attrs=SECRET, render_value=False),
    )


class LabelForm(forms.Form):
    label = forms.CharField(max_length=60, label="Name", strip=True)


class LimitsForm(forms.Form):
    """What a wallet may do at most. Empty: the house's own limit."""

    max_order_notional = FigureField(label="Largest order", affix="USDC")
    max_day_notional = FigureField(label="A day at most", affix="USDC")
    max_position_notional = FigureField(label="Largest position", affix="USDC")
    max_leverage = forms.IntegerField(label="Leverage at most", min_value=1, max_value=100, required=False)
    price_band_percent = FigureField(label="Price band around the mark", affix="%")
    orders_per_minute = forms.IntegerField(
        label="Orders a minute", min_value=1, max_value=10_000, required=False
    )

    POSITIVE: ClassVar[tuple[str, ...]] = (
        "max_order_notional", "max_day_notional", "max_position_notional", "price_band_percent",
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        for name in self.POSITIVE:
            value = self.cleaned_data.get(name)
            if value is not None and value <= 0:
                self.add_error(name, "Write more than 0, or leave it empty.")
        return self.cleaned_data


class StateForm(forms.Form):
    state = forms.ChoiceField(choices=[(state.value, state.value) for state in TradingState])
    reason = forms.CharField(max_length=200, required=False, strip=True)
