"""The command line: what it loads, how it refuses, and what it finds."""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import string
import subprocess
import sys
from collections.abc import Coroutine
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web
from aiohttp.web import AppRunner
from sqlalchemy import update

from ledger.checkpoint import Checkpoint
from ledger.errors import (
    ConflictError,
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UnverifiedError,
)
from ledger.hashing import hash_leaf
from ledger.judge import kind_of
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
from nodes.adapters.network import Founded, found_network, southwest_five
from nodes.adapters.random import randomness
from nodes.cli import acts, audit, caller, fsck, main, network, processes, repair, telling, verify
from nodes.cli.demo import cast, lags, terminal, texts, trouble
from nodes.cli.demo.free_ports import free_ports
from nodes.cli.demo.relay import Relay
from nodes.cli.show import console
from nodes.client import Client
from nodes.core.kinds import KINDS
from nodes.store import schema
from nodes.store.engine import WRITER, create_schema, open_sqlite
from nodes.store.entries import LogIDs, append, tile_key
from nodes.store.notes import put_note

T = TypeVar("T")

NOW_S = 1_790_000_000
REGION = "510000"


def shouxin(*arguments: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *python, "-m", "nodes.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "COLUMNS": "100"},
    )


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Founded:
    return found_network(tmp_path_factory.mktemp("net") / "five", southwest_five(), NOW_S)


# ---- what it loads, and how it refuses -----------------------------------------------------------


def test_verify_loads_neither_http_nor_a_database() -> None:
    program = (
        "import sys; import nodes.cli.main, nodes.cli.verify\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "sys.exit(bool(loaded & {'aiohttp', 'sqlalchemy', 'sqlite3'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_command_tree_loads_no_command() -> None:
    program = (
        "import sys; from nodes.cli.main import parser; parser()\n"
        "loaded = {name for name in sys.modules if name.startswith('nodes.')}\n"
        "sys.exit(not {name for name in loaded if not name.startswith('nodes.cli.arguments')}"
        " == {'nodes.cli', 'nodes.cli.main'})"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_it_does_not_run_without_its_assertions() -> None:
    done = shouxin("status", python=("-O",))
    assert done.returncode == main.USAGE
    assert "python -O" in done.stderr


def test_it_says_which_version_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"shouxin {metadata.version('shouxin')}\n"


def test_a_folder_that_cannot_be_made_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main.main(["network", "init", str(tmp_path / "file" / "net")]) == main.USAGE
    said = capsys.readouterr().err
    assert said.startswith("shouxin: no-file: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        "network init DIR",
        "network up DIR",
        "node run --config F",
        "act case.note --subject s",
        "check --window w --right r --item i",
        "trace C",
        "why 00",
        "readers C",
        "bundle C -o F",
        "verify F --roster G",
        "fsck DIR",
        "repair DIR",
        "status",
        "officer-key 510000/officer/w1",
        "token issue 510000/officer/w1 --role window -o F",
        "token revoke 00",
        "demo",
    ],
)
def test_every_command_has_its_function(words: str) -> None:
    given = main.parser().parse_args(words.split())
    module, _, name = given.run.partition(":")
    found = __import__(module, fromlist=[name])
    assert callable(getattr(found, name))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnverifiedError("x"), 1),
        (MalformedError("x"), 2),
        (RefusedError("x"), 3),
        (NotFoundError("x"), 4),
        (ConflictError(1), 5),
        (UnavailableError("x"), 5),
        (LedgerError("x"), 70),
    ],
)
def test_each_class_of_refusal_has_its_exit_status(error: LedgerError, status: int) -> None:
    assert main.status_of(error) == status


def test_a_refusal_is_told_with_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["status", "--node", ""]) == main.USAGE
    assert "shouxin: no-node: " in capsys.readouterr().err


def test_a_folder_that_holds_no_node_is_not_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["fsck", str(tmp_path)]) == 4
    assert "no-node" in capsys.readouterr().err


def test_fields_that_are_in_no_file_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing, torn = tmp_path / "missing", tmp_path / "torn"
    torn.write_text("{")
    for path, code in ((missing, "no-file: cannot read"), (torn, "bad-field: ")):
        words = ["act", "case.open", "--subject", "510000/case/1", "--json", str(path)]
        assert main.main(words) == main.USAGE
        said = capsys.readouterr().err
        assert said.startswith(f"shouxin: {code}")
        assert str(path) in said


def test_a_network_of_which_no_node_starts_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / REGION).mkdir()
    (tmp_path / REGION / "node.toml").write_text("[node]\n")
    assert main.main(["network", "up", str(tmp_path)]) == main.status_of(UnavailableError(""))
    said = capsys.readouterr().err
    assert f"the node of {REGION} did not start" in said
    assert "bad-config" in said
    assert str(tmp_path / REGION / processes.LOG_FILE) in said


def test_a_node_that_is_not_there_is_unavailable(founded: Founded) -> None:
    assert main.main(["status", "--node", str(founded.folder / REGION)]) == 5


def test_a_token_that_is_not_given_leaves_no_file(founded: Founded, tmp_path: Path) -> None:
    path = tmp_path / "w1.token"
    words = ["token", "issue", f"{REGION}/officer/w1", "--role", "window", "-o", str(path)]
    assert main.main([*words, "--node", str(founded.folder / REGION)]) == 5
    assert not path.exists()
    path.touch()
    assert main.main([*words, "--node", str(founded.folder / REGION)]) == main.USAGE


# ---- network init --------------------------------------------------------------------------------


def test_init_makes_a_folder_for_each_region(tmp_path: Path) -> None:
    done = shouxin("network", "init", str(tmp_path / "net"), "--base-port", "21000", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert sorted(made["nodes"]) == ["500000", "510000", "520000", "530000", "540000"]
    assert all(Path(node["config"]).is_file() for node in made["nodes"].values())
    genesis = verify.load_genesis(Path(made["roster"]))
    assert genesis.roster.sha256.hex() == made["sha256"]


def test_a_single_region_has_no_witnesses() -> None:
    founding = network.chosen(21_000, "530000")
    assert [place.region for place in founding.places] == ["530000"]
    assert founding.steward == "530000"


@pytest.mark.parametrize(("port", "regions"), [(0, None), (65_530, None), (8410, "110000")])
def test_ports_and_regions_out_of_range_are_refused(port: int, regions: str | None) -> None:
    with pytest.raises(MalformedError):
        network.chosen(port, regions)


# ---- status --------------------------------------------------------------------------------------


def test_status_says_how_far_a_node_has_come_that_takes_other_logs_in() -> None:
    taking_in = {"wanted": 1_000_000, "stored": 250_000, "judged": 100_000}
    told = acts.progress_line(taking_in)
    assert "250,000 of 1,000,000 entries hashed and stored (25%)" in told
    assert "100,000 with every signature and rule checked (10%)" in told
    kept_up = {"wanted": 1_000_000, "stored": 1_000_000, "judged": 999_900}
    assert acts.progress_line(kept_up) == ""


# ---- act -----------------------------------------------------------------------------------------


def test_fields_are_read_by_their_types() -> None:
    fields = kind_of(KINDS, "grant.offer", 1).fields
    given = [
        "item=540000/item/R016",
        "item_version=1",
        "rights=verify,intake",
        "valid_from=2026-01-01",
        "valid_until=1800000000",
    ]
    assert acts.parse_fields(given, fields) == {
        "item": "540000/item/R016",
        "item_version": 1,
        "rights": ["intake", "verify"],
        "valid_from": 1_767_196_800,
        "valid_until": 1_800_000_000,
    }


@pytest.mark.parametrize(
    "given",
    [["item"], ["nothing=1"], ["item_version=x"], ["item_version=1", "item_version=2"]],
)
def test_fields_that_do_not_fit_are_refused(given: list[str]) -> None:
    with pytest.raises(MalformedError) as caught:
        acts.parse_fields(given, kind_of(KINDS, "grant.offer", 1).fields)
    assert caught.value.code == "bad-field"


def test_lists_are_read_in_any_order_with_the_commas_of_either_keyboard() -> None:
    fields = kind_of(KINDS, "video.start", 1).fields
    given = ["parties=510000/window/w3，510000/department/hrss、 500000/window/w1"]
    parties = ["500000/window/w1", "510000/department/hrss", "510000/window/w3"]
    assert acts.parse_fields(given, fields) == {"parties": parties}


def test_what_is_misspelled_is_answered_with_what_it_may_be() -> None:
    fields = kind_of(KINDS, "grant.offer", 1).fields
    with pytest.raises(MalformedError, match=r"is it valid_until\?"):
        acts.parse_fields(["valid_untill=1"], fields)
    with pytest.raises(MalformedError, match=r"there are: item, item_version"):
        acts.parse_fields(["zzz=1"], fields)
    with pytest.raises(MalformedError, match="write 2026-01-31"):
        acts.parse_fields(["valid_from=31 January"], fields)


@pytest.mark.parametrize(("language", "said"), [("zh", "请核对业务名称"), ("en", "its spelling")])
def test_a_refusal_is_told_in_the_clerk_s_language(
    language: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["act", "case.opn", "--lang", language]) == main.USAGE
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("shouxin: unknown-kind: no such kind: case.opn; is it case.open")
    assert said in lines[1]


def test_a_boolean_is_true_or_false() -> None:
    fields = kind_of(KINDS, "seal.issue", 1).fields
    assert acts.parse_fields(["approval=true"], fields) == {"approval": True}
    with pytest.raises(MalformedError):
        acts.parse_fields(["approval=1"], fields)


# ---- fsck and repair -----------------------------------------------------------------------------

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


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


@pytest.mark.parametrize("size", SIZES)
def test_a_sound_log_is_found_sound(tmp_path: Path, founded: Founded, size: int) -> None:
    path = tmp_path / "node.db"
    entries = made_entries(size)
    origin = store(path, founded, entries)
    with audit.StoredLogs(path) as logs:
        report = run(audit.examine(logs.log(origin), founded.roster))
        difference = run(audit.compare(logs.log(origin), Copy(origin, entries)))
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
            report = run(audit.examine(logs.log(origin), founded.roster))
            difference = run(audit.compare(logs.log(origin), Copy(origin, entries)))
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
        report = run(audit.examine(logs.log(origin), founded.roster))
        difference = run(audit.compare(logs.log(origin), Copy(origin, entries)))
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
        report = run(audit.examine(logs.log(origin), founded.roster))
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
        report = run(audit.examine(logs.log(origin), founded.roster))
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
        report = run(audit.examine(logs.log(origin), founded.roster))
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
        report = run(audit.examine(log, founded.roster))
        with pytest.raises(UnverifiedError) as caught:
            run(repair.put_right(logs, log, report, founded.roster, wrong))
        assert caught.value.code == "altered"
        assert run(log.entries(5, 6)) == [lied]
        changed = run(repair.put_right(logs, log, report, founded.roster, Copy(origin, entries)))
        assert changed == (5,)
        assert run(log.entries(5, 6)) == [entries[5]]
        assert run(audit.examine(log, founded.roster)).trouble == ""


def test_a_running_node_is_not_repaired(founded: Founded) -> None:
    home = founded.folder / REGION
    fence = FileFence.open(home / "keys" / "fence")
    try:
        with pytest.raises(UnavailableError) as caught:
            run(repair.repair_folder(home))
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

    [found] = run(look(entries))
    assert found.is_sound
    assert (found.report.origin, found.report.size) == (origin, size)
    [found] = run(look([b"another", *entries[1:]]))
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

    assert run(look()) == audit.Difference(origin, 300, 280)


# ---- a link that can be cut ----------------------------------------------------------------------


def test_a_relay_carries_bytes_until_it_is_cut_and_again_when_it_is_joined() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    async def scene() -> list[bytes]:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        [port] = free_ports(1)
        relay = Relay(port, server.sockets[0].getsockname()[1])
        await relay.join()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"before")
        heard = [await reader.read(100)]
        await relay.cut()
        with contextlib.suppress(ConnectionError):
            heard.append(await reader.read(100))
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.1", port)
        await relay.join()
        again, second = await asyncio.open_connection("127.0.0.1", port)
        second.write(b"after")
        heard.append(await again.read(100))
        for each in (writer, second):
            each.close()
        await relay.cut()
        server.close()
        return [it for it in heard if it]

    assert run(scene()) == [b"before", b"after"]


# ---- verify --------------------------------------------------------------------------------------


def test_a_file_that_is_no_bundle_fails_at_the_form(
    tmp_path: Path, founded: Founded, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.bundle"
    path.write_bytes(b"\xa0")
    genesis = str(founded.folder / "genesis.roster")
    assert main.main(["verify", str(path), "--roster", genesis, "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["verified"], said["step"]) == (False, "form")
    assert main.main(["verify", str(path), "--roster", genesis]) == 1
    assert "step 1, form" in capsys.readouterr().out


def test_a_roster_that_its_members_did_not_sign_is_not_trusted(
    tmp_path: Path, founded: Founded
) -> None:
    data = bytearray((founded.folder / "genesis.roster").read_bytes())
    data[-1] ^= 1
    path = tmp_path / "genesis.roster"
    path.write_bytes(data)
    with pytest.raises(UnverifiedError) as caught:
        verify.load_genesis(path)
    assert caught.value.code == "roster"


def test_a_folder_under_another_genesis_than_was_given_is_not_checked(
    tmp_path: Path, founded: Founded, capsys: pytest.CaptureFixture[str]
) -> None:
    other = found_network(tmp_path / "other", southwest_five(), NOW_S)
    genesis = str(other.folder / "genesis.roster")
    assert main.main(["fsck", str(founded.folder / REGION), "--roster", genesis]) == 1
    assert "shouxin: wrong-genesis: " in capsys.readouterr().err


def test_a_file_that_is_no_roster_is_named(tmp_path: Path) -> None:
    path = tmp_path / "genesis.roster"
    path.write_bytes(b"\xff not a roster")
    for load in (verify.load_genesis, caller.load_roster):
        with pytest.raises(MalformedError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path} is no genesis roster")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(MalformedError) as caught:
        verify.load_genesis(tmp_path / "nowhere")
    assert caught.value.code == "no-file"


# ---- what people read ----------------------------------------------------------------------------


def told_case() -> dict[str, object]:
    line = {
        "origin": "southwest-five.example/510000",
        "index": 7,
        "region": "510000",
        "time_s": NOW_S,
        "seen_by_s": None,
        "kind": "case.open",
        "zh": "收件受理",
        "en": "open a case",
        "subject": "510000/case/1",
        "issuer": "510000/officer/w1",
        "asserted": True,
        "window": None,
        "right": "intake",
        "grant": "540000/grant/g1",
        "item": None,
        "item_version": None,
        "seal": None,
        "holder": "510000/window/w1",
        "stage": "received",
        "finality": "accepted",
        "confirmation": "open",
        "findings": [],
    }
    return {
        "case": "510000/case/1",
        "holder": "510000/window/w1",
        "stage": "received",
        "lines": [line, {**line, "index": 8, "findings": ["no-grant"], "asserted": False}],
        "findings": [["southwest-five.example/510000", 8, "no-grant"]],
    }


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh", ["收件受理", "收件受理权", "待核", "四川 w1", "本窗口没有该事项的授权"]),
        ("en", ["open a case", "intake", "open", "四川 w1", "The window has no grant"]),
    ],
)
def test_a_trace_says_who_held_the_case_on_what_ground_and_what_is_wrong(
    language: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    telling.tell_fields(console(), told_case(), language, {"510000": "四川"})  # type: ignore[arg-type]
    said = capsys.readouterr().out
    for word in [*words, "540000/grant/g1", "no-grant"]:
        assert word in said


def test_every_text_of_the_story_has_both_languages_and_the_same_values() -> None:
    def names(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for name, (zh, en) in texts.TEXTS.items():
        assert zh, name
        assert en, name
        assert names(zh) == names(en), name
        assert zh.count("|") == en.count("|"), name


def test_an_expectation_that_fails_is_remembered() -> None:
    made = terminal.Terminal("en")
    made.expect("end.same", held=True, nodes=5)
    assert made.all_held
    made.expect("end.fsck", held=False, nodes=5)
    assert not made.all_held


def test_the_cast_plays_on_items_that_the_catalogue_has() -> None:
    items = cast.load_items()
    assert {number for home in cast.HOMES for number in home.items} <= items.keys()
    assert len({home.code for home in cast.HOMES}) == 5


def test_quantiles_are_those_of_the_ordered_values() -> None:
    assert lags.quantiles([3, 1, 2]) == {"count": 3, "p50": 2, "p95": 3}
    assert lags.quantiles([]) == {"count": 0, "p50": 0, "p95": 0}


def test_lags_count_an_act_once_both_sizes_cover_it() -> None:
    made = lags.Lags()
    pending = lags.Pending(made)
    pending.add(4, 1.0)
    pending.see({"witnessed_size": 4, "replicated_size": 9}, 2.0)
    assert (made.witnessed, made.replicated) == ([], [])
    pending.see({"witnessed_size": 5, "replicated_size": 4}, 2.5)
    pending.see({"witnessed_size": 5, "replicated_size": 5}, 3.0)
    assert (made.witnessed, made.replicated) == ([1500.0], [2000.0])


def test_one_bit_of_the_decision_is_changed() -> None:
    bundle = b"..case.open..case.decide..granted.."
    made = trouble.changed(bundle)
    assert [at for at, (a, b) in enumerate(zip(bundle, made, strict=True)) if a != b] == [26]


def test_json_is_found_as_the_last_line() -> None:
    assert trouble.said_json('words\n{"a": 1}\n') == {"a": 1}
    assert trouble.said_json("words") == {}


def test_a_node_that_does_not_start_says_why(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text("[node]\n")
    with pytest.raises(UnavailableError) as caught:
        run(processes.NodeProcess.start("510000", config, {}))
    assert caught.value.code == "no-start"
    assert "bad-config" in str(caught.value)


def test_arguments_of_the_demo_have_defaults() -> None:
    given = main.parser().parse_args(["demo"])
    assert given == argparse.Namespace(
        folder=None,
        story="windows",
        preset=None,
        once=False,
        cases=30,
        base_port=0,
        json=False,
        lang="en",
        run="nodes.cli.demo.story:demo",
    )
