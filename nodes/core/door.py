"""The door of a node: each request of another node goes to the part that answers it."""

import re
from typing import Final

from ledger.errors import LedgerError, NotFoundError, UnverifiedError
from nodes.core.candidate import Candidate
from nodes.core.claims import Claims
from nodes.core.copies import LogReader
from nodes.core.exchange import (
    ADD_CHECKPOINT,
    ADD_ENTRIES,
    FINISHED,
    LINES,
    MIRROR,
    NEWEST,
    ROSTERS,
    decode_rosters,
)
from nodes.core.extension import EXTEND, EXTENSION_TYPE, encode_extended, halves
from nodes.core.finished import FinishedNotes
from nodes.core.heads import Heads
from nodes.core.mirror import Mirror
from nodes.core.reach import Reach
from nodes.core.ready import PeerCalled, PeerReply, Ready, Reply
from nodes.core.rosters import Rosters
from nodes.core.witness import Witness, refusal

LINES_PAGE: Final = re.compile(r"/(?:witness|mirror)/[0-9a-f]{64}/lines(?:\?|$)")


class Door:
    """Witness, mirror and the rest, as other nodes see them: by their paths.

    Invariant: each request has exactly one reply.
    """

    def __init__(
        self,
        *,
        rosters: Rosters,
        heads: Heads,
        witness: Witness,
        mirror: Mirror,
        finished: FinishedNotes,
        candidate: Candidate,
        claims: Claims,
        reach: Reach,
    ) -> None:
        self._rosters = rosters
        self._heads = heads
        self._witness = witness
        self._mirror = mirror
        self._finished = finished
        self._candidate = candidate
        self._claims = claims
        self._reach = reach

    def called(self, event: PeerCalled, now_ms: int, reader: LogReader) -> Ready:
        """Answer a request; its writes must be applied before the next call."""
        path = event.path
        if path == ADD_CHECKPOINT:
            return self._add_checkpoint(event, now_ms, reader)
        if path == ADD_ENTRIES:
            return self._mirror.add_entries(event, now_ms, reader)
        if path == EXTEND:
            return self._extend(event, now_ms, reader)
        if path == LINES:
            return self._mirror.lines(event, now_ms, reader)
        if path == ROSTERS:
            return self._hear_rosters(event)
        if path == FINISHED:
            return self._hear_note(event, now_ms, reader)
        if path.startswith(NEWEST):
            if path == self._claims.path:
                self._reach.heard(event.caller)
            newest = self._candidate.newest
            return self._mirror.newest(event, b"" if newest is None else newest.note)
        if LINES_PAGE.match(path):
            return self._mirror.given(event, reader)
        if path.startswith(MIRROR):
            return self._mirror.read(event, reader)
        return _refused(event, NotFoundError("there is nothing at this path"))

    def _add_checkpoint(self, event: PeerCalled, now_ms: int, reader: LogReader) -> Ready:
        ready = self._witness.add_checkpoint(event, now_ms, reader)
        # A commit is due for it anyway, so what waited for one goes along.
        kept = self._finished.keep_all() if ready.writes else ()
        return Ready(writes=(*ready.writes, *kept), replies=ready.replies)

    def _extend(self, event: PeerCalled, now_ms: int, reader: LogReader) -> Ready:
        """Take a checkpoint, and then the entries up to it if it was taken."""
        try:
            checkpoint, entries = halves(event)
        except LedgerError as error:
            return _refused(event, error)
        taken = [self._add_checkpoint(checkpoint, now_ms, reader)]
        if _reply_of(taken[0]).status == 200:
            taken.append(self._mirror.add_entries(entries, now_ms, reader))
        body = encode_extended([_reply_of(it) for it in taken])
        reply = PeerReply(200, body, EXTENSION_TYPE)
        return Ready(
            writes=tuple(write for it in taken for write in it.writes),
            replies=(Reply(event.request_id, reply),),
        )

    def _hear_rosters(self, event: PeerCalled) -> Ready:
        """Versions that someone knows: each proves itself, so it does not matter who says so."""
        try:
            later = decode_rosters(event.body)
        except LedgerError as error:
            return _refused(event, error)
        for signed in later:
            if not (self._rosters.knows(signed) or self._rosters.learn(signed)):
                unfit = UnverifiedError("no version that follows", code="roster-version")
                return _refused(event, unfit)
        return Ready(replies=(Reply(event.request_id, PeerReply(204)),))

    def _hear_note(self, event: PeerCalled, now_ms: int, reader: LogReader) -> Ready:
        """A note of our own log would be news only if we had forgotten it."""
        if not event.body.startswith(self._heads.own.encode() + b"\n"):
            return self._finished.take(event, now_ms, reader)
        try:
            writes = self._claims.compare(event.body, reader)
        except LedgerError as error:
            return _refused(event, error)
        return Ready(writes=writes, replies=(Reply(event.request_id, PeerReply(204)),))


def _refused(event: PeerCalled, error: LedgerError) -> Ready:
    return Ready(replies=(Reply(event.request_id, refusal(error)),))


def _reply_of(ready: Ready) -> PeerReply:
    """Return what a peer is told that asked for one thing."""
    (reply,) = ready.replies
    assert isinstance(reply.value, PeerReply)
    return reply.value
