"""What is laid aside of a copy, what stays, and what is judged again."""

from typing import Any

from sqlalchemy import Engine

from ledger.hashing import hash_leaf
from ledger.proofs import root_at
from ledger.tiles import extend_tiles, read_nodes
from ledger.tree import Frontier
from nodes.core.duties import DUTIES, Duties, Duty, unowed
from nodes.core.ready import DateAnswers, PutAnswers
from nodes.core.withheld import Withheld
from nodes.ports import AnswerRow
from nodes.store import answers, closings, copies, entries, facts, findings, notes
from nodes.store.apply import apply
from nodes.store.entries import LogIDs
from tests import rfc9162
from tests.nodes.judging import A, B, Judge, Writer
from tests.nodes.test_closings import ENTRIES, FIRST, GRANT, OTHER, fill
from tests.nodes.test_withheld import HOLDER, RECEIVER, tell

MORE = [f"another {index}".encode() for index in range(300)]


def root(connection: Any, ids: LogIDs, log: str, size: int) -> bytes:
    return root_at(
        size, read_nodes(lambda wanted: entries.load_tiles(connection, ids, log, wanted))
    )


def test_what_is_laid_aside_is_kept_whole_and_the_log_goes_on_from_the_rest(
    engine: Engine,
) -> None:
    ids = LogIDs()
    fill(engine, ids, OTHER, {6: GRANT})
    for at, kept in enumerate((0, 1, 255, 256, 257, 299)):
        log = f"n.example/{510000 + at}"
        fill(engine, ids, log, {5: GRANT})
        with engine.begin() as connection:
            closings.close(connection, ids, {}, {log: kept})
            [aside] = copies.load_asides(connection, ids, log)
            assert (
                aside.peaks
                == Frontier.empty().extend([hash_leaf(it) for it in ENTRIES[:kept]]).peaks
            )
            assert aside == copies.Aside(0, 300, rfc9162.root(ENTRIES), kept, aside.peaks, ())
            assert copies.load_aside_entries(connection, ids, log, 0, 0, 999) == ENTRIES[kept:]
            assert copies.load_aside_entries(connection, ids, log, 0, 0, kept) == []
            last = copies.load_aside_entries(connection, ids, log, 0, 299, 300)
            assert last == ENTRIES[299:]
            # Neither stored, nor judged any more; what is of another log is what it was.
            assert entries.stored_size(connection, log) == kept
            assert entries.load_entries(connection, ids, log, 0, 999) == ENTRIES[:kept]
            assert set(notes.load_projections(connection)) == {OTHER}
            assert findings.seen_by(connection, ids, log, 5) is None
            [fact] = facts.newest(connection, ids, [(OTHER, GRANT, 2**62)])
            assert fact is not None
            assert entries.load_entries(connection, ids, OTHER, 299, 300) == ENTRIES[299:]
            assert copies.load_asides(connection, ids, OTHER) == []
            # The tiles are those of a log that never had more, and grow like one.
            before = extend_tiles(0, (), [hash_leaf(entry) for entry in ENTRIES[:kept]])
            found = entries.load_tiles(connection, ids, log, [(0, 0), (0, 1), (1, 0)])
            assert found == dict(before.tiles)
            update = extend_tiles(kept, before.edge, [hash_leaf(entry) for entry in MORE])
            entries.append(connection, ids, log, kept, MORE, update.tiles)
            assert root(connection, ids, log, kept + 300) == rfc9162.root([*ENTRIES[:kept], *MORE])


def test_a_copy_may_be_laid_aside_twice_and_one_that_is_not_longer_is_left_alone(
    engine: Engine,
) -> None:
    ids = LogIDs()
    fill(engine, ids, FIRST, {})
    with engine.begin() as connection:
        closings.close(connection, ids, {}, {FIRST: 290})
        closings.close(connection, ids, {}, {FIRST: 290})
        closings.close(connection, ids, {}, {FIRST: 280})
        found = copies.load_asides(connection, ids, FIRST)
        assert [(it.number, it.size, it.kept_size) for it in found] == [
            (0, 300, 290),
            (1, 290, 280),
        ]
        assert copies.load_aside_entries(connection, ids, FIRST, 1, 0, 999) == ENTRIES[280:290]


def awaited(index: int, *, viewed: int | None) -> AnswerRow:
    """OTHER has offered something, and FIRST has accepted it."""
    return AnswerRow(
        origin=OTHER,
        index=index,
        holder=OTHER,
        case="520000/case/1",
        answer_origin=FIRST,
        answer_index=index,
        view_index=viewed,
    )


def test_acceptances_that_were_never_there_are_awaited_no_more(engine: Engine) -> None:
    ids = LogIDs()
    fill(engine, ids, FIRST, {})
    fill(engine, ids, OTHER, {})
    with engine.begin() as connection:
        rows = (awaited(10, viewed=20), awaited(11, viewed=None), awaited(260, viewed=None))
        apply(connection, ids, [PutAnswers(rows), DateAnswers(OTHER, 0, 30, 7)])
        closings.close(connection, ids, {}, {FIRST: 250})
        left = connection.exec_driver_sql(
            f'SELECT "index", view_index, due_s FROM {answers.schema.answers.name} ORDER BY 1'  # noqa: S608
        ).all()
        # What the holder has viewed was dated by that view, and stays so.
        assert [tuple(row) for row in left] == [(10, 20, 7), (11, None, None)]


def test_duties_that_answer_what_was_never_there_are_forgotten() -> None:
    duties = [Duty("handoff.release", "c", FIRST, 9), Duty("handoff.release", "c", FIRST, 10)]
    duties.append(Duty("handoff.release", "c", OTHER, 30))
    made = Duties(OTHER, b"", 9)
    made._owed = list(duties)
    [stored] = made.writes()
    [left] = unowed(stored.value, {FIRST: 10})
    assert left.name == DUTIES
    assert Duties(OTHER, left.value, 9).owed == (duties[0], duties[2])
    assert unowed(left.value, {FIRST: 10}) == ()
    assert unowed(b"", {FIRST: 0}) == ()
    # Of two logs that are laid aside at once neither brings back what the other has lost.
    [both] = unowed(stored.value, {FIRST: 10, OTHER: 30})
    assert Duties(OTHER, both.value, 9).owed == (duties[0],)


def test_what_others_have_viewed_is_judged_again_before_anything_that_relies_on_it() -> None:
    viewed, relying = Writer(B).genesis(), Writer(A).genesis()
    for number in range(3):
        viewed.basis(str(number))
    times = dict.fromkeys(("520000", "530000"), 1_800_000_000)
    relying.view(viewed, 4, times)
    judge = Judge()
    for log in (viewed, relying):
        judge.store(log)
    judge.judge()
    relying.basis("later")
    judge.store(relying)
    state = judge.follower.states.pop(viewed.origin)
    judge.follower.judge_again({viewed.origin: 4})
    assert judge.follower.is_held(judge.follower.states[relying.origin])
    assert not judge.follower.is_behind({relying.origin: 3})
    found = list(judge.follower.step({relying.origin: 3}, 1_800_000_000_000, judge.reader))
    assert found == []
    judge.follower.states[viewed.origin] = state
    assert not judge.follower.is_held(judge.follower.states[relying.origin])
    judge.judge()
    assert judge.size(relying) == 3


def test_what_was_noticed_before_is_not_awaited_again_when_its_log_is_judged_again() -> None:
    """The holder had viewed it then: it is awaited still, or was settled."""
    story = tell([(True, False), (False, False)], [0])
    again = [step for step in story.steps if step[0] == RECEIVER]
    withheld = Withheld(60, (HOLDER, RECEIVER), {}, viewed={(HOLDER, RECEIVER): 1})
    [put] = withheld.note(again)
    assert isinstance(put, PutAnswers)
    assert [row.answer_index for row in put.rows] == [1]
    withheld.viewed = {(HOLDER, RECEIVER): 2}
    assert withheld.note(again) == ()
