"""The code and its pages use the words of the field (`docs/glossary.md`), and the check for it works."""

import pytest

from tools.renames import KEPT, Rename, kept_read, leftovers
from tools.vocabulary import ROOT, forbidden_words, main, occurrences, words_of

WORDS = frozenset({"house", "desk", "whose"})  # vocabulary: the words that the planted files contain


@pytest.fixture
def planted(tmp_path):
    """A function that writes one file into a tree of its own and returns what is found in it."""

    def plant(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return [(each.path, each.line, each.word) for each in occurrences(tmp_path, WORDS)]

    return plant


def test_no_forbidden_word_is_used():
    found = occurrences(ROOT, forbidden_words())
    assert not found, f"{len(found)} forbidden words:\n" + "\n".join(map(str, found[:40]))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("app/a.py", "x = 1\nclass LockedDesk:\n", [("app/a.py", 2, "desk")]),  # vocabulary: planted
        ("app/b.py", "HOUSE_LIMIT = 1\n", [("app/b.py", 1, "house")]),  # vocabulary: planted
        ("page.md", "Whose is it? The house's.\n", [("page.md", 1, "house"), ("page.md", 1, "whose")]),  # vocabulary: planted
        ("t/a.html", '<p class="desk-card">', [("t/a.html", 1, "desk")]),  # vocabulary: planted
        ("s/a.js", "const deskOpen = 1;", [("s/a.js", 1, "desk")]),  # vocabulary: planted
        ("s/a.css", ".desk2 {}", [("s/a.css", 1, "desk")]),  # vocabulary: planted
    ],
)  # fmt: skip
def test_a_planted_word_is_found(planted, name, text, expected):
    assert planted(name, text) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("app/a.py", "warehouse = desktop = household = 1\n"),
        ("app/b.py", "desk = 1  # vocabulary: the name is a venue's\n"),
        ("CHANGELOG.md", "the house was renamed\n"),  # vocabulary: planted
        ("app/migrations/0001.py", "house = 1\n"),  # vocabulary: planted
        (".venv/a.py", "house = 1\n"),  # vocabulary: planted
        ("node_modules/a.js", "house\n"),  # vocabulary: planted
        ("requirements.lock", "house==1\n"),  # vocabulary: planted
    ],
)
def test_what_is_not_a_use_of_a_word_is_passed_over(planted, name, text):
    assert planted(name, text) == []


def test_a_marker_needs_a_reason(planted):
    assert planted("a.py", "desk = 1  # vocabulary:\n") == [("a.py", 1, "desk")]  # vocabulary: planted


def test_identifiers_are_split():
    assert list(words_of("HTTPServer order_place deskOpen2")) == [  # vocabulary: a planted word
        "http",
        "server",
        "order",
        "place",
        "desk",  # vocabulary: a planted word
        "open",
    ]


def test_the_program_lists_what_it_finds_and_fails(tmp_path, capsys):
    word = min(forbidden_words())
    (tmp_path / "a.py").write_text(f"{word} = 1\n")
    assert main([str(tmp_path)]) == 1
    assert f"a.py:1: {word}: {word} = 1" in capsys.readouterr().out
    (tmp_path / "a.py").write_text("venue = 1\n")
    assert main([str(tmp_path)]) == 0


def test_the_list_is_sorted_and_has_one_word_a_line():
    lines = (ROOT / "tools/forbidden_words.txt").read_text().splitlines()
    assert lines == sorted(set(lines))
    assert all(line.isalpha() and line.islower() for line in lines)


@pytest.fixture
def renamed(tmp_path):
    """A function that writes files and a table of renames, and returns what is left of the old names."""

    def left(rows, kept=(), **files):
        for path, text in files.items():
            (tmp_path / f"{path}.py").write_text(text)
        table = [Rename(*row) for row in rows]
        return [
            (each.path, each.rename.old, each.lines, each.reason)
            for each in leftovers(tmp_path, table, dict(kept))
        ]

    return left


def test_an_old_name_is_looked_for_where_its_module_is_now(renamed):
    rows = [("module", "old.py", "old.py", "new.py"), ("class", "old.py", "Former", "Current")]
    assert renamed(rows, new="x = 1\nclass Former: ...\n") == [("new.py", "Former", (2,), "")]
    assert renamed(rows, new="class Current: ...  # once Former\n") == []


def test_a_split_module_is_searched_in_all_its_parts(renamed):
    rows = [
        ("module", "old.py", "old.py", "one.py / two.py"),
        ("member", "old.py", "Thing.former", "current"),
    ]
    assert renamed(rows, one="", two="x.former\n") == [("two.py", "Thing.former", (1,), "")]


def test_a_module_that_is_still_there_is_left_over(renamed):
    assert renamed([("module", "old.py", "old.py", "new.py")], old="") == [("old.py", "old.py", (1,), "")]


def test_a_name_with_a_reason_may_stay(renamed):
    rows = [("function", "old.py", "former", "current")]
    assert renamed(rows, {"old.py:former": "a local variable"}, old="former = 1\n") == [
        ("old.py", "former", (1,), "a local variable")
    ]


def test_every_name_that_stays_has_a_reason():
    assert all(kept_read(KEPT).values())
