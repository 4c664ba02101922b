"""What a run measures: how fast, how late, how stale, and who waited for whom.

Measures only look. Nothing in a world depends on them, and they are the same for the same seed.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

from simulator.machine import Machine
from simulator.world import World

BUCKETS_MAX: Final = 240
QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
WORDS: Final = ("accepted", "witnessed", "replicated")


def quantiles(samples: Iterable[int]) -> dict[str, int]:
    """Return the median and the tail of samples; nothing where there are none."""
    ordered = sorted(samples)
    if not ordered:
        return {}
    last = len(ordered) - 1
    return {name: ordered[round(share * last)] for name, share in QUANTILES.items()}


class Measures:
    """Collects samples while a world runs; times are simulated.

    Invariant: every act accepted before the end has one sample of each word that it reached.
    """

    def __init__(self, world: World, regions: Iterable[str]) -> None:
        self._world = world
        self._regions = tuple(regions)
        self.bucket_ms = 60_000
        self._late_ms = 60_000
        self.lags_ms: dict[str, dict[str, list[int]]] = {
            word: {region: [] for region in self._regions} for word in WORDS
        }
        self.series: dict[str, dict[str, list[float]]] = {}
        self.waits_ms: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        """By who asked and whom: answers, milliseconds waited in all, and requests without one."""
        self.bytes: Counter[tuple[str, str]] = Counter()
        self.held: Counter[tuple[str, str]] = Counter()
        """By who and for whom: how often a person asked again because another log was not here."""
        self._open: dict[tuple[str, str], deque[tuple[int, int]]] = {
            (word, region): deque() for word in WORDS[1:] for region in self._regions
        }
        self._last: dict[str, tuple[int, int]] = {}
        self._looks = 0
        self._accepted: Counter[str] = Counter()

    def begin(self, minutes: float, refresh_s: int) -> None:
        """Choose how wide the buckets of the series are, and from when on an act is late.

        A log is to be replicated within R (``refresh_s``) of what it accepts.
        """
        self._late_ms = refresh_s * 1_000
        self.bucket_ms = max(1_000, int(minutes * 60_000) // BUCKETS_MAX)

    # ---- samples --------------------------------------------------------------------------------

    def accepted(self, region: str, index: int, asked_ms: int) -> None:
        """Note that an act got its index."""
        now_ms = self._world.now_ms
        self._accepted[region] += 1
        self.lags_ms["accepted"][region].append(now_ms - asked_ms)
        for word in WORDS[1:]:
            self._open[word, region].append((index, now_ms))

    def stepped(self, machine: Machine) -> None:
        """Look how far a machine's own log is witnessed and replicated by now."""
        node, region = machine.node, machine.region
        if node is None:
            return
        now = (node.snapshot.witnessed_size, node.snapshot.replicated_size)
        if self._last.get(region) == now:
            return
        self._last[region] = now
        for word, size in zip(WORDS[1:], now, strict=True):
            waiting, lags = self._open[word, region], self.lags_ms[word][region]
            while waiting and waiting[0][0] < size:
                lags.append(self._world.now_ms - waiting.popleft()[1])

    def sent(self, sender: str, receiver: str, length_bytes: int) -> None:
        """Note bytes that were put on a link."""
        self.bytes[sender, receiver] += length_bytes

    def answered(self, sender: str, receiver: str, waited_ms: int, *, in_vain: bool) -> None:
        """Note how long one node waited for another."""
        row = self.waits_ms[sender, receiver]
        row[2 if in_vain else 0] += 1
        row[1] += waited_ms

    def look(self, machines: Mapping[str, Machine], findings: Mapping[str, int]) -> None:
        """Add a point to every series; called once a bucket.

        Args:
            machines: By region.
            findings: How many stand in each region's log so far.
        """
        now_s = self._world.now_ms // 1_000
        per_s = 1_000 / self.bucket_ms
        for region, machine in machines.items():
            node = machine.node
            self._add("acts a second", region, self._accepted.pop(region, 0) * per_s)
            self._add("deadlines missed", region, self._late(region))
            self._add("findings", region, findings.get(region, 0))
            if node is None:
                for name in ("backlog", "staleness"):
                    self._add(name, region, float("nan"))
                continue
            seen = node.snapshot
            behind = sum(log.stored_size - log.judged_size for log in seen.logs.values())
            self._add("backlog", region, seen.size - seen.replicated_size + behind)
            # Nothing new can come of a closed log, and nothing that is new rests on it.
            closed = () if seen.rosters is None else seen.rosters.newest.closed
            fresh = [it.fresh_at_s for origin, it in seen.known.items() if origin not in closed]
            self._add("staleness", region, max((now_s - it for it in fresh), default=0))
        self._looks += 1

    def _late(self, region: str) -> int:
        """Return how many acts wait for longer than they should to be replicated."""
        accepted_by_ms = self._world.now_ms - self._late_ms
        waiting = self._open["replicated", region]
        return sum(1 for _ in takewhile(lambda it: it[1] < accepted_by_ms, waiting))

    def _add(self, name: str, region: str, value: float) -> None:
        of_name = self.series.get(name)
        if of_name is None:
            of_name = self.series[name] = {it: [] for it in self._regions}
        line = of_name[region]
        # A region that came later had nothing to measure until then.
        line += [float("nan")] * (self._looks - len(line))
        line.append(value)

    # ---- the whole ------------------------------------------------------------------------------

    def unfinished(self, word: str) -> int:
        """Return how many accepted acts have not reached a word."""
        return sum(len(self._open[word, region]) for region in self._regions)

    def flat(self) -> dict[str, float]:
        """Return what expectations may be about: lags over all regions, in milliseconds."""
        found: dict[str, float] = {}
        for word in WORDS:
            every = quantiles(lag for lags in self.lags_ms[word].values() for lag in lags)
            found |= {f"{word} ms {name}": value for name, value in every.items()}
            found[f"acts {word}"] = sum(len(lags) for lags in self.lags_ms[word].values())
        found["staleness s max"] = self._greatest("staleness")
        found["backlog max"] = self._greatest("backlog")
        found["deadlines missed max"] = self._greatest("deadlines missed")
        return found

    def _greatest(self, name: str) -> float:
        points = (value for line in self.series.get(name, {}).values() for value in line)
        return max((value for value in points if value == value), default=0)  # noqa: PLR0124 - nan

    def to_map(self) -> dict[str, Any]:
        """Return everything, for a report."""
        return {
            "bucket_ms": self.bucket_ms,
            "lags_ms": {
                word: {region: quantiles(lags) for region, lags in self.lags_ms[word].items()}
                for word in WORDS
            },
            "series": {
                name: {region: _plain(line) for region, line in lines.items()}
                for name, lines in self.series.items()
            },
            "waits": [
                {"from": sender, "to": to, "answers": row[0], "ms": row[1], "in_vain": row[2]}
                for (sender, to), row in sorted(self.waits_ms.items())
            ],
            "bytes": [
                {"from": sender, "to": to, "bytes": count}
                for (sender, to), count in sorted(self.bytes.items())
            ],
            "held": [
                {"region": region, "for": other, "times": count}
                for (region, other), count in sorted(self.held.items())
            ],
        }


def _plain(line: Sequence[float]) -> list[float | None]:
    """Return a line of numbers with None where there was nothing to measure."""
    return [round(value, 3) if value == value else None for value in line]  # noqa: PLR0124 - nan
