"""A region's clock: true time plus an offset, which may step, and drift."""

from typing import Final

from simulator.world import World

MILLION: Final = 1_000_000


class SimulatedClock:
    """Wall-clock time as one machine sees it. It gains ``drift_ppm`` milliseconds in a million."""

    def __init__(self, world: World, offset_ms: int) -> None:
        self._world = world
        self._since_ms = world.now_ms
        self._offset_ms = offset_ms
        self._drift_ppm = 0

    @property
    def offset_ms(self) -> int:
        """How far it is off now."""
        elapsed_ms = self._world.now_ms - self._since_ms
        return self._offset_ms + elapsed_ms * self._drift_ppm // MILLION

    @offset_ms.setter
    def offset_ms(self, offset_ms: int) -> None:
        self._since_ms, self._offset_ms = self._world.now_ms, offset_ms

    def drift(self, ppm: int) -> None:
        """Let it run faster (or slower, below 0) from now on."""
        self.offset_ms = self.offset_ms
        self._drift_ppm = ppm

    def now_ms(self) -> int:
        """Return Unix time in milliseconds, by this clock."""
        return self._world.now_ms + self.offset_ms
