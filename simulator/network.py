"""Links between regions: far, narrow, slow, lossy, disordered, and cut, one way or both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Final

from simulator.places import Place
from simulator.world import World

HOP_MS: Final = 3
"""What a message costs wherever it goes."""
FIBRE_KM_PER_MS: Final = 120
"""Light in glass, along roads that are half as long again as the line on the map."""

Link = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How bad the links are. Shares are of messages, between 0 and 1."""

    latency_ms_max: int = 40
    """Of links whose length is not known."""
    jitter_ms_max: int = 10
    lost: float = 0.0
    repeated: float = 0.0
    held_back: float = 0.0
    """Share that is overtaken by later ones."""
    held_back_ms_max: int = 1_500
    bandwidth_kbit: int = 100_000
    """Of each link and direction, in kilobits a second, which are bits a millisecond."""


CALM = Weather()
STORM = Weather(jitter_ms_max=60, lost=0.02, repeated=0.05, held_back=0.05)
HURRICANE = Weather(jitter_ms_max=250, lost=0.15, repeated=0.15, held_back=0.2)


def distances_ms(places: Iterable[Place], times: float = 1.0) -> dict[Link, int]:
    """Return how long a message takes between any two places, or so many times as long."""
    return {
        (one.code, other.code): round(
            times * (HOP_MS + round(one.kilometres_to(other) / FIBRE_KM_PER_MS))
        )
        for one, other in permutations(places, 2)
    }


class Network:
    """Says for each message when it arrives, how often, or never.

    Invariant: a link lets through what it was given in the order of ``_free_ms``; disorder is the
    weather's doing.

    Args:
        latency_ms: By link; drawn from the seed where it is not given.
    """

    def __init__(
        self,
        world: World,
        regions: Sequence[str],
        weather: Weather,
        latency_ms: Mapping[Link, int] | None = None,
    ) -> None:
        self.weather = weather
        self._usual = weather
        self._storms: list[Weather] = []
        """What is worse than usual for a while; the newest one counts."""
        self._world = world
        self._random = world.stream("network")
        latency = world.stream("latency")
        self._latency_ms = latency_ms or {
            (sender, receiver): latency.randint(2, weather.latency_ms_max)
            for sender in regions
            for receiver in regions
        }
        self._cut: dict[Link, int] = {}
        self._slow: dict[Link, int] = {}
        self._narrow_kbit: dict[Link, int] = {}
        self._free_ms: dict[Link, float] = {}

    # ---- what may be done to links --------------------------------------------------------------

    def cut(self, sender: str, receiver: str) -> None:
        """Let nothing through from ``sender`` to ``receiver``. Cuts add up."""
        link = (sender, receiver)
        self._cut[link] = self._cut.get(link, 0) + 1

    def is_cut(self, sender: str, receiver: str) -> bool:
        """Say whether nothing gets through from ``sender`` to ``receiver``."""
        return (sender, receiver) in self._cut

    def mend(self, sender: str, receiver: str) -> None:
        """Undo one cut."""
        link = (sender, receiver)
        left = self._cut.get(link, 0) - 1
        if left > 0:
            self._cut[link] = left
        else:
            self._cut.pop(link, None)

    def slow(self, link: Link, added_ms: int) -> None:
        """Let a link take so much longer; 0: as long as ever."""
        self._slow[link] = added_ms

    def narrow(self, link: Link, bandwidth_kbit: int) -> None:
        """Let a link carry only so much; 0: as much as the weather says."""
        self._narrow_kbit[link] = bandwidth_kbit

    def begin_storm(self, weather: Weather) -> Weather:
        """Let the weather be worse until that storm ends; links stay as wide as they are."""
        storm = replace(weather, bandwidth_kbit=self._usual.bandwidth_kbit)
        self._storms.append(storm)
        self.weather = storm
        return storm

    def end_storm(self, storm: Weather) -> None:
        """End one storm; another one may go on."""
        if storm in self._storms:
            self._storms.remove(storm)
            self.weather = self._storms[-1] if self._storms else self._usual

    def clear_up(self) -> None:
        """End every storm, and lose nothing more; links stay as wide as they are."""
        self._storms.clear()
        self.weather = replace(CALM, bandwidth_kbit=self._usual.bandwidth_kbit)

    def mend_all(self) -> None:
        """Undo every cut, and make every link as fast and wide as it was."""
        self._cut.clear()
        self._slow.clear()
        self._narrow_kbit.clear()
        self._free_ms.clear()

    # ---- messages -------------------------------------------------------------------------------

    def delays_ms(self, sender: str, receiver: str, length_bytes: int = 0) -> list[int]:
        """Return after how long each copy of a message arrives; none where it is lost."""
        weather, random, link = self.weather, self._random, (sender, receiver)
        if self.is_cut(*link):
            self._world.inject("message cut off")
            return []
        if random.random() < weather.lost:
            self._world.inject("message lost")
            return []
        copies = 1
        if random.random() < weather.repeated:
            self._world.inject("message repeated")
            copies = 2
        queued_ms = self._queued_ms(link, length_bytes)
        return [queued_ms + self._delay_ms(link) for _ in range(copies)]

    def _delay_ms(self, link: Link) -> int:
        weather, random = self.weather, self._random
        delay_ms = self._latency_ms[link] + random.randint(0, weather.jitter_ms_max)
        delay_ms += self._slow.get(link, 0)
        if random.random() < weather.held_back:
            self._world.inject("message held back")
            delay_ms += random.randint(1, weather.held_back_ms_max)
        return delay_ms

    def _queued_ms(self, link: Link, length_bytes: int) -> int:
        """Put a message on its link behind those before it, and return when it is through."""
        bandwidth_kbit = self._narrow_kbit.get(link, 0) or self.weather.bandwidth_kbit
        now_ms = self._world.now_ms
        through_ms = max(now_ms, self._free_ms.get(link, 0)) + 8 * length_bytes / bandwidth_kbit
        self._free_ms[link] = through_ms
        waited_ms = int(through_ms - now_ms)
        if waited_ms > 1_000:
            self._world.inject("message queued for a second")
        return waited_ms
