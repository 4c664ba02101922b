"""The node's SQL on a real database, in memory and in a file."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, Index, bindparam, inspect, select, text
from sqlalchemy.dialects import postgresql

from ledger.errors import ConflictError
from ledger.hashing import hash_leaf
from ledger.kind import Fact
from ledger.tiles import TileEdge, extend_tiles
from nodes.core.kinds import KINDS
from nodes.core.ready import (
    AppendEntries,
    FindingRow,
    PutEvidence,
    PutFacts,
    PutFindings,
    PutMemory,
    PutNote,
    PutUses,
    UseRow,
)
from nodes.core.settlement import WITHDRAWN
from nodes.store import entries, facts, findings, notes, schema, ties
from nodes.store.apply import apply
from nodes.store.engine import (
    Prepared,
    Upsert,
    Writing,
    _making,
    create_schema,
    open_sqlite,
)
from nodes.store.entries import LogIDs
from nodes.store.reader import StoreReader
from nodes.store.upgrades import upgrade

LOG, OTHER = "n.example/500000", "n.example/510000"


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    create_schema(engine)
    with engine.connect() as connection:
        yield connection


def appended(
    origin: str, start: int, edge: TileEdge, new: list[bytes]
) -> tuple[AppendEntries, TileEdge]:
    leaves = [hash_leaf(entry) for entry in new]
    update = extend_tiles(start, edge, leaves)
    write = AppendEntries(origin, start, tuple(new), tuple(leaves), update.tiles)
    return write, update.edge


def test_the_writer_keeps_its_connection_until_a_use_fails(tmp_path: Path) -> None:
    """And leaves nothing open on it, or others would find the database locked."""
    engine = open_sqlite(tmp_path / "node.sqlite")
    create_schema(engine)
    writing = Writing(engine)
    with writing.connect() as first, first.begin():
        notes.put_memory(first, "a", b"1")
    with writing.connect() as second:
        second.begin()  # and never ended
        notes.put_memory(second, "b", b"2")
    assert second is first

    def fail() -> None:
        with writing.connect() as third, third.begin():
            assert third is not second
            notes.put_memory(third, "c", b"3")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with writing.connect() as fourth, fourth.begin():
        notes.put_memory(fourth, "d", b"4")
    with engine.begin() as other:
        notes.put_memory(other, "e", b"5")
        assert dict(notes.load_memory(other)) == {"a": b"1", "d": b"4", "e": b"5"}
    engine.dispose()
    assert not (tmp_path / "node.sqlite-wal").exists()


@settings(max_examples=20)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=6))
def test_entries_leaves_and_tiles_come_back_however_they_were_appended(parts: list[int]) -> None:
    engine = open_sqlite(None)
    create_schema(engine)
    ids, everything, edge = LogIDs(), [], ()
    with engine.connect() as connection:
        for part in parts:
            new = [b"%d" % (len(everything) + at) for at in range(part)]
            for origin in (LOG, OTHER):
                write, after = appended(origin, len(everything), edge, new)
                apply(connection, ids, [write])
            everything, edge = everything + new, after
        reader = StoreReader(connection)
        assert reader.entries(LOG, 0, 10**6) == everything
        assert reader.entries(OTHER, 3, 9) == everything[3:9]
        size = len(everything)
        assert entries.load_sizes(connection) == {LOG: size, OTHER: size}
        wanted = [(LOG, at) for at in (0, size // 2, size - 1, size)]
        expected = [hash_leaf(b"%d" % at) for _, at in wanted[:3]]
        assert reader.leaves(wanted) == [*expected, None]
        last = (size - 1) // 256
        tile = reader.tiles(LOG, [(0, last), (0, last + 1)])
        assert tile == {(0, last): b"".join(map(hash_leaf, everything[last * 256 :]))}
    engine.dispose()


def test_no_address_in_one_log_reaches_into_another(connection: Connection) -> None:
    ids = LogIDs()
    for origin in (LOG, OTHER):
        apply(connection, ids, [appended(origin, 0, (), [origin.encode()])[0]])
    reader = StoreReader(connection)
    for index in (-1, 2**40, 2**62, 2**63 - 256, 2**80):
        assert reader.entries(LOG, index, index + 256) == []
        assert reader.leaves([(LOG, index)]) == [None]
        assert reader.tiles(LOG, [(0, index)]) == {}
    assert reader.entries(LOG, 0, 2**80) == [LOG.encode()]
    assert reader.tiles(LOG, [(16, 0), (63, 0), (-1, 0)]) == {}


def test_nothing_is_appended_at_another_place_than_the_end(connection: Connection) -> None:
    ids = LogIDs()
    first, edge = appended(LOG, 0, (), [b"a", b"b"])
    apply(connection, ids, [first])
    for start in (0, 1, 3):
        with pytest.raises(ConflictError) as found:
            apply(connection, ids, [AppendEntries(LOG, start, (b"c",), (hash_leaf(b"c"),), {})])
        assert found.value.known_size == 2
    more, _ = appended(LOG, 2, edge, [b"c"])
    apply(connection, ids, [more])


def test_what_was_rolled_back_is_forgotten_with_its_numbers(connection: Connection) -> None:
    ids = LogIDs()
    connection.commit()
    transaction = connection.begin()
    apply(connection, ids, [appended(LOG, 0, (), [b"a"])[0]])
    transaction.rollback()
    ids.forget()
    assert entries.stored_size(connection, LOG) == 0
    assert ids.find(connection, LOG) is None


def a_fact(index: int, object_: str = "500000/case/1", origin: str = LOG) -> Fact:
    return Fact(origin, object_, index, bytes([index]) * 32, {"at": index})


def test_the_newest_row_below_a_place_is_found_in_each_log(connection: Connection) -> None:
    ids = LogIDs()
    rows = [a_fact(2), a_fact(5), a_fact(9), a_fact(5, origin=OTHER), a_fact(3, "500000/case/2")]
    apply(connection, ids, [PutFacts(tuple(rows), ((LOG, "500000/seal/1", 5),))])
    reader = StoreReader(connection)
    wanted = [(LOG, "500000/case/1", below) for below in (2, 3, 9, 10)]
    assert reader.facts(wanted) == [None, rows[0], rows[1], rows[2]]
    missing = [("n.example/0", "500000/case/1", 99), (OTHER, "500000/case/2", 99)]
    assert reader.facts(missing) == [None, None]
    assert reader.facts_between(LOG, "500000/case/1", 3, 9) == [rows[1]]
    found = reader.find(LOG, [("500000/case/1", bytes([5]) * 32), ("500000/case/1", bytes(32))])
    assert found == [5, None]
    trace = facts.load_trace(connection, reader.ids, "500000/case/1")
    assert trace == [(LOG, 2), (LOG, 5), (LOG, 9), (OTHER, 5)]
    assert facts.load_trace(connection, reader.ids, "500000/seal/1") == [(LOG, 5)]


def test_the_day_an_entry_was_seen_is_found_by_its_range(connection: Connection) -> None:
    ids = LogIDs()
    apply(connection, ids, [PutEvidence(LOG, 0, 3, 100, 4), PutEvidence(LOG, 3, 4, 200, 9)])
    reader = StoreReader(connection)
    seen = [reader.seen_by(LOG, index) for index in range(5)]
    assert seen == [(100, 4)] * 3 + [(200, 9), None]
    assert reader.seen_by(OTHER, 0) is None


def test_what_follows_from_an_object_comes_in_pages_by_declared_time(
    connection: Connection,
) -> None:
    ids, grant = LogIDs(), "500000/grant/1"
    rows = [(LOG, grant, 4, 20), (LOG, grant, 2, 10), (OTHER, grant, 1, 10), (LOG, grant, 3, 10)]
    apply(connection, ids, [PutFacts((), (), (), (*rows, (LOG, "500000/grant/2", 2, 10)))])

    def load(after: tuple[int, str, int] | None, **more: int) -> list[tuple[int, str, int]]:
        asked = {"from_s": 0, "until_s": 99, "rows_max": 2, **more}
        return ties.load(connection, ids, grant, after=after, **asked)

    first = load(None)
    assert first == [(10, LOG, 2), (10, LOG, 3)]
    second = load(first[-1])
    assert second == [(10, OTHER, 1), (20, LOG, 4)]
    assert load(second[-1]) == []
    assert load(None, from_s=11) == [(20, LOG, 4)]
    assert load(None, until_s=10) == []


def test_numbers_of_objects_that_were_rolled_back_are_given_anew(engine: Engine) -> None:
    create_schema(engine)
    ids, names = LogIDs(), ("500000/grant/1", "500000/grant/2")
    with engine.connect() as connection:
        with connection.begin() as undone:
            assert dict(ids.objects.get(connection, names)) == {names[0]: 1, names[1]: 2}
            undone.rollback()
        ids.forget()
        with connection.begin():
            assert dict(ids.objects.get(connection, names[1:])) == {names[1]: 1}
        with connection.begin():
            assert dict(ids.objects.get(connection, names)) == {names[0]: 2, names[1]: 1}
        assert dict(LogIDs().objects.get(connection, names)) == {names[0]: 2, names[1]: 1}


def test_a_database_that_held_the_names_with_every_act_gets_numbers_for_them(
    engine: Engine,
) -> None:
    create_schema(engine)
    grants = ("500000/grant/2", "500000/grant/1")
    with engine.begin() as connection:
        for table in (schema.ties, schema.objects):
            table.drop(connection)
        history = schema.map_history.c
        Index("map_history_high", history.log_id, history.high).create(connection)
        schema.named_ties.create(connection)
        rows = [(grant, time_s, 1, time_s) for grant in grants for time_s in (7, 5)]
        connection.execute(schema.named_ties.insert().values(rows))
        notes.put_memory(connection, "other", b"stays")
        LogIDs().get(connection, LOG)
    upgrade(engine, KINDS)
    with engine.connect() as connection:
        assert not inspect(connection).has_table(schema.named_ties.name)
        assert inspect(connection).get_indexes("map_history") == []
        asked: dict[str, Any] = {"from_s": 0, "until_s": 9, "after": None, "rows_max": 9}
        for grant in grants:
            found = ties.load(connection, LogIDs(), grant, **asked)
            assert found == [(5, LOG, 5), (7, LOG, 7)]
        assert notes.load_memory(connection)["other"] == b"stays"


def test_an_older_database_gets_the_index_by_which_notes_are_found(engine: Engine) -> None:
    create_schema(engine)
    with engine.begin() as connection:
        schema.notes_by_state.drop(connection)
    for _ in range(2):  # a second start finds it there
        upgrade(engine, KINDS)
    with engine.connect() as connection:
        [index] = inspect(connection).get_indexes("notes")
    assert index["name"] == "notes_by_state"


def test_a_note_that_has_its_quorums_leaves_none_without_them_below_it(engine: Engine) -> None:
    create_schema(engine)
    ids, lines = LogIDs(), {size: size % 3 for size in range(1, 9)}
    with engine.begin() as connection:
        for log in (LOG, "other.example/510000"):
            for size, cosigned in lines.items():
                text = b"a note\n\n" + b"- a AAAAAAAA\n" * (1 + cosigned)
                notes.put_note(connection, ids, log, size, text, finished=size == 4)
        notes.put_note(connection, ids, LOG, 7, b"a note\n\n- b AAAAAAAA\n", finished=True)
        kept = select(schema.notes.c.size).order_by(schema.notes.c.size)
        for log, sizes in ((LOG, [4, 7, 8]), ("other.example/510000", [4, 5, 7, 8])):
            found = connection.execute(
                kept.where(schema.notes.c.log_id == ids.get(connection, log))
            )
            assert list(found.scalars()) == sizes


def a_finding(severity: str = "flag") -> FindingRow:
    return FindingRow(
        origin=LOG,
        index=3,
        code="late",
        severity=severity,
        subject="500000/case/1",
        detail="x",
        evidence=((LOG, 3), (OTHER, 1)),
    )


def test_what_others_said_is_kept_whatever_it_holds(connection: Connection) -> None:
    told = replace(a_finding(), detail="a\0b\x01\u6388")
    apply(connection, LogIDs(), [PutFindings((told,))])
    [found] = findings.load_findings(connection, LogIDs())
    assert found == replace(told, detail="a\N{REPLACEMENT CHARACTER}b\x01\u6388")


def test_rows_of_one_key_are_written_once_the_later_over_the_earlier(
    connection: Connection,
) -> None:
    ids = LogIDs()
    again = replace(a_finding("breach"), detail="later")
    apply(connection, ids, [PutFindings((a_finding(), again))])
    assert findings.load_findings(connection, ids) == [again]


def test_a_finding_comes_back_once_and_goes_when_it_is_withdrawn(connection: Connection) -> None:
    ids = LogIDs()
    apply(connection, ids, [PutFindings((a_finding(),)), PutFindings((a_finding("breach"),))])
    assert findings.load_findings(connection, ids) == [a_finding("breach")]
    assert findings.load_findings_of(connection, ids, LOG, 3) == [a_finding("breach")]
    apply(connection, ids, [PutFindings((a_finding(WITHDRAWN),))])
    assert findings.load_findings(connection, ids, origin=LOG) == []


def a_use(index: int, status: str, fact_origin: str = OTHER) -> UseRow:
    return UseRow(
        origin=LOG,
        index=index,
        fact_origin=fact_origin,
        fact_object="510000/grant/g",
        fact_index=1,
        view_size=2,
        fresh_at_s=100,
        staleness_s=600,
        status=status,
    )


def test_uses_are_unsettled_until_they_are_settled(connection: Connection) -> None:
    ids = LogIDs()
    rows = [a_use(1, "open"), a_use(2, "unproven"), a_use(3, "confirmed"), a_use(4, "open", "x")]
    apply(connection, ids, [PutUses(tuple(rows))])
    reader = StoreReader(connection)
    assert reader.unsettled() == [rows[0], rows[1], rows[3]]
    assert reader.unsettled(origin=LOG, fact_origin=OTHER, low=2, high=4) == [rows[1]]
    assert reader.unsettled(origin=OTHER) == []
    assert reader.unsettled(rows_max=1) == [rows[0]]
    apply(connection, ids, [PutUses((a_use(1, "confirmed-late"),))])
    assert reader.unsettled(fact_origin=OTHER) == [rows[1]]
    assert findings.load_uses(connection, ids, LOG, 1) == [a_use(1, "confirmed-late")]


def test_the_search_for_unsettled_uses_takes_their_small_index(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled = tuple(a_use(index, "confirmed") for index in range(2, 2_000))
    apply(connection, LogIDs(), [PutUses((a_use(1, "open"), *settled))])
    is_postgresql = connection.dialect.name == "postgresql"
    if is_postgresql:
        connection.exec_driver_sql("ANALYZE uses")
    explain = "EXPLAIN" if is_postgresql else "EXPLAIN QUERY PLAN"
    plans: list[str] = []
    run = Prepared.run

    def explained(self: Prepared, connection: Connection, values: Any = ()) -> Any:
        text, arrange = self._text(connection.dialect)
        if "FROM uses" in text:
            cursor = connection.connection.cursor()
            cursor.execute(f"{explain} {text}", values if arrange is None else arrange(values))
            plans.append(str(cursor.fetchall()))
        return run(self, connection, values)

    monkeypatch.setattr(Prepared, "run", explained)
    reader = StoreReader(connection)
    for named in ({"fact_origin": OTHER}, {"origin": LOG, "fact_origin": OTHER, "high": 9}):
        assert len(reader.unsettled(**named)) == 1
    assert len(plans) >= 2
    assert all("uses_unsettled" in plan for plan in plans)


def a_note(size: int, *names: str) -> bytes:
    lines = "".join(f"\u2014 {name} AAAAAA==\n" for name in ("log", *names))
    return f"{LOG}\n{size}\nroot\n\n{lines}".encode()


def test_a_note_keeps_every_line_it_ever_had(connection: Connection) -> None:
    ids = LogIDs()
    for names in (("w1",), ("w2",), ()):
        apply(connection, ids, [PutNote(LOG, 1, a_note(1, *names), finished=names == ("w1",))])
    assert notes.load_newest_note(connection, ids, LOG) == (1, a_note(1, "w2", "w1"))
    assert notes.load_newest_note(connection, ids, LOG, finished=True) is not None


def test_notes_that_tell_how_far_a_log_is_witnessed_are_kept(connection: Connection) -> None:
    ids = LogIDs()
    for size, names, finished in (
        (1, ("w", "m"), True),
        (2, (), False),
        (3, ("w",), False),
        (4, (), False),
        (5, (), False),
    ):
        apply(connection, ids, [PutNote(LOG, size, a_note(size, *names), finished)])
    kept = notes.load_cosigned(connection, ids, LOG)
    assert kept == [a_note(1, "w", "m"), a_note(3, "w"), a_note(5)]
    apply(connection, ids, [PutNote(LOG, 5, a_note(5, "w", "m"), finished=True)])
    assert notes.load_cosigned(connection, ids, LOG) == [a_note(5, "w", "m")]
    assert notes.load_finished_covering(connection, ids, LOG, 4) is not None
    assert notes.load_finished_covering(connection, ids, LOG, 5) is None


def test_finished_notes_are_bounded(connection: Connection) -> None:
    ids = LogIDs()
    for size in range(1, notes.FINISHED_KEPT_MAX + 20):
        apply(connection, ids, [PutNote(LOG, size, a_note(size, "w"), finished=True)])
    kept = notes.load_finished_above(connection, ids, LOG, 0)
    assert len(kept) == notes.FINISHED_KEPT_MAX
    assert kept[-1][0] == notes.FINISHED_KEPT_MAX + 19


def test_commits_are_numbered_by_one_writer_only(connection: Connection) -> None:
    notes.count_commit(connection, 0, 1)
    with pytest.raises(ConflictError):
        notes.count_commit(connection, 0, 1)
    assert notes.load_commit(connection) == 1


def test_what_was_committed_to_a_file_is_there_after_it_is_opened_again(tmp_path: Path) -> None:
    for expected in ({}, {"duties": b"x"}):
        engine = open_sqlite(tmp_path / "node.sqlite")
        create_schema(engine)
        with engine.begin() as connection:
            assert notes.load_memory(connection) == expected
            apply(connection, LogIDs(), [PutMemory("duties", b"x")])
        with engine.connect() as connection:
            found = [
                connection.execute(text(f"PRAGMA {name}")).scalar()
                for name in ("journal_mode", "synchronous")
            ]
        assert found == ["wal", 2]
        engine.dispose()


def test_the_tables_are_valid_on_postgresql_too() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in schema.metadata.sorted_tables:
        first, *rest = _making(table, dialect)
        assert "CREATE TABLE" in first
        for made in rest:
            assert ("WHERE" in made) is ("uses_unsettled" in made)


def test_a_prepared_statement_takes_its_values_in_the_order_given(connection: Connection) -> None:
    apply(connection, LogIDs(), [PutMemory("a", b"1"), PutMemory("b", b"2")])
    table = schema.memory
    query = (
        select(table.c.name)
        .where(table.c.value == bindparam("value"), table.c.name == bindparam("name"))
        .limit(1)
    )
    for names, values in ((("value", "name"), (b"2", "b")), (("name", "value"), ("b", b"2"))):
        prepared = Prepared(query, names)
        assert prepared.run(connection, values).fetchone() == ("b",)
        assert prepared.run_each(connection, [values, values[::-1]][:1]) == [("b",)]
        none = tuple(type(value)(b"x") if value != "b" else "x" for value in values)
        assert prepared.run_each(connection, [none, values, none]) == [None, ("b",), None]
        assert prepared.run_each(connection, []) == []


@pytest.mark.parametrize("count", [0, 1, 2, 69])
@pytest.mark.parametrize(("replaced", "left"), [(("value",), b"new"), ((), b"old"), (None, None)])
def test_many_rows_are_written_as_each_by_itself_would_be(
    connection: Connection, count: int, replaced: tuple[str, ...] | None, left: bytes | None
) -> None:
    """In the middle stands one whose key is there already."""
    names = [f"n{number:03}" for number in range(count)]
    put = Upsert(schema.memory, replaced=replaced)
    if left is not None and names:
        notes.put_memory(connection, names[count // 2], b"old")
    put.run_many(connection, [(name, b"new") for name in names])
    expected = dict.fromkeys(names, b"new")
    if left is not None and names:
        expected[names[count // 2]] = left
    assert notes.load_memory(connection) == expected
    if left is None and names:
        with pytest.raises(connection.dialect.loaded_dbapi.IntegrityError):
            put.run_many(connection, [(f"{name}x", b"") for name in names[1:]] + [(names[0], b"")])


def test_the_later_of_two_rows_with_one_key_stays(connection: Connection) -> None:
    rows = [(f"n{number % 7}", bytes((number,))) for number in range(67)]
    Upsert(schema.memory, replaced=("value",)).run_many(connection, rows)
    assert notes.load_memory(connection) == dict(rows)
