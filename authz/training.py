"""Trainings of an officer: what an item may ask for, attested and ended on the officer's own row.

Source: domain.md rule 11 and mechanism 69.
"""

from authz import party
from ledger import judge
from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Fact, Judgement


def attest(acting: Acting) -> Judgement:
    """Judge ``training.attest``: the officer may do from here on what asks for this course."""
    own, course = _officer(acting), acting.act.body["course"]
    held = own.state.get("training", [])
    if course in held:
        raise RefusedError(f"{own.object} has the training already: {course}", code="exists")
    return Judgement((Change(own.object, {**own.state, "training": sorted([*held, course])}),))


def lapse(acting: Acting) -> Judgement:
    """Judge ``training.lapse``: the course does not count any more."""
    own, course = _officer(acting), acting.act.body["course"]
    held = own.state.get("training", [])
    if course not in held:
        raise RefusedError(f"{own.object} has no such training: {course}", code="wrong-state")
    left = [it for it in held if it != course]
    return Judgement((Change(own.object, {**own.state, "training": left}),))


def _officer(acting: Acting) -> Fact:
    judge.check_own_region(acting)
    own = acting.own
    if own is None or own.state.get("ended"):
        raise RefusedError("no such officer is in service here", code="officer-not-live")
    if acting.signer is not None:
        party.check_role(acting.signer, party.MANAGE)
        if acting.signer.object == own.object:
            raise RefusedError("nobody attests their own training", code="not-entitled")
    return own
