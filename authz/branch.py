"""Branches of a case (多地联办): split off by its holder, done where they are owed, joined.

A branch is an object of its own, and its custody moves by the same table as a case's: one holder at
every moment. While a branch is out, the case itself stays with its holder, undecided; only who
holds the case and has the branch back joins it.

Row: that of custody, with ``{stage, case, part, item, v, dept, by, result}``: ``dept`` owes the
part, ``by`` is the officer who received the case.

Source: protocol.md section 5, last paragraph but one; domain.md rules 4, 7 and 8; mechanism 18.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from authz import custody, party, unsettled
from authz.custody import At
from authz.records import check_case
from ledger import judge
from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Judgement, Need

_WORKING: Final = frozenset({"received", "noticed", "supplemented"})


class Stage(StrEnum):
    """How far a branch has come."""

    NEW = "new"
    OPEN = "open"
    REPORTED = "reported"
    JOINED = "joined"
    DROPPED = "dropped"


class Event(StrEnum):
    """What happens to a branch; the value is the act's kind."""

    OPEN = "branch.open"
    REPORT = "branch.report"
    JOIN = "branch.join"
    DROP = "branch.drop"


# The whole life of a branch. What is not in this table is refused.
TRANSITIONS: Final[Mapping[tuple[Stage, Event], Stage]] = {
    (Stage.NEW, Event.OPEN): Stage.OPEN,
    (Stage.OPEN, Event.REPORT): Stage.REPORTED,
    (Stage.OPEN, Event.DROP): Stage.DROPPED,  # back again, and not needed
    (Stage.REPORTED, Event.JOIN): Stage.JOINED,
}


def next_stage(stage: Stage, event: Event) -> Stage:
    """Return how far ``event`` takes a branch.

    Raises:
        RefusedError: ``wrong-state``.
    """
    after = TRANSITIONS.get((stage, event))
    if after is not None:
        return after
    raise RefusedError(
        f"{event.value} does not fit a branch that is {stage.value}", code="wrong-state"
    )


def open_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    """Return the case, and what is open of it here."""
    case = draft.body["case"]
    return (Need("case", case, cite=True), unsettled.own_need(case, draft.issuer[:6]))


def open_branch(acting: Acting) -> Judgement:
    """Judge ``branch.open``: the holder of an undecided case splits a part off."""
    judge.check_own_region(acting)
    at = custody.next_at(custody.at_of(acting.own), custody.Event.OPEN)
    stage = next_stage(Stage.NEW, Event.OPEN)
    body, signer = acting.act.body, party.person(acting)
    party.check_role(signer, party.RECEIVE, party.DECIDE)
    case = _held_case(acting)
    if case["at"] != At.HELD:
        raise RefusedError("the case is offered, and waits for the answer", code="offer-open")
    if case["stage"] not in _WORKING:
        raise RefusedError(f"the case is {case['stage']} already", code="wrong-state")
    department = body["department"]
    if (
        party.type_of_unit(department) != "department"
        or department[:6] not in acting.roster.members
    ):
        raise RefusedError(f"no such department: {department}", code="unknown-object")
    row = {
        "at": at.value,
        "n": 0,
        "stage": stage.value,
        "case": body["case"],
        "part": body["part"],
        "item": case["item"],
        "v": case["v"],
        "dept": department,
        "by": case["by"],
        "unit": case["unit"],
    }
    return _told(acting, row, unsettled.counted(acting, body["case"], unsettled.BRANCHES, 1))


def report(acting: Acting) -> Judgement:
    """Judge ``branch.report``: the department that owes the part says how it came out."""
    row = _advance(acting, Event.REPORT)
    signer = party.person(acting)
    party.check_role(signer, party.DECIDE)
    if signer.state.get("dept") != row["dept"]:
        raise RefusedError(f"the part is {row['dept']}'s", code="not-competent")
    if row["by"] == signer.object:
        raise RefusedError(
            "whoever received a case does not decide a part of it", code="receiver-decides"
        )
    row["result"] = acting.act.body["result"]
    return _told(acting, row)


def back_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return the release that brought the branch back, the case, and what is open of it here."""
    case = draft.body["case"]
    return (
        *custody.release_needs(draft, own),
        Need("case", case, cite=True),
        unsettled.own_need(case, draft.issuer[:6]),
    )


def join(acting: Acting) -> Judgement:
    """Judge ``branch.join``: who holds the case has the branch back, and joins its part."""
    return _taken_back(acting, Event.JOIN)


def drop(acting: Acting) -> Judgement:
    """Judge ``branch.drop``: who holds the case has the branch back, and needs it no more."""
    return _taken_back(acting, Event.DROP)


def _taken_back(acting: Acting, event: Event) -> Judgement:
    row = _advance(acting, event)
    party.check_role(party.person(acting), party.RECEIVE, party.DECIDE)
    if acting.act.body["case"] != row["case"]:
        raise RefusedError(f"the branch is one of {row['case']}", code="wrong-state")
    _held_case(acting)
    row["live"] = False
    return _told(acting, row, unsettled.counted(acting, row["case"], unsettled.BRANCHES, -1))


def _held_case(acting: Acting) -> Mapping[str, Any]:
    return check_case(acting, held=True)


def _advance(acting: Acting, event: Event) -> dict[str, Any]:
    """Return the row of the branch after ``event``, by the holder who may take that step."""
    row = custody.held(acting)
    custody.check_unit(acting, row)
    if row["at"] != At.HELD:
        raise RefusedError("the branch is offered, and waits for the answer", code="offer-open")
    step = custody.Event.ACT if event is Event.REPORT else custody.Event.CLOSE
    row["at"] = custody.next_at(At(row["at"]), step).value
    row["stage"] = next_stage(Stage(row["stage"]), event).value
    return row


def _told(acting: Acting, row: dict[str, Any], *more: Change) -> Judgement:
    return Judgement((Change(acting.statement.subject, row), *more), mentions=(row["case"],))
