"""The whole story of a case: as a timeline for people, and as a bundle that proves itself."""

from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from authz.case_bundle import unjudged, wanted
from authz.replay import Place
from authz.trace import Trace
from ledger.bundle_file import (
    Bundle,
    ClosedLog,
    ProvenEntry,
    ProvenHead,
    ProvenLeaf,
    ProvenLog,
    ProvenMap,
)
from ledger.checkpoint import Checkpoint
from ledger.cosignature import LINE_BYTES
from ledger.epochs import Epochs
from ledger.errors import LedgerError, NotFoundError, UnavailableError
from ledger.lineage import heir_of
from ledger.map_tree import Node
from ledger.map_tree import prove as prove_standing
from ledger.names import check_object
from ledger.note import Note, checkpoint_of
from ledger.object_map import EMPTY_MAP_ROOT
from ledger.proofs import prove_consistency, prove_inclusion, root_at
from ledger.roster import Role, Roster
from ledger.roster_fields import Closing
from ledger.statement import UnverifiedStatement, decode_statement
from ledger.views import BLOCK_KIND, VIEW_KIND, collect_lines, decode_block
from nodes.api.answers import as_of, findings_at
from nodes.api.clocks import (
    BlockTimes,
    block_below,
    epochs_of,
    fresh_below,
    load_calendar,
)
from nodes.api.consistency import NAMES, consistency_of, judged_size, reach
from nodes.api.context import SERVICE, Service
from nodes.api.entry_proofs import EntryProofs, wants_proofs
from nodes.api.replies import json_response
from nodes.api.requests import check_case, check_query, is_case
from nodes.api.timelines import story, tell
from nodes.api.tokens import ANY, Caller, authorize
from nodes.core.sight import INDEX_PAST_ALL
from nodes.plain import plain
from nodes.store.entries import LogIDs, load_entries, load_leaves, nodes_of, stored_size
from nodes.store.facts import load_changes, load_mentions, load_voids
from nodes.store.findings import seen_by
from nodes.store.maps import State as MapState
from nodes.store.maps import load_node_at, load_states
from nodes.store.notes import load_finished_above, load_newest_note

BUNDLE_TYPE: Final = "application/cbor"
ENTRIES_MAX: Final = 20_000

routes = web.RouteTableDef()


@routes.get("/v1/cases/{id:.+}")
async def case_of(request: web.Request) -> web.Response:
    """Tell a case from first to last, as this node knows it.

    Each line says where its proof is; with ``?proofs=all`` it brings the proof itself.
    """
    service = request.app[SERVICE]
    caller = authorize(request, ANY)
    check_query(request, "proofs", *NAMES)
    case = case_named(request)
    is_whole = wants_proofs(request)
    await reach(service, request, partial(judged_size, service))
    sizes = as_of(service)

    def read(connection: Connection) -> tuple[Trace, list[dict[str, Any]], list[dict[str, Any]]]:
        told, ids = tell(service, connection, case), LogIDs()
        proofs = EntryProofs(service, connection, ids)
        lines = [
            asdict(line)
            | {"proof": proofs.tell(line.origin, line.index, line.leaf, whole=is_whole)}
            for line in told.lines
        ]
        at = [(line.origin, line.index) for line in told.lines if line.findings]
        return told, lines, findings_at(connection, ids, at)

    told, lines, found = await service.readers.run(read)
    service.journal.look(caller.party, caller.role, case, "timeline")
    return json_response(
        {
            "case": case,
            "holder": told.holder,
            "stage": told.stage,
            "lines": plain(lines),
            "beliefs": plain([asdict(it) for it in told.beliefs]),
            "clocks": [
                clock.fields(told.as_of_s) for clock in told.clocks if told.as_of_s is not None
            ],
            "clocks_as_of_s": told.as_of_s,
            "findings": [list(it) for it in told.findings],
            "answers": found,
            "as_of": sizes,
            "consistency": consistency_of(sizes),
        }
    )


@routes.get("/v1/bundles/{id:.+}")
async def bundle_of(request: web.Request) -> web.Response:
    """Give the evidence for a case, which verifies with nothing but the genesis roster."""
    service = request.app[SERVICE]
    caller = authorize(request, ANY)
    check_query(request)
    return await _bundle(service, caller, case_named(request))


@routes.get("/v1/objects/{id:[^/]+/[^/]+/[^/]+}/proof")
async def proof_of(request: web.Request) -> web.Response:
    """Give the evidence for how any object stands: a grant, a seal, a case."""
    service = request.app[SERVICE]
    caller = authorize(request, ANY)
    check_query(request)
    name = request.match_info["id"]
    check_object(name)
    return await _bundle(service, caller, name)


async def _bundle(service: Service, caller: Caller, name: str) -> web.Response:
    made = await service.readers.run(lambda connection: prove(service, connection, name))
    if is_case(name):
        service.journal.look(caller.party, caller.role, name, "bundle")
    number = name.replace("/", "-")
    return web.Response(
        body=made.encode(),
        headers={
            "Content-Type": BUNDLE_TYPE,
            "Content-Disposition": f'attachment; filename="{number}.bundle"',
            "Cache-Control": "no-store",
        },
    )


class _Held:
    """The logs that this node holds, each up to the newest note with quorums that it has all of."""

    def __init__(self, service: Service, connection: Connection) -> None:
        self._service = service
        self._connection = connection
        self._ids = LogIDs()
        self._notes: dict[str, tuple[int, bytes]] = {}
        self._epochs: dict[str, tuple[Epochs, int]] = {}
        self._made: dict[Place, UnverifiedStatement] = {}
        self.entries: dict[Place, bytes] = {}

    def epochs(self, origin: str) -> tuple[Epochs, int]:
        """Return which versions of the roster rule a log, and up to which size."""
        if origin not in self._epochs:
            self._epochs[origin] = epochs_of(self._service, self._connection, origin)
        return self._epochs[origin]

    def proofs_of_epochs(self, origin: str) -> list[Place]:
        """Return the places of what shows by which version a log's note counts."""
        size = self.note(origin)[0]
        return [
            Place(origin, at)
            for epoch in self.epochs(origin)[0].items[1:]
            for at in (epoch.start, epoch.proven_at)
            if at is not None and at < size
        ]

    def note(self, origin: str) -> tuple[int, bytes]:
        """Return size and bytes of the note by which a log is proven.

        The note of an epoch is none: what lifts it stands in the next entry. A closed log has none
        either, but the size of its cut.

        Raises:
            UnavailableError: ``not-replicated``: there is none yet.
        """
        found = self._notes.get(origin)
        closing = self._closing(origin)
        if found is None and closing is not None:
            held = min(stored_size(self._connection, origin), self.epochs(origin)[1])
            if held < closing.size:
                raise UnavailableError(
                    f"{held} of {closing.size} entries of {origin} are here", code="not-replicated"
                )
            found = self._notes[origin] = (closing.size, b"")
        if found is None:
            held = min(stored_size(self._connection, origin), self.epochs(origin)[1])
            notes = load_finished_above(self._connection, self._ids, origin, 0)
            for size, note in reversed(notes):
                if size <= held and self._has_quorums(origin, size, note):
                    found = (size, note)
                    break
            if found is None and not self.epochs(origin)[0].at(INDEX_PAST_ALL).witnesses_of(origin):
                # Nobody could have signed but the log itself, and the bundle says so.
                found = load_newest_note(self._connection, self._ids, origin)
            if found is None:
                raise UnavailableError(
                    f"no note of {origin} has its quorums here yet", code="not-replicated"
                )
            self._notes[origin] = found
        return found

    def _closing(self, origin: str) -> Closing | None:
        return self._service.chain.newest.closed.get(origin)

    def _has_quorums(self, origin: str, size: int, data: bytes) -> bool:
        """Say whether both kinds of lines on a note suffice; some were kept for one kind."""
        counted = self.epochs(origin)[0].counted_by(size)
        if len(counted) != 1:
            return False
        (roster,) = counted
        note = Note.decode(data)
        checkpoint = Checkpoint.decode(note.text)
        roles: tuple[Role, ...] = ("witness", "mirror")
        quorum = roster.quorum(origin)
        return all(len(_lines(roster, checkpoint, note, role)) >= quorum for role in roles)

    def trail(self, name: str) -> list[Place]:
        """Return the places of the entries that changed an object, as far as proven."""
        return self._proven(load_changes(self._connection, self._ids, name))

    def mentions(self, name: str) -> list[Place]:
        """Return the places of the entries that only mention an object, as far as proven."""
        return self._proven(load_mentions(self._connection, self._ids, name))

    def _proven(self, places: Iterable[tuple[str, int]]) -> list[Place]:
        return [Place(*found) for found in places if found[1] < self.note(found[0])[0]]

    def statement(self, place: Place) -> UnverifiedStatement | None:
        """Return an entry as a statement; None where it is not held, or is none."""
        made = self._made.get(place)
        if made is None:
            if len(self.entries) >= ENTRIES_MAX:
                raise UnavailableError(
                    f"the case hangs together with more than {ENTRIES_MAX} entries",
                    code="too-large",
                )
            origin, index = place.origin, place.index
            found = load_entries(self._connection, self._ids, origin, index, index + 1)
            if not found:
                return None
            try:
                made = self._made[place] = decode_statement(found[0])
            except LedgerError:
                return None
            self.entries[place] = found[0]
        return made

    def timed(self, case: str) -> list[Place]:
        """Return the places of what the clocks of a case count by, as far as proven.

        The evidence of times is no part of what the case rests on: where some of it is not proven
        yet, the times are told as unproven, and the bundle stands all the same.
        """
        service, connection, ids = self._service, self._connection, self._ids
        found: list[Place] = []
        times_s: list[int] = []
        known: BlockTimes = {}
        for place in self._proven((it.origin, it.index) for it in story(connection, ids, case)):
            origin, index = place.origin, place.index
            made = self.statement(place)
            if made is None:
                continue
            times_s.append(made.time_s)
            seen = seen_by(connection, ids, origin, index)
            fresh = fresh_below(service, connection, ids, origin, index, known)
            if seen is not None:
                times_s.append(seen[0])
                found.append(self._dating(Place(origin, seen[1])))
            if fresh is not None:
                found.append(Place(origin, fresh.at))
        years = load_calendar(service, connection, ids, times_s)
        found += [Place(it.origin, it.index) for it in years]
        return [place for place in dict.fromkeys(found) if self._is_proven(place)]

    def _dating(self, place: Place) -> Place:
        """Return the entry that dates what another names: a block record, or a successor's first.

        What no block record of a closed log dated, the lines of freezes in that entry do.
        """
        heir = heir_of(self._service.chain.newest.closed, place.origin)
        made = self.statement(place)
        if heir is None or (made is not None and made.act.kind == BLOCK_KIND):
            return place
        return Place(heir, 0)

    def _is_proven(self, place: Place) -> bool:
        try:
            made = self.statement(place)
            if made is None or place.index >= self.note(place.origin)[0]:
                return False
            if made.act.kind != VIEW_KIND:
                return True
            viewed = checkpoint_of(made.act.body["note"])
            return viewed.size <= self.note(viewed.origin)[0]
        except UnavailableError:
            return False

    def map_of(self, origin: str, name: str) -> ProvenMap | None:
        """Return how an object stands in a log's map.

        None where no map is proven here yet: a new log, or one whose records name another map. None
        too where void entries name the object. Only a node that breaks the rules writes such, and a
        bundle that judged them would fall with them; so it says nothing of that log being complete.
        """
        if any(it[0] == origin for it in load_voids(self._connection, self._ids, name)):
            return None
        note_size = self.note(origin)[0]
        for state in load_states(self._connection, self._ids, origin):
            size = state.size
            if size >= note_size or not self._is_record(origin, size, state):
                continue

            def load(prefix: bytes, size: int = size) -> Node | None:
                return load_node_at(self._connection, self._ids, origin, prefix, size)

            def leaf_at(index: int) -> bytes:
                [leaf] = load_leaves(self._connection, self._ids, [(origin, index)])
                assert leaf is not None
                return leaf

            return ProvenMap(size, prove_standing(name, state.root, load, leaf_at))
        return None

    def dated(self, origin: str, size: int) -> list[int]:
        """Return the newest record up to a map's own that says until when a log was no larger."""
        found = block_below(self._service, self._connection, self._ids, origin, size + 1, {})
        return [it.at for it in found if self.statement(Place(origin, it.at)) is not None]

    def _is_record(self, origin: str, index: int, state: MapState) -> bool:
        made = self.statement(Place(origin, index))
        if made is None or made.act.kind != BLOCK_KIND:
            return False
        try:
            named = decode_block(made.act.body).map_root
        except LedgerError:
            return False
        return named == (EMPTY_MAP_ROOT if state.root is None else state.root.hash)

    def prove(
        self,
        origin: str,
        indexes: Iterable[int],
        standing: ProvenMap | None,
    ) -> ProvenLog | ClosedLog:
        """Return the entries of one log with their proofs."""
        size, data = self.note(origin)
        read = nodes_of(self._connection, self._ids, origin)
        entries = tuple(
            ProvenEntry(
                index,
                self.entries[Place(origin, index)],
                tuple(prove_inclusion(index, size, read)),
            )
            for index in indexes
        )
        if self._closing(origin) is not None:
            return self._prove_closed(origin, entries, standing)
        roster = self.epochs(origin)[0].at(size - 1)
        note = Note.decode(data)
        checkpoint = Checkpoint.decode(note.text)
        own = roster.log_key(origin)
        return ProvenLog(
            roster=roster.version,
            note=Note(
                note.text,
                tuple(
                    it for it in note.signatures if (it.name, it.key_id) == (own.name, own.key_id)
                ),
            ).encode(),
            witness=_lines(roster, checkpoint, note, "witness"),
            mirror=_lines(roster, checkpoint, note, "mirror"),
            entries=entries,
            map=standing,
        )

    def _prove_closed(
        self, origin: str, entries: tuple[ProvenEntry, ...], standing: ProvenMap | None
    ) -> ClosedLog:
        """Return what a closed log shows below its cut; what else the bundle rests on is read."""
        cut = self.note(origin)[0]
        read = nodes_of(self._connection, self._ids, origin)
        sizes, places = unjudged(self._made.values())
        heads = [size for size in sizes.get(origin, ()) if 0 < size < cut]
        at = [index for index in places.get(origin, ()) if index < cut]
        leaves = load_leaves(self._connection, self._ids, [(origin, index) for index in sorted(at)])
        return ClosedLog(
            closed=self._service.chain.last_with(origin).version + 1,
            heads=tuple(
                ProvenHead(size, root_at(size, read), tuple(prove_consistency(size, cut, read)))
                for size in sorted(heads)
            ),
            leaves=tuple(
                ProvenLeaf(index, leaf, tuple(prove_inclusion(index, cut, read)))
                for index, leaf in zip(sorted(at), leaves, strict=True)
                if leaf is not None
            ),
            entries=entries,
            map=standing,
        )


def prove(service: Service, connection: Connection, name: str) -> Bundle:
    """Return the bundle of a case or another object, by the newest notes with quorums held here.

    With it goes, for each log in it, the proof that no act on the object is left out.

    Raises:
        NotFoundError: No log that is held here names it.
        UnavailableError: ``not-replicated``: what it rests on is not all proven yet; ask again.
    """
    held = _Held(service, connection)
    places = wanted(name, held, service.kinds, also=held.timed(name))
    if not places:
        raise NotFoundError(f"nothing proven is held here about {name}", code="unknown-object")
    indexes: dict[str, list[int]] = {}
    rested_on: set[str] = set()
    for place in places:
        made = held.statement(place)
        size = held.note(place.origin)[0]
        if made is None or place.index >= size:
            raise _not_yet(place)
        if made.act.kind == VIEW_KIND and made.subject in service.by_hash.values():
            note = made.act.body["note"]
            viewed = checkpoint_of(note)
            if viewed.size > held.note(viewed.origin)[0]:
                raise _not_yet(place)
            rested_on.add(viewed.origin)
        indexes.setdefault(place.origin, []).append(place.index)
    for origin in sorted(rested_on | indexes.keys()):
        for place in held.proofs_of_epochs(origin):
            if held.statement(place) is None:
                raise _not_yet(place)
            indexes.setdefault(origin, []).append(place.index)
    logs: dict[str, ProvenLog | ClosedLog] = {}
    for origin, listed in indexes.items():
        standing = held.map_of(origin, name)
        shown = set(listed)
        if standing is not None:
            shown |= {standing.block, *held.dated(origin, standing.block)}
        logs[origin] = held.prove(origin, sorted(shown), standing)
    return Bundle(name, service.chain.signed, logs)


def _lines(roster: Roster, checkpoint: Checkpoint, note: Note, role: Role) -> tuple[bytes, ...]:
    shaped = [it.key_id + it.blob for it in note.signatures]
    lines = [line for line in shaped if len(line) == LINE_BYTES]
    good = collect_lines(roster, checkpoint.origin, checkpoint, lines, role)
    return tuple(it.line for it in good)


def _not_yet(place: Place) -> UnavailableError:
    return UnavailableError(
        f"entry {place.index} of {place.origin} is not proven by a quorum here yet",
        code="not-replicated",
    )


def case_named(request: web.Request) -> str:
    """Return the case in a path.

    Raises:
        MalformedError: ``bad-field``: it is none.
    """
    name = request.match_info["id"]
    check_case(name)
    return name
