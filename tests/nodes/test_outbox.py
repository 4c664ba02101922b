"""What a caller keeps of its acts, and gives back to a region that has lost them."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import LedgerError, MalformedError, RefusedError
from ledger.hashing import hash_leaf
from nodes.client import Acted, Client
from nodes.outbox import Outbox, Place

OLD, NEW = "n.example/510000", "n.example/510000/2"


def test_what_is_kept_outlives_its_process_and_ends_when_it_is_let_go(tmp_path: Path) -> None:
    box = Outbox.load(tmp_path / "box")
    box.put(Place(NEW, 3), b"third")
    box.put(Place(OLD, 12), b"twelfth")
    box.put(Place(OLD, 7), b"seventh")
    box.put(Place(OLD, 7), b"again")
    again = Outbox.load(tmp_path / "box")
    assert list(again.kept.items()) == [
        (Place(OLD, 7), b"again"),
        (Place(OLD, 12), b"twelfth"),
        (Place(NEW, 3), b"third"),
    ]
    again.drop(Place(OLD, 7))
    again.drop(Place(OLD, 7))
    assert list(Outbox.load(tmp_path / "box").kept) == [Place(OLD, 12), Place(NEW, 3)]


@pytest.mark.parametrize("name", ["7.cose", "@7.cose", "n@x.cose"])
def test_a_file_that_is_no_kept_statement_is_told_and_not_passed_over(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(MalformedError):
        Outbox.load(tmp_path)


class Revived(Client):
    """A client whose node has come back in a new log; what it was asked for is remembered."""

    def __init__(self, keep: Path, fates: dict[bytes, Acted | LedgerError]) -> None:
        super().__init__("http://127.0.0.1:9", keep=keep)
        self.fates = fates
        self.asked: list[bytes] = []

    async def status(self) -> dict[str, Any]:
        return {"origin": NEW, "region": "510000", "size": 0, "replicated_size": 2}

    async def _bytes(self, method: str, path: str, body: Any = None, *_: Any, **__: Any) -> bytes:
        assert (method, path) == ("POST", "/v1/salvage")
        self.asked.append(body)
        fate = self.fates[body]
        if isinstance(fate, LedgerError):
            raise fate
        return json.dumps(
            {
                "origin": fate.origin,
                "index": fate.index,
                "leaf": fate.leaf.hex(),
                "finality": fate.finality,
                "size": fate.size,
                "entry": base64.b64encode(fate.entry).decode(),
                "receipt": base64.b64encode(fate.receipt).decode(),
            }
        ).encode()


def test_lost_acts_are_salvaged_in_their_order_and_kept_until_they_are_replicated(
    tmp_path: Path,
) -> None:
    def acted(index: int, word: Any) -> Acted:
        entry = b"salvaged"
        return Acted(
            origin=NEW, index=index, leaf=hash_leaf(entry), finality=word, size=9, entry=entry,
            receipt=b"",
        )  # fmt: skip

    box = Outbox.load(tmp_path)
    for place, data in (
        (Place(OLD, 9), b"stands"),
        (Place(OLD, 10), b"soon"),
        (Place(OLD, 11), b"safe"),
        (Place(OLD, 100), b"forbidden"),
        (Place(NEW, 1), b"new and safe"),
        (Place(NEW, 2), b"new"),
        (Place("n.example/520000", 4), b"another region's"),
    ):
        box.put(place, data)
    fates: dict[bytes, Acted | LedgerError] = {
        b"stands": RefusedError("it stands", code="not-lost"),
        b"soon": acted(5, "accepted"),
        b"safe": acted(6, "replicated"),
        b"forbidden": RefusedError("a rule", code="not-holder"),
    }

    async def story() -> None:
        async with Revived(tmp_path, fates) as client:
            left = await client.settle()
            assert client.asked == [b"stands", b"soon", b"safe", b"forbidden"]
            assert sorted(left.values()) == [b"another region's", b"forbidden", b"new", b"soon"]
            assert {at: it.code for at, it in client.refused.items()} == {
                Place(OLD, 100): "not-holder"
            }
            client.fates = {
                b"soon": acted(5, "replicated"),
                b"forbidden": acted(8, "replicated"),
            }
            left = await client.settle()
            assert sorted(left.values()) == [b"another region's", b"new"]
            assert client.refused == {}

    asyncio.run(story())
    assert len(list(tmp_path.iterdir())) == 2
