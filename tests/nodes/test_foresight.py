"""A log that waits for one view says what the views after it will want as well."""

from tests.nodes.judging import NOW_S, A, B, C, Judge, Writer
from tests.nodes.test_unjudged import Partial, views


def others() -> tuple[Writer, Writer]:
    """Two logs that are stored nowhere yet."""
    made = (Writer(B).genesis(), Writer(C).genesis())
    for log in made:
        log.basis("1")
    return made


def judged(region: str, log: Writer) -> Partial:
    """A node that has one log, and has judged of it what it can."""
    judge = Partial(region)
    judge.store(log)
    judge.judge()
    return judge


def lacking(judge: Judge) -> dict[str, int]:
    found = judge.follower.lacking(judge.stored)
    return {origin: head.checkpoint.size for origin, head in found.items()}


def test_what_all_views_of_a_log_want_is_asked_for_at_once() -> None:
    second, third = others()
    log = Writer(A).genesis()
    views(log, second)
    views(log, third)
    judge = judged(A, log)
    assert judge.size(log) == 1
    assert lacking(judge) == {second.origin: 2, third.origin: 2}


def test_of_several_views_of_a_log_the_largest_is_asked_for() -> None:
    second, third = others()
    log = Writer(A).genesis()
    views(log, second)
    views(log, third)
    third.basis("2")
    views(log, third)
    judge = judged(A, log)
    assert lacking(judge) == {second.origin: 2, third.origin: 3}


def test_what_is_stored_meanwhile_is_asked_for_no_more() -> None:
    second, third = others()
    log = Writer(A).genesis()
    views(log, second)
    views(log, third)
    judge = judged(A, log)
    judge.store(third)
    assert lacking(judge) == {second.origin: 2}
    judge.store(second)
    judge.judge()
    assert judge.size(log) == len(log.entries)
    assert lacking(judge) == {}


def test_entries_that_come_while_a_log_waits_are_looked_at_too() -> None:
    second, third = others()
    log = Writer(A).genesis()
    views(log, second)
    judge = judged(A, log)
    views(log, third)
    third.basis("2")
    judge.store(log)
    judge.judge()
    assert lacking(judge) == {second.origin: 2}
    judge.store(second)
    judge.judge()
    assert lacking(judge) == {third.origin: 2}


def test_a_head_without_a_quorum_of_mirror_lines_is_not_asked_for() -> None:
    second, third = others()
    log = Writer(A).genesis()
    views(log, second)
    log.view(third, len(third.entries), {A: NOW_S})
    judge = judged(A, log)
    assert lacking(judge) == {second.origin: 2}


def test_a_followed_log_asks_ahead_for_what_is_near_alone() -> None:
    second, third = others()
    log = Writer(A).genesis()
    views(log, second)
    views(log, third)
    judge = judged(B, log)
    assert lacking(judge) == {second.origin: 2}


def test_nothing_behind_an_epoch_is_looked_at_ahead() -> None:
    second, third = others()
    log = Writer(A).genesis()
    views(log, second)
    log.add("log.epoch", log.origin, {"roster": b"some later version"})
    views(log, third)
    judge = judged(A, log)
    assert lacking(judge) == {second.origin: 2}
