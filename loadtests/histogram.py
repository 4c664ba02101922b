"""Latencies, counted in buckets whose width grows with the value, so that histograms add up.

A value is kept to within 1/128 of itself, whatever it is. Workers send their buckets, and the sum
of them has the quantiles of all values, which no average of quantiles would have.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_BITS: Final = 7
_HALF: Final = 1 << _BITS


def bucket_of(value: int) -> int:
    """Return the bucket of a value from 0 on."""
    shift = max(0, value.bit_length() - _BITS - 1)
    return (shift << _BITS) + (value >> shift)


def highest_of(bucket: int) -> int:
    """Return the highest value that falls into a bucket."""
    shift = max(0, (bucket >> _BITS) - 1)
    mantissa = bucket - (shift << _BITS)
    return ((mantissa + 1) << shift) - 1


@dataclass(slots=True)
class Histogram:
    """Counted values, in microseconds."""

    counts: dict[int, int] = field(default_factory=dict)
    highest_us: int = 0

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self.counts.values())

    def add(self, seconds: float) -> None:
        """Count one latency; what a clock shows as negative is none."""
        value = max(0, round(seconds * 1e6))
        bucket = bucket_of(value)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        self.highest_us = max(self.highest_us, value)

    def merge(self, other: "Histogram") -> None:
        """Count all that another has counted."""
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.highest_us = max(self.highest_us, other.highest_us)

    def quantile_ms(self, share: float) -> float | None:
        """Return what ``share`` of the values do not exceed, in ms; None where there are none."""
        total = self.count
        if not total:
            return None
        wanted, passed = max(1, math.ceil(total * share)), 0
        for bucket in sorted(self.counts):
            passed += self.counts[bucket]
            if passed >= wanted:
                return min(highest_of(bucket), self.highest_us) / 1e3
        raise AssertionError("the counts add up to the total")

    def summary(self) -> dict[str, Any]:
        """Return count, p50, p95, p99 and the highest value, in milliseconds, and what they are of.

        ``counts_us`` has how many values there were, by the highest that their bucket holds, in
        microseconds: whoever adds them up from the least finds each quantile again.
        """
        most = self.highest_us
        return {
            "count": self.count,
            "p50_ms": self.quantile_ms(0.5),
            "p95_ms": self.quantile_ms(0.95),
            "p99_ms": self.quantile_ms(0.99),
            "max_ms": self.highest_us / 1e3 if self.counts else None,
            "counts_us": {
                str(min(highest_of(it), most)): self.counts[it] for it in sorted(self.counts)
            },
        }

    def to_map(self) -> dict[str, object]:
        """Return what goes over a wire; keys are text, for JSON."""
        return {
            "counts": {str(bucket): count for bucket, count in self.counts.items()},
            "highest_us": self.highest_us,
        }

    @classmethod
    def from_map(cls, value: Mapping[str, object]) -> "Histogram":
        """Read what ``to_map`` returned."""
        counts, highest = value["counts"], value["highest_us"]
        assert isinstance(counts, Mapping)
        assert isinstance(highest, int)
        return cls({int(bucket): int(count) for bucket, count in counts.items()}, highest)
