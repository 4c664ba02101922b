"""Which stretches of a measurement the machine was fit for, judged by all but what is measured.

A processor that is lent, or shared with other work, stands still for tens of milliseconds at a
time. What a node takes at its slowest hundredth can be said only of stretches without that. A
stretch is judged by what the host took, by how late the measuring process was run, and by empty
requests right before and right after it: never by the answers whose latency is asked for, so that a
tail of the node's own stays in.

Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loadtests.floors import Blast
from loadtests.pacing import Pace

STOLEN_MAX: Final = 0.02
"""Of the time of all processors."""
LATE_P99_MS_MAX: Final = 1.0
EMPTY_P99_MS_MAX: Final = 2.5
TURNS_FIT_MIN: Final = 8
"""Fewer say nothing of a hundredth; there are some thousand answers in eight."""
TURNS_FIT_ENOUGH: Final = 16


@dataclass(frozen=True, slots=True)
class Turn:
    """A short stretch of load.

    Args:
        pace: What came of it.
        stolen: Which share of the processors' time the host took meanwhile.
    """

    pace: Pace
    stolen: float

    @property
    def is_undisturbed(self) -> bool:
        """Whether the host left the machine its processors, and we were run when we were due."""
        return self.stolen <= STOLEN_MAX and self.pace.late_ms(0.99) <= LATE_P99_MS_MAX

    @property
    def is_quick(self) -> bool:
        """Whether this stretch of empty requests was answered as they are on an idle machine."""
        return self.is_undisturbed and self.pace.blast.quantile_ms(0.99) <= EMPTY_P99_MS_MAX


@dataclass(frozen=True, slots=True)
class Series:
    """Stretches of empty requests, and between each two of them one that is measured."""

    empty: Sequence[Turn]
    measured: Sequence[Turn]

    @property
    def fit(self) -> list[int]:
        """The measured stretches that the machine was fit for, by their place."""
        return [
            at
            for at, turn in enumerate(self.measured)
            if turn.is_undisturbed and self.empty[at].is_quick and self.empty[at + 1].is_quick
        ]

    @property
    def is_enough(self) -> bool:
        """Whether no more stretches are needed."""
        return len(self.fit) >= TURNS_FIT_ENOUGH

    @property
    def is_measurable(self) -> bool:
        """Whether the machine was fit often enough to tell the node's slowest from its own."""
        return len(self.fit) >= TURNS_FIT_MIN

    def answers(self) -> Blast:
        """Return the answers of the fit stretches, or of all where too few were."""
        return joined([self.measured[at] for at in self._chosen])

    def floor(self) -> Blast:
        """Return the empty answers on both sides of those stretches."""
        sides = {side for at in self._chosen for side in (at, at + 1)}
        return joined([self.empty[at] for at in sorted(sides)])

    @property
    def _chosen(self) -> Sequence[int]:
        return self.fit if self.is_measurable else range(len(self.measured))


def joined(turns: Sequence[Turn]) -> Blast:
    """Return what came of several stretches together."""
    return sum((turn.pace.blast for turn in turns), Blast(0.0, [], {}))
