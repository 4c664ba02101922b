"""The strict reader: one form of each element, and an error for all else."""

import pytest
from asn1crypto import core
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from seals import der
from seals.der import Reader


@given(st.integers(-(2**256), 2**256))
def test_integers_are_spelled_as_asn1crypto_spells_them(value: int) -> None:
    assert der.integer(value) == core.Integer(value).dump()
    assert Reader(der.integer(value)).integer() == value


@given(
    st.integers(0, 1),
    st.integers(0, 39),
    st.lists(st.integers(0, 2**40), max_size=6),
)
def test_identifiers_are_spelled_as_asn1crypto_spells_them(
    first: int, second: int, rest: list[int]
) -> None:
    text = ".".join(map(str, [first, second, *rest]))
    assert der.oid(text) == core.ObjectIdentifier(text).dump()
    assert Reader(der.oid(text)).oid() == text


@given(st.sets(st.integers(0, 15), min_size=1))
def test_flags_come_back_and_asn1crypto_sees_the_same(positions: set[int]) -> None:
    encoded = der.flags(*positions)
    assert Reader(encoded).flags() == sum(1 << one for one in positions)
    seen = core.BitString.load(encoded).native
    assert {at for at, bit in enumerate(seen) if bit} == positions


@given(st.integers(0, 253_402_300_799))
def test_times_come_back(time_s: int) -> None:
    assert Reader(der.generalized_time(time_s)).time_s() == time_s
    assert Reader(der.certificate_time(time_s)).time_s() == time_s


@pytest.mark.parametrize(
    ("spelled", "code"),
    [
        ("3080 0000", "der-length"),  # indefinite
        ("308100", "der-length"),  # 0 in a long form
        ("30817f" + "00" * 127, "der-length"),
        ("30820080" + "00" * 128, "der-length"),  # a leading zero
        ("3085 0000000001 00", "der-length"),
        ("3085 0100000000 00", "der-length"),  # more than four bytes of length
        ("3f1f00", "der-tag"),  # a tag of several bytes
        ("30", "der-truncated"),
        ("3002 00", "der-truncated"),
        ("3082 01", "der-truncated"),
        ("0400", "der-tag"),
    ],
)
def test_every_other_spelling_of_a_head_is_refused(spelled: str, code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        Reader(bytes.fromhex(spelled)).inside()
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("spelled", "method"),
    [
        ("020200 01", "integer"),
        ("0202ff80", "integer"),
        ("0200", "integer"),
        ("0241" + "01" * 65, "integer"),
        ("010101", "boolean"),
        ("0102ffff", "boolean"),
        ("0300", "bits"),
        ("030204ff", "bits"),
        ("0600", "oid"),
        ("0602 8001", "oid"),
        ("0601 81", "oid"),
        ("1601ff", "ascii"),
        ("0c01ff", "utf8"),
        ("0301 01", "flags"),
        ("0302 08ff", "flags"),
        ("0302 01ff", "flags"),
        ("180f 32303231303233303030303030305a", "time_s"),  # no 30 February
        ("180d 3230323130313031303030305a", "time_s"),  # no seconds
        ("1813 32303231303130313030303030302b30383030", "time_s"),  # not UTC
        ("1811 32303231303130313030303030302e305a", "time_s"),  # a fraction ends in 0
        ("170b 323130313031303030305a", "time_s"),
        ("040d 3231303130313030303030305a", "time_s"),  # a good time of another tag
    ],
)
def test_every_other_spelling_of_a_value_is_refused(spelled: str, method: str) -> None:
    data = bytes.fromhex(spelled)
    with pytest.raises(MalformedError):
        getattr(Reader(data), method)()


def test_what_follows_the_last_element_is_refused() -> None:
    at = Reader(b"\x30\x00\x00")
    at.inside()
    with pytest.raises(MalformedError) as caught:
        at.finish()
    assert caught.value.code == "der-trailing"


def test_a_fraction_of_a_second_is_dropped() -> None:
    assert der.parse_time(b"20210101000000.25Z", generalized=True) == 1_609_459_200
