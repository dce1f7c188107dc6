"""Renames check: lists every old name of a table of renames that the code still has.

Run it as `python -m tools.renames TABLE [--kept FILE] [--all]`. TABLE is a TSV with the columns kind, file,
old, new: modules by path, everything else by identifier (`Class.member` for a member) in the file where it
was before the rename. The table is not part of the project; names that stay and why are in
`tools/renames_kept.tsv`. It exits with 1 when a name is left that has no reason.
"""

import argparse
import csv
import re
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
KEPT = Path(__file__).with_name("renames_kept.tsv")


@dataclass(frozen=True, slots=True)
class Rename:
    """One row of the table. `file` is the path before the rename."""

    kind: str
    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Leftover:
    """An old name that is still there: where, and why it stays (empty: no reason is known)."""

    rename: Rename
    path: str
    lines: tuple[int, ...]
    reason: str

    def __str__(self) -> str:
        where = ",".join(map(str, self.lines[:8])) + ("…" if len(self.lines) > 8 else "")
        reason = f"  [{self.reason}]" if self.reason else ""
        return f"{self.path}:{where}: {self.rename.kind} {self.rename.old} → {self.rename.new}{reason}"


def table_read(path: Path) -> list[Rename]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Rename(row["kind"], row["file"], row["old"], row["new"]) for row in rows]


def kept_read(path: Path) -> dict[str, str]:
    """Name → reason. A name is an identifier, or `path:identifier` where it stays in one file only."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["name"]: row["reason"] for row in rows}


def leftovers(root: Path, table: Iterable[Rename], kept: dict[str, str]) -> list[Leftover]:
    rows = list(table)
    moved = {row.file: _new_paths(row) for row in rows if row.kind == "module"}
    names: dict[str, dict[str, tuple[int, ...]]] = {}
    found = []
    for row in rows:
        if row.kind == "module":
            if (root / row.old).exists():
                found.append(Leftover(row, row.old, (1,), kept.get(row.old, "")))
            continue
        name = row.old.rpartition(".")[2]
        for path in _places(root, moved.get(row.file, [row.file]), row.file):
            if path not in names:
                names[path] = identifiers(root / path)
            if lines := names[path].get(name):
                reason = kept.get(f"{path}:{name}", kept.get(name, ""))
                found.append(Leftover(row, path, lines, reason))
    return found


def identifiers(path: Path) -> dict[str, tuple[int, ...]]:
    """Name → the lines on which it is an identifier. Comments and strings are not code."""
    found: dict[str, list[int]] = defaultdict(list)
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type == tokenize.NAME:
                found[token.string].append(token.start[0])
    return {name: tuple(dict.fromkeys(lines)) for name, lines in found.items()}


def _new_paths(row: Rename) -> list[str]:
    """A split module names its parts as `a/b.py / c.py`: the later ones lie beside the first."""
    first, *others = re.split(r" [/+] ", row.new)
    folder = PurePosixPath(first).parent
    return [first, *(other if "/" in other else str(folder / other) for other in others)]


def _places(root: Path, new: list[str], old: str) -> list[str]:
    """Where the module is now; its old path when it has not moved yet."""
    here = [path for path in new if path.endswith(".py") and (root / path).exists()]
    return here or [path for path in [old] if (root / path).exists()]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.renames", description=__doc__.split("\n")[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--kept", type=Path, default=KEPT)
    parser.add_argument("--all", action="store_true", help="list the names that stay for a reason, too")
    options = parser.parse_args(arguments)
    found = leftovers(ROOT, table_read(options.table), kept_read(options.kept))
    open_ones = [each for each in found if not each.reason]
    sys.stdout.writelines(f"{each}\n" for each in (found if options.all else open_ones))
    sys.stdout.write(f"{len(open_ones)} old names without a reason, {len(found) - len(open_ones)} with one\n")
    return 1 if open_ones else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
