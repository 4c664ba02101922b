"""Proofs of logging: one file that shows an entry in a log, offline (C2SP tlog-proof).

What the entry means, and whether the log is the right one for it, is not checked here.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Final, Self

from ledger.checkpoint import SIZE_MAX, Checkpoint
from ledger.errors import MalformedError
from ledger.hashing import HASH_BYTES
from ledger.note import NOTE_BYTES_MAX, Note
from ledger.policy import Policy, PolicyResult
from ledger.proofs import check_inclusion

PROOF_HASHES_MAX: Final = 63
EXTRA_BYTES_MAX: Final = 1 << 20

# Base64 is a third longer than what it carries.
TLOG_PROOF_BYTES_MAX: Final = NOTE_BYTES_MAX + EXTRA_BYTES_MAX * 3 // 2 + 64 * PROOF_HASHES_MAX

_HEADER: Final = b"c2sp.org/tlog-proof@v1"
_EXTRA: Final = b"extra "
_INDEX: Final = b"index "


@dataclass(frozen=True, slots=True)
class TlogProof:
    """An entry's index, its inclusion proof, and a signed checkpoint for it to lead to.

    Args:
        index: Of the entry, from 0.
        hashes: Sibling hashes from the leaf up; none in a tree of one leaf.
        note: The signed checkpoint with its cosignatures, unchecked.
        extra: Bytes that ride along and that nothing vouches for; ``None`` when there are none.
    """

    index: int
    hashes: tuple[bytes, ...]
    note: Note
    extra: bytes | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.index <= SIZE_MAX:
            raise MalformedError(f"an index is in 0..2^63-1, not {self.index}")
        if len(self.hashes) > PROOF_HASHES_MAX:
            raise MalformedError(f"a proof has at most 63 hashes, not {len(self.hashes)}")
        if any(len(digest) != HASH_BYTES for digest in self.hashes):
            raise MalformedError("a proof's hashes have 32 bytes each")
        if self.extra is not None and not 1 <= len(self.extra) <= EXTRA_BYTES_MAX:
            raise MalformedError("extra data is left out, or has 1 byte to 1 MiB")

    def encode(self) -> bytes:
        """Return the file."""
        lines = [_HEADER]
        if self.extra is not None:
            lines.append(_EXTRA + base64.b64encode(self.extra))
        lines.append(_INDEX + b"%d" % self.index)
        lines.extend(base64.b64encode(digest) for digest in self.hashes)
        return b"%b\n\n%b" % (b"\n".join(lines), self.note.encode())

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the file. Neither proof nor signatures are checked.

        Raises:
            MalformedError: It is no proof, or one in another spelling; ``too-large``.
        """
        if len(data) > TLOG_PROOF_BYTES_MAX:
            raise MalformedError("a proof file is at most 3 MiB", code="too-large")
        # The first blank line, since the checkpoint brings another.
        head, _, note = data.partition(b"\n\n")
        header, *lines = head.split(b"\n")
        if header != _HEADER:
            raise MalformedError("a proof file starts with its format's name")
        extra = None
        try:
            if lines and lines[0].startswith(_EXTRA):
                extra = base64.b64decode(lines.pop(0)[len(_EXTRA) :])
            first, *rest = lines
            index = int(first.removeprefix(_INDEX))
            hashes = tuple(base64.b64decode(line) for line in rest)
        except (ValueError, binascii.Error) as error:
            raise MalformedError("a proof file holds numbers and base64") from error
        proof = cls(index, hashes, Note.decode(note), extra)
        # One comparison refuses "+1", "01", a bare number, stray bits in base64, an empty extra.
        if proof.encode() != data:
            raise MalformedError("a proof file is not in its one canonical form")
        return proof

    def check(self, leaf_hash: bytes, policy: Policy) -> PolicyResult:
        """Check that an entry is in a log that ``policy`` trusts, and return who says so.

        1. The checkpoint is signed by a log of the policy, and cosigned by its quorum.
        2. The proof leads from the leaf to the checkpoint's root.

        Args:
            leaf_hash: 32 bytes, from ``hash_leaf``.
            policy: Which logs and witnesses to trust.

        Raises:
            UnverifiedError: One of the two does not hold.
            MalformedError: The note is not a checkpoint.
        """
        result = policy.check(self.note)  # (1)
        head: Checkpoint = result.checkpoint
        check_inclusion(self.index, head.size, leaf_hash, self.hashes, head.root)  # (2)
        return result
