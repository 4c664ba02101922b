"""How long acts took to become accepted, witnessed and replicated, as their callers saw it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from nodes.client.acts import Word

WORDS: Final[tuple[Word, ...]] = get_args(Word)
"""The three words, the least first."""


@dataclass(slots=True)
class Lags:
    """Milliseconds from sending an act until the node called it so, for each of the three words."""

    accepted: list[float] = field(default_factory=list)
    witnessed: list[float] = field(default_factory=list)
    replicated: list[float] = field(default_factory=list)

    def take(self, word: str, finality: str, took_ms: float) -> None:
        """Take how long an act took until it was called ``finality``, where a word was waited for.

        Whoever calls it more has called it that, too: often both quorums come at once.
        """
        if WORDS.index(finality) >= WORDS.index(word):
            getattr(self, word).append(took_ms)

    def fields(self) -> dict[str, dict[str, float]]:
        """Return count, median and 95th percentile of each word."""
        return {word: quantiles(getattr(self, word)) for word in WORDS}


@dataclass(slots=True)
class Pending:
    """Acts of one region that are not replicated yet: index, and when each was sent."""

    lags: Lags
    witnessed: dict[int, float] = field(default_factory=dict)
    replicated: dict[int, float] = field(default_factory=dict)

    def add(self, index: int, sent_s: float) -> None:
        """Wait for the act at ``index``."""
        self.witnessed[index] = self.replicated[index] = sent_s

    def see(self, status: Mapping[str, int], now_s: float) -> None:
        """Take what the node says of itself now."""
        witnessed_size = status["witnessed_size"]
        replicated_size = min(status["replicated_size"], witnessed_size)
        for waiting, size, taken in (
            (self.witnessed, witnessed_size, self.lags.witnessed),
            (self.replicated, replicated_size, self.lags.replicated),
        ):
            for index in [index for index in waiting if index < size]:
                taken.append((now_s - waiting.pop(index)) * 1000)

    def forget(self) -> None:
        """Drop what is waiting: what follows is a cut or a crash, told apart from the rest."""
        self.witnessed.clear()
        self.replicated.clear()


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Return count, median and 95th percentile."""
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "p50": round(_at(ordered, 0.5), 1),
        "p95": round(_at(ordered, 0.95), 1),
    }


def _at(ordered: Sequence[float], part: float) -> float:
    return ordered[math.ceil(part * len(ordered)) - 1] if ordered else 0.0
