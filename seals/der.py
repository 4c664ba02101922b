"""Distinguished encoding (DER): a strict reader over received bytes, and a writer.

The reader hands out slices of what was received and never spells anything again, because real seals
are signed over spellings that a re-encoder would mend (``critical FALSE`` written out). What the
rules of DER say about one element it enforces: definite and shortest lengths, shortest integers and
identifiers, booleans of two values, no unused bits. Whether a default stands written out is
not its business.

Source: X.690 sections 8, 10 and 11.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from ledger.errors import MalformedError

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OID: Final = 0x06
UTF8_STRING: Final = 0x0C
PRINTABLE_STRING: Final = 0x13
IA5_STRING: Final = 0x16
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
SEQUENCE: Final = 0x30
SET: Final = 0x31

ANY: Final = -1
"""Stands for a tag where any will do."""

INTEGER_BYTES_MAX: Final = 64
OID_BYTES_MAX: Final = 64

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def context(number: int) -> int:
    """Return the constructed, context-specific tag ``[number]``."""
    return 0xA0 | number


class Reader:
    """A cursor over the elements of some received bytes.

    Every method takes the next element and raises ``MalformedError`` where it is not of that form:
    ``der-truncated``, ``der-tag``, ``der-length``, ``der-trailing`` or ``der-value``.
    """

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self._data = data
        self._at = at
        self._end = len(data) if end is None else end

    def more(self) -> bool:
        """Whether an element is left."""
        return self._at < self._end

    def tag(self) -> int:
        """Return the next element's tag without taking it; ``ANY`` where none is left."""
        return self._data[self._at] if self._at < self._end else ANY

    def finish(self) -> None:
        """Check that nothing is left."""
        if self._at != self._end:
            raise MalformedError(f"{self._end - self._at} bytes are left over", code="der-trailing")

    def _take(self, tag: int) -> tuple[int, int, int]:
        """Return where the next element's head, body and end are, and step over it."""
        data, start, end = self._data, self._at, self._end
        if start + 2 > end:
            raise MalformedError("an element is missing", code="der-truncated")
        found = data[start]
        if tag not in {found, ANY} or found & 0x1F == 0x1F:
            raise MalformedError(f"a tag is not the expected one: {found:#04x}", code="der-tag")
        length = data[start + 1]
        body = start + 2
        if length >= 0x80:
            count = length & 0x7F
            if not 1 <= count <= 4:
                raise MalformedError("a length is indefinite or too long", code="der-length")
            body += count
            if body > end:
                raise MalformedError("a length is cut off", code="der-truncated")
            length = int.from_bytes(data[start + 2 : body], "big")
            if length < 0x80 or length >> (8 * count - 8) == 0:
                raise MalformedError("a length is not the shortest", code="der-length")
        stop = body + length
        if stop > end:
            raise MalformedError("an element is cut off", code="der-truncated")
        self._at = stop
        return start, body, stop

    def raw(self, tag: int = ANY) -> bytes:
        """Return the next element as received, head and all."""
        start, _, stop = self._take(tag)
        return self._data[start:stop]

    def body(self, tag: int) -> bytes:
        """Return the content of the next element."""
        _, body, stop = self._take(tag)
        return self._data[body:stop]

    def inside(self, tag: int = SEQUENCE) -> "Reader":
        """Return a cursor over the elements inside the next one."""
        _, body, stop = self._take(tag)
        return Reader(self._data, body, stop)

    def each(self, tag: int = SEQUENCE) -> Iterator["Reader"]:
        """Return a cursor for each element that is left, all of one tag."""
        while self._at < self._end:
            yield self.inside(tag)

    def boolean(self) -> bool:
        """Return the next element, a BOOLEAN."""
        value = self.body(BOOLEAN)
        if value not in {b"\x00", b"\xff"}:
            raise MalformedError("a boolean is neither true nor false", code="der-value")
        return value == b"\xff"

    def integer(self) -> int:
        """Return the next element, an INTEGER of at most 64 bytes."""
        value = self.body(INTEGER)
        if not 1 <= len(value) <= INTEGER_BYTES_MAX:
            raise MalformedError("an integer is empty or too long", code="der-value")
        if len(value) > 1 and value[0] in {0, 0xFF} and value[0] >> 7 == value[1] >> 7:
            raise MalformedError("an integer is not the shortest", code="der-value")
        return int.from_bytes(value, "big", signed=True)

    def bits(self) -> bytes:
        """Return the next element, a BIT STRING of whole bytes."""
        value = self.body(BIT_STRING)
        if not value or value[0] != 0:
            raise MalformedError("a bit string is not of whole bytes", code="der-value")
        return value[1:]

    def flags(self) -> int:
        """Return the next element, a named-bit BIT STRING, as an integer whose bit n is bit n."""
        value = self.body(BIT_STRING)
        if (
            not 1 <= len(value) <= 9
            or value[0] > 7
            or (len(value) == 1 and value[0])
            or value[-1] & ((1 << value[0]) - 1)
        ):
            raise MalformedError("a list of bits has no good form", code="der-value")
        return int("0" + f"{int.from_bytes(value[1:], 'big'):0{8 * len(value) - 8}b}"[::-1], 2)

    def octets(self) -> bytes:
        """Return the next element, an OCTET STRING."""
        return self.body(OCTET_STRING)

    def oid(self) -> str:
        """Return the next element, an OBJECT IDENTIFIER, with dots."""
        return dotted(self.body(OID))

    def ascii(self, tag: int = IA5_STRING) -> str:
        """Return the next element, a string of ASCII."""
        try:
            return self.body(tag).decode("ascii")
        except UnicodeDecodeError as error:
            raise MalformedError("a string is not ASCII", code="der-value") from error

    def utf8(self) -> str:
        """Return the next element, a UTF8String."""
        try:
            return self.body(UTF8_STRING).decode("utf-8")
        except UnicodeDecodeError as error:
            raise MalformedError("a string is not UTF-8", code="der-value") from error

    def time_s(self) -> int:
        """Return the next element, a UTCTime or GeneralizedTime in UTC, in Unix seconds."""
        tag = self.tag()
        if tag not in {UTC_TIME, GENERALIZED_TIME}:
            raise MalformedError("a time is missing", code="der-tag")
        return parse_time(self.body(tag), generalized=tag == GENERALIZED_TIME)


def signed_parts(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Return what is signed, the algorithm's identifier and the signature, as certificates have it.

    Raises:
        MalformedError: A code of this module.

    Source: RFC 5280 sections 4.1 and 5.1.
    """
    outer = Reader(data)
    parts = outer.inside()
    outer.finish()
    signed, algorithm, signature = parts.raw(SEQUENCE), parts.raw(SEQUENCE), parts.bits()
    parts.finish()
    return signed, algorithm, signature


def parse_time(text: bytes, *, generalized: bool) -> int:
    """Return the Unix seconds of a time's content, which has seconds and ends in Z.

    A fraction of a second, as time-stamp tokens may have it, is dropped.
    """
    digits = 14 if generalized else 12
    number, rest = text[:digits], text[digits:]
    fraction = rest[:-1]
    if (
        len(number) != digits
        or not number.isdigit()
        or rest[-1:] != b"Z"
        or (fraction and not _is_fraction(fraction, generalized=generalized))
    ):
        raise MalformedError("a time is not written in UTC to the second", code="der-value")
    year = int(number[:-10])
    if not generalized:
        year += 1900 if year >= 50 else 2000  # RFC 5280 section 4.1.2.5.1
    month, day, hour, minute, second = (
        int(number[at : at + 2]) for at in range(digits - 10, digits, 2)
    )
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise MalformedError("a time does not exist", code="der-value") from error
    return (moment - _EPOCH) // timedelta(seconds=1)


def _is_fraction(text: bytes, *, generalized: bool) -> bool:
    return (
        generalized
        and 2 <= len(text) <= 10
        and text[:1] == b"."
        and text[1:].isdigit()
        and text[-1:] != b"0"
    )


# Few are in use, and they stand everywhere.
@lru_cache(maxsize=512)
def dotted(body: bytes) -> str:
    """Return the dotted form of an object identifier's content."""
    if not 1 <= len(body) <= OID_BYTES_MAX or body[-1] & 0x80:
        raise MalformedError("an object identifier is cut off or too long", code="der-value")
    arcs: list[int] = []
    value = 0
    fresh = True
    for octet in body:
        if fresh and octet == 0x80:
            raise MalformedError("an object identifier is not the shortest", code="der-value")
        value = value << 7 | octet & 0x7F
        fresh = not octet & 0x80
        if fresh:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def element(tag: int, *parts: bytes) -> bytes:
    """Return an element with these parts one after another as its content."""
    body = b"".join(parts)
    length = len(body)
    if length < 0x80:
        return bytes((tag, length)) + body
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + body


def sequence(*parts: bytes) -> bytes:
    """Return a SEQUENCE."""
    return element(SEQUENCE, *parts)


def set_of(*parts: bytes) -> bytes:
    """Return a SET OF, its parts in the order that X.690 section 11.6 gives them."""
    return element(SET, *sorted(parts))


def integer(value: int) -> bytes:
    """Return an INTEGER."""
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return element(INTEGER, value.to_bytes(size, "big", signed=True))


def boolean(value: bool) -> bytes:  # noqa: FBT001 - the value is all there is to say
    """Return a BOOLEAN."""
    return element(BOOLEAN, b"\xff" if value else b"\x00")


def octets(value: bytes) -> bytes:
    """Return an OCTET STRING."""
    return element(OCTET_STRING, value)


def bits(value: bytes) -> bytes:
    """Return a BIT STRING of whole bytes."""
    return element(BIT_STRING, b"\x00", value)


def flags(*numbers: int) -> bytes:
    """Return a named-bit BIT STRING with these bits set, without trailing zero bits."""
    if not numbers:
        return element(BIT_STRING, b"\x00")
    size = max(numbers) // 8 + 1
    value = sum(1 << (8 * size - 1 - number) for number in set(numbers))
    return element(BIT_STRING, bytes((8 * size - 1 - max(numbers),)), value.to_bytes(size, "big"))


def oid(text: str) -> bytes:
    """Return an OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = map(int, text.split("."))
    body = bytearray()
    for arc in (40 * first + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(0x80 | arc & 0x7F)
        body += bytes(reversed(septets))
    return element(OID, bytes(body))


def utf8(text: str) -> bytes:
    """Return a UTF8String."""
    return element(UTF8_STRING, text.encode())


def ascii_string(text: str, tag: int = IA5_STRING) -> bytes:
    """Return a string of ASCII, an IA5String unless told.

    Raises:
        MalformedError: ``der-value``: the text has other letters.
    """
    try:
        return element(tag, text.encode("ascii"))
    except UnicodeEncodeError as error:
        raise MalformedError(f"only ASCII may stand here: {text}", code="der-value") from error


def generalized_time(time_s: int) -> bytes:
    """Return a GeneralizedTime in UTC."""
    return element(GENERALIZED_TIME, _moment(time_s).strftime("%Y%m%d%H%M%SZ").zfill(15).encode())


def certificate_time(time_s: int) -> bytes:
    """Return a time as certificates write it: UTCTime through the year 2049."""
    moment = _moment(time_s)
    if 1950 <= moment.year < 2050:
        return element(UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())
    return generalized_time(time_s)


def moment(time_s: int) -> str:
    """Return a time as people read it: ISO 8601 in UTC."""
    return _moment(time_s).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(time_s: int) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=time_s)
    except OverflowError as error:
        raise MalformedError(f"there is no such time: {time_s}", code="der-value") from error
