"""The sheet that a run prints."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Protocol

from wallets.management.chaos.clients import Asked
from wallets.management.chaos.verification import Verdict

SHOWN = 12


class Judged(Protocol):
    """What else took part."""

    def lines(self) -> Iterator[str]: ...

    @property
    def is_clean(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Sheet:
    """One run: what was asked, what was broken, and what is wrong with each wallet's books."""

    seed: int
    seconds: float
    asked: list[Asked]
    broken: Counter[str]
    statuses: Counter[str]
    verdicts: dict[str, Verdict]
    part: Judged | None = None
    left_behind: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        wrong = any(verdict.wrong for verdict in self.verdicts.values())
        return not (wrong or self._unanswered or self.left_behind) and (
            self.part is None or self.part.is_clean
        )

    @property
    def _unanswered(self) -> int:
        return sum(asked.unanswered for asked in self.asked)

    def lines(self) -> Iterator[str]:
        total = {
            name: sum(getattr(asked, name) for asked in self.asked)
            for name in ("denied", "refused", "repeats", "cancels", "modifies")
        }
        acknowledged = sum(len(asked.orders) for asked in self.asked)
        yield f"seed            {self.seed}"
        yield f"duration        {self.seconds:.0f} s, {len(self.verdicts)} wallets"
        yield f"orders          {acknowledged} acknowledged, {total['denied']} denied, {total['refused']} refused"
        yield f"                {total['cancels']} cancels, {total['modifies']} modifications asked"
        yield f"asked again     {total['repeats']} times, {self._unanswered} never answered"
        yield f"became          {_counts(self.statuses)}"
        yield f"broken          {_counts(self.broken) or 'nothing'}"
        for field in fields(Verdict):
            found = [line for one in self.verdicts.values() for line in getattr(one, field.name)]
            yield f"{field.name:<16}{len(found)}"
        for address, verdict in self.verdicts.items():
            for line in verdict.wrong[:SHOWN]:
                yield f"  {address[:8]}  {line}"
        if self.part:
            yield from self.part.lines()
        yield f"{'left behind':<16}{len(self.left_behind)}"
        for line in self.left_behind[:SHOWN]:
            yield f"  {line}"
        yield "clean" if self.is_clean else "NOT CLEAN"


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counted.items()))
