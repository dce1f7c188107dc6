"""Design checks without a browser: contrast of colours, markup rules of pages and templates."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
import redis
from django.conf import settings

from market.templatetags.icons import PATHS
from tests.market import factories

ROOT = Path(__file__).resolve().parents[1]
TOKENS = (ROOT / "static/css/tokens.css").read_text(encoding="utf-8")
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
PAGES = [
    "/",
    "/market/",
    "/market/?q=zzz",
    "/market/hyperliquid-sim/BTC/",
    "/market/hyperliquid-sim/PURR/USDC/",
    "/status/",
    "/accounts/login/",
    "/api/docs/",
    "/nothing",
]
ROLES = ("text", "text-soft", "text-quiet", "up", "down", "you", "warn", "sim")
SURFACES = ("canvas", "panel", "raised", "hover")
PAIRS = [
    *((role, surface) for role in ROLES for surface in SURFACES),
    *((role, f"{role}-tint") for role in ("up", "down", "you", "warn", "sim")),
    *((f"{kind}-ink", f"{kind}-fill") for kind in ("up", "down", "main")),
    *(
        (text, tint)
        for text in ("text", "text-soft")
        for tint in ("up-tint", "down-tint", "warn-tint", "sim-tint")
    ),
]


# --- colours -----------------------------------------------------------------------------------------
def palette(text: str) -> dict[str, tuple[str, str]]:
    """Token → (light, dark), of opaque colours only."""
    found = re.findall(r"--([\w-]+):\s*light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", text)
    return {name: (light, dark) for name, light, dark in found}


_STANDARD = palette(TOKENS[TOKENS.index(":root {") : TOKENS.index(':root[data-density="roomy"]')])
_SECOND = palette(
    TOKENS[TOKENS.index(':root[data-palette="blue-orange"]') : TOKENS.index("@media (prefers-contrast")]
)
PALETTES = {"standard": _STANDARD, "blue-orange": {**_STANDARD, **_SECOND}}


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_in_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", PALETTES)
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_is_readable_on_every_surface(name, theme):
    colours = PALETTES[name]
    weak = {
        f"{role} on {surface}": round(contrast(colours[role][theme], colours[surface][theme]), 2)
        for role, surface in PAIRS
        if contrast(colours[role][theme], colours[surface][theme]) < 4.5
    }
    assert weak == {}


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_borders_that_carry_meaning_are_visible(theme):
    assert contrast(_STANDARD["control-line"][theme], _STANDARD["panel"][theme]) >= 3


@pytest.mark.parametrize("name", PALETTES)
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_up_and_down_differ_in_lightness_too(name, theme):
    colours = PALETTES[name]
    assert contrast(colours["up"][theme], colours["down"][theme]) >= 1.4


def test_components_take_their_colours_from_tokens():
    css = (ROOT / "static/css/app.css").read_text(encoding="utf-8")
    own = set(re.findall(r"(?<![\w-])#[0-9a-fA-F]{3,8}\b", css))
    assert own <= {"#000", "#fff"}  # a mask, and the background of the API documentation


# --- markup ------------------------------------------------------------------------------------------
class Reader(HTMLParser):
    """HTML parser that collects ids, inline styles and scripts, form fields, and elements without a name."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: Counter[str] = Counter()
        self.inline: list[str] = []
        self.labelled: set[str] = set()
        self.fields: list[dict[str, str | None]] = []
        self.nameless: list[str] = []
        self._open: list[tuple[str, dict[str, str | None], list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if identity := values.get("id"):
            self.ids[identity] += 1
        self.inline += [f"{tag} {name}" for name in values if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and not values.get("src")):
            self.inline.append(tag)
        if tag == "label" and (target := values.get("for")):
            self.labelled.add(target)
        if tag in ("input", "select", "textarea") and values.get("type") != "hidden":
            wrapped = any(name == "label" for name, _, _ in self._open)
            self.fields.append({**values, "wrapped": "yes" if wrapped else None})
        if tag in ("button", "a", "label"):
            self._open.append((tag, values, []))

    def handle_data(self, data: str) -> None:
        for _, _, texts in self._open:
            texts.append(data.strip())

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1][0] == tag:
            name, values, texts = self._open.pop()
            if name != "label" and not values.get("aria-label") and not "".join(texts):
                self.nameless.append(str(values))


@pytest.fixture
def read(client, transactional_db):
    redis.Redis.from_url(settings.REDIS_URL).flushdb()
    venue = factories.market_make()
    factories.candles_make(venue.instruments.get(symbol="BTC"), 30)

    def offer(publisher):
        publisher.queue_book("BTC", factories.book())
        publisher.queue_trades("BTC", [factories.trade(number) for number in range(1, 4)])

    factories.publish(offer=offer)

    def read(path: str) -> Reader:
        reader = Reader()
        reader.feed(client.get(path, headers={"accept": "text/html"}).content.decode())
        return reader

    return read


def test_pages_hold_nothing_inline(read):
    assert {path: found for path in PAGES if (found := read(path).inline)} == {}


def test_ids_are_unique(read):
    twice = {path: [name for name, count in read(path).ids.items() if count > 1] for path in PAGES}
    assert {path: names for path, names in twice.items() if names} == {}


def test_every_field_is_labelled(read):
    for path in PAGES:
        page = read(path)
        for field in page.fields:
            named = field.get("aria-label") or field["wrapped"] or field.get("id") in page.labelled
            assert named, (path, field)


def test_every_button_and_link_has_a_name(read):
    assert {path: found for path in PAGES if (found := read(path).nameless)} == {}


def test_every_page_has_one_main_and_a_skip_link_to_it(read):
    for path in PAGES:
        assert read(path).ids["main"] == 1, path


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_nothing_inline(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"""\sstyle=|<style|\son[a-z]+=["']|<script(?![^>]*\bsrc=)""", text)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_icons_that_templates_name_exist(path):
    names = set(re.findall(r'{% icon "([\w-]+)"', path.read_text(encoding="utf-8")))
    assert names <= set(PATHS)


@pytest.mark.parametrize("path", sorted((ROOT / "static/js").glob("*.js")), ids=lambda path: path.name)
def test_scripts_never_write_html(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text)


def test_page_is_served_under_a_policy_without_inline(client, db):
    policy = client.get("/market/").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
