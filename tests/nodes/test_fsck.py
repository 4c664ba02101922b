"""Copies of logs on disk and over HTTP: what fsck and audit find, and what repair takes."""

import asyncio
import base64
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.web import AppRunner
from sqlalchemy import update

from ledger.checkpoint import Checkpoint
from ledger.errors import (
    UnavailableError,
    UnverifiedError,
)
from ledger.hashing import hash_leaf
from ledger.note import Note, sign_ed25519
from ledger.tiles import (
    TILE_BYTES,
    EntryBundleID,
    encode_entry_bundle,
    extend_tiles,
    parse_tile_path,
)
from ledger.tree import Frontier
from nodes.adapters.fence_file import FileFence
from nodes.adapters.keystore import KeyStore, Unlock
from nodes.adapters.network import Founded
from nodes.adapters.random import randomness
from nodes.cli import audit, fsck, repair
from nodes.client import Client
from nodes.store import schema
from nodes.store.engine import WRITER, create_schema, open_sqlite
from nodes.store.entries import LogIDs, append, tile_key
from nodes.store.notes import put_note
from tests.nodes.folders import REGION

SIZES = [1, 2, 255, 256, 257, 700]


class Copy:
    """A log in memory, as a mirror serves it."""

    def __init__(self, origin: str, entries: list[bytes]) -> None:
        self.origin = origin
        self._entries = entries
        self._tiles = extend_tiles(0, (), [hash_leaf(entry) for entry in entries]).tiles

    async def size(self) -> int:
        return len(self._entries)

    async def note(self) -> bytes | None:
        return None

    async def entries(self, start: int, end: int) -> list[bytes]:
        return self._entries[start:end]

    async def tile(self, level: int, index: int, width: int) -> bytes:
        return self._tiles.get((level, index), b"")[: width * 32]


def made_entries(size: int) -> list[bytes]:
    return [f"entry {index} granted".encode() for index in range(size)]


def store(path: Path, founded: Founded, entries: list[bytes]) -> str:
    """Store entries as the log of Sichuan, with a note that its key has signed."""
    origin = founded.roster.origin_of(REGION)
    leaves = [hash_leaf(entry) for entry in entries]
    update_ = extend_tiles(0, (), leaves)
    checkpoint = Checkpoint(origin, len(entries), Frontier.empty().extend(leaves).root())
    key = keys_of(founded).load("role/log")
    note = Note(checkpoint.text(), (sign_ed25519(origin, key, checkpoint.text()),)).encode()
    engine = open_sqlite(path)
    create_schema(engine)
    with engine.execution_options(**{WRITER: True}).begin() as connection:
        ids = LogIDs()
        append(connection, ids, origin, 0, entries, update_.tiles)
        put_note(connection, ids, origin, len(entries), note, finished=False)
    engine.dispose()
    return origin


def keys_of(founded: Founded) -> KeyStore:
    home = founded.folder / REGION
    secret = Unlock(file=home / "unlock.secret").secret({})
    return KeyStore.open(home / "keys", secret, randomness)


def alter(path: Path, index: int, entry: bytes) -> None:
    engine = open_sqlite(path)
    with engine.execution_options(**{WRITER: True}).begin() as connection:
        table = schema.entries
        key = 1 << schema.ENTRY_BITS | index
        done = connection.execute(update(table).where(table.c.key == key).values(entry=entry))
        assert done.rowcount == 1
    engine.dispose()


@pytest.mark.parametrize("size", SIZES)
def test_a_sound_log_is_found_sound(tmp_path: Path, founded: Founded, size: int) -> None:
    path = tmp_path / "node.db"
    entries = made_entries(size)
    origin = store(path, founded, entries)
    with audit.StoredLogs(path) as logs:
        report = asyncio.run(audit.examine(logs.log(origin), founded.roster))
        difference = asyncio.run(audit.compare(logs.log(origin), Copy(origin, entries)))
    assert report.trouble == ""
    assert (report.size, report.note_size, report.first) == (size, size, None)
    assert report.root == Frontier.empty().extend([hash_leaf(it) for it in entries]).root()
    assert difference.index is None


@pytest.mark.parametrize("size", SIZES)
def test_one_altered_entry_is_named_alone_and_beside_a_mirror(
    tmp_path: Path, founded: Founded, size: int
) -> None:
    path = tmp_path / "node.db"
    entries = made_entries(size)
    origin = store(path, founded, entries)
    for index in {0, size // 2, size - 1}:
        alter(path, index, entries[index].replace(b"granted", b"refused"))
        with audit.StoredLogs(path) as logs:
            report = asyncio.run(audit.examine(logs.log(origin), founded.roster))
            difference = asyncio.run(audit.compare(logs.log(origin), Copy(origin, entries)))
        assert report.first == index
        assert report.altered == (index,)
        assert report.leaves_hold
        assert f"entry {index} " in report.trouble
        assert difference.index == index
        alter(path, index, entries[index])


def test_entries_altered_with_their_tiles_do_not_lead_to_the_signed_root(
    tmp_path: Path, founded: Founded
) -> None:
    path = tmp_path / "node.db"
    entries = made_entries(300)
    origin = store(path, founded, entries)
    lied = [*entries[:7], b"another", *entries[8:]]
    alter(path, 7, lied[7])
    rewrite_tiles(path, lied)
    with audit.StoredLogs(path) as logs:
        report = asyncio.run(audit.examine(logs.log(origin), founded.roster))
        difference = asyncio.run(audit.compare(logs.log(origin), Copy(origin, entries)))
    assert "another root than its note" in report.trouble
    assert not report.leaves_hold
    assert difference.index == 7


def test_a_changed_tile_above_the_leaves_is_found(tmp_path: Path, founded: Founded) -> None:
    path = tmp_path / "node.db"
    entries = made_entries(300)
    origin = store(path, founded, entries)
    engine = open_sqlite(path)
    with engine.execution_options(**{WRITER: True}).begin() as connection:
        key = (1 << schema.TILE_LEVEL_BITS | 1) << schema.TILE_BITS
        table = schema.tiles
        done = connection.execute(update(table).where(table.c.key == key).values(hashes=bytes(32)))
        assert done.rowcount == 1
    engine.dispose()
    with audit.StoredLogs(path) as logs:
        report = asyncio.run(audit.examine(logs.log(origin), founded.roster))
    assert report.wrong_tiles == ("tile/1/000.p/1",)
    assert report.trouble


def rewrite_tiles(path: Path, entries: list[bytes]) -> None:
    tiles = extend_tiles(0, (), [hash_leaf(entry) for entry in entries]).tiles
    engine = open_sqlite(path)
    with engine.execution_options(**{WRITER: True}).begin() as connection:
        table = schema.tiles
        for (level, index), hashes in tiles.items():
            assert len(hashes) <= TILE_BYTES
            connection.execute(
                update(table).where(table.c.key == tile_key(1, level, index)).values(hashes=hashes)
            )
    engine.dispose()


def test_a_missing_entry_is_named(tmp_path: Path, founded: Founded) -> None:
    path = tmp_path / "node.db"
    origin = store(path, founded, made_entries(10))
    engine = open_sqlite(path)
    with engine.execution_options(**{WRITER: True}).begin() as connection:
        table = schema.entries
        connection.execute(table.delete().where(table.c.key == (1 << schema.ENTRY_BITS | 9)))
    engine.dispose()
    with audit.StoredLogs(path) as logs:
        report = asyncio.run(audit.examine(logs.log(origin), founded.roster))
    assert report.trouble == "entry 9 is missing"


def test_a_note_that_the_log_did_not_sign_is_found(tmp_path: Path, founded: Founded) -> None:
    path = tmp_path / "node.db"
    origin = store(path, founded, made_entries(3))
    engine = open_sqlite(path)
    with engine.execution_options(**{WRITER: True}).begin() as connection:
        table = schema.notes
        (note,) = connection.execute(table.select().with_only_columns(table.c.note)).one()
        connection.execute(update(table).values(note=note.replace(b"\n3\n", b"\n2\n")))
    engine.dispose()
    with audit.StoredLogs(path) as logs:
        report = asyncio.run(audit.examine(logs.log(origin), founded.roster))
    assert report.trouble.startswith("the note does not hold")


def test_repair_takes_only_what_leads_to_the_signed_root(tmp_path: Path, founded: Founded) -> None:
    path = tmp_path / "node.db"
    entries = made_entries(300)
    origin = store(path, founded, entries)
    lied = entries[5].replace(b"granted", b"refused")
    alter(path, 5, lied)
    wrong = Copy(origin, [*entries[:5], b"a third thing", *entries[6:]])
    with audit.StoredLogs(path) as logs:
        log = logs.log(origin)
        report = asyncio.run(audit.examine(log, founded.roster))
        with pytest.raises(UnverifiedError) as caught:
            asyncio.run(repair.put_right(logs, log, report, founded.roster, wrong))
        assert caught.value.code == "altered"
        assert asyncio.run(log.entries(5, 6)) == [lied]
        changed = asyncio.run(
            repair.put_right(logs, log, report, founded.roster, Copy(origin, entries))
        )
        assert changed == (5,)
        assert asyncio.run(log.entries(5, 6)) == [entries[5]]
        assert asyncio.run(audit.examine(log, founded.roster)).trouble == ""


def test_a_running_node_is_not_repaired(founded: Founded) -> None:
    home = founded.folder / REGION
    fence = FileFence.open(home / "keys" / "fence")
    try:
        with pytest.raises(UnavailableError) as caught:
            asyncio.run(repair.repair_folder(home))
        assert caught.value.code == "fence-in-use"
    finally:
        fence.close()


async def serve(folder: Path, founded: Founded, entries: list[bytes]) -> tuple[str, AppRunner]:
    """Serve a log of Sichuan's as its node does; the other logs have no entries."""
    copy = Copy(founded.roster.origin_of(REGION), entries)
    with audit.StoredLogs(folder) as logs:
        note = await logs.log(copy.origin).note()

    async def answer(request: web.Request) -> web.Response:
        path = request.path
        if path == "/v1/status":
            return web.json_response({"origin": copy.origin})
        if path == "/v1/roster":
            signed = base64.b64encode((founded.folder / "genesis.roster").read_bytes()).decode()
            sha256 = founded.roster.sha256.hex()
            return web.json_response({"signed": [signed], "sha256": sha256, "version": 1})
        if path == "/log/checkpoint":
            return web.Response(body=note)
        if not path.startswith("/log/"):
            return web.Response(status=404)
        tile = parse_tile_path(path.removeprefix("/log/"))
        if isinstance(tile, EntryBundleID):
            start = tile.index * 256
            bundle = await copy.entries(start, start + tile.width)
            return web.Response(body=encode_entry_bundle(bundle))
        return web.Response(body=await copy.tile(tile.level, tile.index, tile.width))

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}", runner


@pytest.mark.parametrize("size", [1, 257])
def test_a_served_log_is_checked_over_http(tmp_path: Path, founded: Founded, size: int) -> None:
    path = tmp_path / "node.db"
    entries = made_entries(size)
    origin = store(path, founded, entries)
    genesis = founded.folder / "genesis.roster"

    async def look(served: list[bytes]) -> list[fsck.Finding]:
        url, runner = await serve(path, founded, served)
        try:
            return await fsck.check_url(url, None, REGION, genesis)
        finally:
            await runner.cleanup()

    [found] = asyncio.run(look(entries))
    assert found.is_sound
    assert (found.report.origin, found.report.size) == (origin, size)
    [found] = asyncio.run(look([b"another", *entries[1:]]))
    assert not found.is_sound
    assert "another root than its note" in found.report.trouble


def test_a_copy_on_disk_is_compared_with_a_served_one(tmp_path: Path, founded: Founded) -> None:
    path = tmp_path / "node.db"
    entries = made_entries(300)
    origin = store(path, founded, entries)

    async def look() -> audit.Difference:
        url, runner = await serve(path, founded, [*entries[:280], b"another", *entries[281:]])
        try:
            async with Client(url) as client:
                with audit.StoredLogs(path) as logs:
                    served = audit.ServedLog(client, origin, is_own=True)
                    return await audit.compare(logs.log(origin), served)
        finally:
            await runner.cleanup()

    assert asyncio.run(look()) == audit.Difference(origin, 300, 280)
