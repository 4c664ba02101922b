"""When each turn of an open loop is meant to start: fixed beforehand, whatever the answers do.

A turn that starts late because others were slow is measured from when it was meant to start. So a
server that stalls is charged with everything that had to wait (no coordinated omission).
"""

from collections.abc import Sequence
from random import Random  # noqa: TID251 - load is drawn from a seed
from typing import Final, Literal

Curve = Literal["even", "day"]

COUNTER_DAY: Final[Sequence[float]] = (3.5, 12.5, 15.0, 12.5, 6.0, 6.0, 11.0, 12.5, 10.0, 4.5)
"""How busy the ten hours from 8 to 18 are: so many of a hundred cases of a day come in each, as in
the simulator's days (a morning and an afternoon peak, few at noon: an assumption)."""


def busyness(curve: Curve, share: float) -> float:
    """Return how busy it is when ``share`` of the time has passed, against the mean."""
    if curve == "even":
        return 1.0
    hour = min(int(share * len(COUNTER_DAY)), len(COUNTER_DAY) - 1)
    return COUNTER_DAY[hour] * len(COUNTER_DAY) / sum(COUNTER_DAY)


def intended_starts(
    *, rate: float, seconds: float, seed: str, curve: Curve = "even"
) -> Sequence[float]:
    """Return when turns are meant to start, in seconds from the beginning, in order.

    People do not come evenly: the gaps are drawn from an exponential distribution.

    Args:
        rate: Mean turns a second.
        seconds: How long they come for.
        seed: The same seed gives the same times.
        curve: ``day`` lays the ten hours of a counter's day over the time.
    """
    if rate <= 0:
        return ()
    random = Random(seed)
    highest = rate * max(busyness(curve, step / 10) for step in range(10))
    starts = []
    at = random.expovariate(highest)
    while at < seconds:
        # Drawn at the highest rate and thinned, so that the rate may change within the time.
        if random.random() * highest < rate * busyness(curve, at / seconds):
            starts.append(at)
        at += random.expovariate(highest)
    return tuple(starts)
