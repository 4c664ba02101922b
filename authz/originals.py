"""Papers whose originals were seen: a check is trusted, and made again for a reason (信任为先).

The row of a case has them as ``seen``. A paper that comes in anew is not seen yet. Each check is an
object of its own, too, ``<region>/check/<32 hex digits of its leaf hash>``; its row ``{case, by}``
never changes, so that whoever challenges it cites the very act.

Source: domain.md mechanisms 7 and 22.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from authz import party
from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Draft, Flag, Need

Row = Mapping[str, Any]

_CHALLENGE: Final = "challenge"


def needs(draft: Draft) -> tuple[Need, ...]:
    """Return the challenge that an act names as the reason for checking again."""
    named = draft.body.get(_CHALLENGE)
    return () if named is None else (Need(_CHALLENGE, named),)


def checked(acting: Acting, row: Row) -> tuple[Row, tuple[Flag, ...]]:
    """Return the case's row after a check, and a flag where one is made again without a challenge.

    Raises:
        RefusedError: ``unknown-object``: no such challenge by this unit on this case.
    """
    body, seen = acting.act.body, row.get("seen", [])
    again = [it for it in body["documents"] if it in seen]
    flags: tuple[Flag, ...] = ()
    if _CHALLENGE in body:
        _check_challenged(acting)
    elif again:
        flags = (Flag(code="checked-again", detail=f"it was checked before: {again[0]}"),)
    if body["result"] == "match":
        return _with(row, {*seen, *body["documents"]}), flags
    return row, flags


def check_object(region: str, leaf: bytes) -> str:
    """Return the name of the object that is one check of originals, by the leaf of its act."""
    return f"{region}/check/{leaf.hex()[:32]}"


def check_made(acting: Acting) -> Change:
    """Return what says that this act is a check, of which case and by which unit."""
    made = {"case": acting.statement.subject, "by": party.person(acting).state["unit"]}
    return Change(check_object(acting.region, acting.statement.leaf), made)


def received(row: Row, papers: Iterable[str]) -> Row:
    """Return the case's row after papers have come in anew."""
    return _with(row, set(row.get("seen", ())).difference(papers))


def _check_challenged(acting: Acting) -> None:
    """Check that the unit which checks again has said why, in a challenge on this case."""
    challenge, unit = acting.facts[_CHALLENGE], party.person(acting).state["unit"]
    of = None if challenge is None else (challenge.state.get("case"), challenge.state.get("by"))
    if of != (acting.statement.subject, unit):
        raise RefusedError(
            f"no such challenge of this unit on the case: {acting.act.body[_CHALLENGE]}",
            code="unknown-object",
        )


def _with(row: Row, seen: set[str]) -> Row:
    left = {name: value for name, value in row.items() if name != "seen"}
    return left | ({"seen": sorted(seen)} if seen else {})
