"""What is done to a network as stages of a load begin: links are cut, a region is flooded."""

import time
from typing import Any, Final

from loadtests.flood import Flood, count_kept
from loadtests.network import Network
from loadtests.scene import Scene

HAPPENINGS: Final = ("", "cut", "join", "flood", "calm")
WRITTEN_S_MAX: Final = 1.0
"""After which a node has written what it notes of refusals."""


class Happenings:
    """Does what a stage's ``happening`` says, and remembers what there is to report of it."""

    def __init__(self, network: Network, scene: Scene) -> None:
        self._network = network
        self._scene = scene
        self._flood: Flood | None = None
        self.told: dict[str, Any] = {}

    def do(self, what: str) -> None:
        """Do it.

        Raises:
            ValueError: Nothing is known of that.
        """
        links = self._network.links
        if what == "cut" and links is not None:
            links.cut()
        elif what == "join" and links is not None:
            links.join()
        elif what == "flood":
            lent = self._scene.lent[0]
            offices = self._scene.offices
            self._flood = Flood(offices[lent.to], offices[lent.owner], lent)
            self._flood.start()
        elif what == "calm":
            self._calm()
        elif what not in HAPPENINGS:
            raise ValueError(f"a stage begins with one of {HAPPENINGS}, not {what!r}")

    def _calm(self) -> None:
        assert self._flood is not None
        region, flooded = self._flood.party[:6], self._flood.stop()
        time.sleep(WRITTEN_S_MAX)
        self.told["flood"] = {
            "region": region,
            **flooded._asdict(),
            "kept": count_kept(self._network.folder / region / "data", self._flood.party),
        }
