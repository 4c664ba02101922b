"""Traces of real nodes are walks of the model; altered ones and those of planted bugs are none."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from authz import custody
from nodes import loaded
from nodes import node as nodes
from nodes.core import candidate
from nodes.core.ready import AdvancePeer
from simulator.plan import Happening
from simulator.run import Plan
from simulator.trace import (
    Accepted,
    Appended,
    Cited,
    Claimed,
    Event,
    Finished,
    Held,
    Lined,
    Lost,
    Published,
    Restarted,
    Rowed,
    Ruled,
    Signer,
    Submitted,
)
from tests.model.recording import Trace, record
from tests.model.replay import RefusedError

PLAN = Plan(seed=0, regions=5, minutes=0.4, acts_per_minute=80)
FOUR = replace(PLAN, regions=4, minutes=0.5, acts_per_minute=60)
SEEDS = 8
BEYOND = 1_000_000


@pytest.fixture(name="recorded", scope="module")
def recorded_fixture() -> Trace:
    """Return the first world with crashes in it whose cases change hands."""
    for seed in range(PLAN.seed, SEEDS):
        recorded = record(replace(PLAN, seed=seed))
        wanted = {"handoff.accept", "handoff.release", "log.view", "log.block"} <= recorded.kinds()
        if wanted and any(isinstance(event, Restarted) for event in recorded.events):
            return recorded
    pytest.fail(f"{SEEDS} seeds, and no case changed hands")


def test_what_five_real_nodes_did_are_steps_of_the_model(recorded: Trace) -> None:
    assert not recorded.broken
    model = recorded.replay(recorded.events, is_settled=True)
    assert model.steps == len(recorded.events) > 500
    assert {type(event) for event in recorded.events} >= {Lined, Held, Submitted, Claimed, Finished}
    assert model.cases
    assert {q for _, q in model.ruled[1].values()} == {3}


# ---- planted bugs -------------------------------------------------------------------------------


def forgets_rows(patch: pytest.MonkeyPatch) -> None:
    keep = loaded.apply

    def forgetful(connection: Any, ids: Any, writes: Any) -> None:
        keep(connection, ids, tuple(item for item in writes if not isinstance(item, AdvancePeer)))

    patch.setattr(loaded, "apply", forgetful)


def answers_before_commit(patch: pytest.MonkeyPatch) -> None:
    commit, calls = nodes.Node._commit_now, count()

    def commit_now(self: nodes.Node, connection: Any, transaction: Any) -> None:
        if next(calls) % 40 == 39:
            transaction.rollback()
        else:
            commit(self, connection, transaction)

    patch.setattr(nodes.Node, "_commit_now", commit_now)


def smaller_quorum(patch: pytest.MonkeyPatch) -> None:
    def has(self: candidate.Round, *roles: str) -> bool:
        needed = self.asked.rosters[0].quorum(self.head.checkpoint.origin)
        return all(len(getattr(self, role)) >= needed - 1 for role in roles)

    patch.setattr(candidate.Round, "has", has)


def holds_at_acceptance(patch: pytest.MonkeyPatch) -> None:
    held = custody.held

    def too_early(acting: Any) -> Any:
        own, release = acting.own, acting.facts.get("release")
        if own is not None and own.state["at"] == custody.At.ANSWERED and release is not None:
            return custody._carried({**release.state, "to": own.state["to"]}, own.state["from"])
        return held(acting)

    patch.setattr(custody, "held", too_early)


@pytest.mark.parametrize(
    ("plant", "plan", "words"),
    [
        (forgets_rows, FOUR, "a row went back"),
        (answers_before_commit, replace(FOUR, hostile=False), "no head of this log"),
        (smaller_quorum, replace(FOUR, hostile=False), "mirror lines, and final"),
        (holds_at_acceptance, replace(FOUR, minutes=1.0), "does not hold the case"),
    ],
)
def test_a_planted_bug_that_breaks_the_protocol_is_no_step_of_the_model(
    plant: Callable[[pytest.MonkeyPatch], None],
    plan: Plan,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    recorded = next(
        recorded
        for recorded in (record(replace(plan, seed=seed)) for seed in range(SEEDS))
        if recorded.broken
    )
    with pytest.raises(RefusedError, match=words):
        recorded.replay(recorded.events)


def test_an_acceptance_that_nobody_acts_on_is_refused_once_all_is_settled(
    recorded: Trace,
) -> None:
    at = next(
        at
        for at, event in enumerate(recorded.events)
        if isinstance(event, Appended) and event.kind == "handoff.accept"
    )
    recorded.replay(recorded.events[: at + 1])
    with pytest.raises(RefusedError, match="nobody acts on the accept"):
        recorded.replay(recorded.events[: at + 1], is_settled=True)


# ---- altered traces -----------------------------------------------------------------------------

Which = Callable[[Any], bool]
Change = Callable[[Any], Sequence[Event]]


def entry(kind: str) -> Which:
    return lambda event: isinstance(event, Appended) and event.kind == kind


def a(what: type, **fields: Any) -> Which:
    return lambda event: (
        isinstance(event, what)
        and all(getattr(event, name) == value for name, value in fields.items())
    )


def moved(event: Event) -> bool:
    return isinstance(event, Rowed) and event.witnessed > 0


def to(**fields: Any) -> Change:
    return lambda event: (event._replace(**fields),)


def again(**fields: Any) -> Change:
    """The event as it is, and once more with these fields."""
    return lambda event: (event, event._replace(**fields))


def first_line(**fields: Any) -> Change:
    """The entry with the first line of its first quotation changed."""

    def change(event: Appended) -> Sequence[Event]:
        quoted, *others = event.quotes
        line, *lines = quoted.lines
        altered = quoted._replace(lines=(line._replace(**fields), *lines))
        return (event._replace(quotes=(altered, *others)),)

    return change


def line_twice(event: Appended) -> Sequence[Event]:
    quoted = event.quotes[0]
    doubled = quoted._replace(lines=(*quoted.lines, quoted.lines[0]))
    return (event._replace(quotes=(doubled,)),)


def one_line(event: Appended) -> Sequence[Event]:
    quoted = event.quotes[0]
    return (event._replace(quotes=(quoted._replace(lines=quoted.lines[:1]),)),)


def back_in_size(event: Lined) -> Sequence[Event]:
    """A later line of the same key, on a smaller tree."""
    earlier = Lined(
        event.at_ms, event.by, event.role, event.of, 0, event.root, event.time_s + 1, event.asker
    )
    return (event, earlier)


def fewer(event: Published) -> Sequence[Event]:
    return (event, Published(event.at_ms, event.region, 0, ""))


def nothing(_event: Event) -> Sequence[Event]:
    return ()


@pytest.mark.parametrize(
    ("which", "change", "words"),
    [
        (a(Lined), to(root="00"), "no head of this log"),
        (a(Lined), to(size=BEYOND), "no head of this log"),
        (a(Published, size=1), fewer, "publishes less"),
        (a(Accepted), to(place=BEYOND), "accepted, and not durable"),
        (a(Restarted), to(size=BEYOND), "a crash changed the log"),
        (a(Lined), to(by=""), "a line by nobody"),
        (moved, nothing, "a line beyond the row"),
        (a(Lined), back_in_size, "sizes and dates"),
        (a(Rowed), to(witnessed=BEYOND), "a row of what was never written"),
        (moved, again(witnessed=0, mirrored=0), "a row went back"),
        (a(Rowed), to(mirrored=BEYOND), "or beyond the witness's"),
        (a(Held), nothing, "beyond the entries that it holds"),
        (a(Submitted), again(size=0), "not the candidate"),
        (a(Claimed), to(witnessed=BEYOND), "witness lines, and final"),
        (a(Finished), to(witnesses=()), "witness lines, and final"),
        (a(Finished), to(mirrors=()), "mirror lines, and final"),
        (a(Finished), to(mirrors=(Signer("999999", (1,)),) * 9), "never gave"),
        (a(Finished), to(root="00"), "no head of this log"),
        (entry("log.view"), one_line, "no quorum"),
        (entry("log.view"), line_twice, "no quorum"),
        (entry("log.view"), first_line(by=""), "never gave|no quorum"),
        (entry("log.block"), first_line(time_s=1), "no quorum|never gave"),
        (entry("party.enrol"), to(place=BEYOND), "an index left out"),
        (entry("party.enrol"), again(), "an index left out, or given out twice"),
        (entry("party.enrol"), to(kind="log.genesis"), "only entry 0"),
        (entry("handoff.accept"), to(cites=()), "an answer to no offer"),
        (entry("handoff.accept"), to(cites=(Cited("offer", "500000", BEYOND),)), "covers"),
        (entry("handoff.accept"), to(kind="handoff.release"), "an answer to no offer"),
        (entry("handoff.offer"), to(to="999999"), "an offer to nobody"),
        (entry("handoff.accept"), to(kind="case.decide"), "does not hold the case"),
        (entry("handoff.release"), to(kind="handoff.offer", to="500000"), "no step of custody"),
        (entry("case.open"), to(kind="case.verify"), "nobody opened the case"),
    ],
)
def test_an_altered_trace_is_no_walk_of_the_model(
    recorded: Trace, which: Which, change: Change, words: str
) -> None:
    altered: list[Event] = []
    done = False
    for event in recorded.events:
        # The quotations of the first block records are empty: there was no evidence yet.
        fits = which(event) and not (
            getattr(event, "kind", "") in {"log.view", "log.block"} and not event.quotes
        )
        altered += change(event) if fits and not done else [event]
        done = done or fits
    assert done
    with pytest.raises(RefusedError, match=words):
        recorded.replay(altered)


def test_a_row_that_somebody_else_moves_is_no_step_while_the_log_speaks(
    recorded: Trace,
) -> None:
    model, altered, moved = set(), [], set()
    for event in recorded.events:
        if isinstance(event, Rowed):
            moved.add((event.by, event.of, event.at_ms))
        if isinstance(event, Lined) and event.role == "witness":
            key = (event.by, event.of)
            if key in model and (*key, event.at_ms) in moved:
                altered.append(event._replace(asker=event.by))
                break
            model.add(key)
        altered.append(event)
    with pytest.raises(RefusedError, match="a log that speaks"):
        recorded.replay(altered)


def test_a_case_is_opened_once(recorded: Trace) -> None:
    is_opened = entry("case.open")
    at = next(at for at, event in enumerate(recorded.events) if is_opened(event))
    opened = recorded.events[at]
    assert isinstance(opened, Appended)
    twice = opened._replace(place=opened.place + 1)
    with pytest.raises(RefusedError, match="the case exists"):
        recorded.replay([*recorded.events[: at + 1], twice])


def test_a_fence_below_what_was_shown_is_refused_and_rows_may_start_again(
    recorded: Trace,
) -> None:
    last = [event for event in recorded.events if isinstance(event, Published)][-1]
    lost = Lost(0, last.region, last.size)
    with pytest.raises(RefusedError, match="the fence is not where"):
        recorded.replay([*recorded.events, lost._replace(size=last.size - 1)])
    other = next(region for region in recorded.roster.members if region != last.region)
    row = Rowed(0, last.region, other, 1, 0)
    recorded.replay([*recorded.events, lost, row, Restarted(0, last.region, 0)])
    with pytest.raises(RefusedError, match="a row went back"):
        recorded.replay([*recorded.events, row])


# ---- rosters that change ------------------------------------------------------------------------

GROWS = Plan(
    seed=4,
    regions=4,
    minutes=0.4,
    acts_per_minute=20,
    revoked=0.0,
    stages=((0.0, 3), (0.05, 4)),
    script=(Happening(at_s=9, do="keys rotated", region="510000", value=1.0),),
)


@pytest.fixture(name="grown", scope="module")
def grown_fixture() -> Trace:
    """Return a world in which a region joins and another changes its keys."""
    return record(GROWS)


def test_versions_of_the_roster_come_into_force_by_steps_of_the_model(grown: Trace) -> None:
    assert not grown.broken
    model = grown.replay(grown.events)
    assert sorted(model.ruled) == [1, 2, 3]
    assert [len(model.ruled[version]) for version in (1, 2, 3)] == [3, 4, 4]
    assert all(log.epochs[-1].version == 3 for log in model.logs.values())
    assert all(log.epochs[-1].proven_at for log in model.logs.values())


@pytest.mark.parametrize(
    ("which", "change", "words"),
    [
        (entry("log.epoch"), to(version=3), "not the next version"),
        (entry("log.epoch"), nothing, "index left out|no head|no quorum|never gave"),
        (a(Ruled, version=2), nothing, "not the next version|a version is left out"),
        (a(Ruled, version=2), again(), "a version is left out, or comes again"),
    ],
)
def test_an_altered_change_of_the_roster_is_no_walk_of_the_model(
    grown: Trace, which: Which, change: Change, words: str
) -> None:
    at = next(at for at, event in enumerate(grown.events) if which(event))
    altered = [*grown.events[:at], *change(grown.events[at]), *grown.events[at + 1 :]]
    with pytest.raises(RefusedError, match=words):
        grown.replay(altered)


def test_nothing_counts_above_an_epoch_whose_quorums_no_block_record_holds(grown: Trace) -> None:
    epoch = next(event for event in grown.events if entry("log.epoch")(event))
    assert isinstance(epoch, Appended)
    altered = [
        event._replace(quotes=())
        if isinstance(event, Appended)
        and (event.region, event.kind) == (epoch.region, "log.block")
        and event.place > epoch.place
        else event
        for event in grown.events
    ]
    with pytest.raises(RefusedError, match=r"no quorum|and final|not proven"):
        grown.replay(altered)
