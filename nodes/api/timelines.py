"""The timeline of a case, read from the logs that this node holds."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection

from authz.case_bundle import counted
from authz.replay import Place
from authz.trace import Trace, TraceEntry, trace
from ledger.errors import NotFoundError
from ledger.salvage import as_judged
from ledger.statement import UnverifiedStatement, decode_statement
from nodes.api.clocks import BlockTimes, fresh_below, timing
from nodes.api.context import Service
from nodes.ports import UseRow
from nodes.store.entries import LogIDs, load_entries
from nodes.store.facts import between, load_changes, load_mentions, load_some_voids, newest
from nodes.store.findings import load_findings_of, load_uses, seen_by
from nodes.store.notes import load_newest_note

VOIDS_MAX: Final = 20
"""Void acts of one log that a timeline shows. Anyone may write a case's name into such."""

# How the uses of one entry stand together: the worst of them.
_WORST: Final = ("unauthorised", "unproven", "open", "confirmed-late", "confirmed")


def tell(service: Service, connection: Connection, case: str) -> Trace:
    """Return the timeline of a case.

    Raises:
        NotFoundError: No log that is held here names it.
    """
    ids = LogIDs()
    told = story(connection, ids, case)
    for at in load_some_voids(connection, ids, case, VOIDS_MAX):
        told[Place(*at)] = read(connection, ids, *at)
    if not told:
        raise NotFoundError(f"nothing is recorded here about {case}", code="unknown-object")
    judged = Judged(service, connection, ids)
    entries = [judged.entry(place, made, case) for place, made in told.items()]
    rows = [entry.changed[case] for entry in entries if case in entry.changed]
    count = timing(
        service,
        connection,
        ids,
        [(row["item"], row["v"]) for row in rows],
        [it for entry in entries for it in (entry.statement.time_s, entry.seen_by_s) if it],
    )
    return trace(case, entries, service.kinds, count)


def story(connection: Connection, ids: LogIDs, case: str) -> dict[Place, UnverifiedStatement]:
    """Return the acts on a case and the mentions of it that count, by their places."""
    found = {Place(*at): read(connection, ids, *at) for at in load_changes(connection, ids, case)}
    mentions = [Place(*at) for at in load_mentions(connection, ids, case)]
    for place in counted(case, list(found.items()), mentions):
        found[place] = read(connection, ids, place.origin, place.index)
    return found


def read(connection: Connection, ids: LogIDs, origin: str, index: int) -> UnverifiedStatement:
    """Return an act as a timeline tells it: one that was salvaged, as itself."""
    [entry] = load_entries(connection, ids, origin, index, index + 1)
    return as_judged(decode_statement(entry))


class Judged:
    """What this node knows of acts; what it has learnt on the way serves one request."""

    def __init__(self, service: Service, connection: Connection, ids: LogIDs) -> None:
        self._service = service
        self._connection = connection
        self._ids = ids
        self._finished: dict[str, int] = {}
        self._known: BlockTimes = {}

    def entry(self, place: Place, made: UnverifiedStatement, *also: str) -> TraceEntry:
        """Return an act with all that is known of it.

        Its rows are those of its subject, and of the objects that are named besides.
        """
        service, connection, ids = self._service, self._connection, self._ids
        origin, index = place.origin, place.index
        [signer] = newest(connection, ids, [(origin, made.issuer, index)])
        rows = [
            row
            for name in dict.fromkeys((*also, made.subject))
            for row in between(connection, ids, origin, name, index, index + 1)
        ]
        seen = seen_by(connection, ids, origin, index)
        fresh = fresh_below(service, connection, ids, origin, index, self._known)
        return TraceEntry(
            origin=origin,
            index=index,
            statement=made,
            changed={row.object: row.state for row in rows},
            finality=self._finality(origin, index),
            confirmation=_confirmation(load_uses(connection, ids, origin, index)),
            seen_by_s=None if seen is None else seen[0],
            fresh_at_s=None if fresh is None else fresh.time_s,
            asserted=signer is not None and signer.state.get("holder") == "region",
            unit=None if signer is None else signer.state.get("unit"),
            findings=tuple(row.code for row in load_findings_of(connection, ids, origin, index)),
        )

    def _finality(self, origin: str, index: int) -> str:
        if origin == self._service.origin:
            return self._service.driver.finality(index)
        if origin not in self._finished:
            # The members have signed that what stood below the cut of a closed log is held.
            closing = self._service.chain.newest.closed.get(origin)
            note = load_newest_note(self._connection, self._ids, origin, finished=True)
            size = 0 if note is None else note[0]
            self._finished[origin] = size if closing is None else closing.size
        return "replicated" if index < self._finished[origin] else "accepted"


def _confirmation(uses: Iterable[UseRow]) -> str:
    standing = {use.status for use in uses}
    return next((status for status in _WORST if status in standing), "")
