from typing import Any

import pytest

from authz.kinds import KINDS
from authz.milestone import COUNTED, Recorded, Standing, counted, reached
from authz.tables import LIVES

GRANT = "540000/grant/g"
HERE, THERE = "n/540000", "n/510000"
OFFERED = {"live": True, "st": "offered", "to": "510000/window/w"}
ACCEPTED = {"live": True, "ans": "accepted", "to": "510000/window/w"}


def row(name: str, origin: str, index: int, state: dict[str, Any]) -> Recorded:
    return Recorded(name, (origin, index), state)


def test_what_may_be_counted_is_what_a_milestone_may_name() -> None:
    kind = KINDS["milestone.set", 1]
    assert kind.fields["counts"].choices == tuple(sorted(COUNTED))
    assert "task" in {life.subject for life in LIVES}


def test_a_window_counts_while_it_is_live_by_its_first_act() -> None:
    rows = [
        row("540000/window/a", HERE, 3, {"live": True}),
        row("540000/window/a", HERE, 9, {"live": True}),
        row("540000/window/b", HERE, 4, {"live": True}),
        row("540000/window/b", HERE, 5, {"live": False}),
    ]
    assert counted("windows", rows) == {"540000/window/a": [(HERE, 3)]}


def test_a_grant_counts_once_both_sides_stand() -> None:
    both = [row(GRANT, HERE, 3, OFFERED), row(GRANT, THERE, 7, ACCEPTED)]
    assert counted("grants", both[:1]) == {}
    assert counted("grants", both) == {GRANT: [(THERE, 7)]}
    assert counted("regions", both) == {"510000": [(THERE, 7)]}
    revoked = row(GRANT, HERE, 8, {**OFFERED, "st": "revoked"})
    assert counted("grants", [*both, revoked]) == {}
    inside = {**OFFERED, **ACCEPTED, "to": "540000/window/w"}
    assert counted("regions", [row(GRANT, HERE, 3, inside)]) == {}


def test_an_accepted_task_and_a_settled_rating_count_though_they_have_ended() -> None:
    task = row("540000/task/t", HERE, 3, {"live": False, "st": "accepted"})
    rating = row("540000/evaluation/e", HERE, 4, {"live": False, "st": "good"})
    assert counted("tasks", [task]) == {"540000/task/t": [(HERE, 3)]}
    assert counted("ratings", [rating]) == {"540000/evaluation/e": [(HERE, 4)]}


@pytest.mark.parametrize(
    ("times", "now_s", "standing", "count"),
    [
        ([10, 20], 30, Standing.MET, 2),
        ([10, 100], 130, Standing.LATE, 1),
        ([10], 99, Standing.OPEN, 1),
        ([10], 100, Standing.MISSED, 1),
        ([], 100, Standing.MISSED, 0),
        ([30, 10, 20], 130, Standing.MET, 3),
    ],
)
def test_a_milestone_is_met_by_the_record_that_fills_its_count(
    times: list[int], now_s: int, standing: Standing, count: int
) -> None:
    found = reached(2, 100, now_s, [(time_s, (HERE, time_s)) for time_s in times])
    assert (found.standing, found.count) == (standing, count)
    assert found.evidence == tuple((HERE, time_s) for time_s in sorted(times)[:2])
    assert (found.met_s is None) is (len(times) < 2)
