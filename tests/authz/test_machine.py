"""Random legal and illegal acts on a case, its branches and the grant it was opened under.

They are taken on both sides: by the rules, and by a slow model of sets and names.

The model knows no row, no log and no view: only who holds what, what is offered to whom, and what
is open. The judge and it never disagree on whether an act stands; with one of some checks taken
out of the rules, they do.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from authz import case, custody
from ledger import judge
from ledger.errors import LedgerError
from tests.authz.test_branch import (
    DELIVERED,
    HEAD_CQ,
    OPENED,
    PART_BODY,
    REPORT,
    SETTLED,
    SPLIT,
    TOLERANCE_BODY,
    UNDER,
    WHY,
)
from tests.authz.world import (
    CASE,
    CLERK,
    CLERK_2,
    DECIDE_BODY,
    DECIDER,
    GRANT,
    HEAD,
    HRSS,
    HRSS_CQ,
    SICHUAN,
    TIBET,
    WINDOW,
    WINDOW_2,
)

UNITS: Final = {CLERK: WINDOW, CLERK_2: WINDOW_2, HEAD: HRSS, DECIDER: HRSS, HEAD_CQ: HRSS_CQ}
DECIDERS: Final = {HEAD, DECIDER, HEAD_CQ}
RECEIVERS: Final = {CLERK, CLERK_2, HEAD, HEAD_CQ}
REGIONS: Final = tuple(dict.fromkeys(unit[:6] for unit in UNITS.values()))
BRANCHES: Final = (f"{SICHUAN}/branch/1", f"{SICHUAN}/branch/2", f"{TIBET}/branch/1")
PAPERS: Final = (f"{SICHUAN}/tolerance/1", f"{TIBET}/tolerance/1")
PARTS: Final = (f"{SICHUAN}/part/1", f"{TIBET}/part/1")
OF_CASE: Final = {"case": CASE}
STEPS_MAX: Final = 4_000

Step = tuple[str, str, str, str]
"""Kind, issuer, subject, and the unit that a handoff is offered to."""


@dataclass
class Held:
    """Who holds a case or a branch, and how its offer stands."""

    holder: str | None
    offered: str | None = None
    answer: str = ""
    arrived: bool = True
    """Whether the holder's own log shows it: from its first act on."""


@dataclass
class Model:
    """What is true, kept without any row."""

    held: dict[str, Held] = field(default_factory=lambda: {CASE: Held(WINDOW)})
    stage: str = "working"
    lent: bool = True
    """Whether the grant of the window is on offer, not suspended."""
    branches: dict[str, str] = field(default_factory=dict)
    papers: dict[str, str] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    """Numbers of papers and parts; none is given out twice."""

    @property
    def is_split(self) -> bool:
        return any(it in {"open", "reported"} for it in self.branches.values())

    def stands(self, step: Step) -> bool:
        """Say whether an act is legal now."""
        kind, who, name, unit = step
        if kind.startswith("handoff."):
            return self.moves(kind, who, name, unit)
        area = kind.split(".")[0]
        if area == "grant":
            return who == HEAD and self.lent == (kind == "grant.suspend")
        if area == "case":
            return self.on_case(kind, who)
        if area == "branch":
            return self.on_branch(kind, who, name)
        opened = self.papers if area == "tolerance" else self.parts
        if kind in {"tolerance.accept", "part.ask"}:
            own = name[:6] == who[:6] and name not in self.used
            # The window has the grant, the department its own competence; a part is asked by any.
            may = kind == "part.ask" or who in {HEAD, DECIDER} or self.uses_grant(who)
            return own and may and self.whole(who) and self.stage == "working"
        return opened.get(name) == UNITS[who]

    def uses_grant(self, who: str) -> bool:
        return who == CLERK and self.lent

    def free(self, who: str, name: str) -> bool:
        """Whether ``who`` sits where the object is held, and it is not offered."""
        it = self.held.get(name)
        return it is not None and it.holder == UNITS[who] and it.offered is None

    def whole(self, who: str) -> bool:
        return self.free(who, CASE) and self.held[CASE].arrived

    def moves(self, kind: str, who: str, name: str, unit: str) -> bool:
        it = self.held.get(name)
        if it is None or it.holder is None:
            return False
        match kind:
            case "handoff.offer":
                split = name == CASE and self.is_split
                return self.free(who, name) and unit != it.holder and not split
            case "handoff.accept" | "handoff.decline":
                return it.offered == UNITS[who] and not it.answer
            case "handoff.release":
                return it.answer == "accepted" and it.holder[:6] == who
            case _:
                return it.offered is not None and it.holder == UNITS[who]

    def on_case(self, kind: str, who: str) -> bool:
        it = self.held[CASE]
        if kind == "case.note":
            return it.holder == UNITS[who]
        if not self.free(who, CASE):
            return False
        match kind:
            case "case.decide":
                own = UNITS[who] == HRSS
                return own and self.stage == "working" and not self.is_split and not self.parts
            case "case.deliver" | "case.withdraw":
                # The window has the grant, the department its own competence.
                may = who == HEAD or self.uses_grant(who)
                if kind == "case.withdraw":
                    return may and self.stage == "working"
                return may and self.stage == "decided" and not self.papers
            case _:
                return self.stage in {"delivered", "withdrawn"} and not self.is_split

    def on_branch(self, kind: str, who: str, name: str) -> bool:
        at = self.branches.get(name)
        match kind:
            case "branch.open":
                own = name[:6] == who[:6] and at is None
                return own and self.whole(who) and self.stage == "working"
            case "branch.report":
                return self.free(who, name) and at == "open" and who == HEAD_CQ
            case _:
                wanted = "reported" if kind == "branch.join" else "open"
                return self.free(who, name) and at == wanted and self.whole(who)

    def take(self, step: Step) -> None:
        """Note what a legal act changes."""
        kind, who, name, unit = step
        if name in self.held and kind not in {"handoff.accept", "handoff.decline"}:
            self.held[name].arrived = True
        match kind:
            case "handoff.offer":
                self.held[name].offered, self.held[name].answer = unit, ""
            case "handoff.accept" | "handoff.decline":
                self.held[name].answer = f"{kind[8:]}{'ed' if kind[8:] == 'accept' else 'd'}"
            case "handoff.release":
                it = self.held[name]
                assert it.holder is not None
                assert it.offered is not None
                is_here = it.holder[:6] == it.offered[:6]
                self.held[name] = Held(it.offered, arrived=is_here)
            case "handoff.cancel":
                self.held[name].offered, self.held[name].answer = None, ""
            case "grant.suspend" | "grant.resume":
                self.lent = kind == "grant.resume"
            case "case.decide":
                self.stage = "decided"
            case "case.deliver":
                self.stage = "delivered"
            case "case.withdraw":
                self.stage = "withdrawn"
            case "case.close":
                self.stage, self.held[CASE].holder = "closed", None
            case "branch.open":
                self.branches[name] = "open"
                self.held[name] = Held(UNITS[who])
            case "branch.report":
                self.branches[name] = "reported"
            case "branch.join" | "branch.drop":
                self.branches[name] = "over"
                self.held[name].holder = None
            case "tolerance.accept":
                self.used.add(name)
                self.papers[name] = UNITS[who]
            case "part.ask":
                self.used.add(name)
                self.parts[name] = UNITS[who]
            case "tolerance.settle":
                del self.papers[name]
            case "part.withdraw":
                del self.parts[name]
            case _:  # a remark, or an answer's own log: nothing else moves
                pass


def _steps() -> tuple[Step, ...]:
    made: list[Step] = []
    for who, unit in UNITS.items():
        for name in (CASE, *BRANCHES):
            made += [("handoff.offer", who, name, to) for to in UNITS.values()]
            made += [(f"handoff.{it}", who, name, "") for it in ("accept", "decline", "cancel")]
        made += [
            (f"case.{it}", who, CASE, "")
            for it in ("note", "decide", "deliver", "withdraw", "close")
        ]
        events = ("open", "report", "join", "drop")
        made += [(f"branch.{it}", who, name, "") for name in BRANCHES for it in events]
        made += [
            (it, who, name, "")
            for name in PAPERS
            for it in ("tolerance.accept", "tolerance.settle")
        ]
        made += [(it, who, name, "") for name in PARTS for it in ("part.ask", "part.withdraw")]
        made += [(it, who, GRANT, "") for it in ("grant.suspend", "grant.resume")]
        assert unit
    made += [("handoff.release", it, name, "") for it in REGIONS for name in (CASE, *BRANCHES)]
    return tuple(dict.fromkeys(made))


STEPS: Final = _steps()
BODIES: Final[dict[str, dict[str, Any]]] = {
    "handoff.decline": WHY,
    "case.note": {"remark": "已电话联系"},
    "case.decide": DECIDE_BODY,
    "branch.open": SPLIT,
    "branch.report": REPORT,
    "branch.join": OF_CASE,
    "branch.drop": OF_CASE | WHY,
    "tolerance.accept": TOLERANCE_BODY,
    "tolerance.settle": SETTLED,
    "part.ask": PART_BODY,
    "part.withdraw": WHY,
    "grant.suspend": WHY,
    "grant.resume": WHY,
}


class Both:
    """The judge and the model, side by side."""

    def __init__(self) -> None:
        self.world, self.model = OPENED.copy(), Model()

    def body(self, step: Step) -> dict[str, Any]:
        kind, who, name, unit = step
        if kind == "handoff.offer":
            return {"unit": unit}
        if kind in {"handoff.accept", "handoff.decline"}:
            it = self.model.held.get(name)
            region = it.holder[:6] if it is not None and it.holder is not None else SICHUAN
            return {"holder": region, **BODIES.get(kind, {})}
        if kind in {"case.deliver", "case.withdraw"}:
            under = UNDER if who != HEAD else {}
            return {**(DELIVERED if kind == "case.deliver" else WHY), **under}
        return BODIES.get(kind, {})

    def agree(self, step: Step) -> bool:
        """Take a step on both sides, and say whether they agree on whether it stands."""
        legal = self.model.stands(step)
        try:
            self.world.do(step[0], step[1], step[2], self.body(step))
        except LedgerError as error:
            return not legal and error.code != "void-citation"
        if legal:
            self.model.take(step)
        return legal


class Machine(RuleBasedStateMachine):
    """Legal acts for the most part, so that the walk gets far, and any act in between."""

    def __init__(self) -> None:
        super().__init__()
        self.both = Both()

    @rule(data=st.data())
    def legal(self, data: st.DataObject) -> None:
        legal = [it for it in STEPS if self.both.model.stands(it)]
        if legal:
            step = data.draw(st.sampled_from(legal))
            assert self.both.agree(step), step

    @rule(step=st.sampled_from(STEPS))
    def anything(self, step: Step) -> None:
        assert self.both.agree(step), step

    @invariant()
    def one_holder(self) -> None:
        for name, it in self.both.model.held.items():
            held = self.both.world.holders(name)
            assert held == ([] if it.holder is None else [it.holder[:6]]), name


Machine.TestCase.settings = settings(max_examples=10, stateful_step_count=40, deadline=None)
TestTheJudgeAndTheModelNeverDisagree = Machine.TestCase


def near_to(model: Model, step: Step) -> bool:
    """Whether a step is one of a unit that holds or is offered something, on that very thing."""
    it = model.held.get(step[2], model.held[CASE])
    units = {it.holder, it.offered}
    return step[0] == "handoff.release" or UNITS.get(step[1]) in units


def differs(seed: int) -> bool:
    """Walk at random until judge and model disagree, or long enough."""
    random, both = Random(seed), Both()  # noqa: S311 - a walk, no secret
    for at in range(STEPS_MAX):
        if at % 60 == 0:
            both = Both()
        near = [it for it in STEPS if near_to(both.model, it)]
        legal = [it for it in near if both.model.stands(it)]
        step = random.choice(legal if legal and random.random() < 0.5 else near)
        if not both.agree(step):
            return True
    return False


def nothing(*_args: object, **_named: object) -> None:
    """Stand in for a check that was deleted."""


CHECKS: Final[tuple[tuple[Any, str], ...]] = (
    (custody, "check_unit"),
    (custody, "_check_answer"),
    (judge, "check_own_region"),
)


@pytest.mark.parametrize(("module", "name"), CHECKS, ids=lambda it: getattr(it, "__name__", it))
def test_with_a_check_deleted_the_model_finds_it_out(
    module: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, nothing)
    assert differs(1)


@pytest.mark.parametrize("table", [custody, case], ids=["custody", "case"])
def test_with_another_step_in_the_table_the_model_finds_it_out(
    table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step: Any = (custody.At.OFFERED, custody.Event.OFFER)
    after: Any = custody.At.OFFERED
    if table is case:
        step, after = (case.Stage.RECEIVED, case.Event.CLOSE), case.Stage.CLOSED
    monkeypatch.setattr(table, "TRANSITIONS", {**table.TRANSITIONS, step: after})
    assert differs(2)
