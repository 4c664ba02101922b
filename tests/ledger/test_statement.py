import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import encoding
from ledger.cose import ED25519, EDDSA, TIME_S_MAX, sig_structure
from ledger.errors import LedgerError, MalformedError, UnverifiedError
from ledger.hashing import hash_leaf
from ledger.keys import key_thumbprint
from ledger.sign1 import encode_statement_parts
from ledger.statement import (
    ACT_CONTENT_TYPE,
    CITATIONS_MAX,
    ENTRY_BYTES_MAX,
    Act,
    Citation,
    Statement,
    UnverifiedStatement,
    _decode_protected,
    _decode_protected_slowly,
    _short_issuer,
    decode_statement,
    sign_statement,
    verify_statement,
)
from tests.strategies import flip, hashes, values
from tests.vectors.own.example import Example
from tests.vectors.own.network import CASE, OFFICER, SICHUAN, TIBET, TIME_S, key

VECTOR = json.loads((Path(__file__).parents[1] / "vectors/own/statement.json").read_text())
KEY = key(OFFICER)
KID = key_thumbprint(KEY.public)
ACT = Act("case.open", 1, None, (), {"item": "000500000001"})

words = st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True)
parties = st.sampled_from(
    ["510000", OFFICER, f"540000/officer/{'x' * 20}", f"540000/officer/{'x' * 64}"]
)
subjects = parties | st.sampled_from([CASE, SICHUAN, f"{TIBET}/2"])
citations = st.builds(
    Citation,
    words.filter(lambda role: role != "view"),
    st.sampled_from([SICHUAN, TIBET]),
    st.integers(0, 2**63 - 1),
    hashes,
)
acts = st.builds(
    Act,
    st.builds("{}.{}".format, words, words),
    st.integers(1, 2**32),
    st.none() | hashes,
    st.lists(citations, max_size=4).map(tuple),
    st.dictionaries(st.text(max_size=8), values, max_size=4),
)
times = st.integers(0, TIME_S_MAX) | st.sampled_from([0, 23, 24, 65_535, 65_536, 2**32 - 1, 2**32])


def protected(**changes: Any) -> bytes:
    """A protected header with some parts replaced, or left out where they are ``...``."""
    claims = {1: OFFICER, 2: CASE, 6: TIME_S} | changes.pop("claims", {})
    header = {1: EDDSA, 3: ACT_CONTENT_TYPE, 4: KID, 15: claims}
    header |= {int(label[1:]): value for label, value in changes.items()}
    header = {label: value for label, value in header.items() if value is not ...}
    if type(header.get(15)) is dict:
        header[15] = {label: value for label, value in header[15].items() if value is not ...}
    return encoding.encode(header)


def entry(header: bytes, payload: bytes = ACT.encode(), signature: bytes | None = None) -> bytes:
    """An entry of these parts, signed by the officer unless a signature is given."""
    signature = KEY.sign(sig_structure(header, payload)) if signature is None else signature
    return encode_statement_parts(header, payload, signature)


def refused(data: bytes) -> LedgerError:
    with pytest.raises(LedgerError) as caught:
        decode_statement(data)
    return caught.value


def payload(*changed: tuple[int, Any]) -> bytes:
    """An act's payload with some of its five items replaced."""
    items: list[Any] = ["case.open", 1, None, [], {}]
    for at, value in changed:
        items[at] = value
    return encoding.encode(items)


def test_the_vector_says_what_is_written_beside_it() -> None:
    read = decode_statement(bytes.fromhex(VECTOR["entry"]))
    assert read.leaf.hex() == VECTOR["leaf"]
    assert read.kid.hex() == VECTOR["kid"]
    assert read.signed.hex() == VECTOR["signed"]
    assert (read.issuer, read.subject) == (VECTOR["issuer"], VECTOR["subject"])
    assert (read.time_s, read.act.kind) == (VECTOR["time_s"], VECTOR["kind"])
    assert verify_statement(read, bytes.fromhex(VECTOR["public"])).entry == read.entry


@given(acts, parties, subjects, times)
def test_what_was_signed_is_what_is_read(act: Act, issuer: str, subject: str, time_s: int) -> None:
    made = sign_statement(KEY, issuer, subject, time_s, act)
    read = decode_statement(made.entry)
    assert (read.issuer, read.subject, read.time_s, read.kid) == (issuer, subject, time_s, KID)
    assert read.act == Act(
        act.kind,
        act.version,
        act.previous,
        act.citations,
        encoding.decode(encoding.encode(act.body)),
    )
    assert read.leaf == hash_leaf(made.entry)
    assert verify_statement(read, KEY.public) == made


def test_read_and_verified_are_two_types() -> None:
    made = sign_statement(KEY, OFFICER, CASE, TIME_S, ACT)
    read = decode_statement(made.entry)
    assert type(made) is Statement
    assert type(read) is UnverifiedStatement
    assert not isinstance(read, Statement)


@given(st.data())
def test_one_flipped_bit_anywhere_is_refused(data: st.DataObject) -> None:
    made = Example().case.entry
    bad = flip(made, data.draw(st.integers(0, 8 * len(made) - 1)))
    with pytest.raises(LedgerError):
        verify_statement(decode_statement(bad), KEY.public)


@given(st.binary(max_size=200) | values.map(encoding.encode))
def test_any_bytes_give_a_refusal_or_a_statement(data: bytes) -> None:
    for candidate in (data, b"\xd2" + data, entry(data), entry(protected(), data)):
        with suppress(MalformedError, UnverifiedError):
            decode_statement(candidate)


def test_a_signature_by_another_key_is_refused() -> None:
    other = key("510000/officer/w3-02")
    stolen = entry(protected(), signature=other.sign(sig_structure(protected(), ACT.encode())))
    with pytest.raises(UnverifiedError) as caught:
        verify_statement(decode_statement(stolen), KEY.public)
    assert caught.value.code == "bad-signature"


def test_a_statement_that_names_another_key_is_refused_though_its_signature_holds() -> None:
    other = key("510000/officer/w3-02")
    header = protected(_4=key_thumbprint(other.public))
    with pytest.raises(UnverifiedError) as caught:
        verify_statement(decode_statement(entry(header)), KEY.public)
    assert caught.value.code == "unknown-key"


def test_ed25519_by_its_new_number_is_read() -> None:
    made = entry(protected(_1=ED25519))
    assert verify_statement(decode_statement(made), KEY.public).issuer == OFFICER


@pytest.mark.parametrize("algorithm", [-7, -37, 5, "EdDSA", None, True, [], {}])
def test_any_other_algorithm_is_refused(algorithm: Any) -> None:
    error = refused(entry(protected(_1=algorithm)))
    assert type(error) is UnverifiedError
    assert error.code == "bad-algorithm"


@pytest.mark.parametrize(
    "header",
    [
        protected(_1=...),
        protected(_3=...),
        protected(_4=...),
        protected(_15=...),
        protected(_2=[4]),
        protected(_16="type"),
        protected(_3="application/cbor"),
        protected(_4=KID[:31]),
        protected(_4=KID + b"\0"),
        protected(_4="kid"),
        protected(_15=[1, 2, 6]),
        protected(claims={1: ...}),
        protected(claims={2: ...}),
        protected(claims={6: ...}),
        protected(claims={4: TIME_S}),
        protected(claims={1: 510000}),
        protected(claims={1: "51000"}),
        protected(claims={1: ""}),
        protected(claims={1: SICHUAN}),
        protected(claims={1: CASE[:-1] + "数"}),
        protected(claims={1: OFFICER + "x" * 300}),
        protected(claims={2: b"510000"}),
        protected(claims={2: "case"}),
        protected(claims={6: -1}),
        protected(claims={6: TIME_S_MAX + 1}),
        protected(claims={6: True}),
        protected(claims={6: "now"}),
        encoding.encode([]),
        encoding.encode(None),
    ],
)
def test_a_protected_header_of_another_form_is_refused(header: bytes) -> None:
    assert refused(entry(header)).code == "bad-field"


@pytest.mark.parametrize(
    "header",
    [
        protected().replace(b"\x0f\xa3", b"\x18\x0f\xa3"),
        protected().replace(b"\x01\x74510000/off", b"\x01\x78\x14510000/off"),
        protected().replace(b"\x06\x1a", b"\x06\x1b\0\0\0\0"),
        protected(claims={6: 1}).replace(b"\x06\x01", b"\x06\x1a\0\0\0\x01"),
        protected(claims={6: 65_535}).replace(b"\x06\x19\xff\xff", b"\x06\x1a\0\0\xff\xff"),
        protected() + b"\0",
        b"\xa4\x03" + protected()[4:] + b"\x01\x27",
    ],
)
def test_a_protected_header_in_another_spelling_is_refused(header: bytes) -> None:
    assert header not in {protected(), protected(claims={6: 1}), protected(claims={6: 65_535})}
    assert refused(entry(header)).code in {"non-canonical", "malformed"}


@given(
    st.one_of(
        st.builds(
            lambda issuer, subject, time_s: protected(claims={1: issuer, 2: subject, 6: time_s}),
            parties | st.text(max_size=30),
            subjects | st.text(max_size=260),
            times,
        ),
        st.builds(lambda bit: flip(protected(), bit), st.integers(0, 8 * len(protected()) - 1)),
        st.builds(lambda cut: protected()[:cut], st.integers(0, len(protected()))),
    )
)
def test_the_short_way_through_a_header_answers_as_the_long_one(header: bytes) -> None:
    def answer(read: Any) -> Any:
        try:
            return read(header)
        except LedgerError as error:
            return type(error)

    assert answer(_decode_protected) == answer(_decode_protected_slowly)


@pytest.mark.parametrize(
    "bad",
    [
        (0, "Case.open"),
        (0, "case..open"),
        (0, ""),
        (0, 7),
        (1, 0),
        (1, -1),
        (1, True),
        (1, "1"),
        (2, bytes(31)),
        (2, bytes(33)),
        (2, ""),
        (3, [7]),
        (3, [["grant", SICHUAN, 1]]),
        (3, [[7, SICHUAN, 1, bytes(32)]]),
        (3, [["grant", 7, 1, bytes(32)]]),
        (3, [["grant", SICHUAN, "1", bytes(32)]]),
        (3, [["Grant", SICHUAN, 1, bytes(32)]]),
        (3, [["grant", "510000", 1, bytes(32)]]),
        (3, [["grant", SICHUAN, -1, bytes(32)]]),
        (3, [["grant", SICHUAN, 2**63, bytes(32)]]),
        (3, [["grant", SICHUAN, True, bytes(32)]]),
        (3, [["grant", SICHUAN, 1, bytes(31)]]),
        (3, [["view", SICHUAN, 1, bytes(32)], ["view", SICHUAN, 2, bytes(32)]]),
        (3, [["grant", SICHUAN, 1, bytes(32)]] * (CITATIONS_MAX + 1)),
        (4, []),
        (4, None),
        (4, {1: 2}),
        (4, {"a": 1, 2: 3}),
    ],
)
def test_an_act_of_another_form_is_refused(bad: tuple[int, Any]) -> None:
    assert refused(entry(protected(), payload(bad))).code == "bad-field"


@pytest.mark.parametrize("bad", [[], ["case.open", 1, None, []], {}, None, ["a", 1, None, {}, {}]])
def test_an_act_is_an_array_of_five(bad: Any) -> None:
    assert refused(entry(protected(), encoding.encode(bad))).code == "malformed"


def test_one_view_of_each_log_may_be_cited() -> None:
    views = tuple(Citation("view", origin, 1, bytes(32)) for origin in (SICHUAN, TIBET))
    act = Act("case.open", 1, None, views, {})
    assert sign_statement(KEY, OFFICER, CASE, TIME_S, act).act.citations == views


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    assert refused(entry(protected(), signature=bytes(length))).code == "bad-field"


def test_an_entry_may_have_65535_bytes_and_not_one_more() -> None:
    def sized(fill: int) -> bytes:
        return entry(protected(), payload((4, {"fill": bytes(fill)})))

    room = ENTRY_BYTES_MAX - len(sized(60_000)) + 60_000
    largest = sized(room)
    assert len(largest) == ENTRY_BYTES_MAX
    decode_statement(largest)
    assert refused(sized(room + 1)).code == "too-large"


def test_nothing_is_signed_that_would_be_refused() -> None:
    with pytest.raises(MalformedError):
        sign_statement(KEY, "nobody", CASE, TIME_S, ACT)
    with pytest.raises(MalformedError):
        sign_statement(KEY, OFFICER, CASE, TIME_S, Act("case.open", 0, None, (), {}))
    with pytest.raises(MalformedError):
        sign_statement(KEY, OFFICER, CASE, TIME_S, Act("case.open", 1, None, (), {"a": 1.5}))


def test_receipts_in_the_unprotected_header_are_refused() -> None:
    made = encoding.encode_tagged([protected(), {394: [b""]}, ACT.encode(), bytes(64)])
    assert refused(made).code == "unprotected-header"


def test_the_payload_is_covered_by_the_signature() -> None:
    header = protected()
    signature = KEY.sign(sig_structure(header, ACT.encode()))
    swapped = entry(header, payload((0, "case.close")), signature)
    with pytest.raises(UnverifiedError) as caught:
        verify_statement(decode_statement(swapped), KEY.public)
    assert caught.value.code == "bad-signature"


def test_headers_that_are_none_are_not_kept_in_memory() -> None:
    """Anybody may send entries whose issuer is some sixty thousand bytes of nothing."""
    good = sign_statement(KEY, OFFICER, CASE, TIME_S, ACT)
    protected = good.signed[good.signed.index(b"\xa4\x01") :]
    claims = protected.index(b"\x0f\xa3\x01") + 3
    _short_issuer.cache_clear()
    for number in range(3, 11):
        junk = bytes((number,)) * 60_000 + b"\x02" + b"x\x06\x1a" + bytes((255,)) * 4
        with pytest.raises(LedgerError):
            _decode_protected(protected[:claims] + junk)
    assert _short_issuer.cache_info().currsize == 0
