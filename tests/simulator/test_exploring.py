"""Exploration and shrinking: what is run, for how long, what is kept and what is told."""

import argparse
import io
import json
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simulator import __main__ as command
from simulator import explore
from simulator.agreeing import agrees, bears_damage
from simulator.drawing import DAMAGE, FOLLOWING, LASTING, draw, random_plan
from simulator.explore import Allowance, Found, interesting
from simulator.faults import KINDS
from simulator.places import places_of
from simulator.plan import Happening, Plan
from simulator.run import Outcome, build, run
from simulator.shrinking import faults_of, shrink, smaller_than, story

WORLD_S = 10.0
"""How long a pretended world takes."""


class Clock:
    """A clock that only goes on where a world is run."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class AtOnce(Executor):
    """Does what it is given there and then."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def ended(plan: Plan, broken: str) -> Outcome:
    return Outcome(
        plan=plan, broken=broken, trace="", events=0, cpu_s=0.0, simulated_ms=0, settled_ms=0
    )


def found(seed: int, broken: str = "", **counts: int) -> Found:
    return Found(
        seed=seed, broken=broken, command="", events=1, cpu_s=0.0, counts=counts, injected={}
    )


def always_broken(clock: Clock) -> Callable[[Plan], Outcome]:
    def run(tried: Plan) -> Outcome:
        clock.now_s += WORLD_S
        return ended(tried, "it breaks")

    return run


# ---- shrinking ----------------------------------------------------------------------------------


def test_leaving_a_fault_out_leaves_the_others_as_they_were() -> None:
    plan = Plan(seed=5, minutes=1.0, damage=True)
    drawn = draw(plan, list(build(plan).machines))
    assert len(drawn) > 4
    some = faults_of(replace(plan, only=(1, 3)))
    assert some == {1: drawn[1], 3: drawn[3]}


def test_a_failing_world_is_shrunk_to_the_one_fault_that_breaks_it() -> None:
    plan = Plan(seed=5, minutes=1.0)
    guilty = draw(plan, list(build(plan).machines))[2]

    def pretended(tried: Plan) -> Outcome:
        is_broken = guilty.do in {one.do for one in faults_of(tried).values()}
        return ended(tried, "it breaks" if is_broken else "")

    shrunk = shrink(plan, pretended, tries_max=300)
    smallest = shrunk.outcome
    assert smallest.broken
    assert shrunk.ended == "nothing smaller fails"
    assert {one.do for one in faults_of(smallest.plan).values()} == {guilty.do}
    assert len(faults_of(smallest.plan)) == 1
    assert "--what-if only=" in smallest.plan.command()


def test_shrinking_stops_when_the_time_is_up_and_tells_the_smallest_so_far() -> None:
    clock = Clock()
    plan = Plan(seed=5, minutes=1.0)
    allowance = Allowance(0.5, clock)
    shrunk = shrink(plan, always_broken(clock), is_time_up=allowance.is_up)
    assert shrunk.tries == 3
    assert clock.now_s - allowance.began_s == 30.0
    assert shrunk.outcome.plan.minutes == 0.25
    told = story(shrunk)
    assert "shrunk in 3 worlds: the time is up" in told
    assert told.endswith(f"replay: {shrunk.outcome.plan.command()}")
    assert "--what-if minutes=0.25" in told


def test_shrinking_runs_so_many_worlds_and_no_more() -> None:
    shrunk = shrink(Plan(seed=5), always_broken(Clock()), tries_max=4)
    assert (shrunk.tries, shrunk.ended) == (4, "4 worlds are the most")


def test_a_failure_that_does_not_come_again_is_told_as_such() -> None:
    shrunk = shrink(Plan(seed=5), lambda tried: ended(tried, ""))
    assert (shrunk.tries, shrunk.ended) == (1, "it holds when it is run again")
    assert "Then: all promises held" in story(shrunk)


# ---- many worlds --------------------------------------------------------------------------------


def explored(minutes: float, failing: set[int]) -> tuple[list[int], float]:
    """Return which of a thousand worlds were run in these minutes, and how long it took."""
    clock = Clock()
    allowance = Allowance(minutes, clock)

    def look(seed: int) -> Found:
        clock.now_s += WORLD_S
        return found(seed, "it breaks" if seed in failing else "")

    done = explore.explore(range(1_000), allowance, AtOnce(), look_=look)
    return [one.seed for one in done], allowance.used_s()


def test_no_world_is_begun_once_the_time_is_up() -> None:
    assert explored(1.0, set()) == (list(range(6)), 60.0)


def test_a_failure_leaves_the_end_of_the_time_to_shrinking() -> None:
    assert explored(2.0, {2}) == (list(range(9)), 90.0)
    assert explored(2.0, {10}) == (list(range(11)), 110.0)


def test_plans_of_an_exploration_are_the_same_for_the_same_seed() -> None:
    assert [random_plan(seed) for seed in range(8)] == [random_plan(seed) for seed in range(8)]
    assert len({random_plan(seed).what_if("seed=0") for seed in range(30)}) > 5


def drawn_of(plan: Plan) -> list[Happening]:
    regions = [place.code for place in places_of(plan.places, plan.regions)]
    return list(draw(plan, regions))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--seeds", "0"], "--seeds is a number from 1, not 0"),
        (["--seeds", "-1"], "--seeds is a number from 1, not -1"),
        (["--minutes", "nan"], "--minutes is a number from 0.01, not nan"),
        (["--minutes", "0"], "--minutes is a number from 0.01, not 0"),
        (["--processes", "-3"], "--processes is a number from 0, not -3"),
    ],
)
def test_no_world_at_all_is_no_exploration(
    words: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["simulator", "explore", *words])
    assert command.main() == 2
    assert capsys.readouterr().err == f"bad-value: {told}\n"


def test_no_world_is_given_more_faulty_regions_than_it_bears() -> None:
    for seed in range(300):
        plan = random_plan(seed)
        struck = [it.region for it in drawn_of(plan) if it.do in LASTING]
        assert agrees(plan), plan.command()
        assert len(set(struck)) <= (plan.faulty if plan.damage or plan.keepers_lie else 1)
        # Whose keeper lies may do harm otherwise as well.
        assert plan.keepers_lie or len(set(struck)) == len(struck)
    for seed in range(24):
        assert all(agrees(smaller) for smaller in smaller_than(random_plan(seed)))
    assert not bears_damage(Plan(regions=4, damage=True))
    assert not bears_damage(Plan(regions=7, damage=True, faulty=2))
    assert not bears_damage(Plan(regions=5, damage=True, stages=((0.0, 4), (0.1, 5))))


def test_every_kind_of_fault_lie_and_change_is_drawn_in_some_world() -> None:
    """But those of which the name says that a script has them."""
    plans = [random_plan(seed) for seed in range(600)]
    kinds = Counter(one.do for plan in plans for one in (*drawn_of(plan), *plan.script))
    joins = sum(bool(plan.stages) for plan in plans)
    assert KINDS.keys() - kinds.keys() == {"region joins"}
    assert min(joins, *kinds.values()) >= 3
    ways = [
        "committee",
        "faulty",
        "servers",
        "together",
        "more_changes",
        "pace_ms",
        "begins",
        "pause_s",
    ]
    ways += ["pause_s", "keepers_lie"]
    for way in (*ways, "judging", "signer", "at_once", "receipts", "bundle_every_s"):
        assert sum(getattr(plan, way) != getattr(Plan(), way) for plan in plans) >= 10, way
    together = Plan(seed=1, minutes=1.0, together=1.0)
    assert len(drawn_of(together)) > 1.5 * len(drawn_of(replace(together, together=0.0)))


def test_a_log_that_does_not_follow_is_closed_before_anything_else_is_changed() -> None:
    later = 0
    for seed in range(600):
        plan = random_plan(seed)
        drawn = drawn_of(plan)
        stuck = [it for it in drawn if it.do in set(DAMAGE) - FOLLOWING]
        changes = [it for it in drawn if it.do in {"keys rotated", "constants changed"}]
        closed = [it.at_s for it in drawn if it.do == "lost log closed"]
        if plan.more_changes and stuck and len(changes) > 1:
            later += 1
            assert closed
            assert max(closed[: len(stuck)]) < max(it.at_s for it in changes)
    assert later


def test_a_corpus_keeps_what_reaches_something_new_and_what_failed() -> None:
    worlds = [found(1, a=1, b=1), found(2, a=5), found(3, c=1), found(4, "x", a=1)]
    assert {one.seed for one in interesting(worlds)} == {1, 3, 4}


# ---- what is told -------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "told"),
    [(io.StringIO(), "seed 2: it breaks\n"), (Terminal(), "seed 1: held\nseed 2: it breaks\n")],
    ids=["a file", "a terminal"],
)
def test_a_failure_is_told_at_once_and_a_terminal_hears_of_every_world(
    stream: io.StringIO, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    for one in (found(1), found(2, "it breaks")):
        explore.tell(one)
    assert stream.getvalue() == told


@pytest.mark.parametrize("minutes", [1.5, 0.3], ids=["time to shrink", "none left"])
def test_an_exploration_ends_with_the_story_of_a_failure_and_its_corpus(
    minutes: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()

    def look(seed: int) -> Found:
        clock.now_s += WORLD_S
        return replace(found(seed, "it breaks" if seed == 71 else "", a=1), command="again")

    monkeypatch.setattr(explore, "look", look)
    monkeypatch.setattr(explore, "monotonic", clock)
    monkeypatch.setattr(explore, "ProcessPoolExecutor", lambda _workers: AtOnce())
    monkeypatch.setattr(explore, "run", always_broken(clock))
    corpus = tmp_path / "corpus.json"
    given = argparse.Namespace(first=70, seeds=3, minutes=minutes, processes=1, corpus=corpus)
    assert explore.main(given) == 1
    told = capsys.readouterr().out
    assert "seed 71 BROKEN: it breaks\nreplay: again\n" in told
    if minutes == 1.5:
        assert "3 of 3 worlds in 30 s" in told
        assert "shrinking seed 71\nshrunk in 6 worlds: the time is up\n" in told
        assert "--seed 71 " in told.splitlines()[-1]
    else:
        assert told.endswith("no time is left to shrink one of them\n")
    assert [one["seed"] for one in json.loads(corpus.read_text())] == [70, 71]


def test_a_corpus_that_cannot_be_kept_is_told_before_any_world_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(tmp_path / "missing" / "corpus.json")
    monkeypatch.setattr(explore, "look", lambda _seed: pytest.fail("a world was run"))
    monkeypatch.setattr(sys, "argv", ["simulator", "explore", "--seeds", "1", "--corpus", nowhere])
    assert command.main() == 2
    assert nowhere in capsys.readouterr().err


def test_who_forgot_what_it_had_signed_is_given_new_keys_and_witnesses_again() -> None:
    plan = random_plan(720_643)
    drawn = draw(plan, list(build(plan).machines))
    [lost] = [it for it in drawn if it.do == "database lost"]
    [rotated] = [it for it in drawn if it.do == "keys rotated"]
    assert (rotated.region, rotated.value) == (lost.region, 1.0)
    assert rotated.at_s > lost.at_s
    outcome = run(plan)
    assert outcome.broken == ""
    assert outcome.counts["a line by new keys after a loss"]


def test_some_worlds_that_last_for_minutes_leave_a_region_with_one_other_to_hear() -> None:
    """Views come then, and nobody dates what the region does."""
    left = []
    for seed in (730_059, 730_060, 730_106, 730_162):
        plan = random_plan(seed)
        drawn = draw(plan, [it.code for it in places_of(plan.places, plan.regions)])
        cuts = [it for it in drawn if it.do == "link cut" and it.for_s > plan.staleness_s]
        assert len({it.region for it in cuts}) <= 1
        left.append(len({it.other for it in cuts}) == plan.regions - 2)
    assert set(left) == {False, True}


def test_some_worlds_that_last_for_minutes_begin_with_a_region_that_keeps_cases() -> None:
    plan = random_plan(730_557)
    drawn = draw(plan, [it.code for it in places_of(plan.places, plan.regions)])
    [kept] = [it for it in drawn if it.do == "region keeps cases"]
    assert kept.at_s < plan.minutes * 60 - plan.staleness_s
