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
GATHERED: Final = {
    "for 20 s": (("pace_ms=20000",), "9m", "2m"),
    "for a minute": (("pace_ms=60000", MEAN_HOUR), "25m", "5m"),
}
"""What is asked of a plan, what is left out of it at its beginning, and how long it is measured. An
act waits for half as long as acts are gathered, on average, before it is accepted."""
SIGNERS: Final = (("Ed25519", "shared", 8.0), ("a fast signer", "fast", 5.0))


NATION: Final = (
    MEAN_HOUR, "pace_ms=60000", "refresh_s=300", "staleness_s=1800",
)  # fmt: skip
"""Nine acts a second eleven minutes on, about as many as a mean hour has; views last as long as
acts that are gathered for a minute ask for."""


def _measured(scenario: str, *what_if: str, warm: str, lasts: str) -> dict[str, Any]:
    words = [word for one in what_if for word in ("--what-if", one)]
    command = [sys.executable, "-m", "simulator", "speed", scenario]
    done = subprocess.run(
        [*command, "--warm", warm, "--lasts", lasts, *words],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def simulating() -> Iterator[Figure]:
    """Measure five regions at 20,000 cases a day, at the busiest hour and at a mean one; and 32.

    The nodes share what they judge, as the scenario has it, and of that a sample is judged again.
    """
    for gathered, (plan, warm, lasts) in GATHERED.items():
        for words, signer, target in SIGNERS:
            asked = (*plan, f"signer={signer}")
            found = _measured("southwest-five", *asked, warm=warm, lasts=lasts)
            name = f"simulated: CPU an act and replica, {words}, gathered {gathered}"
            yield Figure(name, found["verifications_per_act_and_replica"], "V", target)
            if MEAN_HOUR in plan:
                name = f"simulated: southwest-five, life = 1, {words}, gathered {gathered}"
                yield Figure(name, found["times_life"], "x", 150, least=True)
    found = _measured("nation-31", *NATION, warm="11m", lasts="3m")
    what = "a fast signer, gathered for a minute"
    name = f"simulated: CPU an act and replica of 32 regions, {what}"
    yield Figure(name, found["verifications_per_act_and_replica"], "V", 5.0)
    yield Figure(
        f"simulated: nation-31, life = 1, {what}", found["times_life"], "x", 20, least=True
    )
