"""Proofs that entries stand in a log: of our own, and of every log that this node mirrors."""

from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from ledger.errors import MalformedError, NotFoundError, UnavailableError
from ledger.note import Note
from ledger.proofs import Reader, prove_inclusion
from ledger.tlog_proof import TlogProof
from nodes.api.context import Service
from nodes.store.entries import LogIDs, nodes_of, stored_size
from nodes.store.notes import load_newest_note

_Noted = tuple[int, Note, Reader]


def wants_proofs(request: web.Request) -> bool:
    """Say whether an answer is to bring the proof of each line, rather than to say where it is.

    Raises:
        MalformedError: ``bad-field``.
    """
    asked = request.query.get("proofs")
    if asked not in {None, "all"}:
        raise MalformedError("proofs is all, or left out", code="bad-field")
    return asked is not None


class EntryProofs:
    """Proves entries under the newest note with its quorums; what it has read serves one request.

    Args:
        service: The node's.
        connection: Open.
        ids: Of logs.
    """

    def __init__(self, service: Service, connection: Connection, ids: LogIDs) -> None:
        self._service = service
        self._connection = connection
        self._ids = ids
        self._noted: dict[tuple[str, bool], _Noted | None] = {}

    def prove(self, origin: str, index: int) -> bytes:
        """Return the proof of an entry (C2SP tlog-proof).

        While no note with quorums covers an entry of our own log, it is proven under the newest
        published one, signed by our own key alone.

        Raises:
            NotFoundError: The log has no such entry here.
            UnavailableError: ``not-replicated``: no note with quorums covers it yet.
        """
        noted = self._note(origin, finished=True)
        if noted is None or noted[0] <= index:
            noted = self._unfinished(origin, index)
        size, note, read = noted
        return TlogProof(index, tuple(prove_inclusion(index, size, read)), note).encode()

    def _unfinished(self, origin: str, index: int) -> _Noted:
        """Return our own newest note, since none with quorums covers an entry."""
        snapshot = self._service.node.snapshot
        is_own = origin == self._service.origin
        held = snapshot.size if is_own else stored_size(self._connection, origin)
        if index >= held:
            raise NotFoundError(f"the log has no entry {index} so far")
        noted = self._note(origin, finished=False) if is_own else None
        if noted is None:
            raise UnavailableError(
                f"no note with quorums covers entry {index} of {origin} here yet",
                code="not-replicated",
            )
        return noted

    def tell(self, origin: str, index: int, leaf: bytes, *, whole: bool) -> dict[str, Any]:
        """Return what proves an entry, as JSON: its leaf, and where its proof and receipt are.

        ``whole`` puts the proof itself beside them, null while there is none.
        """
        member = next(
            (it for it in self._service.roster.members.values() if it.origin == origin), None
        )
        told: dict[str, Any] = {
            "leaf": leaf,
            "url": f"/v1/entries/{index}/proof?origin={origin}",
            # Only the log itself signs receipts, so this one is of its own node.
            "receipt": None if member is None else f"{member.url}/entries/{index}",
        }
        if whole:
            try:
                told["tlog"] = self.prove(origin, index).decode("utf-8")
            except (NotFoundError, UnavailableError):
                told["tlog"] = None
        return told

    def _note(self, origin: str, *, finished: bool) -> _Noted | None:
        key = (origin, finished)
        if key not in self._noted:
            snapshot = self._service.node.snapshot
            found: tuple[int, bytes] | None = (snapshot.size, snapshot.note)
            if finished:
                found = load_newest_note(self._connection, self._ids, origin, finished=True)
            read = nodes_of(self._connection, self._ids, origin)
            self._noted[key] = None if found is None else (found[0], Note.decode(found[1]), read)
        return self._noted[key]
