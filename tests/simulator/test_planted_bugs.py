"""The checkers bite: a bug planted in the real node is found within a few seeds.

Each test plants one mistake that a careless change could make, in one place, and leaves the rest as
it is. What finds it is named, so that a checker that no longer looks is missed.
"""

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from authz import custody
from nodes import node as nodes
from nodes.core import candidate, duties, projection
from nodes.core.ready import AdvancePeer
from simulator.run import Plan, run

SEEDS = 8


def found_by(*words: str, **plan: Any) -> None:
    """Run seeds until one breaks, and check that it broke as one of these words says."""
    for seed in range(SEEDS):
        base = Plan(seed=seed, regions=4, minutes=0.5, acts_per_minute=60)
        outcome = run(replace(base, **plan))
        if outcome.broken:
            assert any(word in outcome.broken for word in words), outcome.broken
            return
    pytest.fail(f"{SEEDS} seeds and nothing was found")


def test_an_answer_that_leaves_before_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    commit, calls = nodes.Node._commit_now, count()

    def commit_now(self: nodes.Node, connection: Any, transaction: Any) -> None:
        if next(calls) % 40 == 39:
            transaction.rollback()
        else:
            commit(self, connection, transaction)

    monkeypatch.setattr(nodes.Node, "_commit_now", commit_now)
    found_by("stored", "never had", "other entries", "fell from", "does not have", hostile=False)


def test_a_cosigners_row_that_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    keep = nodes.apply

    def forgetful(connection: Any, ids: Any, writes: Any) -> None:
        keep(connection, ids, tuple(item for item in writes if not isinstance(item, AdvancePeer)))

    monkeypatch.setattr(nodes, "apply", forgetful)
    found_by("went back on")


def test_a_quorum_that_is_one_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    def has(self: candidate.Round, *roles: str) -> bool:
        needed = self.asked.rosters[0].quorum(self.head.checkpoint.origin)
        return all(len(getattr(self, role)) >= needed - 1 for role in roles)

    monkeypatch.setattr(candidate.Round, "has", has)
    found_by("lines", "is not finished", hostile=False)


def test_custody_that_moves_at_the_acceptance(monkeypatch: pytest.MonkeyPatch) -> None:
    held = custody.held

    def too_early(acting: Any) -> Any:
        own, release = acting.own, acting.facts.get("release")
        if own is not None and own.state["at"] == custody.At.ANSWERED and release is not None:
            return custody._carried({**release.state, "to": own.state["to"]}, own.state["from"])
        return held(acting)

    monkeypatch.setattr(custody, "held", too_early)
    found_by("two holders", minutes=1.0)


def test_a_release_that_is_forgotten_in_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duties.Duties, "writes", lambda _self: ())
    found_by("owes an answer", minutes=1.0, settle_s=90)


def test_a_projection_that_depends_on_who_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    take = projection.Projection.take
    made = count()

    def careless(self: Any, state: Any, *given: Any) -> None:
        take(self, state, *given)
        if next(made) % 50 == 49:
            _statement, index, _verdict, effects = given
            effects.mentions.append((state.origin, f"{state.origin[-6:]}/case/none", index))

    monkeypatch.setattr(projection.Projection, "take", careless)
    found_by("mentions of", hostile=False)
