"""``shouxin fsck``: whole logs checked again, from a node's folder or from its addresses."""

import argparse
import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from ledger.errors import NotFoundError, UnverifiedError
from ledger.names import region_of_origin
from ledger.roster_chain import RosterChain
from nodes.adapters.roster_files import load_chain
from nodes.cli.audit import (
    Difference,
    LogKeys,
    Report,
    ServedLog,
    Source,
    StoredLogs,
    compare,
    examine,
)
from nodes.cli.caller import load_folder, load_roster
from nodes.cli.show import console, print_json, table
from nodes.client import Client


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one log: by itself, and beside another node's copy."""

    report: Report
    difference: Difference | None = None
    wrong_rows: tuple[int, ...] = ()
    wrong_nodes: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        differs = self.difference is not None and self.difference.index is not None
        wrong = self.wrong_rows or self.wrong_nodes
        return not self.report.trouble and not differs and not wrong

    @property
    def first(self) -> int | None:
        """The first entry that is wrong, by whichever check names it."""
        if self.report.first is not None:
            return self.report.first
        if self.difference is not None and self.difference.index is not None:
            return self.difference.index
        return self.wrong_rows[0] if self.wrong_rows else None


def fsck(given: argparse.Namespace) -> int:
    """Check the logs of a folder or a node; 0 where all hold, 1 otherwise."""
    if given.source.startswith(("http://", "https://")):
        found = asyncio.run(check_url(given.source, given.against, given.region, given.roster))
    else:
        found = asyncio.run(
            check_folder(Path(given.source), given.against, given.region, given.roster)
        )
    if not found:
        raise NotFoundError("no log is there to be checked", code="no-log")
    sound = all(it.is_sound for it in found)
    if given.json:
        print_json({"sound": sound, "logs": [fields(it) for it in found]})
    else:
        _print(found, given.against)
    return 0 if sound else 1


async def check_folder(
    folder: Path, against: str | None, region: str | None, genesis: Path | None = None
) -> list[Finding]:
    """Check what a node's database holds."""
    config = load_folder(folder)
    chain = load_chain(config)
    if genesis is not None and load_roster(genesis).sha256 != chain.genesis.sha256:
        raise UnverifiedError(f"{folder} has another genesis roster", code="wrong-genesis")
    with StoredLogs(config.node.database, config.node.database_url) as logs:
        sources: dict[str, Source] = {origin: logs.log(origin) for origin in logs.origins()}
        found = await _check(sources, logs.rosters(chain), against, region)
        return [
            Finding(
                it.report,
                it.difference,
                tuple(logs.wrong_rows(it.report.origin)),
                tuple(logs.wrong_nodes(it.report.origin)),
            )
            for it in found
        ]


async def check_url(
    url: str, against: str | None, region: str | None, genesis: Path | None
) -> list[Finding]:
    """Check what a node serves."""
    async with Client(url) as client:
        status, served = await client.status(), await client.roster()
        chain = RosterChain.check([base64.b64decode(signed) for signed in served["signed"]])
        if genesis is not None and load_roster(genesis).sha256 != chain.genesis.sha256:
            raise UnverifiedError(f"{url} serves another genesis roster", code="wrong-genesis")
        own = status["origin"]
        sources: dict[str, Source] = {
            origin: ServedLog(client, origin, is_own=origin == own) for origin in chain.origins()
        }
        return await _check(sources, chain, against, region)


async def _check(
    sources: Mapping[str, Source], keys: LogKeys, against: str | None, region: str | None
) -> list[Finding]:
    chosen = [
        source
        for origin, source in sources.items()
        if region is None or region_of_origin(origin) == region
    ]
    reports = [await examine(source, keys) for source in chosen]
    if against is None:
        return [Finding(it) for it in reports if it.size]
    async with Client(against) as client:
        own = (await client.status())["origin"]
        return [
            Finding(
                report,
                await compare(
                    source, ServedLog(client, source.origin, is_own=source.origin == own)
                ),
            )
            for source, report in zip(chosen, reports, strict=True)
            if report.size
        ]


def fields(found: Finding) -> dict[str, Any]:
    """Return a finding as JSON has it."""
    made = asdict(found.report) | {"sound": found.is_sound, "first": found.first}
    if found.difference is not None:
        made["compared_size"] = found.difference.size
        made["differs_at"] = found.difference.index
    made["wrong_rows"] = list(found.wrong_rows[:20])
    made["wrong_nodes"] = list(found.wrong_nodes[:20])
    return made


def _print(found: Sequence[Finding], against: str | None) -> None:
    out = console()
    columns = ["log", "entries", "signed up to", "root"]
    made = table(*columns, *(["as the other has it"] if against else []), "", right=(1, 2))
    for it in found:
        cells = [
            it.report.origin,
            str(it.report.size),
            str(it.report.note_size),
            it.report.root.hex()[:16] + "…",
        ]
        if it.difference is not None:
            index = it.difference.index
            cells.append(
                f"up to {it.difference.size}" if index is None else f"differs at entry {index}"
            )
        made.add_row(
            *cells,
            Text("sound", style="green") if it.is_sound else Text("not sound", style="bold red"),
        )
    out.print(made)
    for it in found:
        if it.report.trouble:
            out.print(f"{it.report.origin}: {it.report.trouble}", style="red", markup=False)
        if it.report.altered_count > 1:
            named = ", ".join(map(str, it.report.altered))
            out.print(f"  {it.report.altered_count} entries: {named}", markup=False)
        if it.wrong_rows:
            out.print(
                f"{it.report.origin}: rows of objects that name another entry: "
                f"{len(it.wrong_rows)}, the first at {it.wrong_rows[0]}",
                style="red",
                markup=False,
            )
        if it.wrong_nodes:
            out.print(
                f"{it.report.origin}: nodes of the object map that have changed: "
                f"{len(it.wrong_nodes)}, the first {it.wrong_nodes[0]!r}",
                style="red",
                markup=False,
            )
