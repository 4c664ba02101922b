"""What a node that does not copy a log says of the acts that rest on it: nothing."""

from typing import Any

import pytest

from ledger.kind import Acting, Change, Draft, Fact, Field, FieldType, Judgement, Kind, Need, Use
from ledger.statement import Citation, decode_statement
from nodes.core.follower import Follower
from nodes.core.ground import Ground
from nodes.core.kinds import KINDS
from nodes.core.limits import Limits
from nodes.core.projection import Projection
from nodes.core.rosters import Rosters
from nodes.core.settlement import OPEN, Settlement
from nodes.core.sight import INDEX_PAST_ALL
from nodes.core.unjudged import NotJudgedError, Reach, unknown
from nodes.ports import UseRow
from tests.nodes.judging import CHAIN, NOW_S, ROSTER, A, B, C, D, Judge, Writer


def _needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    there = draft.body["of"]
    own = (Need("basis", draft.body["by"]), Need("count", f"{draft.subject[:6]}/tally/1"))
    return (Need("there", there, there[:6], cite=True), *own)


def _rule(acting: Acting) -> Judgement:
    there, region = acting.facts["there"], acting.region
    assert there is not None
    uses = (Use("there", 600),) if there.origin != acting.origin else ()
    counted = Change(f"{region}/tally/1", {"n": 1})
    return Judgement((Change(acting.statement.subject, {"live": True}), counted), uses)


RESTING = Kind(
    name="thing.rest",
    zh="依据",
    en="something that rests on a fact elsewhere",
    subject="thing",
    fields={
        "of": Field(type=FieldType.OBJECT, zh="依据", en="fact"),
        "by": Field(type=FieldType.OBJECT, zh="政策", en="basis"),
    },
    rule=_rule,
    needs=_needs,
    by_region=True,
)
TABLE = {**KINDS, ("thing.rest", 1): RESTING}


class Partial(Judge):
    """A reader that is near the logs of some regions, and stores no more than it is given."""

    def __init__(self, *near: str) -> None:
        super().__init__(kinds=TABLE)
        origins = {ROSTER.origin_of(region) for region in near}
        ground = Ground(
            Rosters(CHAIN), TABLE, self.sight, self.state_of, is_near=origins.__contains__
        )
        self.projection = Projection(ground)
        self.follower = Follower(self.projection, Limits())

    def row(self, of: Writer, name: str) -> Fact | None:
        (fact,) = self.reader.facts([(of.origin, name, INDEX_PAST_ALL)])
        return fact


def views(log: Writer, of: Writer) -> Citation:
    """Let a log view another as it is, and return the citation of that view."""
    others = [it for it in (A, B, C, D) if it != of.region][: ROSTER.quorum(of.origin)]
    index = log.view(of, len(of.entries), dict.fromkeys(others, NOW_S))
    return Citation("view", of.origin, index, decode_statement(log.entries[index]).leaf)


def rests(log: Writer, number: str, of: Writer, name: str, view: Citation) -> int:
    """Let a log record something that rests on the newest entry of another about an object."""
    at = max(
        index for index, entry in enumerate(of.entries) if decode_statement(entry).subject == name
    )
    there = Citation("there", of.origin, at, decode_statement(of.entries[at]).leaf)
    body = {"of": name, "by": f"{log.region}/basis/1"}
    return log.add("thing.rest", f"{log.region}/thing/{number}", body, citations=(view, there))


def lent() -> tuple[Writer, Writer]:
    """A log C, and B that views it: one act of B rests on C, another on nothing."""
    far = Writer(C).genesis()
    far.basis("1")
    middle = Writer(B).genesis()
    middle.basis("1")
    rests(middle, "1", far, f"{C}/basis/1", views(middle, far))
    middle.basis("2")
    return far, middle


def test_a_log_that_is_only_followed_does_not_wait_for_what_it_views() -> None:
    _, middle = lent()
    judge = Partial(A)
    judge.store(middle)
    judge.judge()
    assert judge.size(middle) == len(middle.entries)
    assert judge.codes() == []
    assert not judge.follower.lacking(judge.stored)
    assert judge.follower.states[middle.origin].unjudged == 2
    for name, is_judged in (
        ("thing/1", False),
        ("tally/1", False),
        ("basis/1", True),
        ("basis/2", True),
    ):
        row = judge.row(middle, f"{B}/{name}")
        assert row is not None
        assert (row.is_judged, row.live) == (is_judged, is_judged)


def test_nothing_is_a_use_that_is_not_judged_here() -> None:
    far, middle = lent()
    for near, uses in (((A,), 0), ((A, B), 1)):
        judge = Partial(*near)
        for log in (far, middle):
            judge.store(log)
        judge.judge()
        assert len(judge.reader.unsettled(origin=middle.origin)) == uses


def test_a_log_that_is_near_waits_for_what_it_views_and_says_what_is_lacking() -> None:
    far, middle = lent()
    judge = Partial(A, B)
    judge.store(middle)
    judge.judge()
    assert judge.size(middle) == 2
    [(origin, head)] = judge.follower.lacking(judge.stored).items()
    assert (origin, head.checkpoint.size) == (far.origin, len(far.entries))
    judge.store(far)
    judge.judge()
    assert judge.size(middle) == len(middle.entries)
    assert judge.follower.states[middle.origin].unjudged == 0


def test_an_act_that_rests_on_what_is_not_judged_is_not_judged_either() -> None:
    _, middle = lent()
    near = Writer(A).genesis()
    near.basis("1")
    view = views(near, middle)
    unknown_ = rests(near, "1", middle, f"{B}/thing/1", view)
    known = rests(near, "2", middle, f"{B}/basis/2", view)
    again = rests(near, "1", middle, f"{B}/basis/2", view)
    judge = Partial(A)
    for log in (middle, near):
        judge.store(log)
    judge.judge()
    assert judge.codes() == []
    first, second = (judge.row(near, f"{A}/thing/{number}") for number in "12")
    assert first is not None
    assert second is not None
    assert (first.index, first.is_judged) == (again, False)
    # The act on another subject asks for the count, which the first one may have changed.
    assert (second.index, second.is_judged) == (known, False)
    assert judge.follower.states[near.origin].unjudged == 3
    assert unknown_ < known


def test_a_node_refuses_to_write_what_it_cannot_judge() -> None:
    _, middle = lent()
    near = Writer(A).genesis()
    near.basis("1")
    view = views(near, middle)
    judge = Partial(A)
    for log in (middle, near):
        judge.store(log)
    judge.judge()
    rests(near, "1", middle, f"{B}/thing/1", view)
    statement = decode_statement(near.entries[-1])
    state = judge.follower.states[near.origin]
    with pytest.raises(NotJudgedError) as caught:
        judge.projection.acts.judge_act(state, statement, state.size, judge.reader)
    assert caught.value.code == "not-judged-here"
    assert caught.value.touched == {f"{A}/thing/1", f"{A}/tally/1"}


def test_two_nodes_that_follow_the_same_logs_agree_however_these_arrive() -> None:
    far, middle = lent()
    near = Writer(A).genesis()
    near.basis("1")
    rests(near, "1", middle, f"{B}/thing/1", views(near, middle))
    rows = []
    for logs in ((near, middle), (middle, near), (far, near, middle)):
        judge = Partial(A)
        for log in logs:
            judge.store(log)
            judge.judge()
        rows.append(
            [
                judge.row(log, name)
                for log, name in (
                    (near, f"{A}/thing/1"),
                    (near, f"{A}/tally/1"),
                    (middle, f"{B}/thing/1"),
                )
            ]
        )
    assert rows[0] == rows[1] == rows[2]


def test_what_a_state_does_not_know_is_the_same_after_a_restart() -> None:
    far, middle = lent()
    judge = Partial(A)
    judge.store(middle)
    judge.judge()
    kept = judge.follower.states[middle.origin]
    loaded = Partial(A).projection.load_state(
        middle.origin, kept.size, kept.encode(), CHAIN.origins(), judge.reader
    )
    assert loaded.unjudged == kept.unjudged == 2
    assert far.origin not in kept.views
    assert far.origin not in loaded.views


def test_a_view_of_what_is_not_copied_moves_no_clock() -> None:
    _, middle = lent()
    judge = Partial(A)
    judge.store(middle)
    judge.judge()
    assert judge.follower.states[middle.origin].base_s == 0


def test_an_end_that_is_not_judged_here_settles_no_use() -> None:
    lender, user = ROSTER.origin_of(B), ROSTER.origin_of(A)
    use = UseRow(
        origin=user,
        index=3,
        fact_origin=lender,
        fact_object=f"{B}/grant/1",
        fact_index=1,
        view_size=2,
        fresh_at_s=NOW_S,
        staleness_s=600,
        status=OPEN,
    )
    state = {"size": 9, "root": bytes(32), "fresh_at": NOW_S + 2_000}
    later = Fact(user, lender, 4, bytes(32), state)
    ended = Fact(lender, f"{B}/grant/1", 5, bytes(32), unknown(None))

    class Reader:
        def seen_by(self, origin: str, _index: int) -> tuple[int, int]:
            return (NOW_S + (1_000 if origin == user else 0), 0)

        def facts_between(self, _origin: str, name: str, _low: int, _high: int) -> list[Fact]:
            return [later] if name == lender else [ended]

    settlement: Any = Settlement(user)
    standing = settlement._stand(use, {}, Reader())
    assert (standing.status, standing.findings) == (OPEN, ())
    Reader.facts_between = lambda _self, _origin, name, _low, _high: (  # type: ignore[method-assign]
        [later] if name == lender else [ended._replace(state={"live": False})]
    )
    assert settlement._stand(use, {}, Reader()).status == "unauthorised"


def test_an_act_reaches_its_subject_and_counts_and_all_it_asks_for_where_no_log_is_cited() -> None:
    reach = Reach(TABLE)
    here = (
        Need("signer", f"{A}/officer/x"),
        Need("window", f"{A}/window/w"),
        Need("n", f"{A}/may/1"),
    )
    there = Need("grant", f"{B}/grant/1", ROSTER.origin_of(B))
    assert reach.of(f"{A}/case/1", (*here, there)) == {f"{A}/case/1", f"{A}/may/1"}
    assert reach.of(f"{A}/hours/1", here) == {f"{A}/hours/1", f"{A}/window/w", f"{A}/may/1"}
