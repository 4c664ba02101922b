"""``shouxin network``: founding one, and running all its nodes."""

import argparse
import asyncio
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ledger.errors import MalformedError, NotFoundError, UnavailableError
from ledger.names import check_region
from nodes.adapters.clock import SystemClock
from nodes.adapters.network import (
    CONFIG_FILE,
    ROSTER_FILE,
    TOKEN_FILE,
    Founding,
    found_network,
)
from nodes.cli.demo.loading import load_text
from nodes.cli.demo.presets import founding_of
from nodes.cli.processes import LOG_FILE, NodeProcess, cancel_on_signals
from nodes.cli.show import print_json

_PORT_MAX = 65_535


def init(given: argparse.Namespace) -> int:
    """Found a network below a folder."""
    founding = replace(
        chosen(given.base_port, given.regions, given.preset),
        post_quantum=given.post_quantum,
        sm2=given.sm2,
    )
    founded = found_network(given.folder, founding, SystemClock().now_ms() // 1000)
    roster = founded.roster
    if given.json:
        print_json(
            {
                "network": roster.network,
                "roster": str(founded.folder / ROSTER_FILE),
                "sha256": roster.sha256,
                "nodes": {
                    region: {"config": str(config), "url": roster.member(region).url}
                    for region, config in founded.configs.items()
                },
            }
        )
        return 0
    print(f"{roster.network}: {len(founded.configs)} regions below {founded.folder}")
    print(f"genesis roster {founded.folder / ROSTER_FILE}, SHA-256 {roster.sha256.hex()}")
    for region, config in founded.configs.items():
        member = roster.member(region)
        print(f"  {region} {member.name} {member.name_en:<10} {member.url}  {config}")
    print(f"start them all: shouxin network up {founded.folder}")
    return 0


def chosen(base_port: int, regions: str | None, preset: str = "southwest-five") -> Founding:
    """Return the founding of a preset's regions, or of some of them.

    Args:
        base_port: The first of two for each region.
        regions: Codes joined by commas; None for all.
        preset: Its name.

    Raises:
        MalformedError: ``bad-field``: a region is not of the preset or is named twice, or a port is
            out of range.
        NotFoundError: ``unknown-preset``.
    """
    made = load_text(preset)
    count = 2 * len(made.regions)
    if not 1 <= base_port <= _PORT_MAX - count:
        raise MalformedError(f"no room for {count} ports from {base_port}", code="bad-field")
    founding = founding_of(made, list(range(base_port, base_port + count)))
    if regions is None:
        return founding
    wanted = regions.split(",")
    known = {place.region for place in founding.places}
    if len(set(wanted)) < len(wanted):
        raise MalformedError(f"a region is named twice: {regions}", code="bad-field")
    for region in wanted:
        check_region(region)
        if region not in known:
            raise MalformedError(f"{region} is not of {preset}", code="bad-field")
    places = tuple(place for place in founding.places if place.region in wanted)
    steward = founding.steward if founding.steward in wanted else places[0].region
    return replace(founding, places=places, steward=steward)


def up(given: argparse.Namespace) -> int:
    """Run all nodes below a folder until interrupted.

    Raises:
        NotFoundError: ``no-network``: there is none below it.
        UnavailableError: ``no-start``: not one of them starts.
    """
    configs = {path.parent.name: path for path in sorted(given.folder.glob(f"*/{CONFIG_FILE}"))}
    if not configs:
        raise NotFoundError(f"no {CONFIG_FILE} below {given.folder}", code="no-network")
    with suppress(asyncio.CancelledError):
        asyncio.run(_up(configs))
    return 0


async def _up(configs: dict[str, Path]) -> None:
    cancel_on_signals()
    started: list[NodeProcess] = []
    try:
        found = await asyncio.gather(
            *(NodeProcess.start(region, config, {}) for region, config in configs.items()),
            return_exceptions=True,
        )
        started += [it for it in found if isinstance(it, NodeProcess)]
        for node in started:
            print(f"{node.region}  {node.greeting}  {TOKEN_FILE} in {node.config.parent}")
        for config, it in zip(configs.values(), found, strict=True):
            if isinstance(it, BaseException):
                print(f"{it} (all of it: {config.parent / LOG_FILE})", file=sys.stderr)
        if not started:
            raise UnavailableError("none of the nodes runs", code="no-start")
        print("interrupt to stop them", flush=True)
        await asyncio.gather(*(_watch(node) for node in started))
    finally:
        await asyncio.gather(*(node.stop() for node in started))


async def _watch(node: NodeProcess) -> None:
    status = await node.wait()
    print(f"{node.region}  ended with status {status}: {node.last_words()[-300:]}", file=sys.stderr)
