import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger import encoding
from ledger.cose import byte_string, encode_key_set, sig_structure
from ledger.keys import key_thumbprint
from tests.vectors.own.network import key


@given(st.binary(max_size=300))
@example(bytes(23))
@example(bytes(24))
@example(bytes(255))
@example(bytes(256))
@example(bytes(65_535))
@example(bytes(65_536))
def test_a_byte_string_made_by_hand_is_the_encoders(data: bytes) -> None:
    assert byte_string(data) == encoding.encode(data)


@given(st.binary(max_size=300), st.binary(max_size=700))
def test_the_signed_bytes_are_an_array_of_context_header_nothing_and_payload(
    protected: bytes, payload: bytes
) -> None:
    expected = encoding.encode(["Signature1", protected, b"", payload])
    assert sig_structure(protected, payload) == expected


def test_the_signed_bytes_can_be_no_note_and_no_cosignature() -> None:
    signed = sig_structure(b"", b"")
    assert signed[:2] == b"\x84\x6a"
    with pytest.raises(UnicodeDecodeError):
        signed[:1].decode()


def test_a_key_set_names_each_key_by_its_thumbprint() -> None:
    publics = [key("510000", "issuer").public, key("510000", "receipt").public]
    decoded = encoding.decode(encode_key_set(publics))
    assert [item[-2] for item in decoded] == publics
    assert [item[2] for item in decoded] == [key_thumbprint(public) for public in publics]
    assert all((item[1], item[3], item[-1]) == (1, -8, 6) for item in decoded)
