"""What a stage came to, counted in each process and added up."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from loadtests.histogram import Histogram
from loadtests.programme import Measured, Stage

SUMS: Final = (
    *("offered", "turns", "answered", "failed", "not begun", "unanswered"),
    *("acts", "acts in all", "turns without an act in all"),
    *("receipts", "verified receipts", "bad receipts", "receipts that come later"),
    *("followed", "not proven in time", "bad proofs", "signed in the loop", "signed anew"),
)
"""What is counted of each stage, be it nothing."""


@dataclass(slots=True)
class Counts:
    """What one stage came to in one process.

    Args:
        acts: Latencies of the turns, by whose and what they were.
        levels: Latencies until an act was this safe.
        errors: How often, by code.
        sums: Everything else that is counted.
        accepted_at: By region, acts that its node answered for as accepted: all of them, before
            and after the measured part of the stage as well.
    """

    acts: dict[str, Histogram] = field(default_factory=dict)
    levels: dict[str, Histogram] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    sums: Counter[str] = field(default_factory=Counter)
    accepted_at: Counter[str] = field(default_factory=Counter)

    def to_map(self) -> dict[str, Any]:
        """Return what goes over the wire."""
        return {
            "acts": {name: it.to_map() for name, it in self.acts.items()},
            "levels": {name: it.to_map() for name, it in self.levels.items()},
            "errors": dict(self.errors),
            "sums": dict(self.sums),
            "accepted_at": dict(self.accepted_at),
        }

    def merge(self, value: Mapping[str, Any]) -> None:
        """Add what another process counted."""
        for mine, theirs in ((self.acts, value["acts"]), (self.levels, value["levels"])):
            for name, counted in theirs.items():
                mine.setdefault(name, Histogram()).merge(Histogram.from_map(counted))
        self.errors.update(value["errors"])
        self.sums.update(value["sums"])
        self.accepted_at.update(value["accepted_at"])


def measure(stage: Stage, counts: Counts) -> Measured:
    """Return what the programme goes by."""
    seconds, sums = stage.seconds - stage.warm_s, counts.sums
    total = Histogram()
    for histogram in counts.acts.values():
        total.merge(histogram)
    failed = sums["failed"] + sums["unanswered"]
    begun = sums["turns"] + sums["unanswered"]
    offered = sums["offered" if stage.loop == "open" else "answered"] / seconds
    # People come as they like: the turns under way, at either end, are a number of Poisson's.
    under_way = offered * (total.quantile_ms(0.5) or 0.0) / 1e3
    return Measured(
        offered=offered,
        chance=math.sqrt(2 * under_way) / seconds if stage.loop == "open" else 0.0,
        answered=sums["answered"] / seconds,
        failed=failed / max(1, begun),
        p99_ms=total.quantile_ms(0.99),
    )
