"""A region's clock: true time plus an offset, which may step."""

from simulator.world import World


class SimulatedClock:
    """Wall-clock time as one machine sees it."""

    def __init__(self, world: World, offset_ms: int) -> None:
        self._world = world
        self.offset_ms = offset_ms

    def now_ms(self) -> int:
        """Return Unix time in milliseconds, by this clock."""
        return self._world.now_ms + self.offset_ms
