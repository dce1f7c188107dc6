"""Which wallets get the few private streams that a venue allows. Pure."""

from collections.abc import Collection, Mapping


def slots_assign(holding: Collection[str], busy: Mapping[str, bool], slots: int) -> list[str]:
    """The addresses that shall be streamed, at most `slots`; `busy` tells every candidate.

    Busy ones first (live orders or positions); who has a stream keeps it unless a busy one without
    stream needs it: changing streams costs a reconcile.
    """
    ranked = sorted(busy, key=lambda address: (not busy[address], address not in holding, address))
    return ranked[:slots]
