"""A hostile log costs its readers a bounded piece of work a step, and no memory that stays."""

from ledger.views import BlockLines
from tests.nodes.judging import NOW_S, A, B, C, Judge, Writer


def test_lines_of_too_few_mirrors_are_not_kept() -> None:
    log = Writer(A).genesis()
    for index in range(6):
        log.block((log.seen(1 + index, {B: NOW_S - 50 + index}),))
    judge = Judge()
    judge.store(log)
    judge.judge()
    assert judge.size(log) == len(log.entries)
    assert judge.follower.states[log.origin].evidence.covers == ()


def test_more_lines_than_a_quorum_are_no_record_of_a_candidate() -> None:
    log = Writer(A).genesis()
    seen = log.seen(1, {B: NOW_S, C: NOW_S})
    log.block((BlockLines(1, seen.root, seen.lines * 100),))
    judge = Judge()
    judge.store(log)
    judge.judge()
    assert [index for index, _ in judge.codes()] == [1]


def test_long_entries_are_judged_a_few_at_a_time() -> None:
    log = Writer(A).genesis()
    log.entries += [bytes(60_000)] * 100
    judge = Judge()
    judge.store(log)
    judge.judge()
    assert 1 < judge.size(log) < 50
    for _ in range(100):
        judge.judge()
    assert judge.size(log) == len(log.entries)
