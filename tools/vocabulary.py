"""Vocabulary check: lists every use of a forbidden word in code, templates, scripts, styles and pages.

Run it as `python -m tools.vocabulary [ROOT]`; it exits with 1 when it finds one. The words are in
`tools/forbidden_words.txt`, one a line; `docs/glossary.md` says which words to use instead.
An identifier is split at underscores, digits and capitals, and each part is a word.
A line that ends in a comment `vocabulary: <reason>` is allowed.
"""

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORDS_FILE = Path(__file__).with_name("forbidden_words.txt")
SUFFIXES = frozenset({".py", ".html", ".md", ".js", ".css"})
SKIPPED_DIRECTORIES = frozenset(
    {"migrations", "node_modules", "staticfiles", "var", "__pycache__", "htmlcov"}
)
SKIPPED_FILES = frozenset({"CHANGELOG.md"})  # history keeps the words of its time
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
ALLOWED = re.compile(r"vocabulary: \S")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One forbidden word at one place; `line` counts from 1."""

    path: str
    line: int
    word: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.word}: {self.text}"


def forbidden_words(path: Path = WORDS_FILE) -> frozenset[str]:
    """The words of a list, lower case; empty lines are skipped."""
    return frozenset(path.read_text(encoding="utf-8").lower().split())


def words_of(text: str) -> Iterator[str]:
    """The words of a line in lower case; identifiers are split at underscores, digits and capitals."""
    for match in WORD.finditer(text):
        yield match[0].lower()


def occurrences(root: Path, words: frozenset[str]) -> list[Occurrence]:
    """Every forbidden word below `root`, in the order of paths and lines."""
    return [each for path in _files(root) for each in _in_file(path, root, words)]


def _files(root: Path) -> list[Path]:
    found = []
    for directory, subdirectories, names in os.walk(root):
        subdirectories[:] = [each for each in subdirectories if not _is_skipped(each)]
        found += [
            Path(directory, name)
            for name in names
            if Path(name).suffix in SUFFIXES and name not in SKIPPED_FILES
        ]
    return sorted(found)


def _is_skipped(directory: str) -> bool:
    return directory.startswith(".") or directory in SKIPPED_DIRECTORIES


def _in_file(path: Path, root: Path, words: frozenset[str]) -> Iterator[Occurrence]:
    name = path.relative_to(root).as_posix()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not ALLOWED.search(line):
            for word in sorted(words.intersection(words_of(line))):
                yield Occurrence(name, number, word, line.strip()[:120])


def main(arguments: list[str]) -> int:
    root = Path(arguments[0]) if arguments else ROOT
    found = occurrences(root, forbidden_words())
    sys.stdout.writelines(f"{each}\n" for each in found)
    sys.stdout.write(f"{len(found)} forbidden words in {len({each.path for each in found})} files\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
