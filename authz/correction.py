"""Corrections (更正): a mistake is mended by an act that says what was wrong; nothing is edited.

What was held to be so stays readable: each act that was corrected with its own words, and after it
what each correction put in their place, from when until when.

Source: protocol.md section 9.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from authz import party
from ledger.errors import RefusedError
from ledger.judge import CORRECTS, units_of
from ledger.kind import Acting, Change, Corrected, Judgement
from ledger.statement import Act, Statement, UnverifiedStatement

KIND: Final = "act.correct"

Place = tuple[str, int]
"""Origin and index of an entry."""


def correct(acting: Acting) -> Judgement:
    """Judge ``act.correct``: who made an act, or answers for them, says what was wrong with it.

    It cites the entry that it corrects, in this log, and changes nothing. That the entry cited has
    that leaf is checked as for every citation.
    """
    own = acting.own
    if own is None:
        raise RefusedError("nothing is recorded here to correct", code="unknown-object")
    act = acting.act
    cited = [citation for citation in act.citations if citation.role == CORRECTS]
    if [(one.origin, one.index) for one in cited] != [(acting.origin, act.body["index"])]:
        raise RefusedError("a correction cites the one entry it corrects", code="void-citation")
    if acting.corrected is None:
        raise RefusedError(
            f"entry {act.body['index']} is no act on {own.object} that stands", code="void-citation"
        )
    _check_author(acting, acting.corrected)
    # The same state in a new row: the next act on the object then follows this one.
    return Judgement((Change(own.object, own.state),))


def _check_author(acting: Acting, corrected: Corrected) -> None:
    """Check that an act is corrected by its author, by their manager, or by the region.

    A manager is one of the author's own unit, of its hall or of its department. What the region's
    key signed, the region corrects.

    Raises:
        RefusedError: ``not-entitled``.
    """
    if acting.by_region or acting.statement.issuer == corrected.issuer:
        return
    signer, author = party.person(acting), corrected.author
    if author is None or party.MANAGE not in signer.state["roles"]:
        raise RefusedError(
            f"{corrected.issuer} made the act, or a manager corrects it", code="not-entitled"
        )
    if signer.state["unit"] not in units_of(author):
        raise RefusedError(f"{signer.object} is no manager of {author.object}", code="not-entitled")


class Said(NamedTuple):
    """An act that stands, where, and the time by which it counts."""

    place: Place
    statement: Statement | UnverifiedStatement
    at_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What was held to be so of one act for a time.

    Args:
        of: The act that was corrected.
        at: The act that says so: itself at first, then the correction.
        kind: Of the act that was corrected.
        issuer: Who says so.
        from_s: When that began to count.
        until_s: When a correction took its place; None: it is what counts now.
        body: The fields of the act itself; those of the correction after it.
    """

    of: Place
    at: Place
    kind: str
    issuer: str
    from_s: int
    until_s: int | None
    body: Mapping[str, Any]


def corrected(act: Act) -> Place | None:
    """Return the place of the entry that an act corrects; None where it is no correction."""
    if act.kind != KIND:
        return None
    return next(((it.origin, it.index) for it in act.citations if it.role == CORRECTS), None)


def beliefs(told: Iterable[Said]) -> tuple[Belief, ...]:
    """Return what was held to be so of every act that was corrected, one after the other.

    A correction of a correction says more of the act that both are about. An act that is not among
    those given is left out, with its corrections.

    Args:
        told: Acts that stand, in the order of cause.
    """
    known: dict[Place, Said] = {}
    root: dict[Place, Place] = {}
    after: dict[Place, list[Said]] = {}
    for it in told:
        known[it.place] = it
        at = corrected(it.statement.act)
        if at in known:
            root[it.place] = root.get(at, at)
            after.setdefault(root[it.place], []).append(it)
    found = []
    for of in sorted(after):
        chain = [known[of], *after[of]]
        ends: list[int | None] = [it.at_s for it in chain[1:]]
        found += [
            Belief(
                of=of,
                at=it.place,
                kind=known[of].statement.act.kind,
                issuer=it.statement.issuer,
                from_s=it.at_s,
                until_s=until_s,
                body=it.statement.act.body,
            )
            for it, until_s in zip(chain, [*ends, None], strict=True)
        ]
    return tuple(found)
