"""The rate that can be had, and how long answers take at half of it, beside empty ones at each."""

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from loadtests.figure import Figure
from loadtests.fitness import Series, Turn, joined
from loadtests.floors import EMPTY, blast
from loadtests.machine import stolen_s
from loadtests.pacing import paced

CONNECTIONS: Final = 16
RATE_TURNS: Final = 10
RATE_ANSWERS: Final = 1_600
TURN_S: Final = 0.5
TURNS_MAX: Final = 80
P99_MS_MAX: Final = 5.0


def full_rates(port: int, requests: Sequence[bytes]) -> tuple[float, float]:
    """Return how many empty requests a node answers in a second, and how many of those given.

    A processor that others share runs at half its speed for seconds on end. So turns are short, one
    kind goes first in every other one, and the second rate is the first by the median of the turns'
    own ratios.
    """
    repeated = [requests[at % len(requests)] for at in range(RATE_ANSWERS)]
    turns = [_both_rates(port, repeated, empty_first=turn % 2 == 0) for turn in range(RATE_TURNS)]
    empty = statistics.median(empty for empty, _ in turns)
    return empty, empty * statistics.median(asked / empty for empty, asked in turns)


def first_time_ratio(port: int, requests: Sequence[bytes]) -> float:
    """Return the rate of requests that are each sent once, against that of empty ones.

    They are shared out among turns that are judged as above.
    """
    shares = [requests[turn::RATE_TURNS] for turn in range(RATE_TURNS)]
    turns = [_both_rates(port, it, empty_first=turn % 2 == 0) for turn, it in enumerate(shares)]
    return statistics.median(asked / empty for empty, asked in turns)


def _both_rates(port: int, requests: Sequence[bytes], *, empty_first: bool) -> tuple[float, float]:
    """Return the rates of empty requests and of those given, as many of each."""
    if empty_first:
        empty = full_rate(port, [EMPTY] * len(requests), 204)
        return empty, full_rate(port, requests)
    asked = full_rate(port, requests)
    return full_rate(port, [EMPTY] * len(requests), 204), asked


def full_rate(port: int, requests: Sequence[bytes], status: int = 200) -> float:
    """Return how many requests are answered in a second by connections that never rest."""
    shares = [requests[at::CONNECTIONS] for at in range(CONNECTIONS)]
    return asyncio.run(blast(port, shares)).expect(status).rate


def half_load(name: str, port: int, requests: Sequence[bytes], rate: float) -> Iterator[Figure]:
    """Give p50 and p99 at half of ``rate``, from stretches that the machine was fit for.

    Empty requests and those that are measured take turns, until there are enough such stretches or
    none are to be hoped for (``loadtests.fitness``).
    """
    series = taken_in_turns(
        lambda: _turn(port, [EMPTY], rate / 2, 204), lambda: _turn(port, requests, rate / 2, 200)
    )
    yield from told(name, series)


def taken_in_turns(empty: Callable[[], Turn], measured: Callable[[], Turn]) -> Series:
    """Take stretches of both kinds in turn, beginning and ending with an empty one."""
    empties, measurements = [empty()], list[Turn]()
    series = Series(empties, measurements)
    while len(measurements) < TURNS_MAX and not series.is_enough:
        measurements.append(measured())
        empties.append(empty())
    return series


def told(name: str, series: Series) -> Iterator[Figure]:
    """Give the rows of what was taken in turns."""
    floor, answers, every = series.floor(), series.answers(), joined(series.measured)
    turns = len(series.measured)
    yield Figure(f"{name}, turns that the machine was fit for", len(series.fit), f"of {turns}")
    for share, target in ((0.5, None), (0.99, P99_MS_MAX)):
        least = floor.quantile_ms(share)
        word = f"p{share * 100:.0f}"
        yield Figure(f"{name}, an empty request at that load, {word}", least, "ms")
        yield Figure(
            f"{name} at half load, {word}",
            answers.quantile_ms(share),
            "ms",
            target,
            floors=least,
            is_measurable=series.is_measurable,
        )
    yield Figure(f"{name} at half load, p99 of all turns", every.quantile_ms(0.99), "ms")


def _turn(port: int, requests: Sequence[bytes], rate: float, status: int) -> Turn:
    stolen_before_s, begin_s = stolen_s(), time.monotonic()
    pace = paced(port, requests, rate, TURN_S)
    pace.blast.expect(status)
    took_s = time.monotonic() - begin_s
    return Turn(pace, (stolen_s() - stolen_before_s) / (took_s * (os.cpu_count() or 1)))
