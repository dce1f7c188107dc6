"""Report of a chaos run."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Protocol

from tools.chaos.clients import RequestCounts
from tools.chaos.verification import Verdict

MAX_LISTED = 12


class ReportSection(Protocol):
    """Section of the report that another scenario adds."""

    def lines(self) -> Iterator[str]: ...

    @property
    def is_clean(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Report:
    """Report of one run: requests, injected faults, and the differences found in each wallet."""

    seed: int
    seconds: float
    counts: list[RequestCounts]
    faults: Counter[str]
    statuses: Counter[str]
    verdicts: dict[str, Verdict]
    scenario: ReportSection | None = None
    leftovers: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        wrong = any(verdict.wrong for verdict in self.verdicts.values())
        return not (wrong or self._unanswered or self.leftovers) and (
            self.scenario is None or self.scenario.is_clean
        )

    @property
    def _unanswered(self) -> int:
        return sum(counts.unanswered for counts in self.counts)

    def lines(self) -> Iterator[str]:
        total = {
            name: sum(getattr(counts, name) for counts in self.counts)
            for name in ("denied", "refused", "repeats", "cancels", "modifies")
        }
        acknowledged = sum(len(counts.orders) for counts in self.counts)
        yield f"seed            {self.seed}"
        yield f"duration        {self.seconds:.0f} s, {len(self.verdicts)} wallets"
        yield f"orders          {acknowledged} acknowledged, {total['denied']} denied, {total['refused']} refused"
        yield f"                {total['cancels']} cancels, {total['modifies']} modifications requested"
        yield f"retried         {total['repeats']} times, {self._unanswered} never answered"
        yield f"order statuses  {_counts(self.statuses)}"
        yield f"faults          {_counts(self.faults) or 'nothing'}"
        for field in fields(Verdict):
            lines = [line for one in self.verdicts.values() for line in getattr(one, field.name)]
            yield f"{field.name:<16}{len(lines)}"
        for address, verdict in self.verdicts.items():
            for line in verdict.wrong[:MAX_LISTED]:
                yield f"  {address[:8]}  {line}"
        if self.scenario:
            yield from self.scenario.lines()
        yield f"{'left behind':<16}{len(self.leftovers)}"
        for line in self.leftovers[:MAX_LISTED]:
            yield f"  {line}"
        yield "clean" if self.is_clean else "NOT CLEAN"


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counted.items()))
