"""What a node proposes to pin: of each log that a committee holds, what its own log has shown."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import Connection, Engine

from ledger.hashing import EMPTY_ROOT, hash_leaf
from ledger.kind import Fact
from ledger.roster_fields import Pin
from ledger.tiles import extend_tiles
from nodes.core.ready import AppendEntries, PutEvidence, PutFacts
from nodes.store import facts
from nodes.store.apply import apply
from nodes.store.engine import create_schema
from nodes.store.entries import LogIDs
from nodes.store.pins import read_pins
from tests import rfc9162
from tests.nodes.judging import ROSTER, A, B
from tests.nodes.test_far_rosters import in_committees
from tests.vectors.own.network import following

OWN, OTHER = ROSTER.origin_of(A), ROSTER.origin_of(B)
COMMITTEES = in_committees()
ENTRIES = [b"one", b"two", b"three"]


@dataclass(frozen=True, slots=True)
class Known:
    """A note that a node knows: always the newest, and maybe recorded nowhere yet."""

    size: int
    root: bytes


KNOWN = {OWN: Known(3, rfc9162.root(ENTRIES)), OTHER: Known(9, bytes(32))}


@pytest.fixture(name="connection")
def stored(engine: Engine) -> Iterator[Connection]:
    """Return a store with three entries of its own log, of which a block record shows two."""
    create_schema(engine)
    leaves = tuple(hash_leaf(entry) for entry in ENTRIES)
    stored = [
        AppendEntries(OWN, 0, tuple(ENTRIES), leaves, extend_tiles(0, (), leaves).tiles),
        PutEvidence(OWN, 0, 1, 70, 1),
        PutEvidence(OWN, 1, 2, 80, 2),
    ]
    with engine.connect() as connection:
        apply(connection, LogIDs(), stored)
        yield connection


def pins(connection: Connection, **pinned: Pin) -> dict[str, Pin]:
    """Return what may be pinned in a network of committees that has pinned this before."""
    before = {ROSTER.origin_of(region): pin for region, pin in pinned.items()}
    made = following(COMMITTEES, pins=before) if pinned else COMMITTEES
    return read_pins(connection, LogIDs(), made, OWN, KNOWN)


def view(connection: Connection, size: int) -> None:
    seen = Fact(OWN, OTHER, size, bytes(32), {"size": size, "root": bytes([size]) * 32})
    facts.insert_facts(connection, LogIDs(), PutFacts((seen,)))


def test_its_own_log_is_pinned_where_a_block_record_shows_it_replicated(
    connection: Connection,
) -> None:
    """The note above that is known already; in a quiet log it is recorded much later."""
    assert pins(connection)[OWN] == Pin(2, rfc9162.root(ENTRIES[:2]))
    assert read_pins(connection, LogIDs(), ROSTER, OWN, KNOWN)[OWN] == Pin(3, KNOWN[OWN].root)


def test_another_log_is_pinned_where_the_newest_view_shows_it(connection: Connection) -> None:
    assert pins(connection)[OTHER] == Pin(9, bytes(32))
    view(connection, 4)
    view(connection, 6)
    assert pins(connection)[OTHER] == Pin(6, bytes([6]) * 32)


@pytest.mark.parametrize("region", [A, B])
def test_what_was_pinned_stays_pinned_where_nothing_later_is_shown(
    region: str, connection: Connection
) -> None:
    view(connection, 4)
    empty = {it: Pin(0, EMPTY_ROOT) for it in ROSTER.members}
    before = Pin(7, b"before".ljust(32))
    assert pins(connection, **empty | {region: before})[ROSTER.origin_of(region)] == before
    assert pins(connection, **empty)[OTHER].size == 4
    assert pins(connection, **empty)[OWN].size == 2
