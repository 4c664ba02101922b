"""The bytes of a COSE_Sign1 as logs keep it, and its parts: no spelling but one.

What is inside the parts is not looked at here.
"""

from typing import Final

from ledger.cose import byte_string
from ledger.errors import MalformedError

_STATEMENT_HEAD: Final = b"\xd2\x84"
# The same two heads in the longer forms that CBOR also knows.
_STATEMENT_HEADS_PADDED: Final = (
    b"\xd8\x12",
    b"\xd9\x00\x12",
    b"\xda\x00\x00\x00\x12",
    b"\xdb\x00\x00\x00\x00\x00\x00\x00\x12",
    b"\xd2\x98\x04",
    b"\xd2\x99\x00\x04",
    b"\xd2\x9a\x00\x00\x00\x04",
    b"\xd2\x9b\x00\x00\x00\x00\x00\x00\x00\x04",
    b"\xd2\x9f",
)


def encode_statement_parts(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    """Write a COSE_Sign1 from its parts, as a log stores it.

    Source: RFC 9052 section 4.2; the unprotected header is the empty map (RFC 9943 section 6.3).
    """
    return b"".join(
        (
            _STATEMENT_HEAD,
            byte_string(protected),
            b"\xa0",
            byte_string(payload),
            byte_string(signature),
        )
    )


def decode_statement_parts(entry: bytes) -> tuple[bytes, bytes, bytes]:
    """Take a stored COSE_Sign1 apart into protected header, payload and signature.

    Layout: ``d2 84 <bstr protected> a0 <bstr payload> <bstr signature>``, heads of least length,
    nothing after. What is inside the byte strings is not looked at.

    Raises:
        MalformedError: With code ``wrong-tag`` if it is not tag 18 over an array of four,
            ``unprotected-header`` if that map is not empty, ``non-canonical`` for heads that are
            padded or indefinite, ``malformed`` for the rest.
    """
    if entry[:2] != _STATEMENT_HEAD:
        raise _wrong_head(entry)
    protected, at = _byte_string(entry, 2)
    if entry[at : at + 1] != b"\xa0":
        raise _wrong_unprotected(entry, at)
    payload, at = _byte_string(entry, at + 1)
    signature, at = _byte_string(entry, at)
    if at != len(entry):
        raise MalformedError(f"bytes follow the statement, {len(entry) - at} of them")
    return protected, payload, signature


def _byte_string(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the byte string whose head is at ``at``, and where the next item begins."""
    head = data[at : at + 3]
    # The two heads that most strings have; all others, right or wrong, go the long way round.
    if head[:1] == b"\x58" and len(head) > 1 and head[1] >= 24:
        start = at + 2
        end = start + head[1]
    elif head[:1] == b"\x59" and len(head) == 3 and head[1]:
        start = at + 3
        end = start + (head[1] << 8 | head[2])
    else:
        size, start = _size(data, at, major=0x40)
        end = start + size
    if end > len(data):
        raise MalformedError("the statement ends inside a byte string")
    return data[start:end], end


def _size(data: bytes, at: int, *, major: int) -> tuple[int, int]:
    """Read a head of the given major type: the number it tells, and where its content begins."""
    if at >= len(data):
        raise MalformedError("the statement ends too early")
    short = data[at] - major
    if 0 <= short < 24:
        return short, at + 1
    if not 24 <= short < 32:
        raise MalformedError(f"the statement has the wrong type of item at byte {at}")
    if short == 31:
        raise MalformedError("the statement has an indefinite length", code="non-canonical")
    if short > 27:
        raise MalformedError(f"not CBOR at byte {at}")
    start = at + 1 + (1 << (short - 24))
    if start > len(data):
        raise MalformedError("the statement ends inside a length")
    size = int.from_bytes(data[at + 1 : start])
    if size < (24, 0x100, 0x1_0000, 0x1_0000_0000)[short - 24]:
        raise MalformedError("the statement has a padded length", code="non-canonical")
    return size, start


def _wrong_head(entry: bytes) -> MalformedError:
    if entry.startswith(_STATEMENT_HEADS_PADDED):
        return MalformedError("the statement has a padded head", code="non-canonical")
    if len(entry) < 2 and _STATEMENT_HEAD.startswith(entry):
        return MalformedError("the statement ends too early")
    return MalformedError("a statement is tag 18 over an array of four", code="wrong-tag")


def _wrong_unprotected(entry: bytes, at: int) -> MalformedError:
    try:
        # Not of size 0: unpadded, that is the byte which would have been right.
        _size(entry, at, major=0xA0)
    except MalformedError as error:
        return error
    return MalformedError("the unprotected header must be empty", code="unprotected-header")
