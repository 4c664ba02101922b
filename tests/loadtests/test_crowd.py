"""The crowd that a database is filled with is counted as real acts are."""

from pathlib import Path

import pytest

from authz.calendar import Calendar, day_of, day_text
from authz.party import key_object
from authz.work_ledger import month_named, work_ledger
from ledger.keys import SigningKey
from loadtests import crowded
from loadtests.crowd import Crowd, fill
from loadtests.crowded import compared
from loadtests.stage import Desk, StageError
from nodes.store.engine import open_sqlite
from nodes.store.entries import LogIDs
from nodes.store.facts import newest
from nodes.store.lent import are_lent
from nodes.store.work_ledger import load_tallied

NOW_S = 1_800_000_000
ORIGIN = "n/510000"
DESK = Desk(
    region="510000",
    origin=ORIGIN,
    window="510000/window/one",
    officer="510000/officer/one",
    key=SigningKey(bytes(32)),
    item="510000/item/one",
    department="510000/department/one",
    grant="510000/grant/one",
    acceptance_index=18,
    acceptance_leaf=bytes(32),
)


@pytest.mark.parametrize("copies", [1, 2])
def test_a_crowd_of_any_number_is_lent_and_counted(
    tmp_path: Path, copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtests.crowd.CASES_MADE_MAX", 730)
    crowd = Crowd(desk=DESK, grants=100, cases=730 * copies, size=1_000, now_s=NOW_S)
    fill(tmp_path / "node.db", crowd)
    engine = open_sqlite(tmp_path / "node.db")
    with engine.connect() as connection:
        ids = LogIDs()
        assert are_lent(connection, [crowd.item(0)], NOW_S) == [True]
        month = month_named(day_text(day_of(NOW_S) - 31)[:7])
        known = {ORIGIN: crowd.size}
        tallied = load_tallied(connection, ids, known, month, day_of(NOW_S), Calendar())
        told = work_ledger(month, day_of(NOW_S), Calendar(), tallied)
        days = month.last - month.first + 1
        assert told.total.taken_in == 2 * days * copies
        assert told.total.decided > days * copies
        assert 0 < told.total.overdue < told.total.due
        assert (told.total.lent, told.total.idle) == (100, 100 - _used(tallied.lent))
        last = f"510000/case/s{copies - 1}0000002"
        [row] = newest(connection, ids, [(ORIGIN, last, 1_000)])
        assert row is not None
        assert row.state["stage"] == "delivered"
    engine.dispose()


@pytest.mark.parametrize(("copies", "size"), [(1, 2), (10, 9), (10, 20)])
def test_a_log_that_is_too_short_for_a_crowd_is_told_in_a_sentence(
    tmp_path: Path, copies: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtests.crowd.CASES_MADE_MAX", 730)
    monkeypatch.setattr("loadtests.crowd.CASES_A_COMMIT", 100)
    said = f"a log of {size} entries is too short for {730 * copies} cases"
    with pytest.raises(StageError, match=said):
        fill(
            tmp_path / "node.db",
            Crowd(desk=DESK, grants=100, cases=730 * copies, size=size, now_s=NOW_S),
        )


def test_acts_cite_the_grant_that_their_window_has_in_the_crowd(tmp_path: Path) -> None:
    crowd = Crowd(desk=DESK, grants=1_000, cases=10, size=1_000, now_s=NOW_S)
    fill(tmp_path / "node.db", crowd)
    engine = open_sqlite(tmp_path / "node.db")
    with engine.connect() as connection:
        desk = crowd.at(1_900)
        made = desk.open_case("1", NOW_S)
        key = key_object(desk.region, desk.key.public)
        names = (desk.grant, desk.officer, key)
        grant, officer, of_key = newest(connection, LogIDs(), [(ORIGIN, it, 99) for it in names])
        assert grant is not None
        assert officer is not None
        assert of_key is not None
        assert {(it.index, it.leaf) for it in made.act.citations} == {(grant.index, grant.leaf)}
        assert (officer.state["unit"], officer.state["key"]) == (grant.state["to"], key)
        assert of_key.state["party"] == made.issuer
    engine.dispose()


class Taking:
    """A node whose statements cost as many microseconds as the turns say, one after another."""

    def __init__(self, *costs: float) -> None:
        self.costs = iter(costs)

    def spent_us(self, _names: str, _first: int, _count: int) -> float:
        return next(self.costs)


def test_two_nodes_are_compared_turn_by_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes first is not counted, and a turn on a slow machine is slow for both."""
    monkeypatch.setattr(crowded, "TURNS", 3)
    alone, other = Taking(9_000, 100, 400, 100), Taking(90, 125, 500, 120)
    assert compared(alone, other, "c") == (100, 125, 0.8)


def _used(lent: object) -> int:
    assert isinstance(lent, list)
    return sum(it.used for it in lent)
