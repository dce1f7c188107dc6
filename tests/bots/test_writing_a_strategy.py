"""The pages for authors and users of strategies: their examples run, their numbers and tables are true."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from bots.sdk import Integer, Number, OptionalNumber, schema
from bots.sdk.inputs import declared_inputs
from bots.strategies import STRATEGIES
from bots.strategies.as_grid import ASGrid, best_spread, reservation
from tests.bots.market_harness import BotHarness, candles_made, spec, terms

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDE = (DOCS / "writing-a-strategy.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def written():
    """The names that the guide's examples define, run from top to bottom."""
    names = {}
    for block in BLOCKS:
        exec(compile(block, "docs/writing-a-strategy.md", "exec"), names)
    return names


def test_the_first_bot_is_ten_lines_and_trades(written):
    assert len(BLOCKS[0].splitlines()) <= 10
    market = BotHarness(spec(written["BuyTheDip"], {"dip": "2"}, terms(budget=1000)))
    market.start(100)
    market.move(100)
    assert market.standing() == [("dip", "buy", Decimal("98.0"), Decimal("10.20408"))]
    market.move(97)
    assert market.size == Decimal("10.20408")
    assert market.standing() == []


def test_the_patient_bot_is_idle_with_a_reason_and_moves_its_bid_only_after_a_large_move(written):
    low = candles_made(["110"] * 60, "1h")
    market = BotHarness(spec(written["PatientDip"], None, terms(budget=1000)), low)
    market.start(100)
    market.move(100)
    assert market.snapshot.reason == "The price is below its average of 50 hours."
    market = BotHarness(
        spec(written["PatientDip"], None, terms(budget=1000)), candles_made(["90"] * 60, "1h")
    )
    market.start(100)
    market.move(100)
    before = market.standing()
    market.move("100.1")
    assert market.standing() == before
    market.move("100.4")
    assert market.standing()[0][2] == Decimal("99.3")
    assert market.cancels == 0
    market.move(99)
    market.move(100)
    assert market.snapshot.reason == "The budget is at work."


def inputs_table(strategy):
    """The table of inputs as a page must have it."""
    rows = ["| input | unit | from | to | default |", "|---|---|---|---|---|"]
    for name, each in declared_inputs(strategy).items():
        described = schema(strategy)["properties"][name]
        bounds = ("", "")
        if isinstance(each, Number | OptionalNumber | Integer):
            bounds = (f"{each.minimum:f}" if not isinstance(each, Integer) else each.minimum, each.maximum)
        default = described.get("default", "none" if each.optional else "needed")
        if "oneOf" in described:
            bounds = (" · ".join(f"`{option['const']}`" for option in described["oneOf"]), "")
        rows.append(
            f"| {each.label} `{name}` | {each.unit} | {bounds[0]} | {bounds[1]} | {str(default).lower()} |"
        )
    return "\n".join(rows)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_has_a_page_with_all_its_parts(name):
    page = (DOCS / "strategies" / f"{name}.md").read_text()
    for part in ("## Idea", "## Formula and source", "## Inputs", "## Risks", "## Worked example"):
        assert part in page
    assert inputs_table(STRATEGIES[name]) in page


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_has_a_title_a_summary_and_help_in_sentences(name):
    strategy = STRATEGIES[name]
    assert strategy.title
    assert strategy.summary.endswith(".")
    assert all(
        each.help == "" or each.help.endswith((".", "?")) for each in declared_inputs(strategy).values()
    )


def test_numbers_of_the_as_grid_page():
    page = (DOCS / "strategies" / "as-grid.md").read_text()
    variance = Decimal(10) ** 2 * 12
    away = -reservation(Decimal(0), Decimal("0.5"), Decimal("0.005"), variance)
    spread = best_spread(Decimal("0.005"), variance, Decimal("0.1"))
    grid = ASGrid({**{n: e.default for n, e in declared_inputs(ASGrid).items()}})
    bid, ask = grid.quotes_at(Decimal(100_000), Decimal("0.5"), Decimal(10))
    for number in (
        f"{variance:,} bp²",
        f"{away.normalize():f} bp",
        f"{spread:.2f} bp",
        f"{bid:,.2f}",
        f"{ask:,.2f}",
    ):
        assert number in page


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("grid", ["2.000", "90, 95, 100, 105 and 110", "10 USDC"]),
        ("dca", ["98.00", "95.00", "90.50", "1.020", "2.105", "4.419", "96.95", "98.90"]),
        ("trend", ["25 units"]),
        ("rebalancer", ["4.999", "50.97 %", "0.576"]),
    ],
)
def test_numbers_of_the_pages_are_those_of_the_worked_examples(name, numbers):
    """The examples themselves are the tests named in each page."""
    page = (DOCS / "strategies" / f"{name}.md").read_text()
    assert [number for number in numbers if number not in page] == []
    example = re.search(r"`tests/bots/(test_\w+)\.py::(test_\w+)`", page)
    assert f"def {example[2]}" in (DOCS.parent / "tests" / "bots" / f"{example[1]}.py").read_text()
