"""The use of a seal: asked for, approved or refused, and done once.

A seal is used for one document and one case at a time. Each use is an object of its own,
``<region>/seal-use/<number>``, so that uses do not wait for one another and each can be found from
its case: where the seal asks for a second person, the approval is an act on it before the use.
Only where a seal or a loan has a limit are its uses counted, in a row that each of them moves.

Row: ``{st, seal, doc, case, by}``, and ``ask``, who asked for it.

Source: domain.md rule 10; mechanism 53.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from ledger import judge
from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Judgement, Need
from seals import lending
from seals.life import check_live, check_quota, quota_object


class UseStage(StrEnum):
    """How far one use of a seal has come."""

    NEW = "new"
    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    USED = "used"


class UseEvent(StrEnum):
    """What happens to one use of a seal; the value is the act's kind."""

    ASK = "seal.ask"
    APPROVE = "seal.approve"
    REFUSE = "seal.refuse"
    USE = "seal.use"


# A seal that wants no second person goes to USED at once; one that does, through APPROVED.
USE_TRANSITIONS: Final[Mapping[tuple[UseStage, UseEvent], UseStage]] = {
    (UseStage.NEW, UseEvent.ASK): UseStage.ASKED,
    (UseStage.NEW, UseEvent.APPROVE): UseStage.APPROVED,
    (UseStage.NEW, UseEvent.REFUSE): UseStage.REFUSED,
    (UseStage.NEW, UseEvent.USE): UseStage.USED,
    (UseStage.ASKED, UseEvent.APPROVE): UseStage.APPROVED,
    (UseStage.ASKED, UseEvent.REFUSE): UseStage.REFUSED,
    (UseStage.ASKED, UseEvent.USE): UseStage.USED,
    (UseStage.APPROVED, UseEvent.REFUSE): UseStage.REFUSED,
    (UseStage.APPROVED, UseEvent.USE): UseStage.USED,
}


def next_use(stage: UseStage, event: UseEvent) -> UseStage:
    """Return how far ``event`` takes one use of a seal.

    Raises:
        RefusedError: ``exists``: a number is for one use. ``use-refused``: it was refused.
    """
    after = USE_TRANSITIONS.get((stage, event))
    if after is not None:
        return after
    if stage is UseStage.REFUSED and event is UseEvent.USE:
        raise RefusedError("this use was refused", code="use-refused")
    raise RefusedError(f"this use is {stage.value} already", code="exists")


def use_stage(own: Fact | None) -> UseStage:
    """Return how far a use has come by its newest row."""
    return UseStage.NEW if own is None else UseStage(own.state["st"])


def ask_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    """Return the seal, to be cited as it stands."""
    return (Need("seal", draft.body["seal"], cite=True),)


def use_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    """Return what one use of a seal rests on."""
    return needs_of(draft.body)


def needs_of(body: Mapping[str, Any]) -> tuple[Need, ...]:
    """Return the seal and its count, and the loan and grant where it is used under one."""
    seal: str = body["seal"]
    return (
        Need("seal", seal, cite=True),
        Need("seal-count", quota_object(seal)),
        *lending.use_needs(body),
    )


def ask(acting: Acting) -> Judgement:
    """Judge ``seal.ask``: somebody of the region asks that a document be sealed for a case."""
    after = next_use(use_stage(acting.own), UseEvent.ASK)
    _live_seal(acting)
    return _recorded(acting, after, asked_by=acting.statement.issuer)


def approve(acting: Acting) -> Judgement:
    """Judge ``seal.approve``: a second person allows one use for one document and one case."""
    after = next_use(use_stage(acting.own), UseEvent.APPROVE)
    seal = _live_seal(acting).state
    if acting.statement.issuer not in seal["appr"]:
        raise RefusedError(
            f"{acting.statement.issuer} approves no use of this seal", code="not-entitled"
        )
    _check_same(acting)
    if acting.own is not None and acting.own.state.get("ask") == acting.statement.issuer:
        raise RefusedError("the approval is a second person's", code="second-person")
    return _recorded(acting, after)


def refuse(acting: Acting) -> Judgement:
    """Judge ``seal.refuse``: an approver, or a keeper, will not have this document sealed."""
    after = next_use(use_stage(acting.own), UseEvent.REFUSE)
    seal = _own_seal(acting).state
    if acting.statement.issuer not in {*seal["appr"], *seal["keep"]}:
        raise RefusedError(
            f"{acting.statement.issuer} neither keeps this seal nor approves its use",
            code="not-entitled",
        )
    _check_same(acting)
    return _recorded(acting, after)


def use(acting: Acting) -> Judgement:
    """Judge ``seal.use``: a keeper, or the window it is lent to, seals one document for a case."""
    own, body = acting.own, acting.act.body
    after = next_use(use_stage(own), UseEvent.USE)
    _live_seal(acting)
    changes = check_use(
        own,
        body,
        officer=acting.signer,
        facts=acting.facts,
        time_s=acting.statement.time_s,
    )
    made = _recorded(acting, after)
    return Judgement((*made.changes, *changes), mentions=made.mentions)


def check_use(
    before: Fact | None,
    body: Mapping[str, Any],
    *,
    officer: Fact | None,
    facts: Mapping[str, Fact | None],
    time_s: int,
) -> tuple[Change, ...]:
    """Check that somebody may use a seal as ``body`` says, and return what the use is counted on.

    It is asked before the key signs, and again at the act.

    What was approved is the finished document, or the digest that the seal signs (``draft``): an
    approver reads a paper before it is sealed, and only sealing it makes the finished file.

    Args:
        before: The row of this use; None where nobody asked for it or approved it.
        body: Of the act.
        officer: Who seals.
        facts: What ``needs_of`` asks for, by name.
        time_s: When it is used.

    Raises:
        RefusedError: ``not-keeper``, ``approval-missing``, ``use-differs``, ``use-refused``,
            ``quota-spent``, or a reason why the loan is not good.
    """
    seal = facts["seal"]
    assert seal is not None  # whoever asks has looked whether it is live
    by = "" if officer is None else officer.object
    changes: list[Change] = []
    if "loan" in body:
        lent = lending.check_loan(facts["loan"], facts["grant"], body, time_s=time_s)
        unit = None if officer is None else officer.state.get("unit")
        if by not in seal.state["keep"] and unit != lent.state["to"]:
            raise RefusedError(f"the seal is not lent to {by}", code="not-keeper")
        changes.append(check_quota(lent.state, facts["loan-count"], lent.object))
    elif by not in seal.state["keep"]:
        raise RefusedError(f"{by} is no keeper of this seal", code="not-keeper")
    _check_approval(seal.state, None if before is None else before.state, body, keeper=by)
    if "max" in seal.state:
        changes.append(check_quota(seal.state, facts["seal-count"], seal.object))
    return tuple(changes)


def _check_approval(
    seal: Mapping[str, Any],
    before: Mapping[str, Any] | None,
    body: Mapping[str, Any],
    *,
    keeper: str,
) -> None:
    stage = UseStage.NEW if before is None else UseStage(before["st"])
    if stage is UseStage.REFUSED:
        raise RefusedError("this use was refused", code="use-refused")
    if seal["two"] and stage is not UseStage.APPROVED:
        raise RefusedError("this seal wants a second person's approval", code="approval-missing")
    if before is None:
        return
    if not _is_same(before, body):
        code = "approval-missing" if stage is UseStage.APPROVED else "use-differs"
        raise RefusedError(f"another document or case was {stage.value}", code=code)
    if stage is UseStage.APPROVED and before["by"] == keeper:
        raise RefusedError("the approval is a second person's", code="approval-missing")


def _is_same(before: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    return (before["seal"], before["case"]) == (body["seal"], body["case"]) and before["doc"] in {
        body["document"],
        body.get("draft"),
    }


def _check_same(acting: Acting) -> None:
    if acting.own is not None and not _is_same(acting.own.state, acting.act.body):
        raise RefusedError("another document or case was asked for", code="use-differs")


def _own_seal(acting: Acting) -> Fact:
    judge.check_own_region(acting)
    name, fact = acting.act.body["seal"], acting.facts["seal"]
    if fact is None or "/seal/" not in name:
        raise RefusedError(f"no such seal is issued here: {name}", code="unknown-object")
    return fact


def _live_seal(acting: Acting) -> Fact:
    fact = _own_seal(acting)
    check_live(fact.object, fact.state, time_s=acting.statement.time_s)
    return fact


def _recorded(acting: Acting, stage: UseStage, *, asked_by: str = "") -> Judgement:
    body, own = acting.act.body, acting.own
    row = {
        "st": stage.value,
        "seal": body["seal"],
        "doc": body["document"],
        "case": body["case"],
        "by": acting.statement.issuer,
    }
    asked = asked_by or ("" if own is None else own.state.get("ask", ""))
    if asked:
        row["ask"] = asked
    change = Change(acting.statement.subject, row)
    return Judgement((change,), mentions=(body["case"],))
