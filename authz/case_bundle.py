"""The bundle of a case: which entries it must hold, and judging it again with nothing else.

Offline the acts go through the very rules that the nodes use, over facts made from the entries in
the bundle. What a bundle leaves out it cannot show: a gap in the acts on one object is found by
their ``previous`` links, but an end that came after the last act in the bundle is not.

Source: docs/formats/own.md section 6.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, Protocol

from authz.case import Event
from authz.custody import Event as Custody
from authz.replay import AnyStatement, Place, Replay
from authz.trace import Trace, trace
from ledger import judge
from ledger.bundle import VerifiedBundle
from ledger.continuing import CONTINUES_KIND
from ledger.errors import LedgerError
from ledger.kind import FieldType, Kinds
from ledger.names import number_of_origin, region_of_origin
from ledger.receipt import place_of_receipt
from ledger.salvage import SALVAGE_KIND, as_judged, decode_salvage
from ledger.statement import ROLE_VIEW
from ledger.suites import CheckSM2, no_sm2

_NAMES: Final = frozenset({FieldType.PARTY, FieldType.OBJECT, FieldType.PARTIES, FieldType.CODES})
"""Types of fields that may name parties or objects; a list of codes names items and scenarios."""


class Reader(Protocol):
    """What ``wanted`` asks of whoever holds the logs."""

    def trail(self, name: str) -> Iterable[Place]:
        """Return the places of all entries, in every log held, that changed an object."""

    def mentions(self, name: str) -> Iterable[Place]:
        """Return the places of all entries, in every log held, that only mention an object."""

    def statement(self, place: Place) -> AnyStatement | None:
        """Return an entry as a statement; None where it is not held."""


def wanted(case: str, reader: Reader, kinds: Kinds, also: Iterable[Place] = ()) -> list[Place]:
    """Return the places of all entries that a bundle of a case must hold, in order.

    They are the acts on the case and the mentions of it that count, and from there on whatever an
    act cites (views among it), the life of its issuer, and the lives of the parties and objects
    that its fields name; and the first entry of every log involved. ``also`` is wanted besides,
    with all that hangs on it: calendar years, and the entries that prove when acts were done.
    """
    found: set[Place] = set()
    names = {case}
    trail = list(reader.trail(case))
    acts = [
        (place, as_judged(made)) for place in trail if (made := reader.statement(place)) is not None
    ]
    fresh = [*trail, *counted(case, acts, reader.mentions(case)), *also]
    while fresh:
        place = fresh.pop()
        if place in found:
            continue
        made = reader.statement(place)
        if made is None:
            continue
        found.add(place)
        fresh += _cited(place, made)
        for name in _named(as_judged(made), kinds):
            if name in names:
                continue
            names.add(name)
            # Other cases are not this one's business, and a busy seal has many entries that only
            # mention it: of these the life alone is wanted. What was published or attested of a
            # window, and to what an officer was appointed, stands in their own rows.
            of_type = name.split("/")[1]
            if of_type in _WHOLE:
                fresh += reader.trail(name)
            elif of_type != "case":
                fresh += [it for it in reader.trail(name) if _is_about(reader, it, name)]
    first = {Place(origin, 0) for origin in {place.origin for place in found}}
    return sorted(found | {place for place in first if reader.statement(place) is not None})


def counted(
    case: str, acts: Iterable[tuple[Place, AnyStatement]], mentions: Iterable[Place]
) -> list[Place]:
    """Return the mentions of a case that belong to its trail.

    Anyone may write a case's name into an act about something else, as often as they like; else a
    region that has no part in a case could bury it. So a mention counts where it stands in the log
    of the region whose item it is, or of one that at that place of its log held the case or had
    accepted it.

    Args:
        case: Its name.
        acts: The acts on it that stand.
        mentions: Entries that mention it, of which not one need be read.
    """
    owner = ""
    held: dict[str, list[tuple[tuple[str, int, int], bool]]] = {}
    offered_to: dict[str, str] = {}
    for place, made in sorted(acts, key=lambda act: _at(act[0])):
        if made.subject != case:
            continue
        region, kind, body = region_of_origin(place.origin), made.act.kind, made.act.body
        if kind == Event.OPEN:
            owner = body["item"][:6]
        elif kind == Custody.OFFER:
            offered_to[region] = body["unit"][:6]
        holds = True
        if kind == Custody.RELEASE:
            holds = offered_to.get(region) == region
        elif kind == Custody.DECLINE:
            holds = body["holder"] == region
        held.setdefault(region, []).append((_at(place), holds))
    found: list[Place] = []
    for place in mentions:
        if region_of_origin(place.origin) == owner:
            found.append(place)
            continue
        stages = held.get(region_of_origin(place.origin), [])
        before = bisect_left(stages, (_at(place), False))
        if before and stages[before - 1][1]:
            found.append(place)
    return found


def _at(place: Place) -> tuple[str, int, int]:
    """Return what puts the places of one region in order: its logs go on from one another."""
    return region_of_origin(place.origin), number_of_origin(place.origin), place.index


_WHOLE: Final = frozenset({"officer", "window"})
"""Types of parties of which every entry is wanted that changed their row."""


def _is_about(reader: Reader, place: Place, name: str) -> bool:
    made = reader.statement(place)
    return made is not None and made.subject == name


def _cited(place: Place, made: AnyStatement) -> Iterator[Place]:
    for citation in made.act.citations:
        if citation.role == judge.CORRECTS:
            continue  # no verdict rests on it, and it may be of bytes that are no statement
        # A view stands in the citing log; its citation names the log that it is a view of.
        origin = place.origin if citation.role == ROLE_VIEW else citation.origin
        yield Place(origin, citation.index)


def _named(made: AnyStatement, kinds: Kinds) -> Iterator[str]:
    """Return the parties and objects that an act names, regions left out."""
    kind = kinds.get((made.act.kind, made.act.version))
    values: list[object] = [made.issuer, made.subject]
    for name, field in {} if kind is None else kind.fields.items():
        if field.type in _NAMES and name in made.act.body:
            value = made.act.body[name]
            values += value if isinstance(value, list) else [value]
    for value in values:
        if isinstance(value, str) and value.count("/") == 2 and value[:6].isdigit():
            yield value


def judge_bundle(verified: VerifiedBundle, kinds: Kinds, sm2: CheckSM2 = no_sm2) -> Trace:
    """Judge the acts of a verified bundle again, and return the timeline of its case.

    It goes on from where ``check_bundle`` ends, each step over all entries in the order of cause:

    1. ``signature``: every statement is signed by the issuer key of its region, or by a live key
       that an enrolment in the bundle gave to its issuer, of a suite that the roster names.
    2. ``view``: every view holds a quorum, and agrees with the note of the log it views.
    3. ``chain``: no act is missing between two acts on one object in one log.
    4. ``rules``: each act is judged; nothing it cites is missing. One that breaks a rule is void
       and shows as a finding: the log holds it, and so does the evidence.

    Raises:
        UnverifiedError: Its code is the name of the step that failed.
    """
    replay = Replay(verified, kinds, sm2)
    replay.run()
    case = verified.subject
    places = {Place(entry.origin, entry.index): entry for entry in replay.judged}
    acts = [
        (place, entry.statement)
        for place, entry in places.items()
        if entry.statement.subject == case and not entry.findings
    ]
    mentions = [place for place, named in replay.mentions.items() if case in named]
    belongs = set(counted(case, acts, mentions))
    entries = [
        entry
        for place, entry in places.items()
        if entry.statement.subject == case or place in belongs
    ]
    timed = [replay.timed(entry) for entry in entries]
    void = tuple((place.origin, place.index, code) for place, code in replay.void)
    return replace(trace(verified.subject, timed, kinds, replay.timing()), of_logs=void)


def unjudged(made: Iterable[AnyStatement]) -> tuple[dict[str, set[int]], dict[str, set[int]]]:
    """Return what closed logs must show besides the entries that are judged.

    Returns:
        Sizes of trees that the first entry of a successor has lines on, and places that receipts of
        salvaged acts name; each by the origin of the closed log.
    """
    sizes: dict[str, set[int]] = {}
    places: dict[str, set[int]] = {}
    for it in made:
        body = it.act.body
        try:
            if it.act.kind == CONTINUES_KIND:
                sizes.setdefault(body["origin"], set()).update(item[0] for item in body["lines"])
            elif it.act.kind == SALVAGE_KIND:
                origin, index = place_of_receipt(decode_salvage(body).receipt)
                places.setdefault(origin, set()).add(index)
        except (LedgerError, LookupError, TypeError):
            continue  # void on every node, so nothing rests on it
    return sizes, places
