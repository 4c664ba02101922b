"""The bodies that nodes send each other: add-checkpoint, add-entries, mirror-info, signature lines.

Bytes in, values out, and back. Nothing is checked against a log here, and compression is the
transport's business (``nodes.wire``).

Source: C2SP tlog-witness and tlog-mirror.
"""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate
from typing import Final, NamedTuple

from ledger.checkpoint import ORIGIN_BYTES_MAX, SIZE_MAX
from ledger.cosignature import LINE_BYTES
from ledger.encoding import decode, encode
from ledger.errors import MalformedError
from ledger.hashing import HASH_BYTES
from ledger.note import SIGNATURES_MAX, Signature
from ledger.tiles import TILE_WIDTH

ADD_CHECKPOINT: Final = "/c2sp/add-checkpoint"
ADD_ENTRIES: Final = "/c2sp/add-entries"
FINISHED: Final = "/peer/finished"
LINES: Final = "/peer/lines"
NEWEST: Final = "/peer/newest/"
ROSTERS: Final = "/peer/rosters"
VAULT: Final = "/peer/vault"
MIRROR: Final = "/mirror/"
WITNESS: Final = "/witness/"

SIZE_TYPE: Final = "text/x.tlog.size"
MIRROR_INFO_TYPE: Final = "text/x.tlog.mirror-info"

PROOF_HASHES_MAX: Final = 63
ROSTERS_BYTES_MAX: Final = 4 << 20
_HEAD_BYTES_MAX: Final = 9
"""Before an array or a string of bytes: its type and length."""
ADD_CHECKPOINT_BYTES_MAX: Final = 128 * 1024
PACKAGES_MAX: Final = 33
"""Of one upload are read: the 8,192 entries that a client should send, from wherever it starts."""
TICKET_BYTES_MAX: Final = 0xFFFF

GIVEN_ROWS_MAX: Final = 256
"""How many lines that it gave one page of a node is asked for."""
_GIVEN_BYTES: Final = 8 + HASH_BYTES + LINE_BYTES

_OLD: Final = b"old "


def origin_hash(origin: str) -> str:
    """Return what names a log in paths: the SHA-256 of its origin, in hexadecimal."""
    return sha256(origin.encode()).hexdigest()


def lines_path(role: str, origin: str, *, since_s: int, after: int) -> str:
    """Return the path of a page of the lines that a node's key gave for a log.

    Args:
        role: Of the key: witness or mirror.
        origin: Of the log.
        since_s: Lines dated from then on.
        after: Of the lines dated ``since_s``, only those on larger trees; -1 for all.
    """
    more = f"&after={after}" if after >= 0 else ""
    return f"/{role}/{origin_hash(origin)}/lines?since={since_s}{more}&rows={GIVEN_ROWS_MAX}"


def encode_size(size: int) -> bytes:
    """Return the body of a witness's 409."""
    return b"%d\n" % size


def decode_size(body: bytes) -> int:
    """Read a size on a line of its own, in its one spelling.

    Raises:
        MalformedError: It is none.
    """
    digits = body[:-1]
    if len(digits) > 19 or not digits.isdigit() or encode_size(int(digits)) != body:
        raise MalformedError("not a size and a line feed")
    size = int(digits)
    if size > SIZE_MAX:
        raise MalformedError(f"no tree has size {size}")
    return size


def rosters_after(signed: Sequence[bytes], version: int) -> Sequence[bytes]:
    """Return the versions after one, as many of them as a peer takes at once; one at the least.

    Args:
        signed: All versions, from the genesis on.
        version: The one before the first to be told.
    """
    later = signed[version:]
    sizes = accumulate(len(it) + _HEAD_BYTES_MAX for it in later)
    return later[: max(1, bisect_right(list(sizes), ROSTERS_BYTES_MAX - _HEAD_BYTES_MAX))]


def encode_rosters(signed: Sequence[bytes]) -> bytes:
    """Return the body that tells some versions.

    Great ones have some 200 KB each, and go to every peer: they share the bytes.
    """
    return _told(tuple(signed))


@lru_cache(maxsize=2)
def _told(signed: tuple[bytes, ...]) -> bytes:
    return encode(list(signed))


def decode_rosters(body: bytes) -> list[bytes]:
    """Read the versions that are told; none of them is checked.

    Raises:
        MalformedError: It is something else.
    """
    signed = decode(body)
    if type(signed) is not list or not all(type(item) is bytes for item in signed):
        raise MalformedError("not a list of signed rosters")
    return signed


def encode_lines(signatures: Sequence[Signature]) -> bytes:
    """Return a body of signature lines and nothing else."""
    return b"".join(signature.encode() for signature in signatures)


def decode_lines(body: bytes) -> tuple[Signature, ...]:
    """Read a body of signature lines; an empty body has none.

    Raises:
        MalformedError: It holds something else, or too many of them.
    """
    lines = body.splitlines(keepends=True)
    if len(lines) > SIGNATURES_MAX:
        raise MalformedError(f"at most {SIGNATURES_MAX} signature lines, not {len(lines)}")
    return tuple(Signature.decode(line) for line in lines)


class GivenRow(NamedTuple):
    """A line that a node's key gave, and on which tree."""

    size: int
    root: bytes
    line: bytes

    @property
    def time_s(self) -> int:
        """When the line is dated."""
        return int.from_bytes(self.line[4:12])


def encode_given(rows: Iterable[tuple[int, bytes, bytes]]) -> bytes:
    """Return a page of lines given: size, root and line of each."""
    return b"".join(b"%b%b%b" % (size.to_bytes(8), root, line) for size, root, line in rows)


def decode_given(body: bytes) -> tuple[GivenRow, ...]:
    """Read a page of lines given; no line is checked.

    Raises:
        MalformedError: It ends inside a line, or has more of them than were asked for.
    """
    if len(body) % _GIVEN_BYTES or len(body) > GIVEN_ROWS_MAX * _GIVEN_BYTES:
        raise MalformedError(f"a page has up to {GIVEN_ROWS_MAX} lines of {_GIVEN_BYTES} bytes")
    return tuple(
        GivenRow(
            int.from_bytes(body[at : at + 8]),
            body[at + 8 : at + 8 + HASH_BYTES],
            body[at + 8 + HASH_BYTES : at + _GIVEN_BYTES],
        )
        for at in range(0, len(body), _GIVEN_BYTES)
    )


# ---- add-checkpoint -----------------------------------------------------------------------------


def encode_add_checkpoint(old_size: int, proof: Sequence[bytes], note: bytes) -> bytes:
    """Return the body of ``add-checkpoint``.

    Args:
        old_size: Of the tree that the witness is believed to have cosigned last.
        proof: That the new tree begins with the old one.
        note: The signed checkpoint, with the log's own lines only.
    """
    lines = [b"old %d\n" % old_size, *(base64.b64encode(item) + b"\n" for item in proof)]
    return b"".join((*lines, b"\n", note))


def split_add_checkpoint(body: bytes) -> tuple[bytes, bytes]:
    """Split a request into its header lines and its note, neither of them read yet.

    The two are read one after the other, since a witness says what is wrong with the note's log
    and its signature before it says what is wrong with the header.

    Raises:
        MalformedError: There is no blank line between them, or it is ``too-large``.
    """
    if len(body) > ADD_CHECKPOINT_BYTES_MAX:
        raise MalformedError(f"at most {ADD_CHECKPOINT_BYTES_MAX} bytes", code="too-large")
    header, blank, note = body.partition(b"\n\n")
    if not blank or header.startswith(b"\n"):
        raise MalformedError("header lines and a blank line stand before the checkpoint")
    return header + b"\n", note


def decode_old(header: bytes) -> tuple[int, tuple[bytes, ...]]:
    """Read the old size and the proof.

    Raises:
        MalformedError: A line is of another form, or there are more than 63 hashes.
    """
    lines = header.splitlines(keepends=True)
    if not lines or not lines[0].startswith(_OLD):
        raise MalformedError("the first line is 'old' and a size")
    old_size = decode_size(lines[0][len(_OLD) :])
    if len(lines) - 1 > PROOF_HASHES_MAX:
        raise MalformedError(f"a proof has at most {PROOF_HASHES_MAX} hashes")
    return old_size, tuple(_decode_hash(line) for line in lines[1:])


def _decode_hash(line: bytes) -> bytes:
    try:
        value = base64.b64decode(line)
    except (ValueError, binascii.Error) as error:
        raise MalformedError("a line of the proof is not base64") from error
    if len(value) != HASH_BYTES or base64.b64encode(value) + b"\n" != line:
        raise MalformedError("a line of the proof is not a hash in its one spelling")
    return value


# ---- mirror-info --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorInfo:
    """Where a mirror stands: the body of its 202 and 409."""

    pending_size: int
    next_entry: int
    ticket: bytes = b""

    def encode(self) -> bytes:
        """Return the three lines."""
        ticket = base64.b64encode(self.ticket)
        return b"%d\n%d\n%b\n" % (self.pending_size, self.next_entry, ticket)

    @classmethod
    def decode(cls, body: bytes) -> "MirrorInfo":
        """Read the three lines, in their one spelling.

        Raises:
            MalformedError: They are of another form.
        """
        lines = body.split(b"\n")
        if len(lines) != 4 or len(body) > 2 * TICKET_BYTES_MAX:
            raise MalformedError("a mirror's information has three lines")
        try:
            ticket = base64.b64decode(lines[2])
        except (ValueError, binascii.Error) as error:
            raise MalformedError("a ticket is base64") from error
        info = cls(
            pending_size=decode_size(lines[0] + b"\n"),
            next_entry=decode_size(lines[1] + b"\n"),
            ticket=ticket,
        )
        if info.encode() != body:
            raise MalformedError("a mirror's information is not in its one spelling")
        return info


# ---- add-entries --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Package:
    """Up to 256 entries, to where a bundle or the tree ends, and the proof of their subtree."""

    start: int
    entries: tuple[bytes, ...]
    proof: tuple[bytes, ...]

    @property
    def end(self) -> int:
        """One past the last index."""
        return self.start + len(self.entries)

    @property
    def rounded_start(self) -> int:
        """Where the subtree begins that the proof is about."""
        return self.start - self.start % TILE_WIDTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Entries for a mirror: a prefix, maybe empty, of the packages that lead from start to end."""

    origin: str
    start: int
    end: int
    ticket: bytes = b""
    packages: tuple[Package, ...] = ()

    def encode(self) -> bytes:
        """Return the body."""
        origin = self.origin.encode()
        parts = [
            len(origin).to_bytes(2),
            origin,
            self.start.to_bytes(8),
            self.end.to_bytes(8),
            len(self.ticket).to_bytes(2),
            self.ticket,
        ]
        for package in self.packages:
            for entry in package.entries:
                parts += (len(entry).to_bytes(2), entry)
            parts.append(bytes((len(package.proof),)))
            parts += package.proof
        return b"".join(parts)

    @classmethod
    def decode(cls, body: bytes) -> "Upload":
        """Read a body, up to its last whole package or the ``PACKAGES_MAX``-th; no further.

        Raises:
            MalformedError: The header is not whole, or its range is none.
        """
        size = int.from_bytes(body[:2])
        fixed = 2 + size + 8 + 8 + 2
        if len(body) < fixed or not 0 < size <= ORIGIN_BYTES_MAX:
            raise MalformedError("an upload begins with origin, start, end and ticket")
        try:
            origin = body[2 : 2 + size].decode()
        except UnicodeDecodeError as error:
            raise MalformedError("an origin is UTF-8") from error
        start = int.from_bytes(body[2 + size : 10 + size])
        end = int.from_bytes(body[10 + size : 18 + size])
        at = fixed + int.from_bytes(body[fixed - 2 : fixed])
        if at > len(body):
            raise MalformedError("an upload ends inside its ticket")
        if not start <= end <= SIZE_MAX:
            raise MalformedError(f"no entries lie from {start} to {end}")
        packages: list[Package] = []
        low = start
        while low < end and len(packages) < PACKAGES_MAX:
            high = package_end(low, end)
            found = _decode_package(body, at, low, high)
            if found is None:
                break
            package, at = found
            packages.append(package)
            low = high
        if low == end and at != len(body):
            raise MalformedError("bytes follow the last package")
        return cls(
            origin=origin,
            start=start,
            end=end,
            ticket=body[fixed : fixed + int.from_bytes(body[fixed - 2 : fixed])],
            packages=tuple(packages),
        )


def package_end(start: int, upload_end: int) -> int:
    """Return where the package ends that begins at ``start``."""
    return min(start - start % TILE_WIDTH + TILE_WIDTH, upload_end)


def _decode_package(body: bytes, at: int, low: int, high: int) -> tuple[Package, int] | None:
    """Return the package at an offset and the offset after it; None if it is not whole."""
    total = len(body)
    entries: list[bytes] = []
    for _ in range(low, high):
        start = at + 2
        if start > total:
            return None
        at = start + int.from_bytes(body[at:start])
        if at > total:
            return None
        entries.append(body[start:at])
    if at >= total:
        return None
    count = body[at]
    end = at + 1 + count * HASH_BYTES
    if count > PROOF_HASHES_MAX or end > total:
        return None
    proof = tuple(body[start : start + HASH_BYTES] for start in range(at + 1, end, HASH_BYTES))
    return Package(low, tuple(entries), proof), end
