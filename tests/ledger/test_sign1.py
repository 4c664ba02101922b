import contextlib

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.encoding import encode_tagged
from ledger.errors import MalformedError
from ledger.sign1 import decode_statement_parts, encode_statement_parts
from tests.strategies import flip

parts = st.one_of(
    st.binary(max_size=40), st.sampled_from((23, 24, 255, 256, 65_535, 65_536)).map(bytes)
)


@given(parts, parts, parts)
def test_a_statement_is_its_parts_and_is_what_cbor_writes(
    protected: bytes, payload: bytes, signature: bytes
) -> None:
    entry = encode_statement_parts(protected, payload, signature)
    assert entry == encode_tagged([protected, {}, payload, signature])
    assert entry == cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))
    assert decode_statement_parts(entry) == (protected, payload, signature)


@given(st.binary(max_size=30).map(b"\xd2\x84".__add__))
@example(b"")
@example(b"\xd2")
@example(b"\xd2\x84\x40\xa0\x40\x40")
def test_any_bytes_are_a_statement_in_its_one_spelling_or_refused(data: bytes) -> None:
    with contextlib.suppress(MalformedError):
        assert encode_statement_parts(*decode_statement_parts(data)) == data


@given(st.data())
def test_one_flipped_bit_never_gives_the_same_statement(data: st.DataObject) -> None:
    original = (bytes(30), bytes(300), bytes(64))
    entry = encode_statement_parts(*original)
    broken = flip(entry, data.draw(st.integers(0, 8 * len(entry) - 1)))
    with contextlib.suppress(MalformedError):
        found = decode_statement_parts(broken)
        assert found != original
        assert encode_statement_parts(*found) == broken


@pytest.mark.parametrize("cut", range(len(encode_statement_parts(b"ab", bytes(24), bytes(64)))))
def test_a_statement_that_is_cut_short_is_malformed(cut: int) -> None:
    with pytest.raises(MalformedError) as caught:
        decode_statement_parts(encode_statement_parts(b"ab", bytes(24), bytes(64))[:cut])
    assert caught.value.code == "malformed"
    assert "ends" in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("84 40 a0 40 40", "wrong-tag"),
        ("d1 84 40 a0 40 40", "wrong-tag"),
        ("d862 84 40 a0 40 40", "wrong-tag"),
        ("d2 83 40 a0 40", "wrong-tag"),
        ("d2 85 40 a0 40 40 40", "wrong-tag"),
        ("d2 a0", "wrong-tag"),
        ("00", "wrong-tag"),
        ("d2 84 40 a1 01 01 40 40", "unprotected-header"),
        ("d2 84 40 b7 01 01 40 40", "unprotected-header"),
        ("d2 84 40 b8 18 01 01 40 40", "unprotected-header"),
        ("d812 84 40 a0 40 40", "non-canonical"),
        ("d90012 84 40 a0 40 40", "non-canonical"),
        ("da00000012 84 40 a0 40 40", "non-canonical"),
        ("db0000000000000012 84 40 a0 40 40", "non-canonical"),
        ("d2 9804 40 a0 40 40", "non-canonical"),
        ("d2 990004 40 a0 40 40", "non-canonical"),
        ("d2 9a00000004 40 a0 40 40", "non-canonical"),
        ("d2 9b0000000000000004 40 a0 40 40", "non-canonical"),
        ("d2 9f 40 a0 40 40 ff", "non-canonical"),
        ("d2 84 5800 a0 40 40", "non-canonical"),
        ("d2 84 590000 a0 40 40", "non-canonical"),
        ("d2 84 5a00000000 a0 40 40", "non-canonical"),
        ("d2 84 5b0000000000000000 a0 40 40", "non-canonical"),
        ("d2 84 5fff a0 40 40", "non-canonical"),
        ("d2 84 40 b800 40 40", "non-canonical"),
        ("d2 84 40 bfff 40 40", "non-canonical"),
        ("d2 84 40 a0 5817 40", "non-canonical"),
        ("d2 84 40 a0 40 5800", "non-canonical"),
        ("d2 84 40 a0 40 40 00", "malformed"),
        ("d2 84 60 a0 40 40", "malformed"),
        ("d2 84 40 40 40 40", "malformed"),
        ("d2 84 40 c0 40 40", "malformed"),
        ("d2 84 40 a0 f6 40", "malformed"),
        ("d2 84 40 a0 40 f6", "malformed"),
        ("d2 84 5c a0 40 40", "malformed"),
        ("d2 84 40 a0 40 5bffffffffffffffff", "malformed"),
        ("d2 84 f6 a0 40 40", "malformed"),
    ],
)
def test_what_is_no_statement_is_refused_with_the_reason(entry: str, code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        decode_statement_parts(bytes.fromhex(entry.replace(" ", "")))
    assert caught.value.code == code
