"""A case's timeline shows what was tried against it too, and nobody hides that."""

from types import SimpleNamespace
from typing import Any

import pytest

from ledger.errors import NotFoundError
from nodes.api.timelines import VOIDS_MAX, tell
from nodes.core.kinds import KINDS
from tests.nodes.judging import CHAIN, NOW_S, ROSTER, Judge, Writer, judged

A, B, C = "500000", "510000", "520000"
CASE = f"{A}/case/1"


def service(region: str = C) -> Any:
    return SimpleNamespace(
        origin=ROSTER.origin_of(region),
        roster=ROSTER,
        chain=CHAIN,
        kinds=KINDS,
        block_times={},
        now_s=lambda: NOW_S,
        driver=SimpleNamespace(finality=lambda _index: "accepted"),
    )


def hostile(region: str, acts: int) -> Writer:
    log = Writer(region).genesis()
    for _ in range(acts):
        log.add("case.note", CASE, {"remark": "x"})  # a person's act, by the region's key
    return log


def told(judge: Judge) -> Any:
    return tell(service(), judge.connection, CASE)


def test_void_acts_are_told_with_their_findings_and_move_nothing() -> None:
    log = hostile(A, 1)
    made = told(judged(log))
    [line] = made.lines
    assert (line.kind, line.findings, line.holder) == ("case.note", ("not-entitled",), None)
    assert made.findings == ((log.origin, 1, "not-entitled"),)
    assert (made.holder, made.stage, made.beliefs) == (None, None, ())


def test_a_log_full_of_void_acts_hides_none_of_another() -> None:
    flood, other = hostile(A, VOIDS_MAX + 5), hostile(B, 1)
    lines = told(judged(flood, other)).lines
    assert [line.origin for line in lines].count(flood.origin) == VOIDS_MAX
    assert [line.origin for line in lines].count(other.origin) == 1


def test_what_no_log_names_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        tell(service(), judged(hostile(A, 0)).connection, CASE)


def test_what_a_block_record_without_lines_proves_is_asked_once() -> None:
    log = hostile(A, 1)
    log.block()
    log.add("case.note", CASE, {"remark": "y"})
    judge, made = judged(log), service()
    tell(made, judge.connection, CASE)
    assert made.block_times == {(log.origin, 2): 0}
    assert [line.proven for line in tell(made, judge.connection, CASE).lines] == [False, False]
