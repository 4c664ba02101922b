"""How other logs are judged: whatever a writer puts into its log, every reader finds the same."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from ledger.beginning import genesis_body
from ledger.checkpoint import Checkpoint
from ledger.equivocation import Equivocation, Said, accuse, check_evidence, evidence_body
from ledger.keys import SigningKey
from ledger.kind import Acting, Judgement
from ledger.statement import Citation
from ledger.views import BlockLines
from nodes.core.ground import Ground
from nodes.core.kinds import KINDS
from nodes.core.limits import Limits
from nodes.core.projection import Projection
from nodes.core.rosters import Rosters
from nodes.core.sight import Sight
from nodes.store import schema, ties
from nodes.store.facts import load_holders
from tests import slow_map
from tests.nodes import neighbours
from tests.nodes.judging import CHAIN, NOW_S, ROSTER, SIGNED, A, B, C, D, Judge, Writer, judged

# ---- entries ------------------------------------------------------------------------------------


def test_an_honest_log_has_no_findings() -> None:
    log = Writer(A).genesis()
    log.block()
    log.basis("1")
    assert judged(log).codes() == []


def test_bytes_that_are_no_statement_are_found_and_passed_over() -> None:
    log = Writer(A).genesis()
    log.entries.append(b"nonsense")
    log.basis("1")
    judge = judged(log)
    assert judge.codes() == [(1, "wrong-tag")]
    assert judge.size(log) == 3


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"key": SigningKey(bytes(32))}, "unknown-key"),
        ({"issuer": f"{A}/officer/x"}, "unknown-key"),
        ({"previous": bytes(32)}, "wrong-previous"),
        ({"citations": (Citation("offer", ROSTER.origin_of(B), 0, bytes(32)),)}, "void-citation"),
        ({"citations": (Citation("view", ROSTER.origin_of(B), 0, bytes(32)),)}, "void-citation"),
        ({"citations": (Citation("view", ROSTER.origin_of(A), 0, bytes(32)),)}, "void-citation"),
        ({"citations": (Citation("offer", ROSTER.origin_of(A), 0, bytes(32)),)}, "void-citation"),
        ({"citations": (Citation("offer", ROSTER.origin_of(A), 9, bytes(32)),)}, "void-citation"),
    ],
)
def test_a_false_act_is_void_with_a_finding(named: dict[str, Any], expected: str) -> None:
    log = Writer(A).genesis()
    log.basis("1", **named)
    judge = judged(log)
    assert judge.codes() == [(1, expected)]
    (fact,) = judge.reader.facts([(log.origin, f"{A}/basis/1", 99)])
    assert fact is None


def test_void_acts_are_found_by_what_they_name_and_by_whoever_signed_them() -> None:
    log, officer = Writer(A).genesis(), f"{A}/officer/w1"
    window, grant = f"{A}/window/w1", f"{B}/grant/1"
    made = {"grant": grant, "window": window, "remark": "x"}
    log.add("case.note", f"{A}/case/1", made)
    log.add("case.supplement", f"{A}/case/1", made)
    log.add("case.supplement", f"{A}/case/2", made, issuer=officer)  # by no key of theirs
    log.add("party.suspend", officer, {"reason": "x"})
    judge = judged(log)
    assert [index for index, _ in judge.codes()] == [1, 2, 3, 4]

    def found(name: str) -> list[tuple[str, int]]:
        rows = ties.load(
            judge.connection,
            judge.ids,
            name,
            from_s=0,
            until_s=2**40,
            after=None,
            rows_max=9,
        )
        return [(origin, index) for _, origin, index in rows]

    assert found(grant) == found(window) == [(log.origin, 2), (log.origin, 3)]
    assert found(officer) == [(log.origin, 4)]
    before = judge.connection.execute(select(schema.ties)).all()
    judge.connection.execute(delete(schema.ties))
    ties.fill(judge.connection, KINDS)
    assert judge.connection.execute(select(schema.ties)).all() == before


def test_a_forged_signature_is_found() -> None:
    log = Writer(A).genesis()
    log.basis("1")
    log.entries[1] = log.entries[1][:-1] + bytes((log.entries[1][-1] ^ 1,))
    assert judged(log).codes() == [(1, "bad-signature")]


def test_a_log_has_one_genesis_and_it_names_the_roster() -> None:
    log = Writer(A).genesis()
    log.genesis()
    assert judged(log).codes() == [(1, "exists")]
    other = Writer(A)
    other.add("log.genesis", other.origin, genesis_body(SIGNED + b"x", 1))
    assert judged(other).codes() == [(0, "bad-genesis")]


# ---- block records ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"height": 2},
        {"size": 2},
        {"root": bytes(32)},
        {"note": bytes(32)},
        {"roster": 2},
        {"rules": 2},
        {"map_root": bytes([1]) * 32},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_block_record_that_is_not_of_its_log_is_void(changed: dict[str, Any]) -> None:
    log = Writer(A).genesis()
    log.block(**changed)
    log.basis("1")
    code = "bad-map" if "map_root" in changed else "bad-block"
    assert judged(log).codes() == [(1, code)]


def test_the_map_counts_every_entry_that_names_an_object_void_or_not() -> None:
    log = Writer(A).genesis()
    log.basis("1")
    log.basis("1", previous=b"x" * 32)
    log.basis("1", key=neighbours.key(B, "issuer"))
    log.entries.append(b"no statement")
    log.add("log.view", f"{A}/basis/1", {})
    log.block()
    log.basis("2")
    log.block()
    assert {code for index, code in judged(log).codes() if index in {6, 8}} == set()


def test_a_map_that_leaves_out_a_void_act_is_another_map() -> None:
    log = Writer(A).genesis()
    log.basis("1")
    log.basis("1", previous=b"x" * 32)
    acts = slow_map.acts_of(log.entries)
    log.block(map_root=slow_map.root(acts[:1]))
    assert (3, "bad-map") in judged(log).codes()


TIMES = {B: NOW_S - 30, C: NOW_S - 20}


def test_a_block_record_fixes_when_entries_were_seen() -> None:
    log = Writer(A).genesis()
    log.block((log.seen(1, TIMES),))
    judge = judged(log)
    assert judge.seen == [(0, 1, NOW_S - 20)]  # n = 3, f = 0, q = 2: the second smallest
    assert judge.reader.seen_by(log.origin, 0) == (NOW_S - 20, 1)
    assert judge.reader.seen_by(log.origin, 1) is None


def test_lines_on_another_tree_or_by_nobody_fix_nothing() -> None:
    log = Writer(A).genesis()
    other = Writer(A)
    other.entries.append(b"another past")
    forged = BlockLines(1, other.root(1), other.lines(1, TIMES))
    log.block((forged,))
    log.basis("1")
    good = log.seen(2, TIMES)
    broken = BlockLines(2, good.root, tuple(line[:-1] + b"\x00" for line in good.lines))
    log.block((broken,))
    assert judged(log).seen == []


def test_more_or_fewer_lines_than_a_quorum_are_no_block_record() -> None:
    for times in ({B: NOW_S}, {B: NOW_S, C: NOW_S, D: NOW_S}):
        log = Writer(A).genesis()
        log.block((log.seen(1, times),))
        assert judged(log).codes() == [(1, "bad-block")]


def test_lines_of_one_mirror_alone_leave_nothing_in_memory() -> None:
    log = Writer(A).genesis()
    (line,) = log.lines(1, {B: NOW_S})
    log.block((BlockLines(1, log.root(1), (line, line)),))
    judge = judged(log)
    assert judge.seen == []
    assert judge.follower.states[log.origin].evidence.covers == ()


def test_the_work_of_one_step_is_bounded_by_bytes() -> None:
    log = Writer(A).genesis()
    for number in range(30):
        log.basis(f"{number}")
    judge = Judge()
    judge.follower._limits = Limits(judged_bytes_max=len(log.entries[0]) + 1)
    judge.store(log)
    judge.judge()
    assert judge.size(log) == 2
    assert judge.follower.is_behind(judge.stored)
    while judge.follower.is_behind(judge.stored):
        judge.judge()
    assert judge.size(log) == 31


def test_a_rule_that_fails_on_an_act_makes_it_void_and_stops_nobody() -> None:
    def rule(_acting: Acting) -> Judgement:
        raise KeyError("dept")

    kind = replace(KINDS["basis.publish", 1], rule=rule)
    log = Writer(A).genesis()
    log.basis("1")
    judge = Judge(kinds={**KINDS, ("basis.publish", 1): kind})
    judge.store(log)
    judge.judge()
    assert judge.codes() == [(1, "unjudgeable")]


def test_later_lines_never_move_what_is_fixed() -> None:
    log = Writer(A).genesis()
    log.block((log.seen(1, TIMES),))
    log.block((log.seen(1, dict.fromkeys(TIMES, NOW_S - 1000)),))
    judge = judged(log)
    assert judge.reader.seen_by(log.origin, 0) == (NOW_S - 20, 1)


@pytest.mark.parametrize(("late_s", "found"), [(5, False), (6, True)])
def test_an_act_declared_later_than_it_was_seen_is_found(late_s: int, *, found: bool) -> None:
    log = Writer(A).genesis()
    log.basis("1", time_s=NOW_S - 20 + late_s)
    log.block((log.seen(2, TIMES),))
    # The genesis of this writer is declared now, which is too late as well.
    assert ((1, "declared-time") in judged(log).codes()) is found


@pytest.mark.parametrize(("early_s", "found"), [(5, False), (6, True)])
def test_an_act_declared_before_what_its_log_knew_of_is_found(early_s: int, *, found: bool) -> None:
    log, other = Writer(A).genesis(), Writer(B).genesis()
    log.view(other, 1, {C: NOW_S, D: NOW_S})
    log.basis("1", time_s=NOW_S - early_s)
    assert judged(log, other).codes() == ([(2, "declared-time")] if found else [])


# ---- views --------------------------------------------------------------------------------------

LINES = {C: NOW_S - 5, D: NOW_S}


def test_a_view_stands_and_says_how_fresh_it_is() -> None:
    log, other = Writer(A).genesis(), Writer(B).genesis()
    index = log.view(other, 1, LINES)
    judge = judged(log, other)
    assert judge.codes() == []
    view = judge.follower.states[log.origin].views[other.origin]
    assert (view.index, view.size, view.root, view.fresh_at_s) == (
        index,
        1,
        other.root(1),
        NOW_S - 5,
    )


def test_a_view_with_too_few_lines_or_one_that_does_not_hold_is_void() -> None:
    log, other = Writer(A).genesis(), Writer(B).genesis()
    log.view(other, 1, {C: NOW_S})
    body = log.view_body(other, 1, LINES)
    body["lines"] = [line[:-1] + bytes((line[-1] ^ 1,)) for line in body["lines"]]
    log.add("log.view", other.origin, body, previous=None)
    judge = judged(log, other)
    assert [code for _, code in judge.codes()] == ["no-quorum", "wrong-previous"]


def test_a_view_about_another_log_than_its_subject_is_void() -> None:
    log, other = Writer(A).genesis(), Writer(B).genesis()
    log.add("log.view", ROSTER.origin_of(C), log.view_body(other, 1, LINES))
    assert judged(log, other).codes() == [(1, "bad-field")]


def test_a_log_waits_before_a_view_of_what_is_not_judged_and_then_goes_on() -> None:
    log, other = Writer(A).genesis(), Writer(B).genesis()
    other.basis("1")
    log.view(other, 2, LINES)
    log.basis("1")
    judge = Judge()
    judge.store(log)
    judge.store(other, 1)
    judge.judge()
    assert (judge.size(log), judge.size(other)) == (1, 1)
    judge.store(other)
    judge.judge()
    assert (judge.size(log), judge.size(other)) == (3, 2)
    assert judge.codes() == []


def test_a_log_waits_before_a_line_beyond_our_clock_and_goes_on_when_it_has_passed() -> None:
    log, other = Writer(A).genesis(), Writer(B).genesis()
    log.view(other, 1, {C: NOW_S + 60, D: NOW_S})
    judge = judged(log, other)
    assert judge.size(log) == 1
    assert judge.follower.wake_at_ms() == (NOW_S + 55) * 1000
    judge.judge(NOW_S + 54)
    assert judge.size(log) == 1
    judge.judge(NOW_S + 55)
    assert judge.size(log) == 2
    assert judge.codes() == []


def test_a_log_waits_before_a_view_of_a_branch_that_is_not_held_here() -> None:
    log, other, forked = Writer(A).genesis(), Writer(B).genesis(), Writer(B).genesis()
    other.basis("1")
    forked.basis("2")
    log.view(forked, 2, LINES)
    judge = judged(log, other)
    assert judge.codes() == []
    assert judge.size(log) == 1


# ---- one state, however it arrives --------------------------------------------------------------


def crossed() -> tuple[Writer, Writer]:
    """Two logs that view each other in turn, with mistakes in both."""
    left, right = Writer(A).genesis(), Writer(B).genesis()
    for step in range(1, 6):
        left.basis(f"l{step}", time_s=NOW_S - 100 + step)
        left.view(right, len(right.entries), {C: NOW_S - 50 + step, D: NOW_S - 50})
        right.block((right.seen(len(right.entries), {C: NOW_S - 60, D: NOW_S - 60}),))
        right.view(left, len(left.entries), {C: NOW_S - 40 + step, D: NOW_S - 40})
        right.basis(f"r{step}", previous=bytes(32) if step == 3 else None)
    return left, right


CROSSED = crossed()


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 6)), max_size=20),
    st.sampled_from([1, 2, 3, 256]),
)
def test_logs_come_to_one_state_in_whatever_order_and_pieces_they_arrive(
    arrivals: list[tuple[bool, int]], chunk: int
) -> None:
    expected = judged(*CROSSED)
    judge = Judge(chunk)
    for is_left, count in arrivals:
        writer = CROSSED[0] if is_left else CROSSED[1]
        judge.store(writer, judge.stored.get(writer.origin, 0) + count)
        judge.judge()
    for writer in CROSSED:
        judge.store(writer)
    judge.judge()
    assert [judge.size(writer) for writer in CROSSED] == [len(it.entries) for it in CROSSED]
    assert judge.codes() == expected.codes()
    for writer in CROSSED:
        mine, theirs = (one.follower.states[writer.origin] for one in (judge, expected))
        assert (mine.encode(), mine.views, mine.times) == (
            theirs.encode(),
            theirs.views,
            theirs.times,
        )


def test_a_state_loaded_from_the_store_is_the_one_that_was_saved() -> None:
    judge = judged(*CROSSED)
    viewed = load_holders(judge.connection, judge.ids, CHAIN.origins())
    for writer in CROSSED:
        kept = judge.follower.states[writer.origin]
        fresh = Projection(Ground(Rosters(CHAIN), KINDS, Sight(100), lambda _origin: None))
        loaded = fresh.load_state(
            writer.origin, kept.size, kept.encode(), viewed.get(writer.origin, ()), judge.reader
        )
        assert loaded.encode() == kept.encode()
        assert loaded.views == kept.views
        assert loaded.times == kept.times


# ---- evidence of two histories ------------------------------------------------------------------


def fork_of(region: str) -> Equivocation:
    """Two heads of one size that a region's log key signed."""
    log = neighbours.key(region, "log")
    heads = [Checkpoint(ROSTER.origin_of(region), 5, bytes([at]) * 32) for at in (1, 2)]
    return accuse("log", region, [Said(1, head, log.sign(head.text())) for head in heads])


def test_evidence_that_holds_is_a_finding_against_whom_it_convicts() -> None:
    evidence = fork_of(B)
    found = check_evidence(evidence, {1: ROSTER})
    log = Writer(A).genesis()
    log.add("log.evidence", found.subject, evidence_body(evidence))
    log.basis("1")
    judge = judged(log)
    assert judge.codes() == [(1, "equivocation")]
    (fact,) = judge.reader.facts([(log.origin, found.subject, 99)])
    assert fact is not None
    assert fact.state["region"] == B


@pytest.mark.parametrize(
    ("made", "about", "code"),
    [
        (lambda good: good, "other", "bad-field"),
        (lambda good: good | {"region": C}, "", "unknown-key"),
        (lambda good: good | {"hashes": [bytes(32)]}, "", "no-contradiction"),
        (lambda good: good | {"said": good["said"][::-1]}, "", "bad-field"),
        (dict.fromkeys, "", "bad-field"),
    ],
)
def test_evidence_that_does_not_hold_is_void_with_a_finding_against_its_writer(
    made: Any, about: str, code: str
) -> None:
    evidence = fork_of(B)
    found = check_evidence(evidence, {1: ROSTER})
    log = Writer(A).genesis()
    subject = f"{B}/evidence/{about}" if about else found.subject
    log.add("log.evidence", subject, made(evidence_body(evidence)))
    judge = judged(log)
    assert judge.codes() == [(1, code)]
    (fact,) = judge.reader.facts([(log.origin, found.subject, 99)])
    assert fact is None


def test_one_log_convicts_a_key_once() -> None:
    evidence = fork_of(B)
    found = check_evidence(evidence, {1: ROSTER})
    log = Writer(A).genesis()
    for _ in range(2):
        log.add("log.evidence", found.subject, evidence_body(evidence))
    assert judged(log).codes() == [(1, "equivocation"), (2, "exists")]
