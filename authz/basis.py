"""Policy bases: the document a grant rests on, and how long it is in force.

Row: ``{live, from, until}``.

Source: domain.md rule 2 and mechanism 77.
"""

from authz import party
from ledger import judge
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Judgement


def publish(acting: Acting) -> Judgement:
    """Judge ``basis.publish``: a policy document takes its place on the ledger, with its term."""
    judge.check_own_region(acting)
    if acting.own is not None:
        raise RefusedError("the basis is published already", code="exists")
    if acting.signer is not None:
        party.check_role(acting.signer, party.GRANT, party.MANAGE)
    body = acting.act.body
    if body["valid_from"] >= body["valid_until"]:
        raise MalformedError("valid_until comes after valid_from", code="bad-field")
    row = {"live": True, "from": body["valid_from"], "until": body["valid_until"]}
    return Judgement((Change(acting.statement.subject, row),))
