"""The hash chain of the audit trail: each entry carries the hash of the one before it.

`hash = sha256(previous_hash + "\\n" + canonical JSON of the entry without its two hashes)`. Canonical:
keys sorted, no spaces, UTF-8, only strings, whole numbers, booleans, null, lists and objects. The
entry before the first one has the hash `GENESIS`, and numbers begin at 1 without a gap.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

GENESIS = "0" * 64
FIELDS = ("seq", "recorded_at", "actor", "action", "subject", "address", "request_id", "data")


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain ends. Noted outside the database, it proves that no tail was cut off."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


NOTHING = Head(0, GENESIS)


@dataclass(frozen=True, slots=True)
class Link:
    """One entry as it is hashed: `body` has exactly the keys of `FIELDS`."""

    body: Mapping[str, Any]
    previous_hash: str
    hash: str

    @property
    def seq(self) -> int:
        return int(self.body["seq"])

    @property
    def head(self) -> Head:
        return Head(self.seq, self.hash)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and the number of the entry where it shows."""

    seq: int
    problem: str

    def __str__(self) -> str:
        return f"entry {self.seq}: {self.problem}"


def plain(value: Any) -> Any:
    """`value` in the types of canonical JSON; whatever JSON does not know becomes its text."""
    match value:
        case None | bool() | int():
            return value
        case Mapping():
            return {plain(str(name)): plain(item) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
    # PostgreSQL stores neither NUL nor half a surrogate pair.
    return str(value).replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def digest(body: Mapping[str, Any], previous_hash: str) -> str:
    text = json.dumps(dict(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{previous_hash}\n{text}".encode()).hexdigest()


def faults(links: Iterable[Link], noted: Collection[Head] = ()) -> Iterator[Fault]:
    """Every break of the chain, in order. `links` are read as they come; `noted` heads must lie on it."""
    due = {head for head in noted if head.seq}
    last = NOTHING
    for link in links:
        yield from _link_faults(link, last)
        here = {head for head in due if head.seq == link.seq}
        if here - {link.head}:
            yield Fault(link.seq, "is not the entry whose hash was noted")
        due -= here
        last = link.head
    for seq in sorted({head.seq for head in due}):
        yield Fault(seq, f"missing: the chain ends at {last.seq}")


def _link_faults(link: Link, last: Head) -> Iterator[Fault]:
    if link.seq > last.seq + 1:
        gap = f"{last.seq + 1}" if link.seq == last.seq + 2 else f"{last.seq + 1} to {link.seq - 1}"
        yield Fault(last.seq + 1, f"missing: {gap} was removed")
    elif link.seq <= last.seq:
        yield Fault(link.seq, f"stands after entry {last.seq}")
    elif link.previous_hash != last.hash:
        yield Fault(link.seq, "does not follow from the entry before it: either was changed or replaced")
    if digest(link.body, link.previous_hash) != link.hash:
        yield Fault(link.seq, "was changed: its content does not give its hash")
