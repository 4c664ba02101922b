"""The bundle of a case: which entries it must hold, and judging it again with nothing else.

Offline the acts go through the very rules that the nodes use, over facts made from the entries in
the bundle. What a bundle leaves out it cannot show: a gap in the acts on one object is found by
their ``previous`` links, but an end that came after the last act in the bundle is not.

Source: docs/formats/own.md section 6.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from authz.calendar import calendar_of
from authz.case import Event
from authz.custody import Event as Custody
from authz.deadline import Timing, version_days
from authz.evidence import block_fresh_at, block_seen_by
from authz.party import key_object_of_kid
from authz.trace import Trace, TraceEntry, trace
from ledger import judge
from ledger.bundle import VerifiedBundle, VerifiedLog
from ledger.errors import ConflictError, LedgerError, MalformedError, RefusedError, UnverifiedError
from ledger.kind import Acting, Draft, Fact, FieldType, Judgement, Kind, Kinds, Need, ViewFact
from ledger.names import region_of_origin
from ledger.roster import Roster
from ledger.statement import (
    ROLE_VIEW,
    Citation,
    Statement,
    UnverifiedStatement,
    verify_statement,
)
from ledger.suites import SM2_SM3, CheckSM2, no_sm2
from ledger.views import BLOCK_KIND, VIEW_KIND, Block, decode_block, decode_view, seen_by

GENESIS: Final = "log.genesis"
_LOG_KINDS: Final = frozenset({GENESIS, BLOCK_KIND, VIEW_KIND})
_NAMES: Final = frozenset({FieldType.PARTY, FieldType.OBJECT, FieldType.PARTIES})

AnyStatement = Statement | UnverifiedStatement


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an entry stands."""

    origin: str
    index: int


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
    acts = [(place, made) for place in trail if (made := reader.statement(place)) is not None]
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
        for name in _named(made, kinds):
            if name in names:
                continue
            names.add(name)
            # Other cases are not this one's business, and a busy seal or window has many entries
            # that only mention it: of these the life alone is wanted.
            if "/case/" not in name:
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
    held: dict[str, list[tuple[int, bool]]] = {}
    offered_to: dict[str, str] = {}
    for place, made in sorted(acts, key=lambda act: act[0]):
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
        held.setdefault(place.origin, []).append((place.index, holds))
    found: list[Place] = []
    for place in mentions:
        if region_of_origin(place.origin) == owner:
            found.append(place)
            continue
        stages = held.get(place.origin, [])
        before = bisect_left(stages, (place.index, False))
        if before and stages[before - 1][1]:
            found.append(place)
    return found


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
    return trace(verified.subject, timed, kinds, replay.timing())


class Replay:
    """The facts that the entries of a bundle make, as a node would have made them.

    Invariant: an entry is judged after all entries below it in its own log, and after all those
    that the views below it cover.
    """

    def __init__(self, verified: VerifiedBundle, kinds: Kinds, sm2: CheckSM2) -> None:
        self._sm2 = sm2
        self._logs = verified.logs
        self._rosters = verified.rosters
        self._kinds = kinds
        self._leaves = {
            made.leaf for log in verified.logs.values() for made in log.entries.values()
        }
        self._rows: dict[tuple[str, str], list[Fact]] = {}
        self._views: dict[Place, ViewFact] = {}
        self._decoded: dict[bytes, ViewFact] = {}
        self._blocks: dict[Place, tuple[Block, int | None]] = {}
        self.judged: list[TraceEntry] = []
        self.mentions: dict[Place, tuple[str, ...]] = {}

    def run(self) -> None:
        """Judge every entry."""
        queues = {origin: sorted(log.entries) for origin, log in self._logs.items()}
        heads = dict.fromkeys(queues, 0)
        left = sum(map(len, queues.values()))
        while left:
            moved = 0
            for origin in sorted(queues):
                queue = queues[origin]
                while heads[origin] < len(queue):
                    index = queue[heads[origin]]
                    made = self._logs[origin].entries[index]
                    if not self._is_ready(made, queues, heads):
                        break
                    self._take(Place(origin, index), made)
                    heads[origin] += 1
                    moved += 1
            if not moved:
                raise _failed("view", "views that wait for one another")
            left -= moved

    def _is_ready(
        self, made: AnyStatement, queues: Mapping[str, Sequence[int]], heads: Mapping[str, int]
    ) -> bool:
        """Return whether all that a view covers is judged; other entries only wait in line."""
        if made.act.kind != VIEW_KIND or made.subject not in queues:
            return True
        queue, head = queues[made.subject], heads[made.subject]
        return head == len(queue) or queue[head] >= self._view(made).size

    def _take(self, place: Place, made: AnyStatement) -> None:
        log = self._logs[place.origin]
        self._check_signature(place, made, log)  # (1)
        if made.act.kind == VIEW_KIND and self._is_own_word(place, made):
            self._take_view(place, made)  # (2)
        if made.act.kind == BLOCK_KIND and self._is_own_word(place, made):
            self._take_block(place, made)
        if made.act.kind in _LOG_KINDS:
            return
        judgement: Judgement | None = None
        findings: tuple[str, ...] = ()
        try:
            judgement = self._judge(place, made)  # (4)
        except ConflictError as error:  # (3)
            if made.act.previous is not None and made.act.previous not in self._leaves:
                raise _failed("chain", f"{_at(place)}: the act before it is not here") from error
            findings = (error.code,)
        except (MalformedError, RefusedError) as error:
            findings = (error.code,)
        changed: dict[str, Mapping[str, Any]] = {}
        if judgement is not None:
            self.mentions[place] = judgement.mentions
            for change in judgement.changes:
                changed[change.object] = change.state
                fact = Fact(place.origin, change.object, place.index, made.leaf, change.state)
                self._rows.setdefault((place.origin, change.object), []).append(fact)
        signer = self._newest(place.origin, made.issuer)
        self.judged.append(
            TraceEntry(
                origin=place.origin,
                index=place.index,
                statement=made,
                changed=changed,
                finality="replicated" if log.replicated else "accepted",
                seen_by_s=_seen_on_note(place, log),
                asserted=signer is not None and signer.state.get("holder") == "region",
                unit=None if signer is None else signer.state.get("unit"),
                findings=findings,
            )
        )

    # ---- signature ------------------------------------------------------------------------------

    @staticmethod
    def _is_own_word(place: Place, made: AnyStatement) -> bool:
        """Return whether an entry of the log itself is its own word; another log's view is not."""
        is_own = made.issuer == region_of_origin(place.origin)
        return is_own and made.act.version == 1 and not made.act.citations

    def _check_signature(self, place: Place, made: AnyStatement, log: VerifiedLog) -> None:
        if place.index in log.issued:
            return
        if made.act.kind in _LOG_KINDS or "/" not in made.issuer:
            raise _failed("signature", f"{_at(place)} is not signed by an issuer key")
        region = region_of_origin(place.origin)
        key = self._newest(place.origin, key_object_of_kid(region, made.kid))
        if key is None or key.state["party"] != made.issuer or not key.live:
            raise _failed("signature", f"{_at(place)}: no live key of {made.issuer} is here")
        assert isinstance(made, UnverifiedStatement)  # as VerifiedLog says
        try:
            sm2 = self._sm2 if SM2_SM3 in log.epochs.at(place.index).suites else None
            verify_statement(made, key.state["key"], sm2)
        except LedgerError as error:
            raise _failed("signature", f"{_at(place)}: {error}") from error

    # ---- view -----------------------------------------------------------------------------------

    def _view(self, made: AnyStatement) -> ViewFact:
        """Return what a view says, without its index."""
        known = self._decoded.get(made.leaf)
        if known is not None:
            return known
        body = made.act.body
        try:
            version = body.get("roster")
            if type(version) is not int or not 1 <= version <= len(self._rosters):
                raise _failed("view", f"no roster version {version!r:.20} is here")
            before = self._rosters[version - 2] if version > 1 else None
            view = decode_view(body, self._rosters[version - 1], before)
        except LedgerError as error:
            raise _failed("view", f"a view of {made.subject}: {error}") from error
        found = ViewFact(0, made.leaf, view.origin, view.size, view.root, view.fresh_at_s)
        self._decoded[made.leaf] = found
        return found

    def _take_view(self, place: Place, made: AnyStatement) -> None:
        found = self._view(made)
        viewed = self._logs.get(found.origin)
        if found.origin != made.subject:
            raise _failed("view", f"{_at(place)} is a view of another log than it says")
        if viewed is not None:
            note = viewed.checkpoint
            if found.size > note.size or (found.size == note.size and found.root != note.root):
                raise _failed(
                    "view", f"{_at(place)} does not agree with the note of {found.origin}"
                )
        self._check_counting(place, made, found)
        self._views[place] = replace(found, index=place.index)

    def _check_counting(self, place: Place, made: AnyStatement, view: ViewFact) -> None:
        """Check that the lines of a view count in the viewed log, as far as its epochs are here."""
        version, has_before = made.act.body["roster"], "before" in made.act.body
        if version > self._logs[place.origin].epochs.at(place.index).version + 1:
            raise _failed("view", f"{_at(place)} counts by version {version} too early")
        viewed = self._logs.get(view.origin)
        if viewed is None:
            first = next(it for it in self._rosters if view.origin in it.origins)
            counted: tuple[int, ...] = (first.version,)
        else:
            counted = tuple(it.version for it in viewed.epochs.counted_by(view.size))
        if counted != ((version, version - 1) if has_before else (version,)):
            raise _failed(
                "view",
                f"{_at(place)}: no lines by version {version} count on {view.size} entries of "
                f"{view.origin}, by what is here",
            )

    # ---- times ----------------------------------------------------------------------------------

    def _take_block(self, place: Place, made: AnyStatement) -> None:
        try:
            block = decode_block(made.act.body)
        except MalformedError:
            return  # void on every node, so it proves no time
        fresh = block_fresh_at(self._logs[place.origin].epochs, place.index, block)
        self._blocks[place] = (block, fresh)

    def timed(self, entry: TraceEntry) -> TraceEntry:
        """Return a judged entry with the times that the whole bundle proves of it.

        Without a block record that covers it, the lines on the note of its log are all there is.
        """
        origin, epochs = entry.origin, self._logs[entry.origin].epochs
        seen, fresh = entry.seen_by_s, []
        for place in sorted(place for place in self._blocks if place.origin == origin):
            block, fresh_at_s = self._blocks[place]
            if place.index < entry.index:
                fresh.append(fresh_at_s)
                continue
            found = block_seen_by(epochs, place.index, block, entry.index)
            if found is not None:
                seen = found
                break
        fresh += [
            view.fresh_at_s
            for place, view in self._views.items()
            if place.origin == origin and place.index < entry.index
        ]
        base = max((it for it in fresh if it is not None), default=None)
        return replace(entry, seen_by_s=seen, fresh_at_s=base)

    def timing(self) -> Timing:
        """Return what clocks count by, as of the latest time that a mirror of any log has given."""
        constants = self._rosters[-1].constants
        newest = [rows[-1] for rows in self._rows.values()]
        times = [line.time_s for log in self._logs.values() for line in log.mirror]
        times += [entry.statement.time_s for entry in self.judged if not times]
        return Timing(
            calendar=calendar_of(it for it in newest if "/calendar/" in it.object),
            days_of=version_days(it for it in newest if "/item-version/" in it.object),
            staleness_s=constants.staleness_s,
            delta_s=constants.delta_s,
            as_of_s=max(times, default=0),
        )

    # ---- chain, rules ---------------------------------------------------------------------------

    def _leaf(self, place: Place, origin: str, index: int, *, below: int) -> bytes:
        """Return the leaf of an entry cited at ``place``, in a log within sight up to a size.

        Raises:
            RefusedError: ``void-citation``: there is no such entry within sight.
            UnverifiedError: ``rules``: there is, but the bundle lacks it.
        """
        if index >= below:
            raise judge.void_citation(f"{origin} {index} is not within sight")
        log = self._logs.get(origin)
        made = None if log is None else log.entries.get(index)
        if made is None:
            raise _failed("rules", f"{_at(place)} cites {origin} {index}, which is not here")
        return made.leaf

    def _holds(self, citation: Citation) -> bool:
        log = self._logs.get(citation.origin)
        return log is not None and citation.index in log.entries

    def _cited_views(self, place: Place, made: AnyStatement) -> dict[str, ViewFact]:
        views: dict[str, ViewFact] = {}
        for citation in made.act.citations:
            if citation.role != ROLE_VIEW:
                continue
            self._leaf(place, place.origin, citation.index, below=place.index)
            view = self._views.get(Place(place.origin, citation.index))
            if view is None or (view.origin, view.leaf) != (citation.origin, citation.leaf):
                raise judge.void_citation(f"entry {citation.index} is no such view")
            views[view.origin] = view
        return views

    def _check_leaves(
        self, place: Place, made: AnyStatement, views: Mapping[str, ViewFact]
    ) -> None:
        for citation in made.act.citations:
            if citation.role == ROLE_VIEW:
                continue
            below = place.index
            if citation.origin != place.origin:
                view = views.get(citation.origin)
                below = 0 if view is None else view.size
            if citation.role == judge.CORRECTS and not self._holds(citation):
                continue
            leaf = self._leaf(place, citation.origin, citation.index, below=below)
            if leaf != citation.leaf:
                raise judge.void_citation(
                    f"the leaf of {citation.origin} {citation.index} is another"
                )

    def _judge(self, place: Place, made: AnyStatement) -> Judgement:
        act = made.act
        kind = judge.kind_of(self._kinds, act.kind, act.version)
        region = region_of_origin(place.origin)
        roster = self._logs[place.origin].epochs.at(place.index)
        own = self._newest(place.origin, made.subject)
        needs = self._wants(kind, made, own, region, roster)
        views = self._cited_views(place, made)
        self._check_leaves(place, made, views)
        facts = {need.name: self._resolve(place.origin, need, views) for need in needs}
        acting = Acting(
            statement=made,
            origin=place.origin,
            region=region,
            index=place.index,
            roster=roster,
            own=own,
            signer=facts.get(judge.SIGNER),
            facts=facts,
            views=views,
        )
        return judge.judge(kind, acting, needs)

    @staticmethod
    def _wants(
        kind: Kind, made: AnyStatement, own: Fact | None, region: str, roster: Roster
    ) -> tuple[Need, ...]:
        draft = Draft(
            kind=made.act.kind,
            version=made.act.version,
            issuer=made.issuer,
            subject=made.subject,
            time_s=made.time_s,
            body=made.act.body,
        )
        return judge.wants(kind, draft, own, region, roster)

    def _resolve(self, origin: str, need: Need, views: Mapping[str, ViewFact]) -> Fact | None:
        if need.origin is None:
            return self._newest(origin, need.object)
        view = views.get(need.origin)
        return None if view is None else self._newest(need.origin, need.object, below=view.size)

    def _newest(self, origin: str, name: str, *, below: int | None = None) -> Fact | None:
        for fact in reversed(self._rows.get((origin, name), ())):
            if below is None or fact.index < below:
                return fact
        return None


def _seen_on_note(place: Place, log: VerifiedLog) -> int | None:
    """Return by when the lines on a log's note show an entry to exist."""
    found = seen_by([line.time_s for line in log.mirror], log.roster.quorum(place.origin))
    return None if found is None else max(found, log.epochs.floor_at(place.index))


def _at(place: Place) -> str:
    return f"{place.origin} entry {place.index}"


def _failed(step: str, message: str) -> UnverifiedError:
    return UnverifiedError(message, code=step)
