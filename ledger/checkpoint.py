"""One tree head, and the byte strings that keys sign over it.

A log's plain Ed25519 key (0x01) signs the text itself; an Ed25519 cosigner (0x04) signs
``cosignature_message``; an ML-DSA-44 key (0x06) signs ``subtree_message``. Their prefixes differ,
so none can pass for another. Signature lines, keys, and whether two heads are consistent are not
done here.
"""

import base64
import binascii
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ledger.errors import MalformedError
from ledger.hashing import EMPTY_ROOT, HASH_BYTES

SIZE_MAX: Final = 2**63 - 1
TIME_S_MAX: Final = 2**63 - 1

# One length octet stands before the origin in ``subtree_message``; no log needs a longer name.
ORIGIN_BYTES_MAX: Final = 255

CACHED_MAX: Final = 1_024
CACHED_BYTES_MAX: Final = 512
"""What is longer is read anew each time, so that nobody can fill memory."""

_SUBTREE_LABEL: Final = b"subtree/v1\n\0"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One tree head: who keeps the log, how many entries it has, and its root hash.

    Source: C2SP tlog-checkpoint. Extension lines, which that page discourages, are refused: what
    we would say in them stands in entries, under the same root.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        _check_name(self.origin, "origin")
        if not 0 <= self.size <= SIZE_MAX:
            raise MalformedError(f"checkpoint size must be in 0..2^63-1, not {self.size}")
        if len(self.root) != HASH_BYTES:
            raise MalformedError(f"checkpoint root must be 32 bytes, not {len(self.root)}")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise MalformedError("the empty tree has one root, and this is not it")

    def encode(self) -> bytes:
        """Return the three lines that a log signs."""
        return _spelled(self.origin, self.size, self.root)

    def text(self) -> bytes:
        """Return the text of the note that carries this checkpoint: the same three lines."""
        return self.encode()

    @classmethod
    def decode(cls, data: bytes) -> "Checkpoint":
        """Read the text of a checkpoint note.

        Raises:
            MalformedError: ``extension-line`` for a fourth line, else ``malformed``.
        """
        return _known(data) if len(data) <= CACHED_BYTES_MAX else _read(data)


# Each line on a head is checked over these bytes.
@lru_cache(maxsize=CACHED_MAX)
def _spelled(origin: str, size: int, root: bytes) -> bytes:
    encoded = base64.b64encode(root).decode("ascii")
    return f"{origin}\n{size}\n{encoded}\n".encode()


def _read(data: bytes) -> Checkpoint:
    lines = data.split(b"\n", 4)
    if len(lines) > 4 or (len(lines) == 4 and lines[3]):
        raise MalformedError("checkpoint has an extension line", code="extension-line")
    try:
        first, second, third, _ = lines
        origin, size, root = first.decode(), int(second), base64.b64decode(third)
    except (ValueError, binascii.Error) as error:
        raise MalformedError("checkpoint is not three lines of text") from error
    checkpoint = Checkpoint(origin, size, root)
    # int() takes "+5" and "0_5", and b64decode() takes stray bits. Rather than guard
    # against each, accept only the one spelling that we would write ourselves.
    if checkpoint.encode() != data:
        raise MalformedError("checkpoint is not in its one canonical form")
    return checkpoint


_known = lru_cache(maxsize=CACHED_MAX)(_read)


def cosignature_message(time_s: int, checkpoint_text: bytes) -> bytes:
    """Return what an Ed25519 cosigner signs: its time, and the whole text of the checkpoint.

    Source: C2SP tlog-cosignature, "Ed25519 signed message".
    """
    return b"cosignature/v1\ntime %d\n%b" % (time_s, checkpoint_text)


def subtree_message(
    cosigner_name: str, time_s: int, origin: str, *, start: int, end: int, root: bytes
) -> bytes:
    """Return what an ML-DSA-44 key signs over the leaves from ``start`` up to before ``end``.

    Args:
        cosigner_name: Key name of the signer; for a log that signs its own checkpoint, its origin.
        time_s: Unix time; 0 says nothing about this being the largest tree, and is the only
            value allowed where ``start`` is not 0.
        origin: The log's origin line, without its line feed.
        start: 0 for a checkpoint.
        end: The size, for a checkpoint.
        root: 32 bytes.

    Raises:
        MalformedError: A field is out of its range.

    Source: C2SP tlog-cosignature, "ML-DSA-44 signed message".
    """
    name_bytes, origin_bytes = _check_name(cosigner_name, "name"), _check_name(origin, "origin")
    if not 0 <= start <= end <= SIZE_MAX:
        raise MalformedError(f"subtree must have 0 <= start <= end, not {start} and {end}")
    if not 0 <= time_s <= TIME_S_MAX or (start != 0 and time_s != 0):
        raise MalformedError(f"subtree has a time that it must not have, {time_s}")
    if len(root) != HASH_BYTES:
        raise MalformedError(f"subtree root must be 32 bytes, not {len(root)}")
    return b"".join(
        (
            _SUBTREE_LABEL,
            bytes((len(name_bytes),)),
            name_bytes,
            time_s.to_bytes(8),
            bytes((len(origin_bytes),)),
            origin_bytes,
            start.to_bytes(8),
            end.to_bytes(8),
            root,
        )
    )


def _check_name(name: str, what: str) -> bytes:
    """Return the bytes of a name that is one line of at most 255 bytes."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError as error:
        raise MalformedError(f"{what} is not Unicode text") from error
    if not 1 <= len(encoded) <= ORIGIN_BYTES_MAX:
        raise MalformedError(f"{what} must have 1..{ORIGIN_BYTES_MAX} bytes, not {len(encoded)}")
    # A note holds no control character, and the line feed would end the origin's line.
    if min(encoded) < 0x20:
        raise MalformedError(f"{what} must hold no control character")
    return encoded
