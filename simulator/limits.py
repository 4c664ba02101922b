"""Within what the fields of a plan make sense: told before a world is made of them."""

import math
from itertools import pairwise
from typing import Final

from ledger.roster_fields import STALENESS_S_MIN
from simulator.asked import AskedError
from simulator.offices import LEVELS, items

BAD_PLAN: Final = "bad-plan"
PAUSE_S_MIN: Final = 0.5
"""The least time after a drawn fault before the next one."""
YEAR_MINUTES: Final = 366 * 24 * 60
OFTEN_S: Final = 0.1
"""No less lies between two bundles that somebody asks for."""

LIMITS: Final[dict[str, tuple[float, float]]] = {
    "regions": (0, math.inf),
    "committee": (0, math.inf),
    "minutes": (0.01, YEAR_MINUTES),
    "acts_per_minute": (1, 60_000),
    "cases_per_day": (0, 100_000_000),
    "items": (1, len(items())),
    "levels": (1, len(LEVELS)),
    "windows": (1, math.inf),
    "careless": (0, 1),
    "think_s": (0.2, 86_400),
    "revoked": (0, 1),
    "farther": (0.01, 1_000),
    "jitter_ms": (0, 60_000),
    "lost": (0, 1),
    "repeated": (0, 1),
    "held_back": (0, 1),
    "bandwidth_kbit": (1, 100_000_000),
    "faulty": (1, 1_000),
    "pause_s": (PAUSE_S_MIN, 86_400),
    "together": (0, 1),
    "more_changes": (0, 1_000),
    "pace_ms": (0, 86_400_000),
    "refresh_s": (1, 86_400),
    "staleness_s": (STALENESS_S_MIN, 86_400),
    "candidate_ms": (1, 86_400_000),
    "settle_s": (1, 86_400),
    "check_every": (1, math.inf),
    "receipts": (0, 1),
    "bundle_every_s": (0, 86_400),
}
"""The least and the most of each number."""


def check_number(name: str, value: float) -> None:
    """Check that a number lies within the limits of its field, if it has any.

    Raises:
        AskedError: It does not.
    """
    least, most = LIMITS.get(name, (-math.inf, math.inf))
    if not least <= value <= most:
        upto = "" if math.isinf(most) else f" to {most:.15g}"
        raise AskedError(BAD_PLAN, f"{name} is a number from {least:g}{upto}, not {value:.15g}")
    if name == "bundle_every_s" and 0 < value < OFTEN_S:
        raise AskedError(BAD_PLAN, f"{name} is 0, or a number from {OFTEN_S:g}, not {value:.15g}")
    if name == "regions" and value == 1:
        raise AskedError(
            BAD_PLAN, "regions are two or more, or 0 for all: one alone is witnessed by nobody"
        )


def check_stages(stages: tuple[tuple[float, int], ...]) -> None:
    """Check that members only come, one stage after the other, from the beginning on.

    Raises:
        AskedError: They do not.
    """
    minutes, members = [at for at, _ in stages], [count for _, count in stages]
    grows = all(one < other for row in (minutes, members) for one, other in pairwise(row))
    if stages and (minutes[0] != 0 or members[0] < 1 or minutes[-1] > YEAR_MINUTES or not grows):
        told = ",".join(f"{at:g}:{count}" for at, count in stages)
        raise AskedError(BAD_PLAN, f"stages begin at 0 and grow, such as 0:2,1.5:4; not {told}")
