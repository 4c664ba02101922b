"""One act against the table of kinds: the same few steps for every kind, then the kind's own rule.

The node's core and the offline judge of bundles both call this, so that both reach one verdict. The
entries of the log itself (``log.genesis``, ``log.block``, ``log.view``) are not judged here.

How it is used, for an act on subject S in the log of a region:

1. ``kind_of`` finds the row; ``own`` is the newest fact of S in this log below the act.
2. ``wants`` checks body and subject, and says which facts the rule will look at. Its needs name
   full origins; None is the citing log. One is ``signer`` unless the region's own key signed.
3. The caller resolves each need within sight of the act and puts them into an ``Acting``, with the
   rows of the signer's units (``seats_of``) and the act that is corrected (``corrected``).
4. ``judge`` does the rest.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final

from ledger.errors import ConflictError, MalformedError, NotFoundError, RefusedError
from ledger.kind import Acting, Corrected, Draft, Fact, Judgement, Kind, Kinds, Need, ViewFact
from ledger.lineage import ancestors, has_number_of
from ledger.roster import Roster
from ledger.roster_fields import Closing
from ledger.schema import check_body, check_subject
from ledger.statement import ROLE_VIEW, Act, Citation, Statement, UnverifiedStatement

SIGNER: Final = "signer"
CORRECTS: Final = "corrects"


def kind_of(kinds: Kinds, name: str, version: int) -> Kind:
    """Return the row of a kind.

    Raises:
        MalformedError: ``unknown-kind``, or ``unknown-version`` where another version is known.
    """
    kind = kinds.get((name, version))
    if kind is not None:
        return kind
    if any(known == name for known, _ in kinds):
        raise MalformedError(f"{name} has no version {version}", code="unknown-version")
    raise MalformedError(f"no kind of act is called {name[:80]!r}", code="unknown-kind")


def wants(
    kind: Kind, draft: Draft, own: Fact | None, region: str, roster: Roster
) -> tuple[Need, ...]:
    """Check body and subject of a draft, and return the facts that its rule will look at.

    A kind's row names the log of a foreign fact by its region, six digits; here it becomes the
    origin of that region's log, or None for the citing log's own region.

    ``own`` is the newest row of the subject in the citing log, None where there is none; ``region``
    is the one whose log the act is for.

    Raises:
        MalformedError: A field is not of the form, or names a citizen.
        RefusedError: ``unknown-object``: a log is wanted of a region that is no member.
    """
    check_subject(kind, draft.subject)
    check_body(kind, draft.body)
    needs = [] if draft.issuer == region else [_signer(draft.issuer)]
    for need in kind.needs(draft, own):
        if need.origin is None:
            needs.append(need)
        elif need.origin == region:
            needs.append(_in_citing_log(need))
        else:
            try:
                origin = roster.origin_of(need.origin)
            except NotFoundError as error:
                raise RefusedError(
                    f"no such region in the network: {need.origin}", code="unknown-object"
                ) from error
            needs.append(Need(need.name, need.object, origin, need.cite))
    return tuple(needs)


# The same few officers sign, and what they act under and for stays the same.


@lru_cache(maxsize=1_024)
def _signer(issuer: str) -> Need:
    return Need(SIGNER, issuer)


@lru_cache(maxsize=4_096)
def _in_citing_log(need: Need) -> Need:
    return need._replace(origin=None)


def units_of(row: Fact) -> tuple[str, ...]:
    """Return the unit that an officer sits in, its hall and its department; of a window, these."""
    named = row.state.get
    return _distinct(named("unit"), named("hall"), named("dept"))


# The same few officers sign nearly all acts of a log.
@lru_cache(maxsize=4_096)
def _distinct(*names: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys([it for it in names if it is not None]))


def seats_of(signer: Fact | None, newest: Callable[[str], Fact | None]) -> tuple[Fact, ...]:
    """Return the rows of an officer's units.

    ``newest`` finds the newest row of an object in the officer's log. A log in which an officer is
    enrolled has their units' rows.
    """
    seats: list[Fact] = []
    if signer is not None:
        for name in units_of(signer):
            seat = newest(name)
            if seat is not None:
                seats.append(seat)
    return tuple(seats)


def corrected(
    act: Act,
    subject: str,
    origin: str,
    *,
    below: Callable[[int], Fact | None],
    made_at: Callable[[int], Statement | UnverifiedStatement | None],
    newest: Callable[[str], Fact | None],
) -> Corrected | None:
    """Return who made the act that another corrects, if that stands on the same subject.

    An entry that is void has left its subject no row, so whatever it holds is never read.

    Args:
        act: The correction.
        subject: What it is about.
        origin: Of the log that both stand in.
        below: Finds the newest row of the subject with a smaller index.
        made_at: Returns the statement that stands at an index of the log.
        newest: Finds the newest row of an object in the log.
    """
    at = next(
        (it.index for it in act.citations if (it.role, it.origin) == (CORRECTS, origin)), None
    )
    if at is None:
        return None
    row = below(at + 1)
    if row is None or (row.origin, row.index) != (origin, at):
        return None
    made = made_at(at)
    if made is None or made.subject != subject:
        return None
    return Corrected(made.issuer, newest(made.issuer))


def check_citations(  # noqa: PLR0917 - in the order of an Acting
    act: Act,
    index: int,
    origin: str,
    needs: tuple[Need, ...],
    facts: Mapping[str, Fact | None],
    views: Mapping[str, ViewFact],
    closed: Mapping[str, Closing],
) -> None:
    """Check that the act cites what its rule relies on, and nothing that no view covers.

    1. A citation of the citing log is of an earlier entry, one of a log that it goes on from is
       below the cut; one of another log is below the size of the view that the act cites for it, or
       below its cut where the view is of a log that goes on from it. Whether the leaf there has
       that hash, the caller checks for citations that are no row of ``facts``; here it is checked
       for those that are.
    2. Nothing is cited in a role that nothing here rests on: what an act cites, its evidence must
       hold, and an act on a case could else make every bundle of the case fail.
    3. Each need in another log has a view of it.
    4. Each need to be cited, whose fact is within sight, is cited exactly once in its role, with
       the place and the leaf of that very row. A missing fact is the rule's to refuse.

    The act stands, or is to stand, at ``index`` of the log ``origin``. ``views`` are those that it
    cites; the caller has checked each of them.

    Raises:
        RefusedError: ``void-citation``.
    """
    cited: dict[str, list[Citation]] = {ROLE_VIEW: [], CORRECTS: []}
    for name, _, _, is_cited in needs:
        if is_cited:
            cited[name] = []
    for citation in act.citations:  # (1)
        role, where, at, _ = citation
        if role not in cited:  # (2)
            raise void_citation(f"nothing here rests on a citation as {role}")
        cited[role].append(citation)
        # A view is an entry of the citing log; its citation names the log that it is a view of.
        if where == origin or role == ROLE_VIEW:
            if at >= index:
                raise void_citation(f"{role} is not below the act: {at}")
        elif at >= within_sight(where, origin, views, closed):
            raise void_citation(f"no view covers {role}: {where} {at}")
    for name, _, foreign, is_cited in needs:
        if foreign is not None and foreign not in views:  # (3)
            raise void_citation(f"no view is cited of the log that {name} stands in: {foreign}")
        if not is_cited:
            continue
        found, fact = cited[name], facts.get(name)
        if fact is None:
            if found:
                raise void_citation(f"{name} cites what is not within sight")
            continue
        if len(found) != 1:  # (4)
            raise void_citation(f"{name} is to be cited once: {fact.origin} {fact.index}")
        if found[0][1:] != (fact.origin, fact.index, fact.leaf):
            raise void_citation(f"{name} does not cite the newest row: {fact.origin} {fact.index}")


def within_sight(
    cited: str, origin: str, views: Mapping[str, ViewFact], closed: Mapping[str, Closing]
) -> int:
    """Return how much of another log an act in the log ``origin`` may cite.

    What stood below the cut of a closed log is seen through any view of one that goes on from it.
    """
    size = 0
    view = views.get(cited)
    if view is not None:
        size = view.size
    closing = closed.get(cited)
    if closing is not None and any(
        old == cited for heir in (origin, *views) for old, _ in ancestors(closed, heir)
    ):
        size = max(size, closing.size)
    return size


def judge(kind: Kind, acting: Acting, needs: tuple[Need, ...] | None = None) -> Judgement:
    """Judge one act and return what it changes.

    1. Body and subject are of the form (``wants`` does that).
    2. The signer is of this region: the region itself where the kind lets it, else an officer who
       is enrolled here and live, in a unit that is in service where the act begins anything.
    3. ``previous`` is the last act on the subject in this log.
    4. Citations.
    5. A successor log gives out numbers of its own; a salvaged act keeps the one that it has.
    6. The kind's own rule.

    ``needs`` is what ``wants`` returned for this very act, where the caller still has it.

    Raises:
        MalformedError: (1).
        ConflictError: ``wrong-previous``.
        RefusedError: ``not-entitled``, ``officer-not-live``, ``unit-stopped``, ``void-citation``,
            ``wrong-number``, or the rule's.
    """
    statement = acting.statement
    act = statement.act
    if needs is None:  # (1)
        needs = wants(kind, acting.draft, acting.own, acting.region, acting.roster)
    issuer = statement.issuer
    if issuer == acting.region:  # (2)
        if not kind.by_region:
            raise RefusedError(
                f"{kind.name} is a person's act, not the region's", code="not-entitled"
            )
        assert acting.signer is None
    else:
        signer = acting.signer
        if issuer[:6] != acting.region:
            raise RefusedError(f"{issuer} is not of region {acting.region}", code="not-entitled")
        if signer is None or "/officer/" not in issuer or not signer.live:
            raise RefusedError(f"no live officer here: {issuer}", code="officer-not-live")
        if not kind.while_stopped:
            check_in_service(acting.seats)
    own = acting.own
    if act.previous != (None if own is None else own.leaf):  # (3)
        raise ConflictError(acting.index, code="wrong-previous")
    closed = acting.roster.closed
    check_citations(act, acting.index, acting.origin, needs, acting.facts, acting.views, closed)
    is_new = own is None and not acting.is_salvaged
    if closed and is_new and not has_number_of(acting.origin, statement.subject):  # (5)
        raise RefusedError(
            f"numbers that {acting.origin} gives out begin with its own, not {statement.subject}",
            code="wrong-number",
        )
    return kind.rule(acting)  # (6)


def check_in_service(seats: Iterable[Fact]) -> None:
    """Check that units are in service: those that an officer acts in, as ``seats_of`` says.

    Raises:
        RefusedError: ``unit-stopped``.
    """
    for seat in seats:
        if not seat.live:
            raise RefusedError(f"{seat.object} is suspended or retired", code="unit-stopped")


def check_own_region(acting: Acting) -> None:
    """Check that the subject was numbered by the region whose log this is.

    Raises:
        RefusedError: ``not-competent``.
    """
    if acting.statement.subject[:6] != acting.region:
        raise RefusedError(
            f"{acting.statement.subject} is not region {acting.region}'s to give out",
            code="not-competent",
        )


def void_citation(message: str) -> RefusedError:
    """Return the refusal of an act whose citations do not hold."""
    return RefusedError(message, code="void-citation")
