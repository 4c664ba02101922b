"""What a node has laid aside, as auditors and people see it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from ledger.encoding import decode
from ledger.errors import NotFoundError, UnverifiedError
from ledger.hashing import hash_leaf
from ledger.tiles import decode_entry_bundle
from ledger.tree import Frontier
from nodes.api.asides import aside_bundle, asides_fields
from nodes.api.replies import plain
from nodes.cli import loss
from nodes.cli.main import parser
from nodes.core.notes import SignedHead
from nodes.core.ready import PeerRow
from nodes.core.turning import Turn
from nodes.store import closings
from nodes.store.apply import apply
from nodes.store.copies import load_asides
from nodes.store.engine import open_sqlite
from nodes.store.entries import LogIDs
from nodes.store.peers import advance
from tests import rfc9162
from tests.nodes.neighbours import Log
from tests.nodes.test_closings import ENTRIES, FIRST, OTHER, fill
from tests.nodes.test_turning import ORIGIN
from tests.nodes.test_turning import OTHER as TURNED_TO


@pytest.fixture(name="connection")
def laid_aside() -> Any:
    engine, ids = open_sqlite(None), LogIDs()
    fill(engine, ids, FIRST, {})
    with engine.begin() as connection:
        closings.close(connection, ids, {}, {FIRST: 20})
        yield connection


def test_what_is_laid_aside_is_told_with_what_proves_it(connection: Connection) -> None:
    told = asides_fields(connection, FIRST)
    assert (told["log"], told["turned"]) == (FIRST, None)
    [copy] = told["copies"]
    assert (copy["number"], copy["size"], copy["kept_size"]) == (0, 300, 20)
    assert copy["root"] == rfc9162.root(ENTRIES)
    first = decode_entry_bundle(aside_bundle(connection, FIRST, 0, 20), 256)
    rest = decode_entry_bundle(aside_bundle(connection, FIRST, 0, 276), 24)
    leaves = [hash_leaf(entry) for entry in (*first, *rest)]
    assert Frontier(20, tuple(copy["peaks"])).extend(leaves).root() == copy["root"]
    for which, index in ((0, 300), (1, 20)):
        with pytest.raises(NotFoundError):
            aside_bundle(connection, FIRST, which, index)
    assert asides_fields(connection, OTHER) == {"log": OTHER, "turned": None, "copies": []}


def test_what_a_node_has_turned_to_is_told(connection: Connection) -> None:
    head = SignedHead(TURNED_TO.checkpoint(16), TURNED_TO.note(16))
    apply(connection, LogIDs(), Turn(head, ()).writes(None))
    told = asides_fields(connection, ORIGIN)["turned"]
    assert told == {"size": 16, "root": head.checkpoint.root, "note": head.note}


class Answers:
    """A node's client, as far as this command asks it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.altered = False

    async def asides(self, origin: str) -> Any:
        return json.loads(json.dumps(plain(asides_fields(self._connection, origin))))

    async def aside_entries(self, origin: str, number: int, first: int, count: int) -> list[bytes]:
        found = decode_entry_bundle(aside_bundle(self._connection, origin, number, first), count)
        return [b"altered", *found[1:]] if self.altered else list(found)


def test_the_command_shows_it_and_writes_a_file_that_proves_itself(
    connection: Connection,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Answers(connection)

    def ask(_given: object, question: Callable[[Any], Any]) -> Any:
        made = question(client)
        with pytest.raises(StopIteration) as done:
            made.send(None)
        return done.value.value

    monkeypatch.setattr(loss, "ask", ask)
    given = parser().parse_args(["loss", "asides", FIRST])
    assert loss.asides(given) == 0
    assert "entries 20 to 300" in capsys.readouterr().out
    assert loss.asides(parser().parse_args(["loss", "asides", OTHER])) == 0
    assert "nothing is laid aside" in capsys.readouterr().out
    path = tmp_path / "aside.cbor"
    given = parser().parse_args(["loss", "asides", FIRST, "-o", str(path), "--json"])
    assert loss.asides(given) == 0
    assert json.loads(capsys.readouterr().out)["copies"][0]["size"] == 300
    [copy] = decode(path.read_bytes())["copies"]
    assert copy["entries"] == ENTRIES[20:]
    assert copy["notes"] == []
    path.unlink()
    client.altered = True
    with pytest.raises(UnverifiedError):
        loss.asides(given)
    assert not path.exists()


def test_the_notes_that_our_keys_have_signed_are_kept_with_it() -> None:
    engine, ids, log = open_sqlite(None), LogIDs(), Log("510000", ENTRIES)
    fill(engine, ids, log.origin, {})
    row = PeerRow(
        origin=log.origin,
        witnessed_size=300,
        witnessed_root=log.checkpoint().root,
        mirrored_size=280,
        time_s=1,
        pending=log.note(),
        heard_ms=0,
        mirrored=log.note(280),
    )
    with engine.begin() as connection:
        advance(connection, None, row)
        closings.close(connection, ids, {}, {log.origin: 20})
        [aside] = load_asides(connection, ids, log.origin)
    assert aside.notes == (log.note(280), log.note())
