"""Rows and lines in the store: compare-and-swap, and nothing forgotten."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from ledger.cosignature import Line
from ledger.errors import ConflictError
from nodes.core.ready import IssueLine, PeerRow
from nodes.store.engine import create_schema
from nodes.store.entries import LogIDs
from nodes.store.peers import (
    advance,
    issue,
    load_last_lines,
    load_lines,
    load_row,
    load_rows,
    load_state,
)
from tests.nodes.neighbours import REGIONS, Neighbours

ROW = PeerRow(
    origin="a.example/510000",
    witnessed_size=5,
    witnessed_root=b"r" * 32,
    mirrored_size=3,
    time_s=100,
    pending=b"pending",
    heard_ms=100_000,
    mirrored=b"mirrored",
)


@pytest.fixture(autouse=True)
def _tables(engine: Engine) -> None:
    create_schema(engine)


def test_a_row_is_put_and_moved_and_read_back(engine: Engine) -> None:
    later = replace(ROW, witnessed_size=9, witnessed_root=b"s" * 32, time_s=101, pending=b"p")
    other = replace(ROW, origin="b.example/520000")
    with engine.begin() as connection:
        assert load_row(connection, ROW.origin) is None
        advance(connection, None, ROW)
        assert load_row(connection, ROW.origin) == ROW
        advance(connection, ROW, later)
        advance(connection, None, other)
        assert load_rows(connection) == {ROW.origin: later, other.origin: other}


@pytest.mark.parametrize(
    "changed",
    [
        {"witnessed_size": 4},
        {"witnessed_root": b"x" * 32},
        {"mirrored_size": 2},
        {"time_s": 99},
        {"pending": b"other"},
        {"heard_ms": 1},
        {"mirrored": b"other"},
    ],
)
def test_a_row_that_is_not_the_old_one_is_not_moved(engine: Engine, changed: dict) -> None:
    with engine.begin() as connection:
        advance(connection, None, ROW)
        with pytest.raises(ConflictError) as refused:
            advance(connection, replace(ROW, **changed), replace(ROW, witnessed_size=9))
        assert refused.value.known_size == 5
        assert load_row(connection, ROW.origin) == ROW


def test_the_first_row_is_put_only_where_there_is_none(engine: Engine) -> None:
    with engine.begin() as connection:
        with pytest.raises(ConflictError):
            advance(connection, ROW, replace(ROW, time_s=101))
        advance(connection, None, ROW)
        with pytest.raises(ConflictError):
            advance(connection, None, ROW)


def given_line(size: int, time_s: int, role: str = "witness") -> IssueLine:
    raw = Line(b"kkkk", time_s, bytes([size]) * 64).encode()
    return IssueLine(role, ROW.origin, size, b"r" * 32, raw)


def test_every_line_is_kept_in_the_order_of_time_and_the_last_is_found(engine: Engine) -> None:
    lines = [given_line(5, 100), given_line(5, 160), given_line(7, 160), given_line(9, 161)]
    with engine.begin() as connection:
        advance(connection, None, ROW)
        for item in reversed(lines):
            issue(connection, item)
        issue(connection, lines[0])  # the same line a second time is the same bytes
        issue(connection, given_line(3, 150, "mirror"))
        found = load_lines(connection, ROW.origin, "witness")
        assert [item.line for item in found] == [item.line for item in lines]
        since = load_lines(connection, ROW.origin, "witness", since_s=160, rows_max=2)
        assert [item.size for item in since] == [5, 7]
        after = load_lines(connection, ROW.origin, "witness", since_s=160, after_size=5)
        assert [item.size for item in after] == [7, 9]
        assert load_last_lines(connection) == {
            ("witness", ROW.origin): (9, lines[3].line),
            ("mirror", ROW.origin): (3, given_line(3, 150, "mirror").line),
        }


def test_the_state_that_a_node_starts_from_is_what_it_had() -> None:
    world = Neighbours()
    for region in REGIONS:
        world.append(region, b"one", b"two")
    world.run(2_000)
    host = world.hosts[REGIONS[0]]
    with host.engine.begin() as connection:
        state = load_state(connection, LogIDs(), host.origin)
    assert dict(state.rows) == dict(host.network.rows)
    assert set(state.sizes.values()) == {2}
    assert host.origin not in state.sizes
    assert len(state.own_notes) == 1  # the newest is the newest finished one
    assert len(state.other_notes) == 4
    assert set(state.lines) == {
        (role, world.roster.origin_of(region))
        for region in REGIONS[1:]
        for role in ("witness", "mirror")
    }
