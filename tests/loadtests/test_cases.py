"""The lives of cases that a load brings: whose acts, in which shares, and whose turn is next."""

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from ledger.keys import SigningKey
from ledger.statement import Act, sign_statement
from loadtests.cases import COMPOSED_ACTS, KINDS, MODES, REFUSED, Case, Cases
from loadtests.recorded import Found, compare, missing, of_cases
from loadtests.waiting import NEW_SHARE, Waiting
from simulator import capacity, workload
from tests.loadtests.test_worker import NOW_S, scene

ACTS_A_CASE = capacity.ACTS_A_CASE - workload.RATED


@pytest.fixture(scope="module")
def lives() -> list[Case]:
    cases = Cases(scene(), "t", NOW_S)
    return [cases.make() for _ in range(600)]


def test_a_case_has_as_many_acts_as_it_is_planned_with(lives: list[Case]) -> None:
    assert sum(len(case.steps) for case in lives) / len(lives) == pytest.approx(
        ACTS_A_CASE, abs=0.2
    )
    for case in lives:
        assert sum(not step.entry for step in case.steps) == COMPOSED_ACTS
        assert {step.kind for step in case.steps} <= KINDS


def test_cases_come_as_those_of_the_simulator_do(lives: list[Case]) -> None:
    assert tuple(MODES.items()) == workload.MODES
    assert REFUSED == workload.REFUSED
    acts = [case.steps[0].act for case in lives]
    modes = Counter(act.body["mode"] for act in acts if act is not None)
    for mode, share in MODES.items():
        assert modes[mode] / len(lives) == pytest.approx(share, abs=0.06)


def in_turns(waiting: Waiting, new: Iterator[Case], turns: int) -> Counter[str]:
    """Answer every turn at once, and return how many were of which kind."""
    random = Random("turns")  # noqa: S311 - which turns are new, no secret
    kinds = Counter[str]()
    for at in range(turns):
        case = waiting.take(float(at), random.random()) or next(new)
        kinds[case.steps.popleft().kind] += 1
        if case.steps:
            case.not_before_s = float(at)
            waiting.put(case)
    return kinds


def test_what_is_left_over_changes_nothing_in_the_mix_of_acts() -> None:
    """Else a stage after an overload closes cases and opens none: its figures are not its own."""
    cases = Cases(scene(), "t", NOW_S)
    new = iter(cases.make, None)
    idle, crowded = Waiting(), Waiting()
    for _ in range(2_000):  # all that a case does after it was offered still lies before these
        case = cases.make()
        while case.steps[0].entry:
            case.steps.popleft()
        crowded.put(case)
    expected = 1_820 / ACTS_A_CASE
    for waiting in (idle, crowded):
        kinds = in_turns(waiting, new, 1_820)
        assert kinds["case.open"] == pytest.approx(expected, rel=0.3)
        assert kinds["case.open"] + kinds["case.verify"] + kinds["case.notice"] > 250
    assert len(crowded) >= 2_000 - 60


def test_whoever_is_at_the_counter_goes_on_at_once_and_others_when_they_may() -> None:
    cases = Cases(scene(), "t", NOW_S)
    waiting = Waiting()
    early, late, there = cases.make(), cases.make(), cases.make()
    for case, not_before_s in ((late, 9.0), (early, 5.0)):
        while case.steps[0].entry:
            case.steps.popleft()
        case.not_before_s = not_before_s
        waiting.put(case)
    waiting.put(there)
    assert waiting.take(0.0, 0.0) is there
    assert waiting.take(4.9, 0.99) is None
    assert waiting.take(9.5, NEW_SHARE / 2) is None  # a new one begins
    assert waiting.take(9.5, 0.99) is early
    assert waiting.take(9.5, 0.99) is late
    waiting.put(there)
    waiting.leave_counter()
    assert len(waiting) == 0


def entry(kind: str, subject: str) -> bytes:
    act = Act(kind, 1, None, (), {})
    return sign_statement(
        SigningKey.from_seed(bytes(32)), "510000/officer/a", subject, 1, act
    ).entry


def test_acts_of_cases_are_told_from_the_scene_and_from_what_nodes_write() -> None:
    entries = [
        entry("case.open", "510000/case/17-0-1-000001"),
        entry("handoff.accept", "500000/case/17-0-1-000002"),
        entry("handoff.release", "500000/case/17-0-1-000002"),
        entry("case.open", "510000/case/scene-123"),
        entry("party.enrol", "510000/hall/h1"),
        b"a record of the log's own",
    ]
    assert of_cases(entries) == Found(acts=2, releases=1)


def test_an_act_that_was_answered_and_is_in_no_log_is_missing() -> None:
    stages = [{"accepted_at": {"a": 3, "b": 2}}, {"accepted_at": {"a": 1, "dead": 9}}]
    compared = compare(stages, {"a": Found(4, 1), "b": Found(5, 0)})
    assert compared == {
        "a": {"accepted": 4, "in_log": 4, "releases": 1},
        "b": {"accepted": 2, "in_log": 5, "releases": 0},
    }
    assert missing(compared) == 0
    assert missing(compare(stages, {"a": Found(3, 1), "b": Found(5, 0)})) == 1
