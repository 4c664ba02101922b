"""How long answers take at half the rate that can be had, beside empty ones at that very rate."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from loadtests.figure import Figure
from loadtests.floors import Blast, paced
from loadtests.stage import StageError

TURNS: Final = 3
TURN_S: Final = 2.0
P99_MS_MAX: Final = 5.0


def half_load(
    name: str, port: int, empty: bytes, requests: Sequence[bytes], rate: float
) -> Iterator[Figure]:
    """Give p50 and p99 at half of ``rate``.

    What an empty request takes at its slowest, turn by turn with the others, is what the machine
    and the measuring process do by themselves.
    """
    floor, half = Blast(0.0, [], {}), Blast(0.0, [], {})
    for _ in range(TURNS):
        floor += _paced(port, [empty], rate / 2)
        half += _paced(port, requests, rate / 2)
    for share, target in ((0.5, None), (0.99, P99_MS_MAX)):
        least = floor.quantile_ms(share)
        word = f"p{share * 100:.0f}"
        yield Figure(f"{name}, an empty request at that load, {word}", least, "ms")
        yield Figure(
            f"{name} at half load, {word}", half.quantile_ms(share), "ms", target, floors=least
        )


def _paced(port: int, requests: Sequence[bytes], rate: float) -> Blast:
    result = asyncio.run(paced(port, *requests, rate=rate, seconds=TURN_S))
    if any(status >= 300 for status in result.statuses):
        raise StageError(f"the load was not answered as it should be: {result.statuses}")
    return result
