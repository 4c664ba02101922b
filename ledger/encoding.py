"""One spelling for every record that is signed or hashed: deterministic CBOR.

RFC 8949 section 4.2.1, cut down to what our records need: null, booleans, integers of 64 bits, byte
and text strings, arrays, and maps whose keys are integers or text. No floats, no indefinite
lengths, no tags; the one tag that is ours (18, COSE_Sign1) stands in front of a record and is
handled by name.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any, Final, Never

import cbor2  # noqa: TID251 - this is the one module that may

from ledger.errors import MalformedError
from ledger.kept import KeptTexts

DEPTH_MAX: Final = 16
BYTES_MAX: Final = 16 * 1024 * 1024
KEPT_KEYS_MAX: Final = 64
KEPT_KEY_CHARS_MAX: Final = 32
"""Of a map whose order of keys is kept in mind."""
KEPT_MAPS_MAX: Final = 512
KEPT_INTEGER_MAX: Final = 511
"""Of integers whose encoding is kept in mind; times and indices hardly come twice."""
SHORT_BYTES_MAX: Final = 4_096
"""Of a record, so that keeping the keys of its maps in mind takes little memory."""
INTEGER_MAX: Final = 2**64 - 1
INTEGER_MIN: Final = -(2**64)

TAG_SIGN1: Final = 18

_TEXTS: Final = {str}
_NO_NAMES: Final = repeat(b"")
_Keys = tuple[Sequence[object], Sequence[bytes]]
_known_keys: Final[dict[tuple[object, ...], _Keys]] = {}
_KEYS: Final = {int, str}
_SIMPLE: Final = {None: b"\xf6", True: b"\xf5", False: b"\xf4"}

# A tag is written as major type 6; 18 fits the head byte.
_TAG_HEADS: Final[Mapping[int, bytes]] = {TAG_SIGN1: b"\xd2"}


def encode(value: object) -> bytes:
    """Encode a value in its one deterministic form.

    Written here, and not by cbor2, which would need maps in order first: a copy of the whole value
    that costs as much as writing it.

    Args:
        value: None, bool, int, bytes, str, and lists, tuples and mappings of them. Mappings may be
            in any order; they are written in the order of section 4.2.1.

    Raises:
        MalformedError: A value has a type that our records do not know, an integer is beyond 64
            bits, text is not Unicode, or the value is nested deeper than ``DEPTH_MAX``.
    """
    parts: list[bytes] = []
    try:
        _write(_NO_NAMES, (value,), parts.append, DEPTH_MAX)
    except UnicodeError as error:  # lone surrogates
        raise MalformedError("text is not Unicode") from error
    return b"".join(parts)


def encode_tagged(value: object, *, tag: int = TAG_SIGN1) -> bytes:
    """Encode a value behind a tag that our records know.

    Raises:
        MalformedError: As for ``encode``, or the tag is not one of ours.
    """
    head = _TAG_HEADS.get(tag)
    if head is None:
        raise MalformedError(f"our records do not use tag {tag}")
    return head + encode(value)


def decode(
    data: bytes,
    *,
    depth_max: int = DEPTH_MAX,
    bytes_max: int = BYTES_MAX,
) -> Any:  # noqa: ANN401 - CBOR is what it is; callers narrow it
    """Decode a value, and refuse every encoding but ours.

    Any other spelling of a value is longer than ours: padded heads, indefinite lengths, repeated
    keys and trailing bytes only ever add bytes. So a value of our types whose maps are in order,
    and whose deterministic form is exactly as long as ``data``, is spelled as we spell it; this is
    encoding again and comparing, in half the time. Tags would break it, as a reference to an
    earlier string is shorter than the string, so every tag is refused while decoding.

    Args:
        data: What was received.
        depth_max: How many arrays and maps with something in them may stand within each other.
        bytes_max: How long ``data`` may be.

    Raises:
        MalformedError: With code ``too-large`` if it is longer than ``bytes_max``,
            ``non-canonical`` if this is CBOR, but not in our spelling or not of our types; else
            ``malformed``.
    """
    if len(data) > bytes_max:
        raise MalformedError(f"CBOR is longer than {bytes_max} bytes", code="too-large")
    try:
        value = cbor2.loads(
            data,
            max_depth=depth_max,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            semantic_decoders=_NO_TAGS,
        )
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _why_not(data, depth_max) from error
    keys_bytes = _short_keys_bytes if len(data) <= SHORT_BYTES_MAX else _keys_bytes
    if _canonical_bytes(value, keys_bytes) != len(data):
        raise MalformedError("CBOR is not in its one deterministic form", code="non-canonical")
    return value


def decode_own(data: bytes) -> Any:  # noqa: ANN401 - as for decode
    """Decode what ``encode`` wrote and nobody but us has kept since.

    Whether it is spelled as we spell it is not looked at again, which takes twice as long as
    decoding. For nothing that comes from others, or is signed or hashed.

    Raises:
        MalformedError: As ``decode``, except for spellings.
    """
    try:
        return cbor2.loads(data, max_depth=DEPTH_MAX, semantic_decoders=_NO_TAGS)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _why_not(data, DEPTH_MAX) from error


def decode_tagged(
    data: bytes,
    *,
    tag: int = TAG_SIGN1,
    depth_max: int = DEPTH_MAX,
    bytes_max: int = BYTES_MAX,
) -> Any:  # noqa: ANN401 - as for decode
    """Decode the value behind a tag that our records know.

    Raises:
        MalformedError: With code ``wrong-tag`` if another tag, or none, stands in front; else as
            for ``decode``.
    """
    head = _TAG_HEADS.get(tag)
    if head is None or data[:1] != head:
        raise MalformedError(f"the record does not begin with tag {tag}", code="wrong-tag")
    return decode(data[1:], depth_max=depth_max, bytes_max=bytes_max)


class _NoTags(dict[int, Any]):
    """A table of tag decoders in which every tag is found, and refused."""

    def __missing__(self, tag: int) -> Any:  # noqa: ANN401 - cbor2 has no public type for it
        def refuse(_content: object, _immutable: bool) -> Never:  # noqa: FBT001 - called by cbor2
            raise MalformedError(f"our records do not use tag {tag}", code="non-canonical")

        return refuse


class _AnyTags(dict[int, Any]):
    """A table of tag decoders in which every tag is found, and its content dropped."""

    def __missing__(self, tag: int) -> Any:  # noqa: ANN401 - as above
        return _drop


def _drop(_content: object, _immutable: bool) -> None:  # noqa: FBT001 - called by cbor2
    """Stand in for a tag's content, which no one will read."""


_NO_TAGS: Final = _NoTags()
_ANY_TAGS: Final = _AnyTags()


def _why_not(data: bytes, depth_max: int) -> MalformedError:
    """Tell CBOR in a spelling that is not ours from bytes that are not CBOR."""
    try:
        cbor2.loads(data, max_depth=depth_max, semantic_decoders=_ANY_TAGS)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError):
        return MalformedError("not CBOR, or nested too deeply")
    return MalformedError("CBOR is not in its one deterministic form", code="non-canonical")


def _text_bytes(text: str) -> int:
    """Return how long a text is, with its head."""
    size = len(text) if text.isascii() else len(text.encode())
    return size + _head_bytes(size)


_texts_bytes: Final = KeptTexts(_text_bytes)


def _head_bytes(size: int) -> int:
    """Return how long a head is: its byte, and the 0, 1, 2, 4 or 8 of the number that it tells."""
    if size < 24:
        return 1
    if size < 0x100:
        return 2
    if size < 0x1_0000:
        return 3
    return 5 if size < 0x1_0000_0000 else 9


def _canonical_bytes(root: object, keys_bytes: Callable[[Iterable[object]], int]) -> int:
    """Return how long the deterministic form of a decoded value is.

    Args:
        root: The value.
        keys_bytes: Tells how long a map's keys are.

    Raises:
        MalformedError: A type is not ours, or a map is out of order.
    """
    total = 0
    pending: list[object] = []
    items: Iterable[object] = (root,)
    # Comparing exact types refuses subclasses and costs less than isinstance, but narrows nothing
    # for mypy: hence what it is told to ignore.
    while True:
        for value in items:
            kind = type(value)
            if kind is str:
                total += _texts_bytes[value]  # type: ignore[index]
                continue
            if kind is bytes:
                size = len(value)  # type: ignore[arg-type]
                total += size
            elif kind is int:
                number: int = value  # type: ignore[assignment]
                size = number if number >= 0 else ~number
            elif kind is list or kind is dict:
                size = len(value)  # type: ignore[arg-type]
                pending.append(value)
            elif value is None or kind is bool:
                size = 0
            else:
                raise _unknown_type(value)
            # Nearly all are short, and this is asked of every value that comes.
            if size < 24:
                total += 1
            elif size < 0x100:
                total += 2
            else:
                total += _head_bytes(size)
        if not pending:
            return total
        container = pending.pop()
        if type(container) is dict:
            mapping: dict[object, object] = container
            total += keys_bytes(mapping)
            items = mapping.values()
        else:
            items = container  # type: ignore[assignment]


def _short_keys_bytes(keys: Iterable[object]) -> int:
    """Return how long a map's keys are, where all of a record's bytes are few."""
    # Only texts are looked up: True and 1.0 would be found where 1 was put.
    if set(map(type, keys)) == _TEXTS:
        return _text_keys_bytes(tuple(keys))
    return _keys_bytes(keys)


def _keys_bytes(keys: Iterable[object]) -> int:
    """Return how long a map's keys are, which must be in the order of their encodings."""
    total = 0
    before: tuple[int, int, bytes] = (-1, 0, b"")
    for key in keys:
        rank = _rank(key)
        if rank <= before:
            raise MalformedError("map keys are out of order", code="non-canonical")
        before = rank
        _, size, text = rank
        total += len(text) + _head_bytes(size)
    return total


# The fields of a kind come again and again. Keys out of order raise, and so are not kept.
_text_keys_bytes = lru_cache(maxsize=512)(_keys_bytes)


def _rank(key: object) -> tuple[int, int, bytes]:
    """Return what orders keys as their encodings do, bytewise.

    A head is the major type, then the number in as few bytes as it takes; among heads of one type
    the larger number is the later string of bytes. So type and number decide, and between texts of
    one length the text.
    """
    if type(key) is int:
        rank = (0, key, b"") if key >= 0 else (1, ~key, b"")
        if rank[1] > INTEGER_MAX:
            raise _beyond_64_bits()
        return rank
    if type(key) is str:
        try:
            text = key.encode()
        except UnicodeError as error:
            raise MalformedError("text is not Unicode") from error
        return (3, len(text), text)
    raise MalformedError(
        f"a map key is an integer or text, not {type(key).__name__}", code="non-canonical"
    )


def _write(
    names: Iterable[bytes],
    items: Iterable[object],
    put: Callable[[bytes], None],
    depth_left: int,
) -> None:
    """Write items one after another, each behind its name.

    Args:
        names: Keys of a map, as they are written; of a list, nothing each.
        items: What stands behind them.
        put: Takes the pieces.
        depth_left: How deep items may be nested.
    """
    # Exact types, as in decoding, and the frequent ones first.
    for name, value in zip(names, items):  # noqa: B905 - the names of a list never end
        put(name)
        kind = type(value)
        if kind is str:
            put(_texts[value])  # type: ignore[index]
        elif kind is int:
            number: int = value  # type: ignore[assignment]
            is_kept = -KEPT_INTEGER_MAX <= number <= KEPT_INTEGER_MAX
            put(_integer(number) if is_kept else _long(number))
        elif kind is bytes:
            put(_head(0x40, len(value)))  # type: ignore[arg-type]
            put(value)  # type: ignore[arg-type]
        elif kind is bool or value is None:
            put(_SIMPLE[value])  # type: ignore[index]
        elif kind is list or isinstance(value, (list, tuple)):
            sequence: Sequence[object] = value  # type: ignore[assignment]
            put(_head(0x80, len(sequence)))
            if sequence:
                _write(_NO_NAMES, sequence, put, _deeper(depth_left))
        # Asked last whether it is some other mapping, since that costs as much as a small map.
        elif kind is dict or isinstance(value, Mapping):
            mapping: Mapping[Any, object] = value  # type: ignore[assignment]
            put(_head(0xA0, len(mapping)))
            if mapping:
                keys, written = _in_order(mapping)
                _write(written, map(mapping.__getitem__, keys), put, _deeper(depth_left))
        else:
            raise _unknown_type(value)


def _deeper(depth_left: int) -> int:
    if not depth_left:
        raise MalformedError(f"a record is nested deeper than {DEPTH_MAX}")
    return depth_left - 1


def _text(text: str) -> bytes:
    data = text.encode()
    return _head(0x60, len(data)) + data


_texts: Final = KeptTexts(_text)


@lru_cache(maxsize=2 * KEPT_INTEGER_MAX + 1)
def _integer(number: int) -> bytes:
    return _head(0, number) if number >= 0 else _head(0x20, ~number)


def _long(number: int) -> bytes:
    """Write an integer of more than one byte."""
    major, size = (0, number) if number >= 0 else (0x20, ~number)
    if size < 0x1_0000:
        return ((major | 25) << 16 | size).to_bytes(3)
    if size < 0x1_0000_0000:
        return ((major | 26) << 32 | size).to_bytes(5)
    if size > INTEGER_MAX:
        raise _beyond_64_bits()
    return ((major | 27) << 64 | size).to_bytes(9)


def _in_order(mapping: Mapping[object, object]) -> _Keys:
    """Return a map's keys in the order in which they are written, and as they are."""
    keys = tuple(mapping)
    known = _known_keys.get(keys)
    if known is not None:
        return known
    # Only what such keys are is asked: True and 1.0 would be found where 1 was put.
    kinds = set(map(type, keys))
    texts: Any = [it for it in keys if type(it) is str]
    if (
        len(keys) > KEPT_KEYS_MAX
        or not kinds <= _KEYS
        or max(map(len, texts), default=0) > KEPT_KEY_CHARS_MAX
    ):
        return _sorted_keys(keys)
    if kinds != _TEXTS:
        return _kept_keys(keys)
    if len(_known_keys) >= KEPT_MAPS_MAX:
        _known_keys.clear()
    found = _known_keys[keys] = _sorted_keys(keys)
    return found


def _sorted_keys(keys: tuple[object, ...]) -> _Keys:
    ordered = tuple(key for _, key in sorted((_rank(key), key) for key in keys))
    return ordered, tuple(map(encode, ordered))


_kept_keys = lru_cache(maxsize=64)(_sorted_keys)


def _unknown_type(value: object) -> MalformedError:
    return MalformedError(
        f"our records hold no value of type {type(value).__name__}", code="non-canonical"
    )


def _beyond_64_bits() -> MalformedError:
    return MalformedError("an integer is beyond 64 bits", code="non-canonical")


@lru_cache(maxsize=1_024)
def _head(major: int, size: int) -> bytes:
    """Write a head of least length; ``major`` is the major type in the top three bits."""
    if size < 24:
        return bytes((major | size,))
    if size < 0x100:
        return bytes((major | 24, size))
    if size < 0x1_0000:
        return bytes((major | 25,)) + size.to_bytes(2)
    if size < 0x1_0000_0000:
        return bytes((major | 26,)) + size.to_bytes(4)
    return bytes((major | 27,)) + size.to_bytes(8)
