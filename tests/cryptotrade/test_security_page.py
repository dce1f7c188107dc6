"""Checks of docs/security.md: the named tests exist, every control and rate limit is listed."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from core.rate_limits import BUCKETS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda part: part.rpartition("/")[2])
def test_test_that_is_named_exists(path, name):
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_control_has_a_row_with_a_proof_or_says_later():
    rows = {int(row[0]): row for row in re.findall(r"^\| (\d+) \|(.*)\|(.*)\|(.*)\|$", PAGE, re.MULTILINE)}
    assert sorted(rows) == list(range(1, 33))
    for number, (_, _, where, proof) in rows.items():
        assert "tests/" in proof or "make run" in proof or "later" in where, number


def test_every_limit_is_in_the_table_with_its_numbers():
    names = {name for buckets in BUCKETS.values() for name, _ in buckets} - {"stream_command"}
    source = (ROOT / "core/conf.py").read_text(encoding="utf-8")
    for name in names:
        shipped = re.search(rf'"{name}": "([\d/]+)"', source)[1]
        assert f"| {name} | {shipped} |" in PAGE
    assert names <= set(settings.RATE_LIMITS)
