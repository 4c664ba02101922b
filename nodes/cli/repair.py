"""``shouxin repair``: entries that were altered on disk, put right from the mirrors.

A copy is believed only as far as it hashes to what the log's own key has signed, so it does not
matter whom it comes from. What a node has lost altogether it fetches by itself at its start.
"""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import update

from ledger.errors import LedgerError, UnavailableError, UnverifiedError
from ledger.hashing import hash_leaf
from ledger.note import checkpoint_of
from ledger.tiles import TILE_WIDTH, extend_tiles
from ledger.tree import Frontier
from nodes.adapters.fence_file import FileFence
from nodes.adapters.roster_files import load_chain
from nodes.cli.audit import LogKeys, Report, ServedLog, Source, StoredLog, StoredLogs, examine
from nodes.cli.caller import load_folder
from nodes.cli.show import print_json
from nodes.client import Client, Patience
from nodes.store import schema
from nodes.store.engine import WRITER, Upsert
from nodes.store.entries import LogIDs, tile_key

_PATIENCE = Patience(attempts_max=2, timeout_ms=10_000)
_PUT_TILES = Upsert(schema.tiles, replaced=("hashes",))


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was put right in one log: which entries, and from whose copies."""

    origin: str
    entries: tuple[int, ...]
    sources: tuple[str, ...]
    has_new_map: bool = False
    """Whether its object map was dropped; the node makes it again from the entries."""


def repair(given: argparse.Namespace) -> int:
    """Put a stopped node's database right; 0 where it holds afterwards."""
    done = asyncio.run(repair_folder(given.folder, given.sources))
    if given.json:
        print_json(
            {
                "repaired": [
                    {
                        "origin": it.origin,
                        "entries": it.entries,
                        "sources": it.sources,
                        "has_new_map": it.has_new_map,
                    }
                    for it in done
                ]
            }
        )
        return 0
    for it in done:
        if it.has_new_map:
            print(f"{it.origin}: dropped the object map, which the node makes again")
            continue
        named = ", ".join(map(str, it.entries))
        print(f"{it.origin}: put right {named or 'tiles'} from {', '.join(it.sources)}")
    if not done:
        print("nothing was wrong")
    return 0


async def repair_folder(folder: Path, urls: Sequence[str] = ()) -> list[Repaired]:
    """Put right what is wrong in a node's database.

    Args:
        folder: The node's.
        urls: Nodes to fetch from; all others of the roster where there are none.

    Raises:
        UnavailableError: ``fence-in-use``: the node is running. ``no-copy``: nobody who answers has
            a copy that leads to the signed root.
    """
    config = load_folder(folder)
    # Whoever holds the fence is the only one to write; a running node holds it.
    fence = FileFence.open(config.node.fence)
    try:
        with StoredLogs(config.node.database, config.node.database_url) as logs:
            chain = logs.rosters(load_chain(config))
            chosen = list(urls) or [
                member.url
                for region, member in chain.newest.members.items()
                if region != config.node.region
            ]
            done = []
            for origin in logs.origins():
                log = logs.log(origin)
                report = await examine(log, chain)
                if report.trouble:
                    done.append(await _repair_log(logs, log, report, chain, chosen))
                if logs.wrong_nodes(origin):
                    logs.drop_map(origin)
                    done.append(Repaired(origin, (), (), has_new_map=True))
            return done
    finally:
        fence.close()


async def _repair_log(
    logs: StoredLogs, log: StoredLog, report: Report, keys: LogKeys, urls: Sequence[str]
) -> Repaired:
    trouble = "there is no other node"
    for url in urls:
        async with Client(url, patience=_PATIENCE) as client:
            try:
                own = (await client.status())["origin"]
                copy = ServedLog(client, log.origin, is_own=own == log.origin)
                entries = await put_right(logs, log, report, keys, copy)
            except LedgerError as error:
                trouble = f"{url}: {error}"
            else:
                return Repaired(log.origin, entries, (url,))
    raise UnavailableError(f"{log.origin} cannot be put right: {trouble}", code="no-copy")


async def put_right(
    logs: StoredLogs, log: StoredLog, report: Report, keys: LogKeys, copy: Source
) -> tuple[int, ...]:
    """Write the entries of a copy over those that differ, and all tiles; return which they were.

    Args:
        logs: The database.
        log: In it.
        report: What was found wrong.
        keys: That may sign the log's notes.
        copy: The same log as someone else has it. Not trusted.

    Raises:
        UnverifiedError: ``altered``: the copy does not lead to the root that was signed, or leaves
            something wrong. Nothing is written in the first case.
        UnavailableError: ``no-copy``: it lacks entries that are wanted.
    """
    changed = await _fetched(log, copy, report)
    if report.note_size and _root_at(changed, report.note_size) != await _signed_root(log):
        raise UnverifiedError("the copy leads to another root than was signed", code="altered")
    _write(logs, log.origin, changed)
    after = await examine(log, keys)
    if after.trouble:
        raise UnverifiedError(f"with this copy, too: {after.trouble}", code="altered")
    return tuple(sorted(changed.entries))


@dataclass(slots=True)
class _Changed:
    """What a copy changes: entries by index; and all leaf hashes, as they then are."""

    entries: dict[int, bytes]
    leaves: list[bytes]


async def _fetched(log: StoredLog, copy: Source, report: Report) -> _Changed:
    """Return what differs from the copy, in bundles where something is wrong here."""
    changed = _Changed({}, [])
    for start in range(0, report.size, TILE_WIDTH):
        end = min(report.size, start + TILE_WIDTH)
        ours = list(await log.entries(start, end))
        leaves = [hash_leaf(entry) for entry in ours]
        stored = await log.tile(0, start // TILE_WIDTH, end - start)
        if b"".join(leaves) != stored or len(ours) < end - start or not report.leaves_hold:
            theirs = await copy.entries(start, end)
            if len(theirs) != end - start:
                raise UnavailableError(f"no copy of entries {start} to {end}", code="no-copy")
            for at, entry in enumerate(theirs):
                if at >= len(ours) or ours[at] != entry:
                    changed.entries[start + at] = entry
            leaves = [hash_leaf(entry) for entry in theirs]
        changed.leaves += leaves
    return changed


def _root_at(changed: _Changed, size: int) -> bytes:
    """Return the root over the first ``size`` entries as they would be."""
    return Frontier.empty().extend(changed.leaves[:size]).root()


async def _signed_root(log: StoredLog) -> bytes | None:
    signed = await log.note()
    return None if signed is None else checkpoint_of(signed).root


def _write(logs: StoredLogs, origin: str, changed: _Changed) -> None:
    """Write entries and all tiles in one transaction."""
    tiles = extend_tiles(0, (), changed.leaves).tiles
    engine = logs.write().execution_options(**{WRITER: True})
    with engine.begin() as connection:
        log_id = LogIDs().get(connection, origin)
        base = log_id << schema.ENTRY_BITS
        table = schema.entries
        for index, entry in changed.entries.items():
            made = connection.execute(
                update(table).where(table.c.key == base | index).values(entry=entry)
            )
            if made.rowcount == 0:
                connection.execute(table.insert().values(key=base | index, entry=entry))
        rows = [(tile_key(log_id, level, at), hashes) for (level, at), hashes in tiles.items()]
        _PUT_TILES.run_many(connection, rows)
