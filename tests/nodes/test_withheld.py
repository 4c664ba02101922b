"""A holder that keeps a case after its offer was accepted: every node finds the same."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, inspect, select, text

from ledger.hashing import hash_leaf
from ledger.kind import Fact, ViewFact
from ledger.roster_fields import Closing
from ledger.statement import Act, Citation, sign_statement
from ledger.tiles import extend_tiles
from nodes.core.effects import Effects
from nodes.core.kinds import KINDS
from nodes.core.limits import Limits, Settings
from nodes.core.ready import FindingRow, PutEvidence, PutFacts, ViewAnswers
from nodes.core.withheld import Withheld
from nodes.store import closings, entries, notes, schema
from nodes.store.apply import apply
from nodes.store.engine import create_schema, open_sqlite
from nodes.store.entries import LogIDs
from nodes.store.findings import load_findings
from nodes.store.reader import StoreReader
from nodes.store.upgrades import upgrade
from tests.nodes.town import Town, furnish, lend, officer_key, open_case

A, B, C, E = "500000", "510000", "520000", "540000"
S = 180
CODE = "release-withheld"


@pytest.fixture
def town() -> Town:
    town = Town(A, B, C, E, staleness_s=S, refresh_s=30)
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
    go_on(town, grant, 3 * S)
    for region in (A, C):
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
    (finding,) = rows(town, C)
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
        withheld = Withheld(S, (HOLDER, RECEIVER), {}, judged={HOLDER: 0, RECEIVER: 0})
        left, judged = list(story.steps), {HOLDER: 0, RECEIVER: 0}
        while left:
            count = pieces.pop() if pieces else len(left)
            batch, left = left[:count], left[count:]
            for _, effects in batch:
                apply(connection, ids, [PutFacts(tuple(effects.facts)), *effects.evidence])
            apply(connection, ids, withheld.note(batch))
            while withheld.is_behind:
                apply(connection, ids, withheld.settle(reader))
            for origin, _ in batch:
                judged[origin] += 1
            if restarts:
                withheld = Withheld(S, (HOLDER, RECEIVER), {}, judged=dict(judged))
        found = load_findings(connection, ids)
        assert {it.index for it in found} == story.expected
        late = {it.evidence[-1] for it in found}
        assert len(late) <= 1


# ---- a log that was closed, and the one that goes on from it -------------------------------------

HEIR = "n/510000/2"


@dataclass
class Offer:
    """What becomes of one offer that a closed log made."""

    case: str
    index: int
    answer: int
    views: dict[str, int] = field(default_factory=dict)
    """The first view of its answer in each of the two logs."""
    released: int | None = None
    """By an entry of the heir."""


@dataclass
class Heritage:
    """A closed log's story and its heir's, and what is to be found in each by the definition."""

    steps: list[tuple[str, Effects]] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    seen: dict[str, list[PutEvidence]] = field(default_factory=lambda: {HOLDER: [], HEIR: []})
    sizes: dict[str, int] = field(default_factory=lambda: {HOLDER: 1, HEIR: 0})
    now_s: int = 1_000

    def append(self, log: str, effects: Effects | None = None) -> int:
        self.sizes[log] += 1
        if effects is not None:
            self.steps.append((log, effects))
        return self.sizes[log] - 1

    def answered(self, offer: Offer) -> None:
        answer = Effects(facts=[row(RECEIVER, offer.case, offer.answer, "answered", 1)])
        answer.noticed.append(accepted(offer.answer, offer.index, offer.case))
        self.steps.append((RECEIVER, answer))

    def viewed(self, log: str, answers: int) -> None:
        index = self.sizes[log]
        view = ViewFact(index, bytes(32), RECEIVER, answers, bytes(32), self.now_s)
        self.append(log, Effects(views=[view]))
        for offer in self.offers:
            if offer.answer < answers:
                offer.views.setdefault(log, index)

    def dated(self, log: str, lag_s: int, shown_by: str = "") -> None:
        """Date what is open of a log by the next entry: a block record, or its heir's first."""
        self.now_s += lag_s
        low = self.seen[log][-1].high if self.seen[log] else 0
        proof = PutEvidence(log, low, self.sizes[log], self.now_s, self.sizes[log])
        found = [proof] if low < self.sizes[log] else []
        self.seen[log] += found
        self.append(shown_by or log, Effects(evidence=found))

    def late(self, log: str, view: int) -> int | None:
        begun = next((it for it in self.seen[log] if it.low <= view < it.high), None)
        if begun is None:
            return None
        due_s = begun.seen_by_s + S
        return next(
            (it.low for it in self.seen[log] if it.low > view and it.seen_by_s > due_s), None
        )

    def expected(self) -> set[tuple[str, int, str]]:
        found = set()
        for offer in self.offers:
            old = offer.views.get(HOLDER)
            if old is not None and self.late(HOLDER, old) is not None:
                found.add((HOLDER, offer.index, offer.case))
                continue
            view = 0 if old is not None else offer.views.get(HEIR)
            late = None if view is None else self.late(HEIR, view)
            if late is not None and (offer.released is None or offer.released > late):
                found.add((HEIR, view, offer.case))
        return found


@st.composite
def heritages(draw: st.DrawFn) -> Heritage:
    it = Heritage()
    lags = st.integers(0, 2 * S)
    for number in range(draw(st.integers(1, 5))):
        case = f"510000/case/{number}"
        index = it.append(HOLDER)
        it.steps.append((HOLDER, Effects(facts=[row(HOLDER, case, index, "offered", 1)])))
        it.offers.append(Offer(case, index, number))
    early = draw(st.integers(1, len(it.offers)))
    for offer in it.offers[:early]:
        it.answered(offer)
    if draw(st.booleans()):
        it.viewed(HOLDER, draw(st.integers(1, early)))
    for lag_s in draw(st.lists(lags, max_size=2)):
        it.dated(HOLDER, lag_s)
    it.dated(HOLDER, draw(lags), shown_by=HEIR)
    for what in draw(st.lists(st.sampled_from(("answer", "view", "release", "date")), max_size=6)):
        if what == "answer" and early < len(it.offers):
            it.answered(it.offers[early])
            early += 1
        elif what == "view":
            it.viewed(HEIR, early)
        elif what == "release":
            offer = draw(st.sampled_from(it.offers))
            if offer.released is None and offer.answer < early:
                offer.released = it.sizes[HEIR]
                change = row(HEIR, offer.case, offer.released, "away", 1)
                it.append(HEIR, Effects(facts=[change]))
        else:
            it.dated(HEIR, draw(lags))
    # Time goes on, so that what was answered is due.
    for lag_s in draw(st.sampled_from(((), (1, 2 * S, 1)))):
        it.dated(HEIR, lag_s)
    return it


def play(
    connection: Connection, withheld: Withheld, steps: list[tuple[str, Effects]], pieces: list[int]
) -> None:
    ids, left = LogIDs(), list(steps)
    while left:
        count = pieces.pop() if pieces else len(left)
        batch, left = left[:count], left[count:]
        for _, effects in batch:
            apply(connection, ids, [PutFacts(tuple(effects.facts)), *effects.evidence])
        apply(connection, ids, withheld.note(batch))
        while withheld.is_behind:
            apply(connection, ids, withheld.settle(StoreReader(connection, ids)))


def beyond(story: Heritage) -> list[tuple[str, Effects]]:
    """What a closed log held beyond its cut: all are released, and all are late."""
    size, now_s = story.sizes[HOLDER], story.now_s
    low = story.seen[HOLDER][-1].high if story.seen[HOLDER] else 0
    facts = [row(HOLDER, it.case, size + 1 + it.answer, "away", 1) for it in story.offers[::2]]
    end = size + 1 + len(story.offers)
    dated = [
        PutEvidence(HOLDER, low, size, now_s, size),
        PutEvidence(HOLDER, size, end, now_s + 9 * S, end),
    ]
    return [(HOLDER, Effects(facts=facts)), (HOLDER, Effects(evidence=dated))]


@settings(max_examples=100)
@given(heritages(), st.lists(st.integers(1, 6), max_size=30), st.booleans(), st.booleans())
def test_what_a_closed_log_has_offered_is_awaited_from_its_heir(
    story: Heritage,
    pieces: list[int],
    restarts: bool,  # noqa: FBT001 - a parameter of the test
    is_judged_beyond: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    engine = open_sqlite(None)
    create_schema(engine)
    closed = {HOLDER: Closing(story.sizes[HOLDER], bytes(32), HEIR)}
    at = next(at for at, (log, _) in enumerate(story.steps) if log == HEIR)
    old, new = story.steps[:at], story.steps[at:]
    answers = [made.entry for _, it in story.steps for _, made in it.noticed]
    with engine.begin() as connection:
        ids = LogIDs()
        update = extend_tiles(0, (), [hash_leaf(entry) for entry in answers])
        entries.append(connection, ids, RECEIVER, 0, answers, update.tiles)
        if is_judged_beyond:
            play(connection, Withheld(S, (HOLDER, RECEIVER), {}), old + beyond(story), pieces)
            notes.put_projection(connection, ids, HOLDER, story.sizes[HOLDER] + 9, b"")
            # Judged anew is the closed log alone.
            old = [step for step in old if step[0] == HOLDER]
        closings.close(connection, ids, closed)
        withheld = Withheld(S, (HOLDER, RECEIVER, HEIR), closed)
        for part in (old, new):
            play(connection, withheld, part, pieces)
            if restarts:
                withheld = Withheld(S, (HOLDER, RECEIVER, HEIR), closed)
        found = {(it.origin, it.index, it.subject) for it in load_findings(connection, ids)}
    assert found == story.expected()
    if found:
        event(f"found in {'both' if len({it[0] for it in found}) > 1 else min(found)[0]}")


def test_a_database_that_is_older_keeps_what_is_awaited(engine: Engine) -> None:
    story = tell([(False, False)], [0])
    create_schema(engine)
    with engine.begin() as connection:
        ids = LogIDs()
        for _, effects in story.steps:
            apply(connection, ids, [PutFacts(tuple(effects.facts)), *effects.evidence])
        apply(connection, ids, Withheld(S, (HOLDER, RECEIVER), {}).note(story.steps))
        before = connection.execute(select(schema.answers)).all()
        assert len(before) == 1
        columns = 'log_id, "index", "case", answer_log_id, answer_index, view_index, due_s'
        connection.execute(text(f"CREATE TABLE answers AS SELECT {columns} FROM awaited_releases"))  # noqa: S608
        schema.answers.drop(connection)
    for _ in range(2):
        upgrade(engine, KINDS)
        with engine.connect() as connection:
            assert connection.execute(select(schema.answers)).all() == before
    assert not inspect(engine).has_table("answers")


def test_one_step_looks_at_no_more_than_a_page(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodes.core.withheld.PAGE_MAX", 2)
    story = tell([(False, False), (True, True), *[(False, False)] * 4], [0, S + 1])
    create_schema(engine)
    with engine.begin() as connection:
        ids = LogIDs()
        reader = StoreReader(connection, ids)
        withheld = Withheld(S, (HOLDER, RECEIVER), {})
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


@pytest.mark.parametrize(
    ("judged", "answered", "sizes", "looked"),
    [
        ({RECEIVER: 0}, None, [3, 4], [False, False]),
        ({RECEIVER: 0}, 4, [4, 5, 6], [True, True, False]),
        ({RECEIVER: 5}, None, [4, 5, 6], [True, True, False]),
        ({RECEIVER: 5}, 7, [6, 8, 9], [True, True, False]),
        ({}, None, [4, 5], [True, True]),
    ],
    ids=["nothing", "one", "from before", "both", "nobody knows"],
)
def test_a_view_looks_for_answers_only_where_one_may_wait_for_it(
    judged: dict[str, int], answered: int | None, sizes: list[int], looked: list[bool]
) -> None:
    withheld = Withheld(S, (HOLDER, RECEIVER), {}, judged=judged)
    if answered is not None:
        answer = Effects(noticed=[accepted(answered, 0, "510000/case/0")])
        withheld.note([(RECEIVER, answer)])
    found = []
    for index, size in enumerate(sizes):
        view = ViewFact(index, bytes(32), RECEIVER, size, bytes(32), 1_800_000_000)
        written = withheld.note([(HOLDER, Effects(views=[view]))])
        found.append(any(isinstance(it, ViewAnswers) for it in written))
    assert found == looked
