"""How fast a scenario runs: CPU for an act at one of its replicas, and how much faster than life.

Everything counts: the nodes, the network, the checkers. What does not: the set-up of a world, since
idle or half-built worlds tell nothing. V, one raw Ed25519 verification, is measured all along the
way, because machines are not equally fast at all times.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import process_time
from typing import Final

from ledger import keys
from ledger.keys import SigningKey
from simulator.asked import AskedError
from simulator.places import places_of
from simulator.plan import Plan
from simulator.run import run

PROBES: Final = 20
MESSAGE_BYTES: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What was measured between the set-up of a world and its end."""

    acts: int
    replicas: int
    cpu_s: float
    simulated_s: float
    verification_us: float

    @property
    def verifications(self) -> float:
        """CPU for an act at one replica, in V."""
        return self.cpu_s * 1e6 / (self.acts * self.replicas) / self.verification_us

    @property
    def times_life(self) -> float:
        """How much faster than life the world went by, on one core."""
        return self.simulated_s / self.cpu_s

    def to_map(self) -> Mapping[str, float]:
        """Return it for a report."""
        return {
            "acts": self.acts,
            "replicas": self.replicas,
            "cpu_s": round(self.cpu_s, 3),
            "simulated_s": round(self.simulated_s, 1),
            "verification_us": round(self.verification_us, 1),
            "verifications_per_act_and_replica": round(self.verifications, 2),
            "times_life": round(self.times_life, 1),
        }


class _Watch:
    """Looks at the clock of the processor whenever a run says how far it is."""

    def __init__(self, warm: float) -> None:
        self.warm = warm
        self.began: tuple[float, float, int] | None = None
        self.ended: tuple[float, float, int] = (0.0, 0.0, 0)
        self.probed_s = 0.0
        self.probes = 0
        self._open = keys._open  # noqa: SLF001 - as it is in service, whatever the run makes of it
        key = SigningKey.from_seed(bytes(32))
        message = bytes(MESSAGE_BYTES)
        self._signed, self._public = key.sign(message) + message, key.public

    def __call__(self, share: float, counts: Mapping[str, int]) -> None:
        if share < self.warm:
            return
        acts = sum(
            count
            for name, count in counts.items()
            if name.startswith("act ") and name.endswith(": accepted")
        )
        now = (share, process_time() - self.probed_s, acts)
        self.began, self.ended = self.began or now, now
        before_s = process_time()
        for _ in range(PROBES):
            self._open(self._signed, self._public)
        self.probed_s += process_time() - before_s
        self.probes += PROBES


def measure(plan: Plan, warm_minutes: float) -> Speed:
    """Run a plan for so many minutes more than it says, and measure what comes after those.

    Raises:
        AskedError: Nothing was recorded in that time, or a promise was broken.
    """
    minutes = plan.minutes + warm_minutes
    watch = _Watch(warm_minutes / minutes)
    outcome = run(replace(plan, minutes=minutes), watch)
    if outcome.broken:
        raise AskedError("not-measured", f"a promise was broken: {outcome.broken}")
    first, last = watch.began, watch.ended
    if first is None or last[2] == first[2]:
        raise AskedError(
            "not-measured", "nothing was recorded after the set-up: let it last longer"
        )
    return Speed(
        acts=last[2] - first[2],
        replicas=plan.committee + 1
        if plan.committee
        else len(places_of(plan.places, plan.regions)),
        cpu_s=last[1] - first[1],
        simulated_s=(last[0] - first[0]) * minutes * 60,
        verification_us=watch.probed_s * 1e6 / watch.probes,
    )
