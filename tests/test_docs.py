"""Documentation checks: named files exist, the README is short, every setting is in `.env.example`."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("docs/adr/*.md")])
PATH = re.compile(r"`((?:market|cryptotrade|accounts|wallets|bots|static|tests|docs)/[\w./-]+\.\w+)`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page):
    text = page.read_text()
    named = [ROOT / name for name in PATH.findall(text)] + [page.parent / name for name in LINK.findall(text)]
    assert [str(path) for path in named if not path.exists()] == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 100


def test_every_setting_is_listed_in_the_example():
    settings = (ROOT / "cryptotrade/settings.py").read_text()
    named = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', settings))
    listed = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert named - listed == set()
