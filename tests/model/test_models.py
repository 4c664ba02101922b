"""Every model holds within its bounds, every mutant breaks what its rule is there for."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodes.cli.demo.ending import load_model
from tests.model.catalogue import MODELS, MUTANTS, Mutant
from tests.model.explorer import Model, Step, explore
from tests.model.invariants import Invariant, quorum
from tests.model.report import explored, figures, killed, page

PAGE = Path(__file__).parents[2] / "docs" / "model.md"


@pytest.mark.parametrize("build", MODELS)
def test_no_reachable_state_of_the_protocol_breaks_a_promise(build: Callable[[], Model]) -> None:
    model, found = explored(build)
    assert (found.broken, found.trace) == (None, ())
    assert found.states > 500, model.name
    assert found.diameter > 5


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_rule_left_out_breaks_its_promise(mutant: Mutant) -> None:
    _, found = killed(mutant, deep=False)
    assert found.broken is mutant.breaks
    assert found.trace


def test_each_promise_is_broken_by_some_mutant() -> None:
    assert {mutant.breaks for mutant in MUTANTS} == set(Invariant)


def test_the_page_in_the_docs_is_what_the_models_found() -> None:
    """Made by ``python -m tests.model``."""
    assert PAGE.read_text() == "".join(f"{line}\n" for line in page())


def test_the_figures_that_the_story_tells_are_what_the_models_found() -> None:
    """Made by ``python -m tests.model --json``."""
    assert load_model() == figures()
    assert (figures()["broken"], figures()["killed"]) == (0, len(MUTANTS))


@pytest.mark.parametrize(("n", "f", "q"), [(3, 0, 2), (3, 1, 3), (4, 1, 3), (5, 1, 4), (7, 2, 5)])
def test_two_quorums_share_more_than_f(n: int, f: int, q: int) -> None:
    assert quorum(n, f) == q


def counters(*, stop: int = 3, trap: bool = False) -> Model:
    """Two counters that are alike; a trap stops the first one at 1."""

    def steps(state: tuple[int, int]) -> Iterator[Step]:
        for at in range(2):
            if state[at] < stop and not (trap and state[at] == 1):
                moved = list(state)
                moved[at] += 1
                yield f"{at} counts to {moved[at]}", tuple(moved)

    return Model(
        name="counters",
        start=(0, 0),
        steps=steps,
        holds={Invariant.ONE_HISTORY: lambda state: sum(state) < 5},
        canonical=lambda state: tuple(sorted(state)),
        fair=steps,
        done=lambda state: sum(state) >= 4,
    )


def test_the_shortest_trace_is_told_with_the_names_kept() -> None:
    found = explore(counters())
    assert found.broken is Invariant.ONE_HISTORY
    assert found.diameter == len(found.trace) == 5
    counted = [0, 0]
    for label in found.trace:
        at = int(label[0])
        counted[at] += 1
        assert label == f"{at} counts to {counted[at]}"
    assert sorted(counted) == [2, 3]


def test_states_that_are_alike_are_visited_once() -> None:
    found = explore(counters(stop=2))
    assert (found.broken, found.states, found.diameter) == (None, 6, 4)


def test_a_state_that_nothing_leads_out_of_is_wedged() -> None:
    found = explore(counters(trap=True))
    assert found.broken is Invariant.NEVER_WEDGED
    assert found.trace == ()
