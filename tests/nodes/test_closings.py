"""What the store does when the roster closes a log."""

from sqlalchemy import Engine

from ledger.hashing import hash_leaf
from ledger.kind import Fact
from ledger.roster_fields import Closing
from ledger.tiles import extend_tiles
from nodes.core.ready import PutEvidence, PutFacts
from nodes.store import closings, entries, facts, findings, notes
from nodes.store.engine import create_schema
from nodes.store.entries import LogIDs
from tests import rfc9162

OTHER = "n.example/520000"
FIRST, SECOND, THIRD = "n.example/510000", "n.example/510000/2", "n.example/510000/3"
ENTRIES = [f"entry {index}".encode() for index in range(300)]
GRANT = "510000/grant/1"


def fill(engine: Engine, ids: LogIDs, origin: str, objects: dict[int, str]) -> None:
    create_schema(engine)
    with engine.begin() as connection:
        update = extend_tiles(0, (), [hash_leaf(entry) for entry in ENTRIES])
        entries.append(connection, ids, origin, 0, ENTRIES, update.tiles)
        rows = [Fact(origin, name, at, bytes(32), {"at": at}) for at, name in objects.items()]
        facts.insert_facts(connection, ids, PutFacts(tuple(rows)))
        findings.put_evidence(connection, ids, [PutEvidence(origin, 0, 300, 7, 3)])
        notes.put_projection(connection, ids, origin, 300, b"")


def cut(size: int, heir: str | None = SECOND, branch: list[bytes] = ENTRIES) -> Closing:
    return Closing(size, rfc9162.root(branch[:size]), heir)


def at(
    engine: Engine, origin: str, below: int = 2**62, name: str = GRANT
) -> tuple[str, int] | None:
    with engine.begin() as connection:
        [fact] = facts.newest(connection, LogIDs(), [(origin, name, below)])
    return None if fact is None else (fact.origin, fact.index)


def test_a_successor_reads_through_to_the_log_before_it_below_the_cut(engine: Engine) -> None:
    ids = LogIDs()
    fill(engine, ids, FIRST, {5: GRANT, 290: GRANT})
    fill(engine, ids, OTHER, {6: GRANT})
    closed = {FIRST: cut(300), SECOND: cut(10, THIRD)}
    with engine.begin() as connection:
        closings.close(connection, ids, closed)
        new = tuple(Fact(SECOND, GRANT, index, bytes(32), {}) for index in (4, 11))
        facts.insert_facts(connection, ids, PutFacts(new))
        assert closings.are_known(connection, ids, closed)
    assert at(engine, SECOND) == (SECOND, 11)
    assert at(engine, SECOND, 4) == (FIRST, 290)
    assert at(engine, THIRD) == (SECOND, 4)
    assert at(engine, FIRST) == (FIRST, 290)
    assert at(engine, OTHER) == (OTHER, 6)


def test_what_was_projected_beyond_a_cut_is_judged_again_below_it(engine: Engine) -> None:
    ids = LogIDs()
    fill(engine, ids, FIRST, {5: GRANT, 290: GRANT})
    fill(engine, ids, OTHER, {6: GRANT})
    with engine.begin() as connection:
        closings.close(connection, ids, {FIRST: cut(280)})
        assert set(notes.load_projections(connection)) == {OTHER}
        assert findings.seen_by(connection, ids, FIRST, 5) is None
        assert findings.seen_by(connection, ids, OTHER, 5) == (7, 3)
        # The bytes stay: they are evidence, and others may need them.
        assert entries.stored_size(connection, FIRST) == 300
    assert at(engine, SECOND) is None
    assert at(engine, OTHER) == (OTHER, 6)


def test_a_copy_of_a_branch_that_did_not_stand_is_named_once_and_laid_aside(
    engine: Engine,
) -> None:
    ids = LogIDs()
    fill(engine, ids, FIRST, {5: GRANT})
    fill(engine, ids, OTHER, {6: GRANT})
    forked = [*ENTRIES[:100], *(b"x" for _ in range(200))]
    with engine.begin() as connection:
        closed = {FIRST: cut(200, SECOND, forked), OTHER: cut(200)}
        assert closings.elsewhere(connection, ids, closed) == (FIRST,)
        longer = cut(301, SECOND, [*forked, b"x"])  # what is pulled will tell
        assert closings.elsewhere(connection, ids, {FIRST: longer}) == ()
        closings.close(connection, ids, {}, {FIRST: 0})
        del closed[OTHER]
        closings.close(connection, ids, closed)
        assert closings.elsewhere(connection, ids, closed) == ()
        assert entries.stored_size(connection, FIRST) == 0
        assert entries.load_entries(connection, ids, FIRST, 0, 10) == []
        assert entries.load_tiles(connection, ids, FIRST, [(0, 0)]) == {}
        assert entries.load_entries(connection, ids, OTHER, 299, 300) == ENTRIES[299:]
        assert set(notes.load_projections(connection)) == {OTHER}


def test_a_closing_is_taken_over_once(engine: Engine) -> None:
    ids = LogIDs()
    fill(engine, ids, FIRST, {5: GRANT})
    with engine.begin() as connection:
        assert not closings.are_known(connection, ids, {FIRST: cut(300)})
        closings.close(connection, ids, {FIRST: cut(300)})
        closings.close(connection, ids, {FIRST: cut(300)})
    assert at(engine, FIRST) == (FIRST, 5)
