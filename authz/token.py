"""Callers' tokens: that one was given, to whom and in what role, and that it was ended.

The token itself is never on the ledger, nor its hash. Row: ``{live, holder, role, expires}``.

Source: domain.md mechanism 6 (授权账号): who really acted, and was the account in force then.
"""

from ledger import judge
from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Judgement


def issue(acting: Acting) -> Judgement:
    """Judge ``token.issue``: the region lets a party's systems act or read until a time."""
    _check_region(acting)
    if acting.own is not None:
        raise RefusedError("the token was given before", code="exists")
    body = acting.act.body
    row = {
        "live": True,
        "holder": body["holder"],
        "role": body["role"],
        "expires": body["expires"],
    }
    return Judgement((Change(acting.statement.subject, row),))


def revoke(acting: Acting) -> Judgement:
    """Judge ``token.revoke``: from here on the token is good for nothing."""
    _check_region(acting)
    if acting.own is None:
        raise RefusedError("no such token was given", code="unknown-object")
    if not acting.own.live:
        raise RefusedError("the token has ended already", code="wrong-state")
    return Judgement((Change(acting.statement.subject, {**acting.own.state, "live": False}),))


def _check_region(acting: Acting) -> None:
    """Check that the region itself says so, of a token of its own."""
    judge.check_own_region(acting)
    if not acting.by_region:
        raise RefusedError("only the region gives and ends tokens", code="not-entitled")
