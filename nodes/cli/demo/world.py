"""The stage: five nodes as processes, one of them reached only over relays that can be cut."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ledger.roster import Roster
from nodes.adapters.clock import SystemClock
from nodes.adapters.network import ROSTER_FILE, Founding, found_network, southwest_five
from nodes.cli.demo.cast import HOMES, YUNNAN
from nodes.cli.demo.free_ports import LOOPBACK, free_ports
from nodes.cli.demo.lags import Lags
from nodes.cli.demo.office import Office
from nodes.cli.demo.relay import Relay

REGIONS: Final = len(HOMES)
PORTS: Final = 3 * REGIONS + 2


@dataclass(slots=True)
class World:
    """Everything that runs.

    Args:
        folder: Where it all lies.
        genesis: File of the genesis roster.
        relays: Over which Yunnan and the others reach each other.
        setup_s: How long founding and starting took.
    """

    folder: Path
    genesis: Path
    roster: Roster
    offices: dict[str, Office]
    relays: tuple[Relay, ...]
    lags: Lags
    setup_s: float = 0.0
    refusals: list[dict[str, str]] = field(default_factory=list)
    verdicts: dict[str, object] = field(default_factory=dict)
    quiet: Lags = field(default_factory=Lags)
    seen: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    liars: int = 0
    """How many keys the story lets sign two histories."""
    spare_ports: tuple[int, ...] = ()
    """For the public and the peer listener of a region that joins."""
    gone: set[str] = field(default_factory=set)
    """Regions whose node no longer stands for them; their logs are nobody's measure."""

    def office(self, code: str) -> Office:
        """Return a region."""
        return self.offices[code]

    def all(self) -> list[Office]:
        """Return all regions that are there, in the order of the cast."""
        return [office for office in self.offices.values() if office.code not in self.gone]

    async def cut(self) -> None:
        """Cut the link, both ways."""
        await asyncio.gather(*(relay.cut() for relay in self.relays))

    async def join(self) -> None:
        """Put the link back."""
        await asyncio.gather(*(relay.join() for relay in self.relays))

    async def close(self) -> None:
        """End every process."""
        closing = (office.close() for office in self.offices.values())
        await asyncio.gather(*closing, return_exceptions=True)
        await self.cut()


def found(folder: Path, base_port: int) -> World:
    """Found the network below ``folder``; nothing runs yet."""
    ports = list(free_ports(PORTS) if base_port == 0 else range(base_port, base_port + PORTS))
    public, peer, relay = (ports[at * REGIONS : (at + 1) * REGIONS] for at in range(3))
    founding, at = _placed(public, peer, relay)
    founded = found_network(folder, founding, now_s())
    others = [number for number in range(REGIONS) if number != at]
    with founded.configs[YUNNAN.code].open("a", encoding="utf-8") as config:
        config.write("\n[peers]\n")
        for number in others:
            region = founding.places[number].region
            config.write(f'"{region}" = "https://{LOOPBACK}:{relay[number]}"\n')
    relays = [Relay(relay[number], peer[number]) for number in range(REGIONS)]
    lags = Lags()
    homes = {home.code: home for home in HOMES}
    offices = {
        region: Office(
            home=homes[region],
            config=founded.configs[region],
            operator=founded.tokens[region],
            roster=founded.roster,
            lags=lags,
        )
        for region in homes
    }
    return World(
        folder,
        folder / ROSTER_FILE,
        founded.roster,
        offices,
        tuple(relays),
        lags,
        spare_ports=tuple(ports[-2:]),
    )


def _placed(public: list[int], peer: list[int], relay: list[int]) -> tuple[Founding, int]:
    """Return the founding on these ports, and the place in it of the region behind the relays."""
    founding = southwest_five()
    at = next(n for n, place in enumerate(founding.places) if place.region == YUNNAN.code)
    places = tuple(
        replace(
            place,
            public_port=public[number],
            peer_port=peer[number],
            peer_url=f"https://{LOOPBACK}:{relay[number]}" if number == at else "",
        )
        for number, place in enumerate(founding.places)
    )
    return replace(founding, places=places), at


async def start(world: World) -> None:
    """Start the relays and all nodes, and wait until each has heard of every other log."""
    began = time.monotonic()
    await world.join()
    await asyncio.gather(*(office.start() for office in world.all()))
    await asyncio.gather(
        *(
            office.until(
                lambda status: (
                    all(log["stored_size"] for log in status["logs"].values())
                    and status["replicated_size"] > 0
                )
            )
            for office in world.all()
        )
    )
    world.setup_s += time.monotonic() - began


def now_s() -> int:
    """Return Unix time in seconds."""
    return SystemClock().now_ms() // 1000
