"""The checkers bite: a bug planted in the real node is found within a few seeds.

``python -m tests.simulator.mutants`` plants all of them and looks on for up to 200 seeds each; here
are those that are found at once.
"""

import pytest

from tests.simulator.mutants import MUTANTS, Mutant

SEEDS = 4

AT_ONCE = frozenset(
    {
        "an answer leaves before its commit",
        "a cosigner's row is not kept",
        "a quorum one too small",
        "half of the witnesses are a quorum",
        "custody moves at the acceptance",
        "a projection depends on who judges",
        "a node panics for ever after a full disk",
        "a revocation is forgotten",
        "whoever receives a case may decide it",
        "what was final is forgotten at a restart",
        "a block forgets its number at a restart",
        "a client skips the paths of a bundle",
    }
)


@pytest.mark.parametrize(
    "mutant",
    [mutant for mutant in MUTANTS if mutant.name in AT_ONCE],
    ids=lambda mutant: mutant.name,
)
def test_a_planted_mistake_is_found_by_the_checker_that_looks_for_it(mutant: Mutant) -> None:
    _, outcome = mutant.found(seeds_max=SEEDS)
    assert outcome is not None, f"{SEEDS} seeds and nothing was found"
    assert any(word in outcome.broken for word in mutant.words), outcome.broken


def test_more_than_twenty_mistakes_are_planted_and_each_has_a_name_of_its_own() -> None:
    names = {mutant.name for mutant in MUTANTS}
    assert len(names) == len(MUTANTS) >= 20
    assert names > AT_ONCE


def test_each_mistake_can_be_planted_where_the_code_now_stands() -> None:
    """What is moved elsewhere takes its mistakes along."""
    for mutant in MUTANTS:
        with pytest.MonkeyPatch.context() as patch:
            mutant.plant(patch)
