"""The index by which grants are found narrows questions down, and comes from the facts alone."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, select

from ledger.kind import Fact
from nodes.core.kinds import KINDS
from nodes.core.ready import PutFacts
from nodes.store import schema
from nodes.store.engine import create_schema, open_sqlite
from nodes.store.entries import LogIDs
from nodes.store.facts import insert_facts
from nodes.store.lent import are_lent, load_covering, load_lapsing
from nodes.store.upgrades import upgrade

ITEM, WINDOW, GRANT = "540000/item/1", "510000/window/w1", "540000/grant/g1"
ITEM_2, ITEM_3, DEPARTMENT = "540000/item/2", "540000/item/3", "540000/department/hrss"
OFFERED = {
    "live": True,
    "st": "offered",
    "item": ITEM,
    "to": WINDOW,
    "rights": ["intake"],
    "from": 100,
    "until": 200,
}
ACCEPTED = {"live": True, "ans": "accepted", "to": WINDOW, "item": ITEM}


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = open_sqlite(None)
    create_schema(made)
    yield made
    made.dispose()


def put(engine: Engine, origin: str, index: int, state: dict[str, object]) -> None:
    with engine.begin() as connection:
        insert_facts(
            connection, LogIDs(), PutFacts((Fact(origin, GRANT, index, bytes(32), state),))
        )


def found(engine: Engine, now_s: int, item: str = ITEM) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        covered = (item, DEPARTMENT)
        listed = load_covering(connection, covered, after=("", ""), now_s=now_s, rows_max=9)
        assert any(are_lent(connection, covered, now_s)) == bool(listed)
        return listed


def test_a_grant_is_found_once_both_sides_stand_and_in_its_term_alone(engine: Engine) -> None:
    put(engine, "n/540000", 4, OFFERED)
    assert found(engine, 150) == []
    put(engine, "n/510000", 9, ACCEPTED)
    assert found(engine, 150) == [(WINDOW, GRANT)]
    assert [len(found(engine, now_s)) for now_s in (99, 100, 199, 200)] == [0, 1, 1, 0]
    put(engine, "n/540000", 5, OFFERED | {"live": False, "st": "revoked"})
    assert found(engine, 150) == []


def test_a_grant_is_found_by_each_item_that_it_lists_and_by_its_department(engine: Engine) -> None:
    put(engine, "n/540000", 4, OFFERED | {"also": [ITEM_2]})
    put(engine, "n/510000", 9, ACCEPTED)
    assert [len(found(engine, 150, it)) for it in (ITEM, ITEM_2, ITEM_3)] == [1, 1, 0]
    other = "540000/grant/g2"
    whole = OFFERED | {"dept": DEPARTMENT}
    with engine.begin() as connection:
        ids = LogIDs()
        insert_facts(connection, ids, PutFacts((Fact("n/540000", other, 5, bytes(32), whole),)))
        insert_facts(connection, ids, PutFacts((Fact("n/510000", other, 10, bytes(32), ACCEPTED),)))
    with engine.connect() as connection:
        covered = [ITEM, ITEM_3, ITEM_2, DEPARTMENT]
        assert are_lent(connection, covered, 150) == [True, False, True, True]
    assert found(engine, 150, ITEM_3) == [(WINDOW, other)]
    assert found(engine, 150, ITEM) == [(WINDOW, GRANT), (WINDOW, other)]


def test_what_lapses_is_listed_by_its_end(engine: Engine) -> None:
    put(engine, "n/540000", 4, OFFERED)
    with engine.connect() as connection:

        def ends(until_s: int, after: tuple[int, str] = (0, "")) -> list[bool]:
            rows = load_lapsing(
                connection, region="", now_s=150, until_s=until_s, after=after, rows_max=9
            )
            return [row.accepted for row in rows]

        assert (ends(200), ends(201)) == ([], [False])
        assert ends(201, (200, GRANT)) == []
        assert ends(201, (200, "540000/grant/g0")) == [False]


def test_a_database_that_is_older_gets_the_index_from_its_facts(engine: Engine) -> None:
    put(engine, "n/540000", 4, OFFERED | {"until": 180})
    put(engine, "n/540000", 5, OFFERED)
    put(engine, "n/510000", 9, ACCEPTED)
    with engine.begin() as connection:
        before = connection.execute(select(schema.lent)).all()
        schema.lent.drop(connection)
        schema.lent_covers.drop(connection)
    upgrade(engine, KINDS)
    with engine.connect() as connection:
        assert connection.execute(select(schema.lent)).all() == before
    assert found(engine, 190) == [(WINDOW, GRANT)]
