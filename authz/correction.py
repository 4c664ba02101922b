"""Corrections (更正): a mistake is mended by an act that says what was wrong; nothing is edited.

Source: protocol.md section 9.
"""

from ledger.errors import RefusedError
from ledger.judge import CORRECTS
from ledger.kind import Acting, Change, Judgement


def correct(acting: Acting) -> Judgement:
    """Judge ``act.correct``: it cites the entry it corrects, in this log, and changes nothing.

    That the entry cited has that leaf is checked as for every citation.
    """
    own = acting.own
    if own is None:
        raise RefusedError("nothing is recorded here to correct", code="unknown-object")
    act = acting.act
    cited = [citation for citation in act.citations if citation.role == CORRECTS]
    if [(one.origin, one.index) for one in cited] != [(acting.origin, act.body["index"])]:
        raise RefusedError("a correction cites the one entry it corrects", code="void-citation")
    # The same state in a new row: the next act on the object then follows this one.
    return Judgement((Change(own.object, own.state),))
