"""Lending a seal's use to a window: under a grant, for a time, for so many uses.

The seal stays where it is, and its key with it. What is lent is the right to have it used: an
officer of the window seals under the loan as a keeper would, and each use is counted on it. A loan
is as good as its grant: one that ended, or is out of its term, lends nothing.

Row of a loan, ``<region>/seal-loan/<number>``: ``{live, st, seal, to, grant, from, until, max}``.

Source: domain.md rules 1 to 3 and 10; mechanism 53.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from ledger import judge
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Judgement, Need
from seals.life import check_live, quota_object


class Loan(StrEnum):
    """Where a loan stands."""

    NEW = "new"
    LENT = "lent"
    RECALLED = "recalled"


class Event(StrEnum):
    """What happens to a loan; the value is the act's kind."""

    LEND = "seal.lend"
    RECALL = "seal.recall"


# The whole life of a loan. It also ends by the clock, by its count, with its grant and its seal.
TRANSITIONS: Final[Mapping[tuple[Loan, Event], Loan]] = {
    (Loan.NEW, Event.LEND): Loan.LENT,
    (Loan.LENT, Event.RECALL): Loan.RECALLED,
}


def next_loan(loan: Loan, event: Event) -> Loan:
    """Return where ``event`` takes a loan.

    Raises:
        RefusedError: ``exists``, ``unknown-object`` or ``wrong-state``.
    """
    after = TRANSITIONS.get((loan, event))
    if after is not None:
        return after
    if event is Event.LEND:
        raise RefusedError("a loan of this number exists", code="exists")
    if loan is Loan.NEW:
        raise RefusedError("no such loan was made here", code="unknown-object")
    raise RefusedError(f"the loan is {loan.value}", code="wrong-state")


def _loan_of(own: Fact | None) -> Loan:
    return Loan.NEW if own is None else Loan(own.state["st"])


def lend_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    """Return the seal and the grant, both of this region, to be cited as they stand."""
    return (
        Need("seal", draft.body["seal"], cite=True),
        Need("grant", draft.body["grant"], cite=True),
    )


def lend(acting: Acting) -> Judgement:
    """Judge ``seal.lend``: who answers for the seal's use lends it to the grant's window."""
    judge.check_own_region(acting)
    after = next_loan(_loan_of(acting.own), Event.LEND)
    body, seal = acting.act.body, acting.facts["seal"]
    if seal is None:
        raise RefusedError(f"no such seal is issued here: {body['seal']}", code="unknown-object")
    check_live(seal.object, seal.state, time_s=acting.statement.time_s)
    _check_answers(acting, seal.state)
    if body["valid_from"] >= body["valid_until"]:
        raise MalformedError("valid_until comes after valid_from", code="bad-field")
    if body["uses_max"] < 1:
        raise MalformedError("a loan is for one use at least", code="bad-field")
    _check_grant(acting.facts["grant"], window=body["window"], time_s=acting.statement.time_s)
    row = {
        "live": True,
        "st": after.value,
        "seal": seal.object,
        "to": body["window"],
        "grant": body["grant"],
        "from": body["valid_from"],
        "until": body["valid_until"],
        "max": body["uses_max"],
    }
    return Judgement((Change(acting.statement.subject, row),))


def recall_needs(_draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return the seal that was lent."""
    return () if own is None else (Need("seal", own.state["seal"]),)


def recall(acting: Acting) -> Judgement:
    """Judge ``seal.recall``: no use under the loan from now on."""
    own = acting.own
    after = next_loan(_loan_of(own), Event.RECALL)
    assert own is not None  # the table has no way here from NEW
    seal = acting.facts["seal"]
    assert seal is not None  # it was there when it was lent, and rows are never taken away
    _check_answers(acting, seal.state)
    return Judgement((Change(own.object, {**own.state, "live": False, "st": after.value}),))


def use_needs(body: Mapping[str, Any]) -> tuple[Need, ...]:
    """Return what a use under a loan rests on; nothing where it names none.

    Raises:
        MalformedError: ``bad-field``: it names no grant.
    """
    if "loan" not in body:
        return ()
    if "grant" not in body:
        raise MalformedError("a use under a loan names its grant", code="bad-field")
    return (
        Need("loan", body["loan"], cite=True),
        Need("grant", body["grant"], cite=True),
        Need("loan-count", quota_object(body["loan"])),
    )


def check_loan(
    loan: Fact | None, grant: Fact | None, body: Mapping[str, Any], *, time_s: int
) -> Fact:
    """Check that a seal may be used under a loan, and return the loan's row.

    Raises:
        RefusedError: ``unknown-object``, ``loan-not-live``, or the grant's reason.
    """
    if loan is None:
        raise RefusedError(f"no such loan was made here: {body['loan']}", code="unknown-object")
    row = loan.state
    if not loan.live or (row["seal"], row["grant"]) != (body["seal"], body["grant"]):
        raise RefusedError(
            f"the loan is {row['st']}, or of another seal or grant: {loan.object}",
            code="loan-not-live",
        )
    if not row["from"] <= time_s < row["until"]:
        raise RefusedError(f"the loan is out of its term: {loan.object}", code="loan-not-live")
    _check_grant(grant, window=row["to"], time_s=time_s)
    return loan


def _check_grant(grant: Fact | None, *, window: str, time_s: int) -> None:
    # In the granting region's own log, a grant's row says to whom and for how long it is.
    if grant is None or "until" not in grant.state:
        raise RefusedError("no such grant was made here", code="no-grant")
    state = grant.state
    if not grant.live or not state["from"] <= time_s < state["until"]:
        raise RefusedError(
            f"the grant {grant.object} has ended, or is out of its term", code="grant-not-live"
        )
    if state["to"] != window:
        raise RefusedError(
            f"the grant {grant.object} is for {state['to']}", code="window-not-granted"
        )


def _check_answers(acting: Acting, seal: Mapping[str, Any]) -> None:
    """Check that an approver lends, or a keeper where the seal wants no second person."""
    answering = seal["appr"] if seal["two"] else seal["keep"]
    if not acting.by_region and acting.statement.issuer not in answering:
        raise RefusedError(
            f"{acting.statement.issuer} does not answer for this seal's use", code="not-entitled"
        )
