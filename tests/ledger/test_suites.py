"""The suite sm2-sm3: keys, statements and checkpoint lines; and nothing of it unasked."""

import base64
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import encoding
from ledger.cose import ED25519, EDDSA, SM2_SM3
from ledger.errors import FatalError, LedgerError, MalformedError, UnavailableError, UnverifiedError
from ledger.keys import key_thumbprint
from ledger.member import MemberKeys
from ledger.note import Note, Signature, VerifierKey, check_signed, sign_ed25519
from ledger.roster import Roster
from ledger.sign1 import decode_statement_parts, encode_statement_parts
from ledger.sm2_note import SM2NoteKey, sign_sm2
from ledger.statement import (
    ACT_CONTENT_TYPE,
    Act,
    UnverifiedStatement,
    decode_statement,
    sign_statement,
    verify_statement,
)
from ledger.suites import SM2_CURVE_B, SM2_PRIME, check_point, no_sm2, sm2_thumbprint
from seals.sm2 import (
    ORDER,
    USER_ID,
    SM2StatementKey,
    decode_signature_value,
    encode_signature_value,
    statement_check,
)
from tests.authz.refusals import refused
from tests.seals.office import SM2
from tests.seals.office import key as sm2_key
from tests.strategies import flip
from tests.vectors.own.network import CASE, OFFICER, PURPOSES, SICHUAN, TIME_S, key, member, roster

VECTOR = json.loads((Path(__file__).parents[1] / "vectors/sm2/statement.json").read_text())
KEY = SM2StatementKey(sm2_key("officer"))
ACT = Act("case.open", 1, None, (), {"item": "000500000001"})
MADE = sign_statement(KEY, OFFICER, CASE, TIME_S, ACT)
CHECK = statement_check(SM2)
ANOTHER = SM2StatementKey(sm2_key("another officer"))


def altered(**changes: Any) -> UnverifiedStatement:
    """The statement with parts of its header replaced, and signed by whoever is given as ``by``."""
    by = changes.pop("by", KEY)
    protected, payload, _ = decode_statement_parts(MADE.entry)
    header = encoding.decode(protected) | {int(it[1:]): value for it, value in changes.items()}
    protected = encoding.encode(header)
    unsigned = decode_statement(encode_statement_parts(protected, payload, bytes(64)))
    signature = by.sign(unsigned.signed)
    return decode_statement(encode_statement_parts(protected, payload, signature))


def test_the_vector_says_what_is_written_beside_it() -> None:
    read = decode_statement(bytes.fromhex(VECTOR["entry"]))
    public = bytes.fromhex(VECTOR["public"])
    assert (read.leaf.hex(), read.kid.hex(), read.signed.hex()) == (
        VECTOR["leaf"],
        VECTOR["kid"],
        VECTOR["signed"],
    )
    assert (read.algorithm, VECTOR["user_id"]) == (SM2_SM3, USER_ID.decode())
    assert sm2_thumbprint(public) == read.kid
    verify_statement(read, public, CHECK)


def test_a_thumbprint_is_that_of_the_cose_key() -> None:
    public = KEY.public
    fields = {1: 2, -1: -65_537, -2: public[1:33], -3: public[33:]}
    made = sha256(encoding.encode(fields)).digest()
    assert sm2_thumbprint(public) == key_thumbprint(public) == made
    with pytest.raises(MalformedError):
        sm2_thumbprint(public[1:])


def test_what_was_signed_with_sm2_is_read_and_holds() -> None:
    read = decode_statement(MADE.entry)
    assert (read.algorithm, read.kid) == (SM2_SM3, key_thumbprint(KEY.public))
    assert verify_statement(read, KEY.public, CHECK) == MADE
    # The signature is r and s over the usual bytes, under the usual user identifier.
    r, s = int.from_bytes(read.signature[:32]), int.from_bytes(read.signature[32:])
    SM2.check(KEY.public, read.signed, encode_signature_value(r, s), user_id=USER_ID)
    headed = encoding.decode(decode_statement_parts(MADE.entry)[0])
    assert (headed[1], headed[3]) == (-65_537, ACT_CONTENT_TYPE)


def test_sm2_is_refused_where_the_roster_does_not_name_it() -> None:
    with refused("suite-not-named"):
        verify_statement(decode_statement(MADE.entry), KEY.public)


@given(st.data())
def test_one_flipped_bit_anywhere_is_refused(data: st.DataObject) -> None:
    bad = flip(MADE.entry, data.draw(st.integers(0, 8 * len(MADE.entry) - 1)))
    with pytest.raises(LedgerError):
        verify_statement(decode_statement(bad), KEY.public, CHECK)


def test_the_key_the_algorithm_and_the_signature_belong_together() -> None:
    plain = key(OFFICER)
    cases = {
        "unknown-key": (decode_statement(MADE.entry), ANOTHER.public),
        "bad-signature": (altered(by=ANOTHER), KEY.public),
        # An Ed25519 algorithm over an SM2 key, and the other way round.
        "bad-algorithm": (altered(_1=EDDSA), KEY.public),
    }
    for code, (statement, public) in cases.items():
        with refused(code):
            verify_statement(statement, public, CHECK)
    for algorithm, code in ((ED25519, "bad-algorithm"), (EDDSA, "bad-algorithm")):
        with refused(code):
            verify_statement(altered(_1=algorithm, by=plain), KEY.public, CHECK)
    kid = key_thumbprint(plain.public)
    with refused("bad-algorithm"):
        verify_statement(altered(_4=kid, by=plain), plain.public, CHECK)
    with refused("bad-algorithm"):
        # Before the roster is asked: the statement is wrong under any.
        verify_statement(altered(_4=kid, by=plain), plain.public)


def test_another_user_identifier_is_another_signature() -> None:
    read = decode_statement(MADE.entry)
    r, s = decode_signature_value(sm2_key("officer").sign(read.signed, user_id=b"another"))
    with refused("bad-signature"):
        verify_statement(
            read._replace(signature=r.to_bytes(32) + s.to_bytes(32)), KEY.public, CHECK
        )


def test_r_and_s_have_one_spelling_and_64_bytes() -> None:
    r, s = int.from_bytes(MADE.signature[:32]), int.from_bytes(MADE.signature[32:])
    for first, second in ((0, s), (r, 0), (ORDER, s), (r, ORDER), (2**256 - 1, s)):
        with pytest.raises(UnverifiedError):
            CHECK(KEY.public, MADE.signed, first.to_bytes(32) + second.to_bytes(32))
    for signature in (b"", MADE.signature[:-1], MADE.signature + b"\x00"):
        with refused("sm2-signature"):
            CHECK(KEY.public, MADE.signed, signature)


def test_a_short_s_is_no_second_spelling_of_a_signature() -> None:
    signature = KEY.sign(b"m")
    while signature[32]:
        signature = KEY.sign(b"m")
    CHECK(KEY.public, b"m", signature)
    with refused("sm2-signature"):
        CHECK(KEY.public, b"m", signature[:32] + signature[33:])


def test_a_point_has_one_spelling() -> None:
    def square(x: int) -> int:
        return (x**3 - 3 * x + SM2_CURVE_B) % SM2_PRIME

    x = next(x for x in range(100) if pow(square(x), (SM2_PRIME - 1) // 2, SM2_PRIME) == 1)
    y = pow(square(x), (SM2_PRIME + 1) // 4, SM2_PRIME)
    check_point(b"\x04" + x.to_bytes(32) + y.to_bytes(32))
    with refused("sm2-key"):
        check_point(b"\x04" + (x + SM2_PRIME).to_bytes(32) + y.to_bytes(32))


def test_without_sm2_a_process_stops_and_judges_nothing() -> None:
    class Gone:
        def check(self, *_: bytes, user_id: bytes) -> None:
            raise UnavailableError(f"no memory for {user_id!r}")

    for check in (no_sm2, statement_check(Gone())):
        with pytest.raises(FatalError):
            verify_statement(decode_statement(MADE.entry), KEY.public, check)


# ---- the roster ---------------------------------------------------------------------------------


def keys(log_sm2: bytes | None) -> MemberKeys:
    plain = {purpose: key("510000", purpose).public for purpose in PURPOSES}
    return MemberKeys(**plain, log_sm2=log_sm2)


def named(log_sm2: bytes | None, **changes: Any) -> Roster:
    members = dict(roster().members) | {"510000": member("510000", keys=keys(log_sm2))}
    return roster(members=members, **changes)


def test_a_roster_names_its_suites_or_says_nothing_of_them() -> None:
    made = named(KEY.public, suites=("sm2-sm3",))
    assert Roster.decode(made.encode()) == made
    assert encoding.decode(made.encode())["suites"] == ["sm2-sm3"]
    assert "suites" not in encoding.decode(roster().encode())
    assert Roster.decode(roster().encode()).suites == ()
    assert made.sha256 != roster().sha256


@pytest.mark.parametrize(
    "suites", [[], ["sm2-sm3", "sm2-sm3"], ["sm3"], [1], [["sm2-sm3"]], "sm2-sm3", None, {}]
)
def test_suites_of_another_form_make_no_roster(suites: object) -> None:
    body = encoding.decode(roster().encode()) | {"suites": suites}
    with refused("bad-field"):
        Roster.decode(encoding.encode(body))


@pytest.mark.parametrize(
    "public",
    [KEY.public[:-1], b"\x04" + bytes(64), KEY.public[:-1] + bytes((KEY.public[-1] ^ 1,)), 1],
    ids=range(4),
)
def test_a_logs_sm2_key_is_a_point_of_the_curve(public: Any) -> None:
    with refused("bad-field"):
        keys(public)


def test_a_logs_sm2_key_wants_the_suite_named() -> None:
    with refused("bad-field"):
        named(KEY.public)


def test_no_two_keys_of_a_roster_are_equal_nor_two_sm2_keys() -> None:
    made = named(KEY.public, suites=("sm2-sm3",))
    other = replace(made.members["500000"].keys, log_sm2=KEY.public)
    members = dict(made.members) | {"500000": member("500000", keys=other)}
    with refused("bad-field"):
        replace(made, members=members)


def test_the_points_of_the_curve_and_no_others_are_keys() -> None:
    check_point(KEY.public)
    for public in (b"", KEY.public[1:], b"\x03" + KEY.public[1:], b"\x04" + bytes(64)):
        with refused("sm2-key"):
            check_point(public)


# ---- the line of a checkpoint -------------------------------------------------------------------

TEXT = f"{SICHUAN}\n1\n{base64.b64encode(bytes(32)).decode()}\n".encode()
LINE = sign_sm2(SICHUAN, KEY, TEXT)
NOTE = Note(TEXT, (sign_ed25519(SICHUAN, key("510000", "log"), TEXT), LINE))
NOTE_KEY = SM2NoteKey(SICHUAN, KEY.public)


def test_a_checkpoint_with_an_sm2_line_holds_under_both_keys() -> None:
    log = VerifierKey(SICHUAN, 1, key("510000", "log").public)
    (held,) = check_signed(Note.decode(NOTE.encode()), [log])
    assert held.key == log
    NOTE_KEY.check(Note.decode(NOTE.encode()), CHECK)
    name, key_id, material = NOTE_KEY.encode().split("+", 2)
    assert (name, key_id) == (SICHUAN, LINE.key_id.hex())
    assert base64.b64decode(material) == b"\xffshouxin/note/sm2-sm3/v1\n" + KEY.public


def test_a_missing_second_or_wrong_sm2_line_is_refused() -> None:
    bare = Note(TEXT, NOTE.signatures[:1])
    other = Signature(SICHUAN, LINE.key_id, ANOTHER.sign(TEXT))
    cases = {
        "unknown-key": (bare, Note(TEXT, (replace(LINE, name=f"{SICHUAN}/2"),))),
        "malformed": (NOTE.with_signatures(other), NOTE.with_signatures(LINE)),
        "bad-signature": (
            bare.with_signatures(other),
            Note(TEXT.replace(b"\n1\n", b"\n2\n"), NOTE.signatures),
            bare.with_signatures(replace(LINE, blob=LINE.blob[:-1])),
        ),
    }
    for code, notes in cases.items():
        for note in notes:
            with refused(code):
                NOTE_KEY.check(note, CHECK)
    with refused("bad-key"):
        SM2NoteKey(SICHUAN, b"\x04" + bytes(64))
