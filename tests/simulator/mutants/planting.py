"""A planted mistake: how it is planted, in which worlds it is looked for, and how it is found."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from simulator.plan import Happening
from simulator.run import Outcome, Plan, run

SEEDS_MAX: Final = 200
"""In how many worlds a mistake is looked for."""

Patch = pytest.MonkeyPatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A planted mistake: how it is planted, in which worlds, and by which words it is found."""

    name: str
    plant: Callable[[Patch], None]
    words: tuple[str, ...]
    plan: dict[str, Any] = field(default_factory=dict)
    costly: bool = False
    """Whether finding it takes longer than the suite has."""

    def worlds(self, start: int) -> Iterator[Plan]:
        """Yield the worlds in which it is looked for, from a seed on."""
        base = {"regions": 4, "minutes": 0.5, "acts_per_minute": 60, **self.plan}
        for seed in range(start, start + SEEDS_MAX):
            yield Plan(seed=seed, **base)

    def found(self, start: int = 0, seeds_max: int = SEEDS_MAX) -> tuple[int, Outcome | None]:
        """Return in which of the worlds it is found, counted from 1, and how that world ended."""
        with pytest.MonkeyPatch.context() as patch:
            self.plant(patch)
            for number, plan in enumerate(self.worlds(start), start=1):
                if number > seeds_max:
                    break
                outcome = run(plan)
                if outcome.broken:
                    return number, outcome
        return seeds_max, None


def script(do: str, region: str, at_s: float = 12.0, for_s: float = 0.0) -> dict[str, Any]:
    """Return a calm world of five regions in which one thing happens."""
    it = Happening(at_s=at_s, do=do, region=region, for_s=for_s)
    return {"regions": 5, "hostile": False, "script": (it,)}
