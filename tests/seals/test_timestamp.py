"""Time stamps: a service's answers, and every way in which a token is not good."""

import pytest
from asn1crypto import cms, tsp
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError, MalformedError, RefusedError, UnverifiedError
from seals import der
from seals.authority import Profile
from seals.sm2 import USER_ID, sm3
from seals.timestamp import (
    OID_SHA256,
    OID_TST_INFO,
    TOKEN_BYTES_MAX,
    answer,
    check_token,
    decode_token,
    make_request,
    read_response,
)
from seals.trust import Trust
from tests.seals.office import NONCE, NOW_S, OFFICE, SM2, TRUST, YEAR_S, Office, key
from tests.seals.test_ses import children, rebuilt
from tests.strategies import flip

SIGNATURE = b"a signature"
TOKEN = OFFICE.stamp(SIGNATURE)
REQUEST = make_request(SIGNATURE, nonce=NONCE)


def respond(request: bytes = REQUEST) -> bytes:
    return answer(request, certificate=OFFICE.service, key=key("service"), time_s=NOW_S, serial=9)


def code(token: bytes, *, signature: bytes = SIGNATURE, trust: Trust = TRUST) -> str:
    with pytest.raises(LedgerError) as caught:
        check_token(token, signature, sm2=SM2, trust=trust)
    return caught.value.code


def test_a_good_token_gives_its_time() -> None:
    assert check_token(TOKEN, SIGNATURE, sm2=SM2, trust=TRUST) == NOW_S


def test_another_library_reads_the_same_request_and_response() -> None:
    request = tsp.TimeStampReq.load(REQUEST, strict=True)
    assert request["nonce"].native == NONCE
    assert request["message_imprint"]["hashed_message"].native == sm3(SIGNATURE)
    assert request["cert_req"].native is True
    response = tsp.TimeStampResp.load(respond(), strict=True)
    assert response["status"]["status"].native == "granted"
    signed = response["time_stamp_token"]["content"]
    assert isinstance(signed, cms.SignedData)
    stamp = signed["encap_content_info"]["content"].parsed
    assert stamp["gen_time"].native.timestamp() == NOW_S
    assert stamp["nonce"].native == NONCE
    assert stamp["serial_number"].native == 9
    assert [one.chosen.dump() for one in signed["certificates"]] == [OFFICE.service]


def test_a_token_over_other_bytes_is_refused() -> None:
    assert code(TOKEN, signature=b"another") == "timestamp-imprint"


def test_an_answer_to_another_request_is_refused() -> None:
    response = respond()
    assert read_response(response, SIGNATURE, nonce=NONCE) == children(response)[1]
    for signature, nonce, expected in (
        (SIGNATURE, NONCE + 1, "timestamp-nonce"),
        (b"another", NONCE, "timestamp-imprint"),
    ):
        with pytest.raises(UnverifiedError) as caught:
            read_response(respond(), signature, nonce=nonce)
        assert caught.value.code == expected


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        REQUEST[:-1],
        REQUEST + b"\x00",
        bytes(5000),
        rebuilt(REQUEST, (0,), [der.integer(2)]),
        rebuilt(REQUEST, (1, 1), [der.octets(bytes(5000))]),
        REQUEST.replace(der.oid("1.2.156.10197.1.401"), der.oid("1.2.156.10197.1.499")),
    ],
)
def test_a_request_that_cannot_be_answered_is_rejected(request_: bytes) -> None:
    with pytest.raises(RefusedError) as caught:
        read_response(respond(request_), SIGNATURE, nonce=NONCE)
    assert caught.value.code == "timestamp-refused"


def test_a_request_without_nonce_or_certificate_is_answered_so() -> None:
    bare = der.sequence(*children(REQUEST)[:2])
    token = decode_token(children(respond(bare))[1])
    assert token.nonce is None
    assert token.certificates == ()


@pytest.mark.parametrize(
    ("office", "expected"),
    [
        (OFFICE.but(service_profile=Profile.SEAL), "timestamp-usage"),
        (OFFICE.but(revoked={Office.SERVICE: NOW_S}), "timestamp-revoked"),
        (OFFICE.but(middle_profile=Profile.SEAL), "chain-usage"),
    ],
)
def test_a_service_that_may_not_stamp_is_refused(office: Office, expected: str) -> None:
    assert code(office.stamp(SIGNATURE), trust=office.trust) == expected


def test_a_service_stamps_only_while_its_certificate_is_valid() -> None:
    late = OFFICE.stamp(SIGNATURE, time_s=NOW_S + YEAR_S + 1)
    assert code(late) == "timestamp-period"


def test_a_service_revoked_later_has_stamped_well() -> None:
    office = OFFICE.but(revoked={Office.SERVICE: NOW_S + 1})
    assert check_token(office.stamp(SIGNATURE), SIGNATURE, sm2=SM2, trust=office.trust) == NOW_S


def test_without_roots_or_lists_all_but_the_trust_is_checked() -> None:
    assert code(TOKEN, trust=Trust()) == "no-anchor"
    assert code(TOKEN, trust=Trust(TRUST.anchors, TRUST.others)) == "no-revocation-list"


# Paths into ContentInfo: [0] SignedData, its parts from version to signerInfos.
CONTENT = (1, 0, 2, 1, 0)
SIGNER_INFO = (1, 0, 4, 0)


def inner(data: bytes, path: tuple[int, ...]) -> bytes:
    for at in path:
        data = children(data)[at]
    return data


def test_a_changed_time_is_found() -> None:
    stamp = der.Reader(inner(TOKEN, CONTENT)).octets()
    later = rebuilt(stamp, (4,), [der.generalized_time(NOW_S + 1)])
    assert code(rebuilt(TOKEN, CONTENT, [der.octets(later)])) == "timestamp-attributes"


def test_changed_attributes_are_found() -> None:
    attributes = children(inner(TOKEN, (*SIGNER_INFO, 3)))
    for number in range(3):
        kept = [one for at, one in enumerate(attributes) if at != number]
        changed = rebuilt(TOKEN, (*SIGNER_INFO, 3), [der.element(der.context(0), *kept)])
        assert code(changed) in {"timestamp-attributes", "timestamp-certificate"}
    more = der.sequence(der.oid("1.2.3"), der.set_of(der.integer(1)))
    changed = rebuilt(TOKEN, (*SIGNER_INFO, 3), [der.element(der.context(0), *attributes, more)])
    assert code(changed) == "timestamp-signature"


def test_a_token_that_another_key_signed_is_refused() -> None:
    signed = decode_token(TOKEN).signed
    value = der.octets(key("thief").sign(signed, user_id=USER_ID))
    assert code(rebuilt(TOKEN, (*SIGNER_INFO, 5), [value])) == "timestamp-signature"


def test_a_token_whose_certificate_is_missing_or_another_is_refused() -> None:
    signed_data = children(children(children(TOKEN)[1])[0])
    without = der.sequence(*signed_data[:3], signed_data[4])
    bare = rebuilt(TOKEN, (1, 0), [without])
    assert code(bare) == "timestamp-certificate"
    known = Trust(
        TRUST.anchors, (*TRUST.others, *Trust.of(others=[OFFICE.service]).others), TRUST.lists
    )
    assert check_token(bare, SIGNATURE, sm2=SM2, trust=known) == NOW_S
    other = OFFICE.leaf("service", Office.SERVICE, Profile.TIMESTAMP, NOW_S - YEAR_S, NOW_S + 7)
    swapped = rebuilt(TOKEN, (1, 0, 3, 0), [other])
    assert code(swapped) == "timestamp-certificate"


def test_another_algorithm_is_refused() -> None:
    sha = der.sequence(der.oid(OID_SHA256))
    both = rebuilt(TOKEN, (*SIGNER_INFO, 2), [sha])
    assert code(rebuilt(both, (1, 0, 1), [der.set_of(sha)])) == "timestamp-algorithm"
    assert code(rebuilt(TOKEN, (*SIGNER_INFO, 4), [sha])) == "timestamp-algorithm"


def test_what_holds_no_stamp_or_two_signers_is_no_token() -> None:
    other = rebuilt(TOKEN, (1, 0, 2, 0), [der.oid("1.2.840.113549.1.7.1")])
    assert code(other) == "timestamp-form"
    assert code(rebuilt(TOKEN, (0,), [der.oid(OID_TST_INFO)])) == "timestamp-form"
    sha = der.set_of(der.sequence(der.oid(OID_SHA256)))
    assert code(rebuilt(TOKEN, (1, 0, 0), [der.integer(4)])) == "timestamp-form"
    assert code(rebuilt(TOKEN, (1, 0, 1), [sha])) == "timestamp-form"
    assert code(rebuilt(TOKEN, (*SIGNER_INFO, 0), [der.integer(2)])) == "timestamp-form"
    one = inner(TOKEN, SIGNER_INFO)
    assert code(rebuilt(TOKEN, SIGNER_INFO, [one, one])) == "der-trailing"
    assert code(rebuilt(TOKEN, (1, 0, 3, 0), [OFFICE.service] * 17)) == "timestamp-form"


def test_what_is_too_large_is_not_read() -> None:
    assert code(bytes(TOKEN_BYTES_MAX + 1)) == "timestamp-too-large"
    with pytest.raises(MalformedError) as caught:
        read_response(bytes(TOKEN_BYTES_MAX + 1), SIGNATURE, nonce=NONCE)
    assert caught.value.code == "timestamp-too-large"


def test_a_stamp_is_dated_with_a_generalized_time() -> None:
    stamp = der.Reader(inner(TOKEN, CONTENT)).octets()
    other = rebuilt(stamp, (4,), [der.certificate_time(NOW_S)])
    assert code(rebuilt(TOKEN, CONTENT, [der.octets(other)])) == "timestamp-form"


def test_an_attribute_stands_once_and_there_are_few() -> None:
    attributes = children(inner(TOKEN, (*SIGNER_INFO, 3)))
    many = [der.sequence(der.oid(f"1.2.{one}"), der.set_of(b"\x05\x00")) for one in range(30)]
    for more in ([attributes[0]], many):
        grown = der.element(der.context(0), *attributes, *more)
        assert code(rebuilt(TOKEN, (*SIGNER_INFO, 3), [grown])) == "timestamp-form"


@given(st.binary(max_size=200))
def test_any_bytes_are_no_token_and_no_response(data: bytes) -> None:
    code(data)
    with pytest.raises(LedgerError):
        read_response(data, SIGNATURE, nonce=NONCE)
    assert respond(data)


@given(st.integers(0, 8 * len(TOKEN) - 1))
def test_one_turned_bit_gives_an_error_or_the_same_time(bit: int) -> None:
    try:
        assert check_token(flip(TOKEN, bit), SIGNATURE, sm2=SM2, trust=TRUST) == NOW_S
    except LedgerError:
        return
