"""A holder that keeps a case after its offer was accepted: every node finds the same."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from ledger.kind import Fact, ViewFact
from ledger.statement import Act, Citation, sign_statement
from nodes.core.effects import Effects
from nodes.core.limits import Limits, Settings
from nodes.core.ready import FindingRow, PutEvidence, PutFacts
from nodes.core.withheld import Withheld
from nodes.store.apply import apply
from nodes.store.engine import create_schema, open_sqlite
from nodes.store.entries import LogIDs
from nodes.store.findings import load_findings
from nodes.store.reader import StoreReader
from tests.nodes.town import Town, furnish, lend, officer_key, open_case

A, B, C, D, E = "500000", "510000", "520000", "530000", "540000"
S = 180
CODE = "release-withheld"


@pytest.fixture
def town() -> Town:
    town = Town(A, B, C, D, E, staleness_s=S, refresh_s=30)
    town.start()
    furnish(town, B)
    furnish(town, E)
    return town


def withhold(town: Town, region: str) -> None:
    """Have a region's node forget what it owes."""
    town.node(region)._duties.notice = lambda *_: None  # type: ignore[method-assign]


def offered(town: Town, grant: str, number: str = "1") -> int:
    """Open a case in B and offer it to the department in E."""
    open_case(town, B, E, grant, number)
    case = f"{B}/case/{number}"
    unit = {"unit": f"{E}/department/d"}
    index = town.act(B, "handoff.offer", case, unit, f"{B}/officer/clerk")
    town.rounds()
    return index


def accept(town: Town, number: str = "1") -> int:
    case = f"{B}/case/{number}"
    index = town.act(E, "handoff.accept", case, {"holder": B}, f"{E}/officer/decider")
    town.rounds()
    return index


def rows(town: Town, region: str) -> list[FindingRow]:
    with town.houses[region].engine.connect() as connection:
        return load_findings(connection, LogIDs())


def go_on(town: Town, grant: str, seconds: int) -> None:
    """Let time pass while B works under the grant, so that its log has views and evidence."""
    for number in range(seconds // 60):
        open_case(town, B, E, grant, f"more-{town.clock.ms}-{number}")
        town.tick(60)


def test_a_holder_that_keeps_an_accepted_case_is_found_by_every_node(town: Town) -> None:
    grant = lend(town, E, B)
    index = offered(town, grant)
    withhold(town, B)
    accepted = accept(town)
    go_on(town, grant, S)
    assert rows(town, A) == []
    go_on(town, grant, 2 * S)
    (finding,) = rows(town, A)
    assert (finding.origin, finding.index, finding.code) == (town.origin(B), index, CODE)
    assert (finding.severity, finding.subject) == ("flag", f"{B}/case/1")
    offer, answer, view, late = finding.evidence
    assert offer == (town.origin(B), index)
    assert answer == (town.origin(E), accepted)
    assert view[0] == late[0] == town.origin(B)
    assert index < view[1] < late[1]
    assert all(rows(town, region) == [finding] for region in town.houses)
    # It still holds the case, and what it owed it can still do; that it was late stays.
    town.act(B, "handoff.release", f"{B}/case/1", {}, f"{B}/officer/clerk")
    town.tick(60)
    fact = town.fact(A, town.origin(B), f"{B}/case/1")
    assert fact.state["at"] == "away"
    assert all(rows(town, region) == [finding] for region in town.houses)


def test_a_restart_forgets_no_answer(town: Town) -> None:
    grant = lend(town, E, B)
    index = offered(town, grant)
    withhold(town, B)
    accept(town)
    go_on(town, grant, 60)
    # Memory is made anew from the store, as after a restart.
    town.node(A)._is_loaded = False
    town.node(C)._is_loaded = False
    go_on(town, grant, 3 * S)
    for region in (A, C, D):
        assert [(row.index, row.code) for row in rows(town, region)] == [(index, CODE)]


def test_who_releases_cancels_or_was_never_shown_the_answer_is_not_found(town: Town) -> None:
    grant = lend(town, E, B)
    offered(town, grant, "1")
    accept(town, "1")  # released by B's node itself
    withhold(town, B)
    offered(town, grant, "2")
    accept(town, "2")
    go_on(town, grant, 60)
    reason = {"reason": "撤回"}
    town.act(B, "handoff.cancel", f"{B}/case/2", reason, f"{B}/officer/clerk")
    offered(town, grant, "3")  # nobody answers
    # Offered once more, and this time not accepted: the first answer is none to this offer.
    town.act(B, "handoff.offer", f"{B}/case/2", {"unit": f"{E}/department/d"}, f"{B}/officer/clerk")
    go_on(town, grant, 4 * S)
    assert all(rows(town, region) == [] for region in town.houses)


def test_inside_one_region_the_acceptance_itself_starts_the_time(town: Town) -> None:
    open_case(town, B, E, lend(town, E, B), "1")
    case = f"{B}/case/1"
    withhold(town, B)
    index = town.act(B, "handoff.offer", case, {"unit": f"{B}/department/d"}, f"{B}/officer/clerk")
    answer = town.act(B, "handoff.accept", case, {"holder": B}, f"{B}/officer/decider")
    go_on(town, f"{E}/grant/g1", 3 * S)
    (finding,) = rows(town, D)
    assert (finding.index, finding.code) == (index, CODE)
    assert finding.evidence[:2] == ((town.origin(B), index), (town.origin(B), answer))
    assert len(finding.evidence) == 3


# ---- the same from any pieces -------------------------------------------------------------------

HOLDER, RECEIVER = "n/510000", "n/540000"


@dataclass
class Story:
    """A holder's log and a receiver's, as what they come to, entry by entry."""

    steps: list[tuple[str, Effects]] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)


def accepted(index: int, offer: int, case: str) -> Any:
    cited = (Citation("offer", HOLDER, offer, bytes(32)),)
    act = Act("handoff.accept", 1, None, cited, {"holder": "510000"})
    issuer = "540000/officer/x"
    return index, sign_statement(officer_key(issuer), issuer, case, 1_800_000_000, act)


def row(origin: str, case: str, index: int, at: str, number: int) -> Fact:
    return Fact(origin, case, index, bytes(32), {"at": at, "n": number})


def tell(offers: list[tuple[bool, bool]], lags: list[int]) -> Story:
    """Make logs with some offers.

    Args:
        offers: For each whether it is released in time, and whether it is offered again.
        lags: Seconds between one block record and the next.
    """
    story, index, now_s = Story(), 1, 1_000
    last: dict[str, int] = {}
    for number, _ in enumerate(offers):
        case = f"510000/case/{number}"
        story.steps.append((HOLDER, Effects(facts=[row(HOLDER, case, index, "offered", 1)])))
        last[case] = index
        answer = Effects(facts=[row(RECEIVER, case, number, "answered", 1)])
        answer.noticed.append(accepted(number, index, case))
        story.steps.append((RECEIVER, answer))
        index += 1
    viewed = index
    view = ViewFact(viewed, bytes(32), RECEIVER, len(offers), bytes(32), now_s)
    story.steps.append((HOLDER, Effects(views=[view])))
    index += 1
    for number, (released, again) in enumerate(offers):
        case = f"510000/case/{number}"
        if released:
            change = row(HOLDER, case, index, "held", 1)
            story.steps.append((HOLDER, Effects(facts=[change])))
            index += 1
            if again:
                change = row(HOLDER, case, index, "offered", 2)
                story.steps.append((HOLDER, Effects(facts=[change])))
                index += 1
    low, seen = 0, []
    for lag in lags:
        now_s += lag
        seen.append((low, now_s))
        proof = PutEvidence(HOLDER, low, index, now_s, index)
        story.steps.append((HOLDER, Effects(evidence=[proof])))
        low, index = index, index + 1
    first_s = seen[0][1]
    if any(at_s > first_s + S for _, at_s in seen):
        story.expected = {
            last[f"510000/case/{number}"]
            for number, (released, _) in enumerate(offers)
            if not released
        }
    return story


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6),
    st.lists(st.integers(0, S), min_size=1, max_size=5),
    st.lists(st.integers(1, 8), max_size=30),
    st.booleans(),
)
def test_the_finding_is_one_of_the_prefixes_whatever_comes_together(
    offers: list[tuple[bool, bool]],
    lags: list[int],
    pieces: list[int],
    restarts: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    story = tell(offers, lags)
    engine = open_sqlite(None)
    create_schema(engine)
    with engine.begin() as connection:
        ids = LogIDs()
        reader = StoreReader(connection, ids)
        withheld = Withheld(S, (HOLDER, RECEIVER))
        left = list(story.steps)
        while left:
            count = pieces.pop() if pieces else len(left)
            batch, left = left[:count], left[count:]
            for _, effects in batch:
                apply(connection, ids, [PutFacts(tuple(effects.facts)), *effects.evidence])
            apply(connection, ids, withheld.note(batch))
            while withheld.is_behind:
                apply(connection, ids, withheld.settle(reader))
            if restarts:
                withheld = Withheld(S, (HOLDER, RECEIVER))
        found = load_findings(connection, ids)
        assert {it.index for it in found} == story.expected
        late = {it.evidence[-1] for it in found}
        assert len(late) <= 1


def test_one_step_looks_at_no_more_than_a_page(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodes.core.withheld.PAGE_MAX", 2)
    story = tell([(False, False), (True, True), *[(False, False)] * 4], [0, S + 1])
    create_schema(engine)
    with engine.begin() as connection:
        ids = LogIDs()
        reader = StoreReader(connection, ids)
        withheld = Withheld(S, (HOLDER, RECEIVER))
        withheld.settle(reader)
        assert not withheld.is_behind
        for _, effects in story.steps:
            apply(connection, ids, [PutFacts(tuple(effects.facts)), *effects.evidence])
        apply(connection, ids, withheld.note(story.steps))
        found: list[int] = []
        while withheld.is_behind:
            apply(connection, ids, withheld.settle(reader))
            found.append(len(load_findings(connection, ids)))
        # Of six answers the second was released, and its case is offered once more.
        assert found == [1, 3, 5, 5]


def test_what_a_paced_node_owes_goes_along_with_the_next_act_or_when_its_time_is_up(
    town: Town,
) -> None:
    grant = lend(town, E, B)
    offered(town, grant)
    town.node(B)._settings = Settings(region=B, limits=Limits(pace_ms=60_000))
    enrol = partial(town.act, B, "party.enrol", body={"name": "部门"})
    enrol(subject=f"{B}/department/one")
    accept(town)
    case = f"{B}/case/1"
    held = town.fact(B, town.origin(B), case)
    assert held.state["at"] == "offered"  # the acceptance is here, and nobody has asked since
    enrol(subject=f"{B}/department/other")
    assert town.fact(B, town.origin(B), case).state["at"] == "away"

    offered(town, grant, "2")
    enrol(subject=f"{B}/department/third")
    accept(town, "2")
    town.tick(45)
    assert town.fact(B, town.origin(B), f"{B}/case/2").state["at"] == "offered"
    town.tick(30)
    assert town.fact(B, town.origin(B), f"{B}/case/2").state["at"] == "away"
