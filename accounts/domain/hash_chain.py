"""Hash chain of the audit log: each entry contains the hash of the previous entry.

`hash = sha256(previous_hash + "\\n" + canonical JSON of the entry without its two hashes)`. Canonical:
keys sorted, no spaces, UTF-8, only strings, integers, booleans, null, lists and objects. The first
entry has `GENESIS` as its previous hash; sequence numbers start at 1 and have no gaps.
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
    """Last sequence number and hash of the chain. Noted outside the database, it reveals a truncation."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


NOTHING = Head(0, GENESIS)


@dataclass(frozen=True, slots=True)
class Link:
    """One entry of the chain: `body` is the hashed content and has exactly the keys of `FIELDS`."""

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
class ChainFault:
    """A fault of the chain and the sequence number of the entry where it appears."""

    seq: int
    problem: str

    def __str__(self) -> str:
        return f"entry {self.seq}: {self.problem}"


def canonical(value: object) -> Any:
    """`value` in the types of canonical JSON; other types are converted to their text."""
    match value:
        case None | bool() | int():
            return value
        case Mapping():
            return {canonical(str(name)): canonical(item) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [canonical(item) for item in value]
    # PostgreSQL stores neither NUL nor unpaired surrogates.
    return str(value).replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def digest(body: Mapping[str, Any], previous_hash: str) -> str:
    """Hash of an entry: 64 hex digits."""
    text = json.dumps(dict(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{previous_hash}\n{text}".encode()).hexdigest()


def verify_chain(links: Iterable[Link], noted: Collection[Head] = ()) -> Iterator[ChainFault]:
    """All faults of the chain, in order. `links` are streamed; the chain must contain the `noted` heads."""
    pending = {head for head in noted if head.seq}
    last = NOTHING
    for link in links:
        yield from _link_faults(link, last)
        reached = {head for head in pending if head.seq == link.seq}
        if reached - {link.head}:
            yield ChainFault(link.seq, "does not have the hash of the noted head")
        pending -= reached
        last = link.head
    for seq in sorted({head.seq for head in pending}):
        yield ChainFault(seq, f"missing: the chain ends at {last.seq}")


def _link_faults(link: Link, last: Head) -> Iterator[ChainFault]:
    if link.seq > last.seq + 1:
        gap = f"{last.seq + 1}" if link.seq == last.seq + 2 else f"{last.seq + 1} to {link.seq - 1}"
        yield ChainFault(last.seq + 1, f"missing: {gap} was removed")
    elif link.seq <= last.seq:
        yield ChainFault(link.seq, f"out of order: it follows entry {last.seq}")
    elif link.previous_hash != last.hash:
        yield ChainFault(link.seq, "does not follow from the previous entry: one of the two was changed")
    if digest(link.body, link.previous_hash) != link.hash:
        yield ChainFault(link.seq, "was changed: its content does not match its hash")
