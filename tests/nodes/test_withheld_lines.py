"""Releases withheld where logs of either side have ended: the same findings whatever came when.

A story is what the logs of a holder and of a receiver hold, each of up to three generations. The
definition in ``nodes.core.withheld`` is read off these logs, and compared with what a node finds
that judges them in any order, in any pieces, with restarts, and some of them twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from ledger.hashing import hash_leaf
from ledger.kind import Fact, ViewFact
from ledger.roster_fields import Closing
from ledger.statement import Act, Citation, Statement, sign_statement
from ledger.tiles import extend_tiles
from nodes.core.effects import Effects
from nodes.core.ready import PutEvidence
from nodes.core.withheld import Withheld
from nodes.store import closings, entries, schema
from nodes.store.engine import create_schema, open_sqlite
from nodes.store.entries import LogIDs
from nodes.store.findings import load_findings
from tests.nodes.test_withheld import S, play
from tests.nodes.town import officer_key

HOLDERS: Final = ("n/510000", "n/510000/2", "n/510000/3")
RECEIVERS: Final = ("n/540000", "n/540000/2", "n/540000/3")
Finding = tuple[str, int, str]


@dataclass
class Entry:
    """One entry: what judging it comes to, and the bytes where they are read again."""

    effects: Effects
    made: Statement | None = None


@dataclass
class Offer:
    """An offer, its acceptance and its release, each by log and index."""

    case: str
    offered: tuple[str, int]
    accepted: tuple[str, int] | None = None
    released: tuple[str, int] | None = None


@dataclass
class Story:
    """Logs entry by entry, in an order in which they may have come to be."""

    logs: dict[str, list[Entry]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    """By whom the entries were written, one after another."""
    living: dict[tuple[str, ...], int] = field(default_factory=dict)
    """By line, which of its logs goes on."""
    closed: dict[str, Closing] = field(default_factory=dict)
    offers: list[Offer] = field(default_factory=list)
    views: dict[str, list[tuple[int, str, int]]] = field(default_factory=dict)
    """By holder's log: where a view stands, of which log, and of how much."""
    seen: dict[str, list[PutEvidence]] = field(default_factory=dict)
    now_s: int = 1_000

    def __post_init__(self) -> None:
        for line in (HOLDERS, RECEIVERS):
            self.living[line] = 0
            self.append(line[0])

    def now(self, line: tuple[str, ...]) -> str:
        return line[self.living[line]]

    def append(
        self, log: str, effects: Effects | None = None, made: Statement | None = None
    ) -> int:
        self.logs.setdefault(log, []).append(Entry(effects or Effects(), made))
        self.order.append(log)
        return len(self.logs[log]) - 1

    def state(self, log: str, case: str, at: str) -> list[Fact]:
        index = len(self.logs[log])
        return [Fact(log, case, index, bytes(32), {"at": at, "n": 1})]

    def offer(self) -> None:
        log, case = self.now(HOLDERS), f"510000/case/{len(self.offers)}"
        index = self.append(log, Effects(facts=self.state(log, case, "offered")))
        self.offers.append(Offer(case, (log, index)))

    def accept(self, offer: Offer, line: tuple[str, ...]) -> None:
        log = self.now(line)
        act = Act(
            "handoff.accept",
            1,
            None,
            (Citation("offer", *offer.offered, bytes(32)),),
            {"holder": "5"},
        )
        issuer = f"{line[0][2:]}/officer/x"
        made = sign_statement(officer_key(issuer), issuer, offer.case, 1_800_000_000, act)
        at = "accepted" if line is HOLDERS else "answered"
        effects = Effects(facts=self.state(log, offer.case, at))
        effects.noticed.append((len(self.logs[log]), made))
        offer.accepted = (log, self.append(log, effects, made))

    def release(self, offer: Offer) -> None:
        log = self.now(HOLDERS)
        at = self.append(log, Effects(facts=self.state(log, offer.case, "away")))
        offer.released = (log, at)

    def view(self, size: int) -> None:
        log, other = self.now(HOLDERS), self.now(RECEIVERS)
        index, size = len(self.logs[log]), min(size, len(self.logs[other]))
        row = Fact(log, other, index, bytes(32), {"size": size, "root": bytes(32), "fresh_at": 1})
        view = ViewFact(index, bytes(32), other, size, bytes(32), 1)
        self.views.setdefault(log, []).append((index, other, size))
        self.append(log, Effects(facts=[row], views=[view]))

    def date(self, log: str, lag_s: int, shown_by: str) -> None:
        """Date what is open of a log by the next entry: a block record, or its heir's first."""
        self.now_s += lag_s
        known, size = self.seen.setdefault(log, []), len(self.logs[log])
        low = known[-1].high if known else 0
        found = [PutEvidence(log, low, size, self.now_s, size)] if low < size else []
        known += found
        self.append(shown_by, Effects(evidence=found))

    def pass_time(self) -> None:
        """Let what was answered and viewed become due."""
        for lag_s in (1, 2 * S, 1):
            self.date(self.now(HOLDERS), lag_s, shown_by=self.now(HOLDERS))

    def close(self, line: tuple[str, ...], lag_s: int) -> None:
        old, at = self.now(line), self.living[line] + 1
        if at == len(line):
            return
        self.living[line] = at
        self.closed[old] = Closing(len(self.logs[old]), bytes(32), line[at])
        self.date(old, lag_s, shown_by=line[at])

    # ---- the definition -------------------------------------------------------------------------

    def expected(self) -> Iterator[Finding]:
        for offer in self.offers:
            found = offer.accepted and self.found(offer, offer.accepted)
            if found:
                yield found

    def found(self, offer: Offer, accepted: tuple[str, int]) -> Finding | None:
        shown = False
        for log in HOLDERS[HOLDERS.index(offer.offered[0]) :]:
            begun = 0 if shown else self.shown(log, accepted)
            if begun is None:
                continue
            shown = True
            late = self.late(log, begun)
            if late is not None and not self.is_ended(offer, (log, late)):
                return (log, offer.offered[1] if log == offer.offered[0] else begun, offer.case)
        return None

    def shown(self, log: str, accepted: tuple[str, int]) -> int | None:
        where, index = accepted
        if where in HOLDERS:
            return index if where == log else None
        heirs = RECEIVERS[RECEIVERS.index(where) + 1 :]
        for at, viewed, size in self.views.get(log, []):
            if viewed in heirs or (viewed == where and size > index):
                return at
        return None

    def late(self, log: str, begun: int) -> int | None:
        times = {at: it.seen_by_s for it in self.seen.get(log, []) for at in range(it.low, it.high)}
        if begun not in times:
            return None
        after = [at for at, s in times.items() if at > begun and s > times[begun] + S]
        return min(after, default=None)

    def is_ended(self, offer: Offer, late: tuple[str, int]) -> bool:
        def place(at: tuple[str, int]) -> tuple[int, int]:
            return HOLDERS.index(at[0]), at[1]

        return offer.released is not None and place(offer.released) <= place(late)

    # ---- how a node may judge it ----------------------------------------------------------------

    def needs(self, log: str, at: int) -> Iterator[tuple[str, int]]:
        """Give what is to be judged before an entry: how much of which logs."""
        for line in (HOLDERS, RECEIVERS):
            if log in line[1:] and not at:
                old = line[line.index(log) - 1]
                yield old, self.closed[old].size
        for index, viewed, size in self.views.get(log, []):
            if index == at:
                yield viewed, size

    def shuffled(self, choices: Sequence[int]) -> list[str]:
        """Return the writers of all entries in another order in which they can be judged."""
        left, done, order = list(choices), dict.fromkeys(self.logs, 0), list[str]()
        while len(order) < len(self.order):
            ready = [
                log
                for log, at in done.items()
                if at < len(self.logs[log])
                and all(done[it] >= size for it, size in self.needs(log, at))
            ]
            log = ready[left.pop() % len(ready)] if left else ready[0]
            done[log] += 1
            order.append(log)
        return order


@st.composite
def stories(draw: st.DrawFn) -> Story:
    it = Story()
    lags = st.integers(0, 2 * S)
    it.offer()
    what = st.sampled_from((
        *("offer", "accept", "accept", "inside", "view", "view", "release", "date", "time"),
        *("holder closed", "receiver closed"),
    ))  # fmt: skip
    for do in draw(st.lists(what, min_size=4, max_size=30)):
        waiting = [offer for offer in it.offers if offer.accepted is None]
        answered = [offer for offer in it.offers if offer.accepted and offer.released is None]
        if do == "offer":
            it.offer()
        elif do in {"accept", "inside"} and waiting:
            it.accept(draw(st.sampled_from(waiting)), RECEIVERS if do == "accept" else HOLDERS)
        elif do == "view":
            it.view(draw(st.integers(1, 8)))
        elif do == "release" and answered:
            it.release(draw(st.sampled_from(answered)))
        elif do == "date":
            it.date(it.now(HOLDERS), draw(lags), shown_by=it.now(HOLDERS))
        elif do == "time":
            it.pass_time()
        elif do.endswith("closed"):
            it.close(HOLDERS if do.startswith("holder") else RECEIVERS, draw(lags))
    if draw(st.booleans()):
        it.pass_time()
    return it


def store(connection: Connection, ids: LogIDs, story: Story) -> None:
    for log, written in story.logs.items():
        made = [b"-" if it.made is None else it.made.entry for it in written]
        update = extend_tiles(0, (), [hash_leaf(entry) for entry in made])
        entries.append(connection, ids, log, 0, made, update.tiles)


@dataclass
class Reading:
    """A node that judges a story."""

    connection: Connection
    story: Story
    is_told_late: bool
    """Whether it hears of each closing only when the log that goes on from there begins."""
    ids: LogIDs = field(default_factory=LogIDs)
    done: dict[str, int] = field(default_factory=dict)
    closed: dict[str, Closing] = field(default_factory=dict)

    def start(self, viewed: Mapping[tuple[str, str], int] | None = None) -> None:
        origins = (*HOLDERS, *RECEIVERS)
        self.withheld = Withheld(S, origins, self.closed, viewed=viewed or {})

    def hear(self, closed: Mapping[str, Closing]) -> None:
        self.closed = dict(closed)
        closings.close(self.connection, self.ids, self.closed)
        self.start()

    def judge(self, order: Sequence[str], pieces: list[int], restarts: Sequence[int]) -> None:
        if not self.is_told_late:
            self.hear(self.story.closed)
        batch: list[tuple[str, Effects]] = []
        for at, log in enumerate(order):
            index = self.done.get(log, 0)
            olds = [old for old, it in self.story.closed.items() if it.successor == log]
            if not index and olds and olds[0] not in self.closed:
                self.play(batch, pieces)
                self.hear({**self.closed, olds[0]: self.story.closed[olds[0]]})
            batch.append((log, self.story.logs[log][index].effects))
            self.done[log] = index + 1
            if at in restarts:
                self.play(batch, pieces)
                self.start()
        self.play(batch, pieces)

    def play(self, batch: list[tuple[str, Effects]], pieces: list[int]) -> None:
        play(self.connection, self.withheld, batch, pieces)
        batch.clear()

    def judge_again(self, logs: Sequence[str], pieces: list[int], order: Sequence[str]) -> None:
        """Lay nothing aside of some logs that go on, but judge them once more."""
        closings.close(self.connection, self.ids, self.closed, {it: self.done[it] for it in logs})
        newest = {
            (holder, viewed): size
            for holder in HOLDERS
            for at, viewed, size in self.story.views.get(holder, [])
            if holder not in logs and viewed in logs and at < self.done.get(holder, 0)
        }
        self.start(newest)
        read = dict.fromkeys(logs, 0)
        again = []
        for log in order:
            if log in read and read[log] < self.done[log]:
                again.append((log, self.story.logs[log][read[log]].effects))
                read[log] += 1
        play(self.connection, self.withheld, again, pieces)

    def found(self) -> set[Finding]:
        rows = load_findings(self.connection, self.ids)
        return {(it.origin, it.index, it.subject) for it in rows}


def check(
    engine: Engine,
    story: Story,
    order: Sequence[str],
    *,
    pieces: list[int],
    restarts: Sequence[int] = (),
    again: Sequence[str] = (),
    again_at: int = 0,
    is_told_late: bool = False,
) -> set[Finding]:
    create_schema(engine)
    with engine.begin() as connection:
        node = Reading(connection, story, is_told_late)
        node.start()
        store(connection, node.ids, story)
        first, rest = order[:again_at], order[again_at:]
        node.judge(first, pieces, restarts)
        known = [log for log in again if node.done.get(log) and log not in node.closed]
        if known:
            node.judge_again(known, pieces, first)
        node.judge(rest, pieces, ())
        found = node.found()
        expected = set(story.expected())
        assert found == expected
        left = connection.execute(schema.answers.select()).all()
        assert len(left) <= len(story.offers)
        return found


numbers = st.lists(st.integers(0, 50), max_size=60)


@settings(max_examples=300)
@given(
    stories(),
    numbers,
    st.lists(st.integers(1, 6), max_size=40),
    st.lists(st.integers(0, 40), max_size=4),
    st.booleans(),
)
def test_the_findings_follow_from_the_lines_of_logs_whatever_came_when(
    story: Story,
    choices: list[int],
    pieces: list[int],
    restarts: list[int],
    is_told_late: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    found = check(
        open_sqlite(None),
        story,
        story.shuffled(choices),
        pieces=pieces,
        restarts=restarts,
        is_told_late=is_told_late,
    )
    for log, _, _ in found:
        event(f"found in generation {HOLDERS.index(log) + 1}")


@settings(max_examples=300)
@given(
    stories(),
    numbers,
    st.lists(st.integers(1, 6), max_size=40),
    st.sets(st.sampled_from((*HOLDERS, *RECEIVERS)), min_size=1),
    st.integers(0, 40),
)
def test_logs_that_are_judged_again_have_the_same_findings(
    story: Story, choices: list[int], pieces: list[int], again: set[str], again_at: int
) -> None:
    check(
        open_sqlite(None),
        story,
        story.shuffled(choices),
        pieces=pieces,
        again=sorted(again),
        again_at=again_at,
    )


def kept(*, generations: int = 1, early: bool = False) -> Story:
    """A case that is kept after its acceptance, in a log that has ended or not."""
    story = Story()
    story.offer()
    if early:
        story.close(HOLDERS, 1)
        story.close(HOLDERS, 1)
    story.accept(story.offers[0], RECEIVERS)
    for _ in range(generations):
        story.close(RECEIVERS, 1)
    story.view(2)
    story.pass_time()
    return story


CASE: Final = "510000/case/0"


def test_a_view_of_a_log_that_goes_on_shows_what_the_closed_one_had_accepted(
    engine: Engine,
) -> None:
    story = kept()
    assert check(engine, story, story.order, pieces=[]) == {(HOLDERS[0], 1, CASE)}


def test_so_does_one_of_the_third_generation(engine: Engine) -> None:
    story = kept(generations=2)
    found = check(engine, story, story.order, pieces=[], restarts=range(20))
    assert found == {(HOLDERS[0], 1, CASE)}


def test_an_answer_that_comes_when_the_second_log_has_ended_is_awaited_from_the_third(
    engine: Engine,
) -> None:
    story = kept(generations=0, early=True)
    found = check(engine, story, story.order, pieces=[1] * 50)
    assert found == {(HOLDERS[2], 1, CASE)}


def test_what_is_found_in_an_heir_is_not_found_twice_when_the_answer_is_judged_again(
    engine: Engine,
) -> None:
    story = kept(generations=0, early=True)
    again_at = len(story.order)
    story.view(2)
    story.pass_time()
    found = check(engine, story, story.order, pieces=[], again=[RECEIVERS[0]], again_at=again_at)
    assert found == {(HOLDERS[2], 1, CASE)}


@pytest.mark.parametrize("late", [0, 1])
def test_what_a_closed_log_was_late_with_is_not_found_in_its_heir_that_is_judged_again(
    engine: Engine, late: int
) -> None:
    """The first log of the line, or the second."""
    story = Story()
    story.offer()
    story.accept(story.offers[0], RECEIVERS)
    for _ in range(late):
        story.close(HOLDERS, 1)
    story.view(2)
    story.pass_time()
    story.close(HOLDERS, 1)
    story.pass_time()
    again_at, again = len(story.order), [story.now(HOLDERS)]
    found = check(engine, story, story.order, pieces=[], again=again, again_at=again_at)
    assert found == {(HOLDERS[late], 1, CASE)}


def test_a_case_that_both_sides_are_judged_again_for_is_awaited_still(engine: Engine) -> None:
    """The holder's second log knows of the acceptance by a view in its first."""
    story = Story()
    story.offer()
    story.accept(story.offers[0], RECEIVERS)
    story.view(2)
    story.close(HOLDERS, 1)
    again_at = len(story.order)
    story.pass_time()
    again = [RECEIVERS[0], HOLDERS[1]]
    found = check(engine, story, story.order, pieces=[], again=again, again_at=again_at)
    assert found == {(HOLDERS[1], 0, CASE)}
