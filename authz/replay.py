"""Judging the entries of a bundle again, by the very rules that nodes use.

Source: docs/formats/own.md section 6.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from authz.calendar import calendar_of
from authz.deadline import Timing, version_days
from authz.evidence import block_fresh_at, block_seen_by
from authz.party import key_object_of_kid
from authz.trace import TraceEntry
from ledger import judge
from ledger.beginning import GENESIS_KIND, check_beginning
from ledger.bundle import VerifiedBundle, VerifiedLog
from ledger.continuing import CONTINUES_KIND, covers, decode_continues
from ledger.errors import ConflictError, LedgerError, MalformedError, RefusedError, UnverifiedError
from ledger.kind import Acting, Draft, Fact, Judgement, Kind, Kinds, Need, ViewFact
from ledger.lineage import ancestors
from ledger.names import region_of_origin
from ledger.roster import Roster
from ledger.salvage import SALVAGE_KIND, as_judged, check_salvage, salvage_mark
from ledger.statement import ROLE_VIEW, Citation, Statement, UnverifiedStatement, verify_statement
from ledger.suites import SM2_SM3, CheckSM2
from ledger.views import (
    BLOCK_KIND,
    EPOCH_KIND,
    VIEW_KIND,
    Block,
    Evidence,
    FixedRange,
    decode_block,
    decode_view,
    seen_by,
)

_LOG_KINDS: Final = frozenset({GENESIS_KIND, CONTINUES_KIND, EPOCH_KIND, BLOCK_KIND, VIEW_KIND})

AnyStatement = Statement | UnverifiedStatement


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an entry stands."""

    origin: str
    index: int


class Replay:
    """The facts that the entries of a bundle make, as a node would have made them.

    Invariant: an entry is judged after all entries below it in its own log and in those that this
    one goes on from, and after all those that the views below it cover.
    """

    def __init__(self, verified: VerifiedBundle, kinds: Kinds, sm2: CheckSM2) -> None:
        self._sm2 = sm2
        self._logs = verified.logs
        self._chain = verified.chain
        self._rosters = verified.rosters
        self._closed = verified.chain.newest.closed
        self._kinds = kinds
        self._leaves = {
            made.leaf for log in verified.logs.values() for made in log.entries.values()
        }
        self._dated: dict[str, list[FixedRange]] = {}
        self._rows: dict[tuple[str, str], list[Fact]] = {}
        self._views: dict[Place, ViewFact] = {}
        self._decoded: dict[bytes, ViewFact] = {}
        self._blocks: dict[Place, tuple[Block, int | None]] = {}
        self.judged: list[TraceEntry] = []
        self.mentions: dict[Place, tuple[str, ...]] = {}
        self.void: list[tuple[Place, str]] = []
        """Words of a log on itself that break a rule, and how."""

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
                    if not self._is_ready(origin, made, queues, heads):
                        break
                    self._take(Place(origin, index), made)
                    heads[origin] += 1
                    moved += 1
            if not moved:
                raise _failed("view", "views that wait for one another")
            left -= moved

    def _is_ready(
        self,
        origin: str,
        made: AnyStatement,
        queues: Mapping[str, Sequence[int]],
        heads: Mapping[str, int],
    ) -> bool:
        """Return whether all that a view covers is judged; other entries only wait in line.

        What a closed log holds comes before all of the log that goes on from it.
        """
        logs = [origin, made.subject] if made.act.kind == VIEW_KIND else [origin]
        before = [old for log in logs for old, _ in ancestors(self._closed, log)]
        if any(heads[old] < len(queues[old]) for old in before if old in queues):
            return False
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
        if made.act.kind == CONTINUES_KIND:
            self._take_continues(place, made)
        if made.act.kind in _LOG_KINDS:
            return
        told = as_judged(made)
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
            changes = list(judgement.changes)
            if made.act.kind == SALVAGE_KIND:
                changes.append(salvage_mark(place.origin, made))
            for change in changes:
                changed[change.object] = change.state
                fact = Fact(place.origin, change.object, place.index, made.leaf, change.state)
                self._rows.setdefault((place.origin, change.object), []).append(fact)
        signer = self._newest(place.origin, told.issuer)
        self.judged.append(
            TraceEntry(
                origin=place.origin,
                index=place.index,
                statement=told,
                changed=changed,
                finality="replicated" if log.replicated else "accepted",
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
        assert isinstance(made, UnverifiedStatement)  # as VerifiedLog says
        try:
            verify_statement(made, self._public_of(place.origin, made), self._sm2_at(place))
        except LedgerError as error:
            raise _failed("signature", f"{_at(place)}: {error}") from error

    def _public_of(self, origin: str, made: AnyStatement) -> bytes:
        """Return the key of an officer, as a log knows it so far.

        Raises:
            UnverifiedError: ``unknown-key``.
        """
        key = self._newest(origin, key_object_of_kid(region_of_origin(origin), made.kid))
        if key is None or key.state["party"] != made.issuer or not key.live:
            raise UnverifiedError(f"no live key of {made.issuer} is here", code="unknown-key")
        found: bytes = key.state["key"]
        return found

    def _sm2_at(self, place: Place) -> CheckSM2 | None:
        suites = self._logs[place.origin].epochs.at(place.index).suites
        return self._sm2 if SM2_SM3 in suites else None

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

    def _take_continues(self, place: Place, made: AnyStatement) -> None:
        """Take in what dates the entries that a closed log left open.

        A log that claims to go on from anything else than the cut has begun with a void entry, here
        as on every node. Where a tree that a line is on is not shown, no time is told at all: fewer
        lines would tell another.
        """
        origin = place.origin
        roster = self._logs[origin].epochs.at(place.index)
        try:
            if not self._is_own_word(place, made) or (place.index, made.subject) != (0, origin):
                raise RefusedError("a log begins with what it continues, once", code="exists")
            beginning = check_beginning(made.act.body, self._chain, roster)
            continues = decode_continues(made.act.body, beginning, roster, origin)
        except LedgerError as error:
            self.void.append((place, error.code))
            return
        old = self._logs.get(continues.origin)
        if old is None or any(item.size not in old.roots for item in continues.lines):
            return
        counted = covers(continues, self._chain.last_with(continues.origin), old.roots.__getitem__)
        proven = [it for it in old.epochs.items if it.proven_at is not None]
        quorum = self._chain.at(proven[-1].version).quorum(continues.origin)
        self._dated[continues.origin], _ = Evidence(quorum).fixed(counted)

    def _seen_at_end(self, place: Place) -> int | None:
        """Return by when an entry existed that no block record here dates; None: not told.

        The lines on the note of its log say it; those in its members' freezes, of a closed one.
        """
        log = self._logs[place.origin]
        if log.closing is None:
            times_s = [line.time_s for line in log.mirror]
            found = seen_by(times_s, log.roster.quorum(place.origin))
        else:
            ranges = self._dated.get(place.origin, ())
            times = (it.seen_by_s for it in ranges if it.low <= place.index < it.high)
            found = next(times, None)
        return None if found is None else max(found, log.epochs.floor_at(place.index))

    def timed(self, entry: TraceEntry) -> TraceEntry:
        """Return a judged entry with the times that the whole bundle proves of it.

        Without a block record that covers it, the end of its log is all there is to tell it.
        """
        origin, epochs = entry.origin, self._logs[entry.origin].epochs
        seen = self._seen_at_end(Place(origin, entry.index))
        fresh: list[int | None] = []
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
        self, place: Place, made: AnyStatement, views: Mapping[str, ViewFact], roster: Roster
    ) -> None:
        for citation in made.act.citations:
            if citation.role == ROLE_VIEW:
                continue
            below = place.index
            if citation.origin != place.origin:
                below = judge.within_sight(citation.origin, place.origin, views, roster.closed)
            if citation.role == judge.CORRECTS and not self._holds(citation):
                continue
            leaf = self._leaf(place, citation.origin, citation.index, below=below)
            if leaf != citation.leaf:
                raise judge.void_citation(
                    f"the leaf of {citation.origin} {citation.index} is another"
                )

    def _judge(self, place: Place, given: AnyStatement) -> Judgement:
        roster = self._logs[place.origin].epochs.at(place.index)
        is_salvaged = given.act.kind == SALVAGE_KIND
        made = self._check_salvage(place, given, roster) if is_salvaged else given
        act = made.act
        kind = judge.kind_of(self._kinds, act.kind, act.version)
        region = region_of_origin(place.origin)
        own = self._newest(place.origin, made.subject)
        needs = self._wants(kind, made, own, region, roster)
        views = self._cited_views(place, made)
        self._check_leaves(place, made, views, roster)
        facts = {need.name: self._resolve(place.origin, need, views) for need in needs}

        def newest(name: str) -> Fact | None:
            return self._newest(place.origin, name)

        def below(index: int) -> Fact | None:
            return self._newest(place.origin, made.subject, below=index)

        def made_at(index: int) -> AnyStatement | None:
            found = self._logs[place.origin].entries.get(index)
            return None if found is None else as_judged(found)

        signer = facts.get(judge.SIGNER)
        acting = Acting(
            statement=made,
            origin=place.origin,
            region=region,
            index=place.index,
            roster=roster,
            own=own,
            signer=signer,
            facts=facts,
            views=views,
            is_salvaged=is_salvaged,
            seats=judge.seats_of(signer, newest),
            corrected=judge.corrected(
                act, made.subject, place.origin, below=below, made_at=made_at, newest=newest
            ),
        )
        return judge.judge(kind, acting, needs)

    def _check_salvage(self, place: Place, made: AnyStatement, roster: Roster) -> AnyStatement:
        """Return the act that an entry salvages, as it is judged here.

        Raises:
            LedgerError: It may not be salvaged here.
        """

        def leaf_at(old: str, at: int) -> bytes:
            log = self._logs.get(old)
            if log is None or at not in log.leaves:
                raise _failed("rules", f"{_at(place)} salvages {old} {at}, which is not here")
            return log.leaves[at]

        try:
            return check_salvage(
                made,
                place.origin,
                place.index,
                roster,
                self._chain,
                public_of=lambda inner: self._public_of(place.origin, inner),
                newest=lambda name: self._newest(place.origin, name),
                leaf_at=leaf_at,
                sm2=self._sm2_at(place),
            )
        except UnverifiedError as error:
            if error.code == "rules":
                raise
            raise RefusedError(str(error), code=error.code) from error

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
        """Return the newest row of an object in a log, or in one that this one goes on from."""
        rows: Sequence[Fact] = self._rows.get((origin, name), ())
        for fact in rows[::-1]:
            if below is None or fact.index < below:
                return fact
        for old, closing in ancestors(self._closed, origin):
            rows = self._rows.get((old, name), ())
            for fact in rows[::-1]:
                if fact.index < closing.size:
                    return fact
        return None


def _at(place: Place) -> str:
    return f"{place.origin} entry {place.index}"


def _failed(step: str, message: str) -> UnverifiedError:
    return UnverifiedError(message, code=step)
