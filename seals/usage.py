"""Electronic seals: their life and their use.

A seal is used for one document and one case at a time. Each use is an object of its own,
``<region>/seal-use/<number>``, so that uses do not wait for one another and each can be found from
its case: where the seal asks for a second person, the approval is the first act on it and the use
the second.

Rows: seal ``{live, st, owner, keep, appr, two, from, until, cert}`` (keepers, approvers, whether a
second person is wanted); use ``{st, seal, doc, case, by}``.

Source: domain.md rule 10; mechanisms 52 and 53.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Judgement, Need

MAKER: Final = "maker"
"""The role of an officer who may issue and end seals (制章部门)."""


class Life(StrEnum):
    """Where a seal stands."""

    NEW = "new"
    LIVE = "live"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class Event(StrEnum):
    """What happens to a seal; the value is the act's kind."""

    ISSUE = "seal.issue"
    SUSPEND = "seal.suspend"
    RESUME = "seal.resume"
    REVOKE = "seal.revoke"


# The whole life of a seal. What is not in this table is refused. Its term ends by the clock alone.
TRANSITIONS: Final[Mapping[tuple[Life, Event], Life]] = {
    (Life.NEW, Event.ISSUE): Life.LIVE,
    (Life.LIVE, Event.SUSPEND): Life.SUSPENDED,
    (Life.SUSPENDED, Event.RESUME): Life.LIVE,
    (Life.LIVE, Event.REVOKE): Life.REVOKED,
    (Life.SUSPENDED, Event.REVOKE): Life.REVOKED,
}


class UseStage(StrEnum):
    """How far one use of a seal has come."""

    NEW = "new"
    APPROVED = "approved"
    USED = "used"


class UseEvent(StrEnum):
    """What happens to one use of a seal; the value is the act's kind."""

    APPROVE = "seal.approve"
    USE = "seal.use"


# A seal that wants no second person goes from NEW to USED; one that does, through APPROVED.
USE_TRANSITIONS: Final[Mapping[tuple[UseStage, UseEvent], UseStage]] = {
    (UseStage.NEW, UseEvent.APPROVE): UseStage.APPROVED,
    (UseStage.NEW, UseEvent.USE): UseStage.USED,
    (UseStage.APPROVED, UseEvent.USE): UseStage.USED,
}


def next_life(life: Life, event: Event) -> Life:
    """Return where ``event`` takes a seal.

    Raises:
        RefusedError: ``exists``, ``unknown-object`` or ``wrong-state``.
    """
    after = TRANSITIONS.get((life, event))
    if after is not None:
        return after
    if event is Event.ISSUE:
        raise RefusedError("a seal of this number exists", code="exists")
    if life is Life.NEW:
        raise RefusedError("no such seal is issued here", code="unknown-object")
    raise RefusedError(
        f"{event.value} does not fit a seal that is {life.value}", code="wrong-state"
    )


def next_use(stage: UseStage, event: UseEvent) -> UseStage:
    """Return how far ``event`` takes one use of a seal.

    Raises:
        RefusedError: ``exists``: a number is for one use.
    """
    after = USE_TRANSITIONS.get((stage, event))
    if after is None:
        raise RefusedError(f"this use is {stage.value} already", code="exists")
    return after


def life_of(own: Fact | None) -> Life:
    """Return where a seal stands by its newest row."""
    return Life.NEW if own is None else Life(own.state["st"])


def _use_stage(own: Fact | None) -> UseStage:
    return UseStage.NEW if own is None else UseStage(own.state["st"])


# ---- the life of a seal -------------------------------------------------------------------------


def issue(acting: Acting) -> Judgement:
    """Judge ``seal.issue``: a seal comes into being, with its owner, keepers and term."""
    subject, body = acting.statement.subject, acting.act.body
    _check_own_region(acting)
    after = next_life(life_of(acting.own), Event.ISSUE)
    _check_maker(acting)
    if not body["keepers"]:
        raise MalformedError("a seal has a keeper", code="bad-field")
    approvers = body.get("approvers", [])
    if body["approval"] and not approvers:
        raise MalformedError("a seal that wants approval has an approver", code="bad-field")
    if body["valid_from"] >= body["valid_until"]:
        raise MalformedError("valid_until comes after valid_from", code="bad-field")
    row = {
        "live": True,
        "st": after.value,
        "owner": body["owner"],
        "keep": body["keepers"],
        "appr": approvers,
        "two": body["approval"],
        "from": body["valid_from"],
        "until": body["valid_until"],
        "cert": body["certificate"],
    }
    return Judgement((Change(subject, row),))


def suspend(acting: Acting) -> Judgement:
    """Judge ``seal.suspend``: a keeper who misses it may stop it too (挂失)."""
    return _move(acting, Event.SUSPEND, by_keeper=True)


def resume(acting: Acting) -> Judgement:
    """Judge ``seal.resume``."""
    return _move(acting, Event.RESUME, by_keeper=False)


def revoke(acting: Acting) -> Judgement:
    """Judge ``seal.revoke``: it has ended."""
    return _move(acting, Event.REVOKE, by_keeper=False)


def _move(acting: Acting, event: Event, *, by_keeper: bool) -> Judgement:
    own = acting.own
    after = next_life(life_of(own), event)
    assert own is not None  # the table has no way here from NEW
    if not (by_keeper and acting.statement.issuer in own.state["keep"]):
        _check_maker(acting)
    row = {**own.state, "live": after is Life.LIVE, "st": after.value}
    return Judgement((Change(own.object, row),))


def _check_maker(acting: Acting) -> None:
    if acting.signer is not None and MAKER not in acting.signer.state.get("roles", ()):
        raise RefusedError(f"{acting.signer.object} does not make seals", code="not-entitled")


def _check_own_region(acting: Acting) -> None:
    if acting.statement.subject[:6] != acting.region:
        raise RefusedError(
            f"{acting.statement.subject} is not region {acting.region}'s to give out",
            code="not-competent",
        )


# ---- the use of a seal --------------------------------------------------------------------------


def use_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    """Return the seal, to be cited as it stands."""
    return (Need("seal", draft.body["seal"], cite=True),)


def approve(acting: Acting) -> Judgement:
    """Judge ``seal.approve``: a second person allows one use for one document and one case."""
    after = next_use(_use_stage(acting.own), UseEvent.APPROVE)
    seal = _live_seal(acting)
    if acting.statement.issuer not in seal["appr"]:
        raise RefusedError(
            f"{acting.statement.issuer} approves no use of this seal", code="not-entitled"
        )
    return _recorded(acting, after)


def use(acting: Acting) -> Judgement:
    """Judge ``seal.use``: a keeper seals one document for one case."""
    own = acting.own
    after = next_use(_use_stage(own), UseEvent.USE)
    seal, body = _live_seal(acting), acting.act.body
    check_use(seal, None if own is None else own.state, body, keeper=acting.statement.issuer)
    return _recorded(acting, after)


def check_use(
    seal: Mapping[str, Any],
    approved: Mapping[str, Any] | None,
    body: Mapping[str, Any],
    *,
    keeper: str,
) -> None:
    """Check that a keeper may use a seal as ``body`` says, before the key signs and at the act.

    What was approved is the finished document, or the digest that the seal signs (``draft``): an
    approver reads a paper before it is sealed, and only sealing it makes the finished file.

    Args:
        seal: The seal's newest row.
        approved: The row of this use; None where nobody approved it.
        body: Of the act.
        keeper: Who seals.

    Raises:
        RefusedError: ``not-keeper`` or ``approval-missing``.
    """
    if keeper not in seal["keep"]:
        raise RefusedError(f"{keeper} is no keeper of this seal", code="not-keeper")
    if approved is None:
        if seal["two"]:
            raise RefusedError(
                "this seal wants a second person's approval", code="approval-missing"
            )
    elif (approved["seal"], approved["case"]) != (body["seal"], body["case"]) or approved[
        "doc"
    ] not in {body["document"], body.get("draft")}:
        raise RefusedError("another document or case was approved", code="approval-missing")
    elif approved["by"] == keeper:
        raise RefusedError("the approval is a second person's", code="approval-missing")


def check_live(name: str, seal: Mapping[str, Any], *, time_s: int) -> None:
    """Check that a seal may be used at a time, by its newest row.

    Raises:
        RefusedError: ``seal-not-live``.
    """
    if not seal["live"] or seal["st"] != Life.LIVE:
        raise RefusedError(f"the seal is {seal['st']}: {name}", code="seal-not-live")
    if not seal["from"] <= time_s < seal["until"]:
        raise RefusedError(f"the seal is out of its term: {name}", code="seal-not-live")


def _live_seal(acting: Acting) -> Mapping[str, Any]:
    _check_own_region(acting)
    name, fact = acting.act.body["seal"], acting.facts["seal"]
    if fact is None or "/seal/" not in name:
        raise RefusedError(f"no such seal is issued here: {name}", code="unknown-object")
    check_live(name, fact.state, time_s=acting.statement.time_s)
    return fact.state


def _recorded(acting: Acting, stage: UseStage) -> Judgement:
    body = acting.act.body
    row = {
        "st": stage.value,
        "seal": body["seal"],
        "doc": body["document"],
        "case": body["case"],
        "by": acting.statement.issuer,
    }
    change = Change(acting.statement.subject, row)
    return Judgement((change,), mentions=(body["case"],))
