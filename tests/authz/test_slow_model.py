"""Random legal and illegal acts of every kind, judged by the rules and by a slow model.

The model is in ``tests.authz.slow``: predicates over the whole past, written from the domain's
rules. The two never disagree on whether an act stands; and every kind, and every step of every
table, is taken on the way.
"""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.authz.bodies import without
from tests.authz.slow.past import Act
from tests.authz.slow.steps import CLERK_T, KINDS, WINDOW_T
from tests.authz.slow.walk import THEMES, Both, all_steps, begun, is_legal, step, walk
from tests.authz.slow.ways import WAYS
from tests.authz.slow.words import begins_a_word
from tests.authz.slow.wrong_hands import MORE_STORIES
from tests.authz.slow.wrongs import LAST, STORIES, Story
from tests.authz.test_decision import ask
from tests.authz.world import (
    CLERK,
    CLERK_2,
    CLERK_CQ,
    ITEM,
    OPEN_BODY,
    WINDOW,
    WINDOW_2,
    WINDOW_CQ,
)

SEEDS_MAX = 6
ACTS = 8


def test_every_kind_and_every_step_of_every_table_is_taken_and_both_agree() -> None:
    reached = begun()
    for way in WAYS:
        both = Both(reached)
        for kind, who, name, body in way():
            if kind == "challenge.raise":
                body["check"] = both.past.of(body["identity"])[-1].leaf
            act = Act(kind, who, name, body, both.world.now_s)
            assert both.agree(act), f"{act}: {both.said}"
            assert both.said == "stands", act
    left = all_steps() - set(reached)
    for seed in range(SEEDS_MAX):
        walk(seed, acts=ACTS, reached=reached, wanted=left)
        left = all_steps() - set(reached)
        if not left:
            break
    assert sorted(left) == []
    # What is taken has its place in some table: the count of steps is not of our own making.
    assert set(reached) <= all_steps()


@pytest.mark.parametrize("story", STORIES + MORE_STORIES, ids=lambda it: it.__name__)
def test_what_differs_in_one_thing_from_an_act_that_stands_is_let_in_by_neither(
    story: Callable[[], Story],
) -> None:
    both = Both()
    for kind, who, name, body, stands in story():
        if body.get("index") == LAST:
            body["index"] = both.past.of(name)[-1].index
        act = Act(kind, who, name, body, both.world.now_s)
        assert is_legal(both.past, act) == stands, act
        assert both.agree(act), f"{act}: {both.said}"
        # Of what has not the form, nothing is shown.
        assert not any(it in both.said for it in ("fields are missing", "no such field")), act


class Machine(RuleBasedStateMachine):
    """A theme, and acts in it, drawn by the seed that hypothesis gives."""

    def __init__(self) -> None:
        super().__init__()
        self.both = Both()

    @rule(seed=st.integers(0, 2**32), theme=st.sampled_from(THEMES))
    def acts(self, seed: int, theme: tuple[str, ...]) -> None:
        random = Random(seed)  # noqa: S311 - a walk, no secret
        for _ in range(8):
            step(self.both, random, theme)


Machine.TestCase.settings = settings(
    max_examples=max(4, settings.default.max_examples // 25) if settings.default else 4,
    stateful_step_count=8,
    deadline=None,
)
TestTheJudgeAndTheSlowModelNeverDisagree = Machine.TestCase


@pytest.mark.parametrize("seed", range(2))
def test_what_check_answers_is_what_the_act_would_be_told(seed: int) -> None:
    """Yes: the act stands on what the answer names. No: it stands on nothing that there is."""
    random = Random(seed)  # noqa: S311 - a walk, no secret
    theme = [it for it in KINDS if it.startswith(("grant.", "item.", "party.", "training."))]
    both, answers = Both(), set[str]()
    for _ in range(40):
        step(both, random, theme)
        for who, window in SEATS:
            answer = ask(both.world, "intake", window=window, officer=who)
            answers.add(answer.code)
            stands = {
                grant
                for grant in (None, *both.past.names["grant"])
                if is_legal(both.past, opening(both, who, window, grant))
            }
            assert (answer.allowed == "yes") == bool(stands), (answer, stands)
            assert answer.allowed == "no" or answer.grant in stands
    assert len(answers) > 3


SEATS = ((CLERK, WINDOW), (CLERK_2, WINDOW_2), (CLERK_CQ, WINDOW_CQ), (CLERK_T, WINDOW_T))


def opening(both: Both, who: str, window: str, grant: str | None) -> Act:
    """A case opened at a window, under a grant or on its own competence."""
    body = OPEN_BODY | {"window": window, "item_version": len(both.past.versions(ITEM))}
    body = without(body, "grant") if grant is None else body | {"grant": grant}
    return Act("case.open", who, f"{who[:6]}/case/asked", body, both.world.now_s)


@pytest.mark.parametrize(
    ("events", "after"),
    [("", "ae"), ("a", "bd"), ("ab", "c"), ("abca", "bd"), ("ad", ""), ("e", "")],
)
def test_a_life_is_told_as_a_word(events: str, after: str) -> None:
    legal = [it for it in "abcde" if begins_a_word("( a b c )* ( a d )? | e", [*events, it])]
    assert legal == list(after)
