"""How fast the simulator is: the same nodes in one process, under virtual time.

The two do not import each other: the simulator is run as whoever plans with it runs it.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

from loadtests.figure import Figure

MEAN_HOUR: Final = "begins=2026-09-22 16:40"
"""The hour after the set-up, from 17:00 on, has 4.5 % of a plain working day's cases: as many as
one has on average."""
PACED: Final = ("pace_ms=60000", MEAN_HOUR)
"""Gathered for so long, an act is accepted half a minute after it was asked for, on average."""


def _measured(*what_if: str, warm: str = "5m", lasts: str = "2m") -> dict[str, Any]:
    words = [word for one in what_if for word in ("--what-if", one)]
    command = [sys.executable, "-m", "simulator", "speed", "southwest-five"]
    done = subprocess.run(
        [*command, "--warm", warm, "--lasts", lasts, *words],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def simulating() -> Iterator[Figure]:
    """Measure five regions at 20,000 cases a day: at the busiest hour, and at a mean one."""
    for words, signer, target in (("Ed25519", "shared", 8.0), ("a fast signer", "fast", 5.0)):
        found = _measured("pace_ms=20000", f"signer={signer}")
        name = f"simulated: CPU an act and replica, {words}"
        yield Figure(name, found["verifications_per_act_and_replica"], "V", target)
    found = _measured(*PACED, warm="25m", lasts="5m")
    name = "simulated: CPU an act and replica, gathered for a minute"
    yield Figure(name, found["verifications_per_act_and_replica"], "V", 8.0)
    yield Figure("simulated: southwest-five, life = 1", found["times_life"], "x", 150, least=True)
