"""Links between regions that are slow, lose, repeat, reorder, and are cut, one way or both."""

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How bad the links are. Shares are of messages, between 0 and 1."""

    latency_ms_max: int = 40
    jitter_ms_max: int = 10
    lost: float = 0.0
    repeated: float = 0.0
    held_back: float = 0.0
    """Share that is overtaken by later ones."""
    held_back_ms_max: int = 1_500


CALM = Weather()
STORM = Weather(jitter_ms_max=60, lost=0.02, repeated=0.05, held_back=0.05)


class Network:
    """Says for each message when it arrives, how often, or never."""

    def __init__(self, world: World, regions: Sequence[str], weather: Weather) -> None:
        self.weather = weather
        self._world = world
        self._random = world.stream("network")
        latency = world.stream("latency")
        self._latency_ms = {
            (sender, receiver): latency.randint(2, weather.latency_ms_max)
            for sender in regions
            for receiver in regions
        }
        self._cut: dict[tuple[str, str], int] = {}

    def cut(self, sender: str, receiver: str) -> None:
        """Let nothing through from ``sender`` to ``receiver``. Cuts add up."""
        link = (sender, receiver)
        self._cut[link] = self._cut.get(link, 0) + 1

    def mend(self, sender: str, receiver: str) -> None:
        """Undo one cut."""
        link = (sender, receiver)
        left = self._cut.get(link, 0) - 1
        if left > 0:
            self._cut[link] = left
        else:
            self._cut.pop(link, None)

    def mend_all(self) -> None:
        """Undo every cut."""
        self._cut.clear()

    def delays_ms(self, sender: str, receiver: str) -> list[int]:
        """Return after how long each copy of a message arrives; none where it is lost."""
        weather, random = self.weather, self._random
        if (sender, receiver) in self._cut:
            self._world.count("message cut off")
            return []
        if random.random() < weather.lost:
            self._world.count("message lost")
            return []
        copies = 1
        if random.random() < weather.repeated:
            self._world.count("message repeated")
            copies = 2
        return [self._delay_ms(sender, receiver) for _ in range(copies)]

    def _delay_ms(self, sender: str, receiver: str) -> int:
        weather, random = self.weather, self._random
        delay_ms = self._latency_ms[sender, receiver] + random.randint(0, weather.jitter_ms_max)
        if random.random() < weather.held_back:
            self._world.count("message held back")
            delay_ms += random.randint(1, weather.held_back_ms_max)
        return delay_ms
