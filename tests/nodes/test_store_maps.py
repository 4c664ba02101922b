"""Object maps on a real database: growing, older states, restarts, and rows that were altered."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Connection, Engine, func, select, update

from ledger.errors import FatalError
from ledger.map_tree import Node, ObjectMap, prove
from ledger.object_map import EMPTY_MAP_ROOT, check_acts, check_standing
from nodes.cli.audit import StoredLogs
from nodes.core import projection
from nodes.core.ready import PutMap, PutNote
from nodes.store import maps, schema
from nodes.store.apply import apply
from nodes.store.engine import WRITER, create_schema, open_sqlite
from nodes.store.entries import LogIDs
from nodes.store.reader import StoreReader
from tests import slow_map
from tests.nodes.town import Town

LOG = "n.example/500000"
A = "500000"
BASIS = {"title": "依据", "document": "1号", "valid_from": 0, "valid_until": 2**33}


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = open_sqlite(None)
    create_schema(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def leaf(index: int) -> bytes:
    return index.to_bytes(32)


class Growing:
    """A map that is stored block by block, restarted now and then; and what went into it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.ids = LogIDs()
        self.map = ObjectMap()
        self.acts: list[tuple[str, int, bytes]] = []
        self.size = 1

    def block(self, *names: str) -> int:
        for name in names:
            self.map.note(name, self.size, leaf(self.size))
            self.acts.append((name, self.size, leaf(self.size)))
            self.size += 1
        reader = StoreReader(self.connection, self.ids)

        def load(prefix: bytes) -> Node | None:
            data = reader.map_node(LOG, prefix)
            return None if data is None else Node.decode(prefix, data)

        root = self.map.root_at(self.size, load)
        assert root == slow_map.root(self.acts)
        grown = self.map.take()
        assert grown is not None
        apply(self.connection, self.ids, [PutMap(LOG, grown)])
        size = self.size
        self.size += 1  # the block record itself
        return size

    def finish(self, size: int) -> None:
        note = f"n\n{size}\n\n— a b\n— c d\n".encode()
        apply(self.connection, self.ids, [PutNote(LOG, size, note, finished=True)])

    def restart(self) -> None:
        self.map = ObjectMap(*StoreReader(self.connection, LogIDs()).map_head(LOG))

    def check_states(self) -> list[int]:
        """Prove a few objects in each state that can be read; return the states' sizes."""
        sizes = []
        for state in maps.load_states(self.connection, self.ids, LOG):
            acts = [act for act in self.acts if act[1] < state.size]
            root = EMPTY_MAP_ROOT if state.root is None else state.root.hash
            assert root == slow_map.root(acts)

            def load(prefix: bytes, size: int = state.size) -> Node | None:
                return maps.load_node_at(self.connection, self.ids, LOG, prefix, size)

            for name in [*{act[0]: None for act in self.acts[-5:]}, f"{A}/case/none"]:
                standing = check_standing(name, prove(name, state.root, load, leaf), root)
                check_acts(standing, name, [it[1:] for it in acts if it[0] == name])
            sizes.append(state.size)
        return sizes


def test_the_states_that_proofs_need_can_be_read_however_a_map_grows(engine: Engine) -> None:
    create_schema(engine)
    with engine.connect() as connection:
        grow_at_random(Growing(connection))


def grow_at_random(log: Growing) -> None:
    random = Random(1)  # noqa: S311 - a test that can be run again
    finished = 0
    for _ in range(60):
        names = [f"{A}/case/{random.randrange(300)}" for _ in range(random.randrange(1, 8))]
        log.block(*names)
        match random.randrange(5):
            case 0:
                finished = random.randrange(finished, log.size) + 1
                log.finish(finished)
            case 1:
                log.restart()
            case 2:
                log.check_states()
    log.check_states()


def test_the_newest_state_below_a_note_with_quorums_is_kept(connection: Connection) -> None:
    log = Growing(connection)
    first = log.block(f"{A}/case/1", f"{A}/case/2")
    assert log.check_states() == [first]
    second = log.block(f"{A}/case/1")
    third = log.block(f"{A}/case/3")
    assert log.check_states() == [third, first]  # the first waits for its note
    log.finish(second + 1)
    fourth = log.block(f"{A}/case/1")
    assert log.check_states() == [fourth, third, first]
    log.finish(fourth + 1)
    fifth = log.block(f"{A}/case/4")
    assert log.check_states() == [fifth, fourth]


def test_old_nodes_are_let_go(connection: Connection) -> None:
    log = Growing(connection)
    for number in range(50):
        size = log.block(*(f"{A}/case/{number * 5 + at:06d}" for at in range(5)))
        log.finish(size + 1)
    rows = connection.execute(select(func.count()).select_from(schema.map_history)).scalar_one()
    nodes = connection.execute(select(func.count()).select_from(schema.map_nodes)).scalar_one()
    assert rows < 10 < nodes


# ---- in a node ----------------------------------------------------------------------------------


def publish(town: Town, *numbers: int) -> None:
    for number in numbers:
        town.act(A, "basis.publish", f"{A}/basis/{number}", BASIS)


@pytest.fixture
def town(tmp_path: Path) -> Town:
    town = Town(A, folder=tmp_path)
    town.start()
    publish(town, *range(12))
    return town


def entries_of(town: Town) -> list[bytes]:
    with town.houses[A].engine.connect() as connection:
        return list(StoreReader(connection).entries(town.origin(A), 0, 10_000))


def map_of(town: Town) -> tuple[int, bytes]:
    with town.houses[A].engine.connect() as connection:
        size, root = StoreReader(connection).map_head(town.origin(A))
        return size, EMPTY_MAP_ROOT if root is None else root.hash


def test_a_map_goes_on_after_a_restart_as_if_there_had_been_none(town: Town) -> None:
    town.kill(A)
    town.start(A)
    publish(town, 12, 13)
    size, root = map_of(town)
    assert size == len(entries_of(town)) - 2
    assert root == slow_map.root(slow_map.acts_of(entries_of(town)[:size]))


@pytest.mark.parametrize("pending_max", [8_192, 3])
def test_a_stored_root_that_was_altered_is_made_again_from_the_entries(
    town: Town, pending_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "MAP_PENDING_MAX", pending_max)
    town.kill(A)
    with town.houses[A].engine.execution_options(**{WRITER: True}).begin() as connection:
        connection.execute(update(schema.maps).values(root=b""))
    with StoredLogs(town.folder / f"{A}.sqlite") as logs:  # type: ignore[operator]
        assert logs.wrong_nodes(town.origin(A)) == ["root"]
    town.start(A)
    publish(town, 12)
    size, root = map_of(town)
    assert root == slow_map.root(slow_map.acts_of(entries_of(town)[:size]))


def test_a_node_signs_nothing_over_a_map_that_was_altered_and_repair_mends_it(town: Town) -> None:
    town.kill(A)
    with town.houses[A].engine.execution_options(**{WRITER: True}).begin() as connection:
        low = schema.map_nodes.c.prefix == f"{A}/basis/1"
        table = schema.map_nodes
        (node,) = connection.execute(select(table.c.node).where(low)).one()
        connection.execute(update(table).where(low).values(node=node[:9] + b"x" + node[10:]))
    with StoredLogs(town.folder / f"{A}.sqlite") as logs:  # type: ignore[operator]
        assert logs.wrong_nodes(town.origin(A)) == [f"{A}/basis/1"]
    town.start(A)
    size = len(entries_of(town))
    with pytest.raises(FatalError):
        publish(town, 15)
    town.kill(A)
    with StoredLogs(town.folder / f"{A}.sqlite") as logs:  # type: ignore[operator]
        logs.drop_map(town.origin(A))
        assert logs.wrong_nodes(town.origin(A)) == []
    town.start(A)
    assert len(entries_of(town)) >= size
    publish(town, 17, 18)
    covered, root = map_of(town)
    assert root == slow_map.root(slow_map.acts_of(entries_of(town)[:covered]))
