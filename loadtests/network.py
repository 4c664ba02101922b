"""The network that is put under load: any number of regions, one of them behind links to be cut."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

from loadtests.stage import Stage
from nodes.adapters.network import Founding, Place, found_network
from nodes.cli.demo.relay import Relay

CODES: Final = (
    *("510000", "500000", "520000", "530000", "540000", "110000", "120000", "130000"),
    *("140000", "150000", "210000", "220000", "230000", "310000", "320000", "330000"),
    *("340000", "350000", "360000", "370000", "410000", "420000", "430000", "440000"),
    *("450000", "460000", "610000", "620000", "630000", "640000", "650000"),
)
"""The provinces by GB/T 2260, the five of the southwest first."""

HOST: Final = "127.0.0.1"


class Links:
    """Relays between the first region and the others, in a loop of their own."""

    def __init__(self, relays: list[Relay]) -> None:
        self._relays = relays
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Carry from now on."""
        self._do(Relay.join)

    def cut(self) -> None:
        """Break every connection of the first region with the others."""
        self._do(Relay.cut)

    def close(self) -> None:
        """Cut, for good."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, what: Callable[[Relay], Coroutine[None, None, None]]) -> None:
        async def all_of() -> None:
            await asyncio.gather(*(what(relay) for relay in self._relays))

        asyncio.run_coroutine_threadsafe(all_of(), self._loop).result(30)


@dataclass(slots=True)
class Network(Stage):
    """A stage for more regions than the southwest's five, and for one that can be cut off.

    Args:
        can_cut: Whether relays stand between the first region and the others.
    """

    can_cut: bool = False
    links: Links | None = field(default=None, init=False)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            Stage.__exit__(self, kind, error, trace)
        finally:
            if self.links is not None:
                self.links.close()

    def _ports(self) -> Iterable[int]:
        of_a_region = 3 if self.can_cut else 2
        return range(self.base_port, self.base_port + of_a_region * len(self.regions))

    def _found(self) -> None:
        now_s = int(time.time())  # noqa: TID251 - the load comes from outside, on the world's own clock
        relay_port = self.base_port + 2 * len(self.regions)
        places = tuple(
            Place(
                region=region,
                name=region,
                name_en=region,
                public_port=self.base_port + 2 * number,
                peer_port=self.base_port + 2 * number + 1,
                peer_url=f"https://{HOST}:{relay_port}" if self.can_cut and number == 0 else "",
            )
            for number, region in enumerate(self.regions)
        )
        founding = Founding(network="load.example", steward=self.regions[0], places=places)
        founded = found_network(self.folder, founding, now_s)
        if not self.can_cut:
            return
        relays = [
            Relay(relay_port + number, place.peer_port) for number, place in enumerate(places)
        ]
        with founded.configs[self.regions[0]].open("a", encoding="utf-8") as config:
            config.write("\n[peers]\n")
            for number, region in enumerate(self.regions[1:], 1):
                config.write(f'"{region}" = "https://{HOST}:{relay_port + number}"\n')
        self.links = Links(relays)
        self.links.join()
