"""Cosignatures: a cosigner's dated word on a checkpoint (C2SP tlog-cosignature).

A ``Line`` is the Ed25519 form (0x04) in the 76 bytes that entries hold. The ML-DSA-44 form (0x06)
stands beside the log, as note signatures only. Which lines count, and for what, is not said here.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ledger.checkpoint import TIME_S_MAX, Checkpoint, cosignature_message, subtree_message
from ledger.errors import MalformedError, UnverifiedError
from ledger.keys import (
    LINES_REMEMBERED_MAX,
    SIGNATURE_BYTES,
    PostQuantumKey,
    SigningKey,
    verify_line,
    verify_post_quantum,
)
from ledger.note import (
    ED25519_COSIGNATURE,
    KEY_ID_BYTES,
    POST_QUANTUM_COSIGNATURE,
    TIME_BYTES,
    Signature,
    check_key_name,
    key_id,
)

__all__ = [
    "LINE_BYTES",
    "Line",
    "check_line",
    "check_post_quantum",
    "check_subtree",
    "cosignature_message",
    "line_key_id",
    "line_signature",
    "post_quantum_key_id",
    "sign_line",
    "sign_post_quantum",
    "sign_subtree",
    "subtree_message",
]

LINE_BYTES: Final = KEY_ID_BYTES + TIME_BYTES + SIGNATURE_BYTES


@dataclass(frozen=True, slots=True)
class Line:
    """One Ed25519 cosignature, as the bytes ``key_id[4] || time_s[8] || signature[64]``.

    It says neither who signed nor what: the reader brings the name, the key and the checkpoint.
    Invariant: it is dated, ``1 <= time_s < 2**63``, since an undated word shows nothing.
    """

    key_id: bytes
    time_s: int
    signature: bytes

    def __post_init__(self) -> None:
        if len(self.key_id) != KEY_ID_BYTES or len(self.signature) != SIGNATURE_BYTES:
            raise MalformedError("a line is a 4-byte key id, a time and a 64-byte signature")
        if not 1 <= self.time_s <= TIME_S_MAX:
            raise MalformedError(f"a line is dated from 1 to 2^63-1, not {self.time_s}")

    def encode(self) -> bytes:
        """Return the 76 bytes that views and block records hold."""
        return b"%b%b%b" % (self.key_id, self.time_s.to_bytes(TIME_BYTES), self.signature)

    @classmethod
    def decode(cls, data: bytes) -> "Line":
        """Read 76 bytes.

        Raises:
            MalformedError: There are more or fewer, or the time is out of range.
        """
        return _known(data) if len(data) == LINE_BYTES else _read(data)

    def to_signature(self, name: str) -> Signature:
        """Return the signature line that says the same in a note."""
        return Signature(name, self.key_id, self.time_s.to_bytes(TIME_BYTES) + self.signature)

    @classmethod
    def from_signature(cls, signature: Signature) -> "Line":
        """Return the line in a note's signature line, whose name is dropped.

        Raises:
            MalformedError: It holds no dated Ed25519 signature.
        """
        return cls.decode(signature.key_id + signature.blob)


def _read(data: bytes) -> Line:
    return Line(data[:4], int.from_bytes(data[4:12]), data[12:])


# The same line comes in an answer, on a finished note, in a block record and in views.
_known = lru_cache(maxsize=LINES_REMEMBERED_MAX)(_read)


@lru_cache(maxsize=LINES_REMEMBERED_MAX)
def line_signature(name: str, line: bytes) -> Signature:
    """Return the signature line of a note that says the same as the 76 bytes of a line."""
    return Line.decode(line).to_signature(name)


@lru_cache(maxsize=LINES_REMEMBERED_MAX)
def line_key_id(name: str, public: bytes) -> bytes:
    """Return the key id of an Ed25519 cosigner."""
    return key_id(name, ED25519_COSIGNATURE, public)


def sign_line(name: str, key: SigningKey, checkpoint: Checkpoint, time_s: int) -> Line:
    """Cosign ``checkpoint`` at ``time_s``.

    The caller has made sure that the checkpoint extends all it signed before, and that this is
    durable.
    """
    check_key_name(name)
    signature = key.sign(cosignature_message(time_s, checkpoint.text()))
    return Line(line_key_id(name, key.public), time_s, signature)


def check_line(line: Line, name: str, public: bytes, checkpoint: Checkpoint) -> None:
    """Check that the cosigner of this name and key signed ``checkpoint`` at ``line.time_s``.

    Raises:
        UnverifiedError: ``unknown-key`` when the line names another key, ``bad-signature`` when it
            does not hold.
    """
    if line.key_id != line_key_id(name, public):
        raise UnverifiedError(f"the line is not by the key of {name}", code="unknown-key")
    verify_line(public, cosignature_message(line.time_s, checkpoint.text()), line.signature)


def post_quantum_key_id(name: str, public: bytes) -> bytes:
    """Return the key id of an ML-DSA-44 cosigner or log."""
    return key_id(name, POST_QUANTUM_COSIGNATURE, public)


def sign_post_quantum(
    name: str, key: PostQuantumKey, checkpoint: Checkpoint, time_s: int
) -> Signature:
    """Sign ``checkpoint`` with ML-DSA-44.

    Args:
        name: The cosigner; for a log that signs its own checkpoint, its origin.
        key: Its key.
        checkpoint: What is signed.
        time_s: Unix time; 0 does not say that this is the largest tree seen.
    """
    head = checkpoint
    return sign_subtree(
        name, key, origin=head.origin, start=0, end=head.size, root=head.root, time_s=time_s
    )


def check_post_quantum(signature: Signature, public: bytes, checkpoint: Checkpoint) -> int:
    """Check an ML-DSA-44 signature on a whole checkpoint, and return its time in seconds.

    A time of 0 does not say that the tree was the largest seen: such a line is no cosignature for
    a quorum.

    Raises:
        UnverifiedError: ``unknown-key`` or ``bad-signature``.
        MalformedError: The time is 2^63 or later.
    """
    head = checkpoint
    return check_subtree(
        signature, public, origin=head.origin, start=0, end=head.size, root=head.root
    )


def sign_subtree(
    name: str,
    key: PostQuantumKey,
    *,
    origin: str,
    start: int,
    end: int,
    root: bytes,
    time_s: int = 0,
) -> Signature:
    """Sign the leaves from ``start`` up to before ``end`` of a log, with ML-DSA-44."""
    message = subtree_message(name, time_s, origin, start=start, end=end, root=root)
    blob = time_s.to_bytes(TIME_BYTES) + key.sign(message)
    return Signature(name, post_quantum_key_id(name, key.public), blob)


def check_subtree(
    signature: Signature, public: bytes, *, origin: str, start: int, end: int, root: bytes
) -> int:
    """Check an ML-DSA-44 signature on part of a log, and return its time in seconds.

    Raises:
        UnverifiedError: ``unknown-key`` or ``bad-signature``.
        MalformedError: The range or the time is one that must not be signed.
    """
    if signature.key_id != post_quantum_key_id(signature.name, public):
        raise UnverifiedError(f"not signed by the key of {signature.name}", code="unknown-key")
    time_s = int.from_bytes(signature.blob[:TIME_BYTES])
    message = subtree_message(signature.name, time_s, origin, start=start, end=end, root=root)
    verify_post_quantum(public, message, signature.blob[TIME_BYTES:])
    return time_s
