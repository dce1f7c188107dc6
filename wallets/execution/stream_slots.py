"""Stream slots: assigns the limited private streams of a venue to accounts. Pure."""

from collections.abc import Collection, Mapping


def slots_assign(streamed: Collection[str], busy: Mapping[str, bool], slots: int) -> list[str]:
    """The addresses to stream, at most `slots`; `busy` has every candidate.

    Busy accounts (open orders or positions) come first. An account keeps its stream unless a busy account
    without one needs it: changing streams costs a reconciliation.
    """
    ranked = sorted(busy, key=lambda address: (not busy[address], address not in streamed, address))
    return ranked[:slots]
