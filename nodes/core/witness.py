"""The witness: takes heads that extend what it has seen, and cosigns them.

Source: C2SP tlog-witness; who may advance a row, and times, by protocol.md section 0.
"""

from dataclasses import replace
from typing import NamedTuple

from ledger.checkpoint import Checkpoint
from ledger.errors import (
    ConflictError,
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UnverifiedError,
)
from ledger.note import Note, VerifierKey
from ledger.proofs import check_consistency
from nodes.core.copies import LogReader
from nodes.core.exchange import (
    SIZE_TYPE,
    decode_old,
    encode_lines,
    encode_size,
    split_add_checkpoint,
)
from nodes.core.heads import Heads
from nodes.core.notes import SignedHead, check_log
from nodes.core.ready import PeerCalled, PeerReply, PeerRow, Ready, Reply, Write

_EMPTY_LINE = b"\n0\n"


def refusal(error: LedgerError) -> PeerReply:
    """Return the status that C2SP gives for a refusal, and why in words."""
    body = f"{error.code}: {error}\n".encode()
    match error:
        case ConflictError():
            return PeerReply(409, encode_size(error.known_size), SIZE_TYPE)
        case NotFoundError():
            return PeerReply(404, body)
        case RefusedError():
            return PeerReply(403, body)
        case UnverifiedError():
            return PeerReply(422, body)
        case UnavailableError():
            return PeerReply(503, body)
        case _:
            return PeerReply(400, body)


class Witness:
    """Answers ``add-checkpoint`` from the rows of ``heads``, and moves them along one tree."""

    def __init__(self, heads: Heads) -> None:
        self._heads = heads

    def add_checkpoint(self, event: PeerCalled, now_ms: int, reader: LogReader) -> Ready:
        """Take one submission. Never raises: what is wrong with it is in the reply.

        In the order of the specification, with its statuses:

        1. The log is one that we witness (404), whose branch we have not left (403).
        2. It signed the note, with every key of its own that stands there (403).
        3. The request is well-formed, and its old size not beyond the checkpoint (400).
        4. The old size is that of our row (409, with our size).
        5. The empty tree has its one root, and the new tree begins with the old one (422). A log
           that we have frozen is not taken any further (403).
        6. We may sign, our clock has not stepped back, and the note comes from its log, or only
           refreshes what we hold, or its log has been silent for R (503).

        While our keys rest the row moves all the same and nothing is signed: a mirror may answer
        with an empty body, and so our copies of the other logs keep growing.

        Whoever shows a second history may well say that we stand elsewhere, and so never come to
        (5): at (4) the note is compared with the entries that we hold, and kept if it convicts.
        """
        try:
            writes, body = self._take(event, now_ms, reader)
        except (_ElsewhereError, _ConvictedError) as error:
            return Ready(writes=error.writes, replies=(Reply(event.request_id, refusal(error)),))
        except LedgerError as error:
            return Ready(replies=(Reply(event.request_id, refusal(error)),))
        return Ready(writes=writes, replies=(Reply(event.request_id, PeerReply(200, body)),))

    def _take(
        self, event: PeerCalled, now_ms: int, reader: LogReader
    ) -> tuple[tuple[Write, ...], bytes]:
        heads = self._heads
        header, data = split_add_checkpoint(event.body)
        origin = data.partition(b"\n")[0].decode(errors="replace")
        if origin not in heads.logs:  # (1)
            raise NotFoundError(f"we do not witness {origin[:80]!r}")
        heads.check_not_turned(origin)
        submitted = read_submitted(header, data, heads.rosters.log_keys(origin))  # (2, 3)
        old_size, proof, checkpoint, signed, post_quantum = submitted
        size = 0 if checkpoint is None else checkpoint.size
        row = heads.row(origin) or PeerRow.unheard(origin)
        if old_size != row.witnessed_size:  # (4)
            shown = None if checkpoint is None else SignedHead(checkpoint, signed)
            writes = () if shown is None else heads.compare(shown, reader)
            raise _ElsewhereError(row.witnessed_size, writes)
        if checkpoint is None:
            raise UnverifiedError("the empty tree has one root, and this is not it")
        try:
            check_consistency(old_size, size, row.witnessed_root, checkpoint.root, proof)  # (5)
        except UnverifiedError as error:
            raise self._failed(row, checkpoint, signed, proof, error) from error
        heads.check_not_convicted(origin)
        heads.check_not_frozen(origin)
        from_origin = heads.heard_from_origin(origin, event.caller)  # (6)
        if not from_origin and size != row.witnessed_size and not heads.silent(origin, now_ms):
            raise UnavailableError(f"only {origin} itself advances its log while it is alive")
        new = replace(
            row,
            witnessed_size=size,
            witnessed_root=checkpoint.root,
            pending=signed,
            heard_ms=max(now_ms, row.heard_ms) if from_origin else row.heard_ms,
        )
        if heads.resting and not heads.halted:
            return (heads.move(new),), b""
        writes, signatures = heads.sign("witness", new, checkpoint, now_ms)
        beside, more = heads.sign_second("witness", signed, post_quantum)
        return (*writes, *beside), encode_lines((*signatures, *more))

    def _failed(
        self,
        row: PeerRow,
        checkpoint: Checkpoint,
        signed: bytes,
        proof: tuple[bytes, ...],
        error: UnverifiedError,
    ) -> UnverifiedError:
        """Return the refusal of a proof that fails, which convicts the log only if its bytes do."""
        heads = self._heads
        older = Checkpoint(row.origin, row.witnessed_size, row.witnessed_root)
        writes: tuple[Write, ...] = ()
        if (checkpoint.size, checkpoint.root) == (older.size, older.root):
            return error  # the very tree that we hold: what is wrong stands beside the note
        if row.pending and checkpoint.size == older.size:
            writes = heads.convict(row.origin, (row.pending, signed))
        elif row.pending:
            writes = heads.convict(row.origin, (row.pending, signed), proof)
        return _ConvictedError(str(error), writes) if writes else error


class _ElsewhereError(ConflictError):
    """A submission from where we do not stand: answered with our size, whatever its note shows."""

    def __init__(self, known_size: int, writes: tuple[Write, ...]) -> None:
        super().__init__(known_size)
        self.writes = writes


class _ConvictedError(UnverifiedError):
    """A submission that shows two histories: refused, and kept."""

    code = "equivocation"

    def __init__(self, message: str, writes: tuple[Write, ...]) -> None:
        super().__init__(message)
        self.writes = writes


class Submitted(NamedTuple):
    """A submission as it was read; ``checkpoint`` is None for a false root of the empty tree."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint | None
    signed: bytes
    """The note with the log's Ed25519 line alone."""
    post_quantum: bytes
    """The log's ML-DSA-44 line; empty without one."""


def read_submitted(header: bytes, data: bytes, keys: tuple[VerifierKey, ...]) -> Submitted:
    """Read a submission, and check the log's signatures on its note.

    Args:
        header: Its lines before the note.
        data: The note.
        keys: That may sign notes of its log.

    Raises:
        MalformedError: Header or note is none, or the old size is beyond the checkpoint's.
        RefusedError: A key of the log has not signed, or not this.
    """
    note = Note.decode(data)
    origin = data.partition(b"\n")[0].decode(errors="replace")
    try:
        own, post_quantum = check_log(note, keys, origin)
    except UnverifiedError as error:
        raise RefusedError(str(error), code=error.code) from error
    old_size, proof = decode_old(header)
    checkpoint = _decode_checkpoint(note.text)
    size = 0 if checkpoint is None else checkpoint.size
    if old_size > size:
        raise MalformedError(f"the old size is {old_size}, the checkpoint's {size}")
    signed = Note(note.text, (own,)).encode()
    return Submitted(old_size, proof, checkpoint, signed, post_quantum)


def _decode_checkpoint(text: bytes) -> Checkpoint | None:
    """Read a checkpoint; None for one that is well-formed but gives the empty tree another root."""
    try:
        return Checkpoint.decode(text)
    except MalformedError:
        # The specification tells this one case (422) from all other malformed texts (400). It is
        # the case iff the same text with a size of 1 is well-formed.
        if text.count(_EMPTY_LINE) != 1:
            raise
        Checkpoint.decode(text.replace(_EMPTY_LINE, b"\n1\n"))
        return None
