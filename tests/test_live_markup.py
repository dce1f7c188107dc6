"""Every number of a template that can age has the live markup: it follows the ticks, or it is a fact of the account in
a fragment that reloads on its events. Numbers are fixed only when they are named here."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
VOID = {"input", "meta", "link", "img", "br", "hr", "data", "use", "path", "line"}
COMMENT = re.compile(r"\{#.*?#\}|\{% comment .*?%\}.*?\{% endcomment %\}", re.DOTALL)
TITLE = re.compile(r"\{% block title %\}.*?\{% endblock")  # ticks.js writes it
INCLUDE = re.compile(r'\{% include "([^"]+)"(?: with (.*?))? %\}')
ASSIGNED = re.compile(r"""(\w+)=((?:[\w.]+)(?:\|\w+(?::(?:"[^"]*"|'[^']*'|[\w.]+))?)*)""")
BLOCK = re.compile(r"\{% blocktranslate(.*?)%\}(.*?)\{% endblocktranslate %\}", re.DOTALL)
TAG = re.compile(r"\{%.*?%\}", re.DOTALL)
VALUE = re.compile(r"\{\{\s*(.*?)\s*\}\}")
LIVE_TAG = re.compile(r"\{% (?:positions?_live|bots?_live)\b.*?%\}")
# Filters that write a number.
NUMBER = re.compile(
    r"\|(?:format_amount|signed|signed_figure|as_price|as_pct|as_bp|as_compact|as_age|elapsed|duration|stringformat)\b"
)
# Values that change without a filter of numbers.
CHANGING = re.compile(
    r"^(?:counts?\.|count$|late$|resting$|total\.bots|card\.live|card\.fills|card\.round_trips|orders$|"
    r"(?:order|bot)\.get_status_display|run\.last_decision|wallet\.get_stream_status_display)"
)
# Values of the market: they change with a tick, so a reload of the fragment is not enough.
PRICED = re.compile(
    r"^(?:row\.tick\.|row\.spread|row\.age_ms|held\.mark|held\.unrealised_pnl|held\|roe|card\.pnl|card\.unrealised_pnl|"
    r"card\.equity|total\.profit|account\.free$|account\.free\||account\.equity|at_work|last\.total)"
)
# Values that never change once they are shown, and why.
FIXED = {
    r"(?:asked|order|event\.row|fill|entry|transfer)\.": "a stored order, fill or entry, in a fragment that reloads",
    r"bot\.budget": "changes with its inputs, by a form of the page",
    r"bot\.leverage": "changes with its inputs, by a form of the page",
    r"(?:row|bot|each)\.instrument\.": "rules of the instrument",
    r"limits?\.|default_limits|card\.limits": "limits, changed by a form of the page",
    r"preview\.|outlook\.|side\.(?:notional|size|share|power)|run_of": "an answer of the preview, which repeats itself",
    r"(?:first|last|event)\.time": "a moment",
    r"order\.created_at|fill\.time": "a moment",
}
# Templates that are shown once, at one moment, and leave.
ONCE = {
    "bots/stop.html": "a dialog; read when it opens",
    "orders/cancel_all.html": "a dialog; read when it opens",
    "wallets/archive.html": "the last step of a form",
    "bots/review.html": "the last step of a form",
    "bots/order_detail.html": "a decision of the past",
    "error.html": "an error",
    "market/status.html": "rows of the venues, painted by feed_status.js",
    "shell/venue_pill.html": "painted by feed_status.js",
    "shell/worst_feed.html": "painted by feed_status.js",
    "shell/statusbar.html": "painted by feed_status.js",
    "market/book.html": "the ladder, painted by book.js",
    "market/trades.html": "the trade list, painted by trades.js",
    "bots/inputs.html": "versions of the inputs, by a form of the page",
}
FEEDS_THE_DOM = ("data-since", "data-part", "data-venue", "data-panel-topic")


def source(name: str, depth: int = 0) -> str:
    """The template with its includes, and with the values of blocktranslate where they are shown."""
    assert depth < 10, name
    text = COMMENT.sub("", (TEMPLATES / name).read_text(encoding="utf-8"))
    text = TITLE.sub("", text)

    def included(match: re.Match[str]) -> str:
        path = match[1]
        if path in ONCE:
            return ""
        text = source(path, depth + 1)
        for pair in re.finditer(r"(\w+)=([\w.|]+)", match[2] or ""):
            text = re.sub(rf"(?<=[\s{{=]){pair[1]}(?=[.|\s}}])", pair[2], text)
        return text

    return INCLUDE.sub(included, text)


def resolved(block: re.Match[str]) -> str:
    """The body of a blocktranslate, its names replaced by the values that they stand for."""
    values = dict(ASSIGNED.findall(block[1]))
    return VALUE.sub(lambda match: f"{{{{ {values.get(match[1], match[1])} }}}}", block[2])


def flattened(text: str) -> str:
    """Plain HTML: each value as ⟦value⟧, tags of the template left out."""
    text = LIVE_TAG.sub('data-live="ticks" data-positions="" data-stale-after="3000"', text)
    text = BLOCK.sub(resolved, text)
    text = VALUE.sub(lambda match: f"⟦{match[1]}⟧", text)
    return TAG.sub(" ", text)


class Reader(HTMLParser):
    """Collects the numbers without live markup. A `⟦value⟧` in an attribute is not shown."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str]]] = []
        self.bare: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        for at in range(len(self.open) - 1, -1, -1):
            if self.open[at][0] == tag:
                del self.open[at:]
                return

    def handle_data(self, data: str) -> None:
        for value in re.findall(r"⟦(.*?)⟧", data):
            if ages(value) and not self.is_live(value):
                self.bare.append(value)

    def is_live(self, value: str) -> bool:
        around = [attributes for _tag, attributes in self.open]
        in_fragment = any(
            one.get("data-live") == "me" and ("me:" in one.get("hx-trigger", "") or "data-oob" in one)
            for one in around
        )
        field = bool(around) and "data-field" in around[-1] and any(one.get("data-live") for one in around)
        painted = any(name in one for one in around for name in FEEDS_THE_DOM)
        return field or painted or (in_fragment and not PRICED.match(value))


def ages(value: str) -> bool:
    if any(re.match(pattern, value) for pattern in FIXED):
        return False
    return bool(NUMBER.search(value) or CHANGING.match(value) or PRICED.match(value))


def roots() -> list[str]:
    """Templates that a view renders: all that no other one includes."""
    names = {str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html")}
    included = {
        match[1]
        for name in names
        for match in INCLUDE.finditer((TEMPLATES / name).read_text(encoding="utf-8"))
    }
    return sorted(names - included - set(ONCE))


def bare_numbers(text: str) -> list[str]:
    reader = Reader()
    reader.feed(flattened(text))
    return reader.bare


@pytest.mark.parametrize("name", roots())
def test_every_number_that_can_age_has_the_live_markup(name):
    assert bare_numbers(source(name)) == []


@pytest.mark.parametrize(
    ("template", "bare"),
    [
        ("<td>{{ held.mark|as_price:2 }}</td>", ["held.mark|as_price:2"]),
        ('<div data-live="me" hx-trigger="me:fill from:body"><td>{{ held.mark|as_price:2 }}</td></div>',
         ["held.mark|as_price:2"]),
        ('<tr {% position_live held %}><td data-field="mark">{{ held.mark|as_price:2 }}</td></tr>', []),
        ("<b>{{ wallet.new_number|as_price:2 }}</b>", ["wallet.new_number|as_price:2"]),
        ("<p>{% blocktranslate with a=account.free|as_price:2 %}{{ a }} free{% endblocktranslate %}</p>",
         ["account.free|as_price:2"]),
        ('<p data-live="me" hx-trigger="me:order from:body">{{ order.get_status_display }}</p>', []),
        ('<p data-live="me">{{ counts.orders }}</p>', ["counts.orders"]),
    ],
)  # fmt: skip
def test_the_check_sees_a_number_without_the_markup(template, bare):
    assert bare_numbers(template) == bare
