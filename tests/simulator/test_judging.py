"""What one node of a world found, another takes over only where it would have found the same."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from ledger.statement import Statement
from nodes.core.intake import Intake
from nodes.core.kinds import KINDS
from nodes.core.projection import Projection
from nodes.store import schema
from simulator import judging
from simulator.judging import Book, SharedFollower
from simulator.run import Plan, run
from simulator.world import BrokenError, World
from tests.nodes.judging import NOW_S, A, B, C, D, Judge, Writer

LINES = {C: NOW_S - 5, D: NOW_S - 5}
TABLES = (schema.facts, schema.findings, schema.evidence, schema.maps, schema.projections)


class Sharing(Judge):
    """A reader that has a book in common with others; it says what it judged by itself."""

    def __init__(self, book: Book, *, lawless: bool = False) -> None:
        super().__init__(kinds=dict(KINDS) if lawless else KINDS)
        projection = self.follower._projection
        self.judged = 0

        def count(*given: Any) -> None:
            self.judged += 1
            Projection.judge_entry(projection, *given)

        projection.judge_entry = count  # type: ignore[method-assign]
        self.follower = SharedFollower(projection, self.follower._limits, book)

    def read(self, *logs: Writer, now_s: int = NOW_S) -> "Sharing":
        for log in logs:
            self.store(log)
        self.judge(now_s)
        return self

    def rows(self) -> list[list[Any]]:
        return [
            list(map(tuple, self.connection.execute(select(table).order_by(*table.primary_key))))
            for table in TABLES
        ]


@pytest.fixture(name="book")
def book_of_a_world() -> Book:
    return Book(World(1))


def growing(*logs: Writer, number: int) -> None:
    """Let each log record two acts, a block and a view of the next log."""
    for at, log in enumerate(logs):
        log.basis(f"{number}")
        log.basis(f"{number}-more")
        log.block()
        other = logs[(at + 1) % len(logs)]
        log.view(other, len(other.entries), LINES)


def test_what_one_found_another_writes_without_judging_and_both_go_on_from_it(book: Book) -> None:
    logs = Writer(A).genesis(), Writer(B).genesis()
    first, second, alone = Sharing(book), Sharing(book), Judge()
    for number in range(4):
        growing(*logs, number=number)
        first.read(*logs)
        judged = second.judged
        second.read(*logs)
        # A log's beginning, and what was read with it, everybody judges.
        assert (second.judged == judged) == (number > 0)
        for log in logs:
            alone.store(log)
        alone.judge()
    assert first.codes() == []
    assert first.rows() == second.rows() == Sharing.rows(alone)  # type: ignore[arg-type]


def test_what_begins_in_one_place_and_goes_on_in_two_ways_is_judged_each_way(book: Book) -> None:
    log, other = Writer(A).genesis(), Writer(A).genesis()
    first, second = Sharing(book).read(log), Sharing(book).read(other)
    log.basis("1")
    other.basis("2")
    first.read(log)
    before = second.judged
    second.read(other)
    assert second.judged == before + 1
    assert first.rows() != second.rows()


def test_nothing_is_taken_over_before_all_that_it_rests_on_is_here(book: Book) -> None:
    log, other = Writer(A).genesis(), Writer(B).genesis()
    first, second = Sharing(book).read(log, other), Sharing(book).read(log, other)
    other.basis("1")
    log.view(other, 2, LINES)
    first.read(other, log)
    second.read(log)
    assert second.size(log) == 1  # it waits
    second.read(other)
    assert second.size(log) == 2


def test_nothing_is_taken_over_that_holds_a_line_of_the_future(book: Book) -> None:
    log, other = Writer(A).genesis(), Writer(B).genesis()
    first, second = Sharing(book).read(log, other), Sharing(book).read(log, other)
    log.view(other, 1, {C: NOW_S + 60, D: NOW_S})
    assert first.read(log, now_s=NOW_S + 60).size(log) == 2
    assert second.read(log).size(log) == 1
    assert second.read(now_s=NOW_S + 60).size(log) == 2


def test_nothing_is_taken_over_that_views_a_branch_which_is_not_the_one_here(book: Book) -> None:
    log, other, forked = Writer(A).genesis(), Writer(B).genesis(), Writer(B).genesis()
    first, second = Sharing(book).read(log), Sharing(book).read(log)
    other.basis("1")
    forked.basis("2")
    log.view(forked, 2, LINES)
    assert first.read(forked, log).size(log) == 2
    assert second.read(other, log).size(log) == 1


def test_what_is_void_everybody_finds(book: Book) -> None:
    log = Writer(A).genesis()
    first, second = Sharing(book).read(log), Sharing(book).read(log)
    log.basis("1", previous=bytes(32))
    first.read(log)
    before = second.judged
    assert second.read(log).codes() == [(1, "wrong-previous")]
    assert second.judged == before + 1


def test_a_node_with_a_table_of_its_own_takes_nothing_over_and_gives_nothing(book: Book) -> None:
    log = Writer(A).genesis()
    readers = [Sharing(book, lawless=lawless).read(log) for lawless in (True, False, True)]
    log.basis("1")
    for reader in readers:
        before = reader.judged
        reader.read(log)
        assert reader.judged == before + 1


def test_a_node_that_is_near_other_logs_judges_by_itself(book: Book) -> None:
    log = Writer(A).genesis()
    first, second = Sharing(book).read(log), Sharing(book)
    second.follower._projection.ground.is_near = {log.origin}.__contains__
    second.read(log)
    log.basis("1")
    first.read(log)
    before = second.judged
    assert second.read(log).judged == before + 1


def test_one_that_finds_something_else_in_the_sample_breaks_a_promise(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "SAMPLE", 1)
    log = Writer(A).genesis()
    first, second, careless = (Sharing(book).read(log) for _ in range(3))
    log.basis("1")
    first.read(log)
    second.read(log)
    assert book.world.counts["judging compared"] == 1
    acts = careless.follower._projection.acts
    take = acts.take

    def mention(state: Any, statement: Any, index: int, verdict: Any, effects: Any) -> None:
        take(state, statement, index, verdict, effects)
        effects.mentions.append((state.origin, f"{A}/case/none", index))

    monkeypatch.setattr(acts, "take", mention)
    with pytest.raises(BrokenError, match="in two ways"):
        careless.read(log)


def test_the_book_forgets_what_is_old(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "ENTRIES_MAX", 1)
    log = Writer(A).genesis()
    first, second = Sharing(book).read(log), Sharing(book).read(log)
    for number in ("1", "2"):
        log.basis(number)
        first.read(log)
    before = second.judged
    second.read(log)
    assert second.judged == before + 2


def test_a_world_goes_the_same_way_whether_nodes_share_what_they_judge_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(judging, "SAMPLE", 2)
    judged: list[str] = []
    judge = Projection.judge_entry

    def counted(self: Projection, state: Any, *given: Any) -> None:
        judged.append(state.origin)
        judge(self, state, *given)

    monkeypatch.setattr(Projection, "judge_entry", counted)
    # Long enough for places to look at each other's logs, and to record what they saw.
    plan = Plan(seed=4, regions=4, minutes=1.0, hostile=False, pace_ms=2_000, judging="each")
    each = run(plan)
    by_each = len(judged)
    shared = run(replace(plan, judging="shared"))
    assert not shared.broken
    assert shared.counts["judging compared"] > 0
    # What is no sample, nobody judges but its writer, who does it before it is an entry.
    assert len(judged) - by_each < 0.6 * by_each
    assert shared.trace == each.trace


def test_a_writer_that_records_what_others_would_not_find_breaks_a_promise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(judging, "SAMPLE", 2)
    take = Intake._admit

    def mention(self: Intake, statement: Statement, needs: Any = None) -> Any:
        found = take(self, statement, needs)
        batch = self._batch
        batch.effects.mentions.append(
            (self._origin, f"{statement.issuer[:6]}/case/none", found.index)
        )
        return found

    monkeypatch.setattr(Intake, "_admit", mention)
    plan = Plan(seed=4, regions=4, minutes=0.1, hostile=False, pace_ms=2_000, judging="shared")
    assert "in two ways" in run(plan).broken


def test_there_are_two_ways_of_judging() -> None:
    with pytest.raises(ValueError, match="judging is one of each, shared, not none"):
        run(Plan(judging="none"))
