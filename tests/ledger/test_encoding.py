import contextlib
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.encoding import (
    DEPTH_MAX,
    INTEGER_MAX,
    INTEGER_MIN,
    _texts,
    _texts_bytes,
    decode,
    decode_own,
    decode_tagged,
    encode,
    encode_tagged,
)
from ledger.errors import MalformedError
from ledger.kept import KEPT_TEXT_CHARS_MAX, KEPT_TEXTS_MAX
from tests.strategies import flip, values


def refusal(data: bytes) -> str:
    """Return the code with which ``decode`` refuses."""
    with pytest.raises(MalformedError) as caught:
        decode(data)
    return caught.value.code


def in_order(value: Any) -> Any:
    """Put maps in order by the definition: sort by the bytes of the encoded keys."""
    match value:
        case dict():
            return {key: in_order(value[key]) for key in sorted(value, key=cbor2.dumps)}
        case list():
            return [in_order(item) for item in value]
        case _:
            return value


@given(values)
def test_a_value_comes_back_as_it_was_and_is_spelled_as_the_rfc_says(value: Any) -> None:
    data = encode(value)
    assert data == cbor2.dumps(in_order(value))
    back = decode(data)
    assert back == value
    assert encode(back) == data


@given(values, st.data())
def test_one_flipped_bit_gives_another_value_in_its_own_one_spelling_or_is_refused(
    value: Any, data: st.DataObject
) -> None:
    encoded = encode(value)
    broken = flip(encoded, data.draw(st.integers(0, 8 * len(encoded) - 1)))
    with contextlib.suppress(MalformedError):
        assert encode(decode(broken)) == broken


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_are_the_one_spelling_of_a_value(data: bytes) -> None:
    with contextlib.suppress(MalformedError):
        assert encode(decode(data)) == data


@given(values)
def test_what_we_keep_ourselves_is_read_as_strictly_read_bytes_are(value: Any) -> None:
    assert decode_own(encode(value)) == decode(encode(value))


@given(st.binary(max_size=60))
def test_any_bytes_that_we_were_to_keep_are_a_value_or_refused(data: bytes) -> None:
    with contextlib.suppress(MalformedError):
        decode_own(data)


def test_what_we_keep_has_no_tags() -> None:
    with pytest.raises(MalformedError):
        decode_own(bytes.fromhex("c11a514b67b0"))


@given(values, st.data())
def test_values_that_cbor_spells_in_some_other_way_are_refused(
    value: Any, data: st.DataObject
) -> None:
    """Spelled by a writer that pads heads, leaves lengths open and repeats keys, as it likes."""
    spelled = loosely(value, data)
    if spelled == encode(value):
        assert decode(spelled) == value
    else:
        assert refusal(spelled) == "non-canonical"


def loosely(value: Any, data: st.DataObject) -> bytes:
    """Spell a value with some head in a way that a lenient decoder lets through."""
    plain = data.draw(st.sampled_from((True, True, True, False)))
    match value:
        case list():
            body = b"".join(loosely(item, data) for item in value)
            return loose_head(0x80, len(value), body, data, plain=plain)
        case dict():
            items = list(in_order(value).items())
            if not plain and items:
                items = data.draw(st.permutations(items))
            body = b"".join(loosely(key, data) + loosely(item, data) for key, item in items)
            return loose_head(0xA0, len(value), body, data, plain=plain)
        case bytes():
            return loose_head(0x40, len(value), value, data, plain=True)
        case str():
            text = value.encode()
            return loose_head(0x60, len(text), text, data, plain=plain)
        case bool() | None:
            return encode(value)
        case int():
            size = value if value >= 0 else ~value
            return loose_head(0x00 if value >= 0 else 0x20, size, b"", data, plain=plain)
    raise AssertionError(value)


def loose_head(major: int, size: int, body: bytes, data: st.DataObject, *, plain: bool) -> bytes:
    """Write an item behind the least head, a padded head, or none that tells its length."""
    least = min((s for s in SHIFTS if size < s), default=2**64)
    if plain:
        return write_head(major, size, least) + body
    if major in {0x80, 0xA0} and data.draw(st.booleans()):
        return bytes((major | 31,)) + body + b"\xff"
    padded = data.draw(st.sampled_from([s for s in (*SHIFTS, 2**64) if s >= least]))
    return write_head(major, size, padded) + body


SHIFTS = (24, 2**8, 2**16, 2**32)


def write_head(major: int, size: int, room: int) -> bytes:
    if room == 24:
        return bytes((major | size,))
    at = (*SHIFTS, 2**64).index(room)
    return bytes((major | (23 + at),)) + size.to_bytes(1 << (at - 1))


@pytest.mark.parametrize(
    ("value", "spelling"),
    [
        (None, "f6"),
        (False, "f4"),
        (True, "f5"),
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (255, "18ff"),
        (256, "190100"),
        (65_535, "19ffff"),
        (65_536, "1a00010000"),
        (2**32 - 1, "1affffffff"),
        (2**32, "1b0000000100000000"),
        (INTEGER_MAX, "1bffffffffffffffff"),
        (-1, "20"),
        (-24, "37"),
        (-25, "3818"),
        (INTEGER_MIN, "3bffffffffffffffff"),
        (b"", "40"),
        (b"\x01\x02", "420102"),
        ("", "60"),
        ("授信", "66e68e88e4bfa1"),
        ([], "80"),
        ((1, [2]), "82018102"),
        ({}, "a0"),
        # Section 4.2.1: bytewise, so 24 (18 18) before -1 (20) before "" (60).
        ({"a": 1, -1: 2, 24: 3, 10: 4, "": 5, "aa": 6, "b": 7, -25: 8}, None),
    ],
)
def test_values_have_the_bytes_of_the_rfc(value: Any, spelling: str | None) -> None:
    if spelling is None:
        spelling = "a80a041818032002381808600561610161620762616106"
    assert encode(value).hex() == spelling
    assert encode(decode(bytes.fromhex(spelling))).hex() == spelling


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("1800", "padded integer"),
        ("1817", "padded integer"),
        ("1900ff", "padded integer"),
        ("1a0000ffff", "padded integer"),
        ("1b00000000ffffffff", "padded integer"),
        ("3817", "padded negative integer"),
        ("5801aa", "padded byte string"),
        ("780161", "padded text"),
        ("980101", "padded array"),
        ("b8010101", "padded map"),
        ("5f41aaff", "byte string in pieces"),
        ("7f6161ff", "text in pieces"),
        ("9f01ff", "array of open length"),
        ("bf0101ff", "map of open length"),
        ("a201010101", "repeated key"),
        ("a201010102", "repeated key"),
        ("a2616101616102", "repeated key"),
        ("a202010101", "keys out of order"),
        ("a220011818 02", "keys out of order: -1 before 24"),
        ("a2626161016162 02", "keys out of order: the shorter text comes first"),
        ("a2616201616102", "keys out of order"),
        ("a261610101 02", "keys out of order: text before integer"),
        ("a1410101", "key of bytes"),
        ("a1f501", "key that is true, which is 1 to Python"),
        ("a201f4f501", "keys that are 1 and true"),
        ("a1f601", "key that is null"),
        ("a1800 1", "key that is an array"),
        ("a1a001", "key that is a map"),
        ("a1f9000001", "key that is a float"),
        ("f90000", "float"),
        ("fa00000000", "float"),
        ("fb0000000000000000", "float"),
        ("f97e00", "not a number"),
        ("f7", "undefined"),
        ("e0", "simple value"),
        ("f820", "simple value"),
        ("c24105", "bignum that would fit"),
        ("c249010000000000000000", "bignum"),
        ("c349010000000000000000", "negative bignum"),
        ("c1 1a 514b67b0", "date"),
        ("c0 74323031332d30332d32315432303a30343a30305a", "date as text"),
        ("c0 6161", "tag of a date over what is none"),
        ("c4 82 01 02", "decimal fraction"),
        ("d2 84 40 a0 40 40", "our own tag, which has functions of its own"),
        ("81 d2 01", "our own tag inside"),
        ("d818 41 01", "CBOR in bytes"),
        ("d9d9f7 01", "CBOR that says so"),
        ("d90102 81 01", "set"),
        ("d8 1c 81 d8 1d 00", "array that holds itself"),
        # References make a value shorter than our spelling of it, and padding longer again.
        ("d90100 82 64 61616161 d8 19 00", "reference to an earlier text"),
        ("d90100 82 78 04 61616161 d8 19 00", "reference to an earlier text, made up for"),
        ("0000", "two items"),
    ],
)
def test_another_spelling_or_type_is_refused_as_such(data: str, why: str) -> None:
    assert refusal(bytes.fromhex(data.replace(" ", ""))) == "non-canonical", why


@pytest.mark.parametrize(
    "data",
    [
        "",
        "18",
        "1c",
        "1f",
        "fc",
        "ff",
        "f814",
        "41",
        "61",
        "81",
        "a1",
        "a101",
        "a10102a1",
        "9bffffffffffffffff",
        "5bffffffffffffffff",
        "bbffffffffffffffff",
        "9f",
        "9f01",
        "5f01ff",
        "61ff",
        "63eda080",
        "c2",
    ],
)
def test_bytes_that_are_not_cbor_are_refused_as_such(data: str) -> None:
    if data == "a10102a1":  # an item and the beginning of another: only the first is looked at
        assert refusal(bytes.fromhex(data)) == "non-canonical"
    else:
        assert refusal(bytes.fromhex(data)) == "malformed"


@pytest.mark.parametrize("other", ["a2 6162 00 6161 00", "a2 6161 00 6161 00", "a2 6161 00 f5 00"])
def test_keys_that_were_in_order_once_speak_for_no_others(other: str) -> None:
    """The keys of a short record are kept in mind, as they stood and where they held."""
    for _ in range(2):
        assert decode(bytes.fromhex("a2 6161 00 6162 00")) == {"a": 0, "b": 0}
        assert decode(bytes.fromhex("a1 01 00")) == {1: 0}
        assert refusal(bytes.fromhex(other)) == "non-canonical"
        assert refusal(bytes.fromhex("a1 f5 00")) == "non-canonical"
        assert encode({"b": 0, "a": 0}) == bytes.fromhex("a2 6161 00 6162 00")
        assert encode({2: 0, 1: 0}) == bytes.fromhex("a2 01 00 02 00")
        with pytest.raises(MalformedError):
            encode({"a": 0, True: 0})


def test_texts_that_are_kept_in_mind_are_few_and_short() -> None:
    texts = [f"510000/case/{number}" for number in range(2 * KEPT_TEXTS_MAX)]
    long = "x" * (KEPT_TEXT_CHARS_MAX + 1)
    for text in (*texts, long, texts[0]):
        assert decode(encode(text)) == text
    for kept in (_texts, _texts_bytes):
        assert 0 < len(kept) <= KEPT_TEXTS_MAX
        assert long not in kept


@pytest.mark.parametrize(
    "bomb",
    [
        b"\x81" * 1_000_000,
        b"\xa1\x01" * 500_000,
        b"\xa1" * 1_000_000,
        b"\xc6" * 1_000_000,
        b"\x9f" * 1_000_000,
        b"\xd8\x1c" * 500_000,
        b"\xd9\x01\x02" * 300_000,
    ],
)
def test_absurd_nesting_is_refused_and_harms_nothing(bomb: bytes) -> None:
    assert refusal(bomb) == "malformed"


def test_nesting_has_a_limit_of_which_writer_and_reader_agree() -> None:
    deepest: Any = 1
    for _ in range(DEPTH_MAX):
        deepest = [deepest]
    data = encode(deepest)
    assert decode(data) == deepest
    assert refusal(b"\x81" + data) == "malformed"
    empty = decode(data[:-1] + b"\x80")
    assert encode(empty) == data[:-1] + b"\x80"
    with pytest.raises(MalformedError):
        encode([deepest])
    with pytest.raises(MalformedError):
        encode({1: deepest})
    with pytest.raises(MalformedError):
        decode(data, depth_max=DEPTH_MAX - 1)


def test_a_list_that_holds_itself_is_not_written() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(MalformedError):
        encode(loop)


def test_shared_values_do_not_grow_beyond_what_was_received() -> None:
    """Ten levels of ten references each would be ten thousand million values."""
    data = b"\x01"
    for _ in range(10):
        data = b"\x8a\xd8\x1c" + data + b"\xd8\x1d\x00" * 9
    assert refusal(data) in {"non-canonical", "malformed"}


def test_more_bytes_than_the_limit_are_refused_unread() -> None:
    data = encode(bytes(100))
    assert decode(data, bytes_max=len(data)) == bytes(100)
    with pytest.raises(MalformedError) as caught:
        decode(data, bytes_max=len(data) - 1)
    assert caught.value.code == "too-large"


class Text(str):
    """Text with another meaning, perhaps."""

    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        {1, 2},
        frozenset(),
        object(),
        bytearray(b"a"),
        memoryview(b"a"),
        cbor2.CBORTag(18, []),
        cbor2.undefined,
        INTEGER_MAX + 1,
        INTEGER_MIN - 1,
        "\ud800",
        Text("a"),
        {b"key": 1},
        {True: 1},
        {None: 1},
        {(1,): 1},
        {1.0: 1},
        {"\ud800": 1},
        {INTEGER_MAX + 1: 1},
        {INTEGER_MIN - 1: 1},
    ],
)
def test_what_our_records_do_not_know_is_not_written(value: object) -> None:
    for holder in (value, [value], {1: value}, ({"a": [value]},)):
        with pytest.raises(MalformedError):
            encode(holder)


def test_a_tagged_record_is_its_tag_and_the_record() -> None:
    value = [b"", {396: [b"proof"]}, None, b"signature"]
    data = encode_tagged(value)
    assert data == b"\xd2" + encode(value)
    assert decode_tagged(data) == value
    with pytest.raises(MalformedError):
        encode_tagged(value, tag=24)


@pytest.mark.parametrize("data", ["", "80", "d180", "d81280", "d380", "c080"])
def test_a_record_without_its_tag_is_refused(data: str) -> None:
    with pytest.raises(MalformedError) as caught:
        decode_tagged(bytes.fromhex(data))
    assert caught.value.code == "wrong-tag"


def test_a_tagged_record_is_as_strict_as_any() -> None:
    for data in ("d29800", "d2d280", "d28000"):
        with pytest.raises(MalformedError) as caught:
            decode_tagged(bytes.fromhex(data))
        assert caught.value.code == "non-canonical"
    with pytest.raises(MalformedError):
        decode_tagged(encode_tagged([[1]]), depth_max=1)
    with pytest.raises(MalformedError):
        decode_tagged(encode_tagged([bytes(9)]), bytes_max=5)
