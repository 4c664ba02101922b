"""Certificates, revocation lists and chains: another library's reading, and each way to fail."""

from dataclasses import replace
from typing import Any

import pytest
from asn1crypto import crl, x509
from asn1crypto.algos import SignedDigestAlgorithmId
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError, UnverifiedError
from seals import der
from seals.authority import Profile, issue, issue_list, issue_root
from seals.certificate import DIGITAL_SIGNATURE, decode_certificate, display_name
from seals.revocation import LIST_BYTES_MAX, decode_revocation_list
from seals.sm2 import OID_SIGN
from seals.trust import CHAIN_MAX, Trust
from tests.seals.office import DAY_S, NOW_S, OFFICE, SM2, YEAR_S, Office, key
from tests.strategies import flip

SignedDigestAlgorithmId._map[OID_SIGN] = "sm2_sm3"
SignedDigestAlgorithmId._reverse_map = None
LIST = OFFICE.but(revoked={4: NOW_S}).lists[1]
SIGNER = decode_certificate(OFFICE.signer)


def chain_code(office: Office, *, at_s: int = NOW_S, trust: Trust | None = None) -> str:
    with pytest.raises(UnverifiedError) as caught:
        (trust or office.trust).chain(decode_certificate(office.signer), at_s=at_s, sm2=SM2)
    return caught.value.code


def test_another_library_reads_the_same_certificate() -> None:
    other = x509.Certificate.load(OFFICE.signer, strict=True)
    assert other.serial_number == SIGNER.serial
    assert other.subject.native["common_name"] == "signer" == SIGNER.name
    assert other.subject.native["organization_name"] == "成都市人民政府"
    assert other.not_valid_before.timestamp() == SIGNER.from_s
    assert other.not_valid_after.timestamp() == SIGNER.until_s
    assert other.key_usage_value.native == {"digital_signature", "non_repudiation"}
    assert other["tbs_certificate"].dump(force=True) == SIGNER.signed
    assert other.ca is not True
    authority = x509.Certificate.load(OFFICE.middle, strict=True)
    assert authority.ca
    assert authority.max_path_length == 0
    assert authority.key_usage_value.native == {"key_cert_sign", "crl_sign"}
    assert other.authority_key_identifier == authority.key_identifier


def test_another_library_reads_the_same_revocation_list() -> None:
    data = OFFICE.but(revoked={9: NOW_S - 5, 4: NOW_S}).lists[1]
    other = crl.CertificateList.load(data, strict=True)["tbs_cert_list"]
    revoked = {
        one["user_certificate"].native: int(one["revocation_date"].native.timestamp())
        for one in other["revoked_certificates"]
    }
    mine = decode_revocation_list(data)
    assert mine.revoked == revoked == {9: NOW_S - 5, 4: NOW_S}
    assert (mine.this_s, mine.next_s) == (NOW_S, NOW_S + YEAR_S)


def test_a_chain_reaches_its_root() -> None:
    chain = OFFICE.trust.chain(SIGNER, at_s=NOW_S, sm2=SM2)
    assert [one.raw for one in chain] == [OFFICE.middle, OFFICE.root]


def test_a_root_needs_no_chain() -> None:
    assert OFFICE.trust.chain(decode_certificate(OFFICE.root), at_s=NOW_S, sm2=SM2) == ()


def test_without_its_link_or_root_there_is_no_chain() -> None:
    assert chain_code(OFFICE, trust=Trust.of(anchors=[OFFICE.root])) == "no-issuer"
    assert chain_code(OFFICE, trust=Trust.of(others=[OFFICE.root, OFFICE.middle])) == "no-issuer"
    assert chain_code(OFFICE, trust=Trust()) == "no-issuer"


def test_a_link_that_another_key_signed_is_no_link() -> None:
    false_root = issue_root(
        "授信测试根", key=key("thief"), serial=1, from_s=NOW_S - YEAR_S, until_s=NOW_S + YEAR_S
    )
    middle = issue(
        issuer=false_root,
        issuer_key=key("thief"),
        name="授信测试中级",
        public=key("middle").public,
        serial=2,
        from_s=NOW_S - YEAR_S,
        until_s=NOW_S + YEAR_S,
        profile=Profile.AUTHORITY,
    )
    trust = Trust.of(anchors=[OFFICE.root], others=[middle])
    assert chain_code(OFFICE, trust=trust) in {"chain-signature", "no-issuer"}


def test_a_certificate_with_one_turned_bit_has_no_chain() -> None:
    forged = decode_certificate(OFFICE.signer.replace(b"signer", b"sagner"))
    with pytest.raises(UnverifiedError) as caught:
        OFFICE.trust.chain(forged, at_s=NOW_S, sm2=SM2)
    assert caught.value.code == "chain-signature"


def test_an_issuer_must_be_an_authority() -> None:
    assert chain_code(OFFICE.but(middle_profile=Profile.SEAL)) == "chain-usage"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"authority": False}, "chain-usage"),
        ({"key_usage": 1 << DIGITAL_SIGNATURE}, "chain-usage"),
        ({"key_usage": None}, "chain-usage"),
        ({"unknown_critical": ("1.2.3",)}, "chain-usage"),
    ],
    ids=range(4),
)
def test_each_thing_that_makes_an_authority_is_asked_for(changes: Any, code: str) -> None:
    middle = replace(decode_certificate(OFFICE.middle), **changes)
    trust = Trust((decode_certificate(OFFICE.root),), (middle,), ())
    assert chain_code(OFFICE, trust=trust) == code


def test_certificates_and_lists_of_another_algorithm_count_for_nothing() -> None:
    other = "1.2.840.10045.4.3.2"
    with pytest.raises(UnverifiedError) as caught:
        OFFICE.trust.chain(replace(SIGNER, algorithm=other), at_s=NOW_S, sm2=SM2)
    assert caught.value.code == "chain-signature"
    lists = tuple(replace(one, algorithm=other) for one in OFFICE.trust.lists)
    trust = replace(OFFICE.trust, lists=lists)
    middle = decode_certificate(OFFICE.middle)
    with pytest.raises(UnverifiedError) as caught:
        trust.revoked_s(SIGNER, middle, at_s=NOW_S, sm2=SM2)
    assert caught.value.code == "no-revocation-list"


def test_an_issuer_must_have_been_valid_then() -> None:
    office = OFFICE.but(middle_until_s=NOW_S - 1)
    assert chain_code(office) == "chain-period"
    office.trust.chain(decode_certificate(office.signer), at_s=NOW_S - 1, sm2=SM2)


def test_no_more_authorities_stand_below_one_than_it_allows() -> None:
    below = issue(
        issuer=OFFICE.middle,
        issuer_key=key("middle"),
        name="下级",
        public=key("below").public,
        serial=50,
        from_s=NOW_S - YEAR_S,
        until_s=NOW_S + YEAR_S,
        profile=Profile.AUTHORITY,
    )
    leaf = _under(below, "below")
    trust = Trust.of(anchors=[OFFICE.root], others=[OFFICE.middle, below])
    with pytest.raises(UnverifiedError) as caught:
        trust.chain(leaf, at_s=NOW_S, sm2=SM2)
    assert caught.value.code == "chain-length"


def test_a_chain_has_an_end() -> None:
    above, others = OFFICE.root, []
    name = "root"
    for number in range(CHAIN_MAX):
        above = issue(
            issuer=above,
            issuer_key=key(name),
            name=f"level {number}",
            public=key(f"level {number}").public,
            serial=100 + number,
            from_s=NOW_S - YEAR_S,
            until_s=NOW_S + YEAR_S,
            profile=Profile.AUTHORITY,
        )
        name = f"level {number}"
        others.append(above)
    trust = Trust.of(anchors=[OFFICE.root], others=others)
    with pytest.raises(UnverifiedError) as caught:
        trust.chain(_under(above, name), at_s=NOW_S, sm2=SM2)
    assert caught.value.code == "chain-length"
    assert len(trust.chain(_under(others[-3], f"level {CHAIN_MAX - 3}"), at_s=NOW_S, sm2=SM2)) == 7


def test_two_authorities_that_vouch_for_each_other_lead_nowhere() -> None:
    one = issue_root("A", key=key("A"), serial=1, from_s=NOW_S - 1, until_s=NOW_S + 1)
    by_a, by_b = (
        issue(
            issuer=one,
            issuer_key=key("A"),
            name="A",
            public=key("A").public,
            serial=serial,
            from_s=NOW_S - 1,
            until_s=NOW_S + 1,
            profile=Profile.AUTHORITY,
        )
        for serial in (2, 3)
    )
    trust = Trust.of(anchors=[OFFICE.root], others=[by_a, by_b])
    with pytest.raises(UnverifiedError):
        trust.chain(_under(by_a, "A"), at_s=NOW_S, sm2=SM2)


def test_a_critical_extension_that_nobody_understands_is_refused() -> None:
    unknown = der.sequence(der.oid("1.2.3.4"), der.boolean(True), der.octets(b""))
    forged = decode_certificate(_with_extension(OFFICE.signer, unknown))
    assert forged.unknown_critical == ("1.2.3.4",)
    with pytest.raises(UnverifiedError) as caught:
        OFFICE.trust.chain(forged, at_s=NOW_S, sm2=SM2)
    assert caught.value.code == "chain-usage"


def test_a_revocation_list_tells_when() -> None:
    office = OFFICE.but(revoked={Office.SIGNER: NOW_S - 9})
    middle = decode_certificate(office.middle)
    signer = decode_certificate(office.signer)
    assert office.trust.revoked_s(signer, middle, at_s=NOW_S, sm2=SM2) == NOW_S - 9
    maker = decode_certificate(office.maker)
    assert office.trust.revoked_s(maker, middle, at_s=NOW_S, sm2=SM2) is None


@pytest.mark.parametrize(
    "office",
    [OFFICE.but(list_key="thief"), OFFICE.but(list_from_s=NOW_S - 9, list_until_s=NOW_S - 1)],
    ids=["signed by another", "too old"],
)
def test_a_list_that_is_too_old_or_not_the_issuers_says_nothing(office: Office) -> None:
    with pytest.raises(UnverifiedError) as caught:
        office.trust.revoked_s(
            decode_certificate(office.signer),
            decode_certificate(office.middle),
            at_s=NOW_S,
            sm2=SM2,
        )
    assert caught.value.code == "no-revocation-list"


def test_of_several_lists_the_newest_counts() -> None:
    lists = [
        issue_list(
            issuer=OFFICE.middle,
            issuer_key=key("middle"),
            this_s=NOW_S + day * DAY_S,
            next_s=NOW_S + YEAR_S,
            revoked=revoked,
        )
        for day, revoked in ((2, {Office.SIGNER: NOW_S + 5}), (1, {}), (0, {}))
    ]
    trust = Trust.of(anchors=[OFFICE.root], others=[OFFICE.middle], lists=lists)
    middle = decode_certificate(OFFICE.middle)
    assert trust.revoked_s(SIGNER, middle, at_s=NOW_S, sm2=SM2) == NOW_S + 5


def test_a_list_from_after_the_certificates_end_says_nothing_by_leaving_it_out() -> None:
    office = OFFICE.but(signer_until_s=NOW_S + 5, list_from_s=NOW_S + 6)
    signer, middle = decode_certificate(office.signer), decode_certificate(office.middle)
    with pytest.raises(UnverifiedError) as caught:
        office.trust.revoked_s(signer, middle, at_s=NOW_S, sm2=SM2)
    assert caught.value.code == "no-revocation-list"
    still = office.but(revoked={Office.SIGNER: NOW_S + 1})
    assert still.trust.revoked_s(signer, middle, at_s=NOW_S, sm2=SM2) == NOW_S + 1
    sooner = office.but(list_from_s=NOW_S + 5)
    assert sooner.trust.revoked_s(signer, middle, at_s=NOW_S, sm2=SM2) is None


def test_a_list_that_speaks_for_a_part_only_is_refused() -> None:
    data = OFFICE.lists[0]
    known = der.oid("2.5.29.20")
    assert known in data
    forged = _reencoded(data, known, der.oid("2.5.29.28") + der.boolean(True))
    with pytest.raises(MalformedError) as caught:
        decode_revocation_list(forged)
    assert caught.value.code == "list-extension"


def test_a_key_that_is_not_sm2_is_read_and_belongs_to_nobody() -> None:
    forged = OFFICE.signer.replace(
        der.oid("1.2.156.10197.1.301"), b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
    )
    assert decode_certificate(forged).public is None


def test_names_that_are_no_text_are_shown_all_the_same() -> None:
    def name(tag: int, value: bytes) -> bytes:
        return der.sequence(der.set_of(der.sequence(der.oid("2.5.4.3"), der.element(tag, value))))

    assert display_name(name(der.IA5_STRING, "昆明".encode())) == "昆明"
    assert display_name(name(der.PRINTABLE_STRING, "昆".encode("gbk"))) == "\\xc0\\xa5"
    assert display_name(name(0x1E, "昆明".encode("utf-16-be"))) == "昆明"
    assert display_name(b"\x30\x00") == "3000"
    assert display_name(b"rubbish") == b"rubbish".hex()


def test_a_missing_usage_allows_nothing() -> None:
    assert SIGNER.allows(DIGITAL_SIGNATURE)
    forged = decode_certificate(OFFICE.signer.replace(der.oid("2.5.29.15"), der.oid("2.5.29.99")))
    assert forged.key_usage is None
    assert not forged.allows(*range(9))


@given(st.binary(max_size=200))
def test_any_bytes_are_no_certificate_and_no_list(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode_certificate(data)
    with pytest.raises(MalformedError):
        decode_revocation_list(data)


@given(st.integers(0, 8 * 600))
def test_one_turned_bit_never_makes_a_certificate_or_list_good(at: int) -> None:
    for whole, decode in ((OFFICE.signer, decode_certificate), (LIST, decode_revocation_list)):
        try:
            read = decode(flip(whole, at % (8 * len(whole))))
        except MalformedError:
            continue
        middle = decode_certificate(OFFICE.middle)
        assert not OFFICE.trust.is_signed_by(middle, read.signed, read.signature, sm2=SM2)


@given(st.integers(0, 400))
def test_every_cut_is_refused(cut: int) -> None:
    with pytest.raises(MalformedError):
        decode_certificate(OFFICE.signer[:cut])
    with pytest.raises(MalformedError):
        decode_revocation_list(LIST[: cut % len(LIST)])


def test_what_is_too_large_is_not_read() -> None:
    with pytest.raises(MalformedError) as caught:
        decode_certificate(bytes(100_000))
    assert caught.value.code == "certificate-too-large"
    with pytest.raises(MalformedError) as refusal:
        decode_revocation_list(bytes(LIST_BYTES_MAX + 1))
    assert refusal.value.code == "list-too-large"


def test_a_certificate_of_no_known_version_is_refused() -> None:
    version = der.element(der.context(0), der.integer(2))
    assert OFFICE.signer.count(version) == 1
    with pytest.raises(MalformedError) as caught:
        decode_certificate(
            OFFICE.signer.replace(version, der.element(der.context(0), der.integer(3)))
        )
    assert caught.value.code == "certificate-version"


def test_a_path_length_is_not_negative() -> None:
    bad = issue(
        issuer=OFFICE.root,
        issuer_key=key("root"),
        name="negative",
        public=key("middle").public,
        serial=9,
        from_s=NOW_S,
        until_s=NOW_S + YEAR_S,
        profile=Profile.AUTHORITY,
        path_max=-1,
    )
    with pytest.raises(MalformedError) as caught:
        decode_certificate(bad)
    assert caught.value.code == "certificate-extension"


def test_an_extension_stands_once() -> None:
    usage = der.sequence(
        der.oid("2.5.29.15"), der.boolean(True), der.octets(der.flags(DIGITAL_SIGNATURE, 5))
    )
    with pytest.raises(MalformedError) as caught:
        decode_certificate(_with_extension(OFFICE.signer, usage))
    assert caught.value.code == "certificate-extension"


def _under(issuer: bytes, name: str) -> object:
    return decode_certificate(
        issue(
            issuer=issuer,
            issuer_key=key(name),
            name="leaf",
            public=key("leaf").public,
            serial=60,
            from_s=NOW_S - YEAR_S,
            until_s=NOW_S + YEAR_S,
            profile=Profile.SEAL,
        )
    )


def _with_extension(certificate: bytes, extension: bytes) -> bytes:
    """Return the certificate with one more extension; its signature no longer holds."""
    outer = der.Reader(certificate).inside()
    body = der.Reader(outer.raw()).inside()
    parts = []
    while body.tag() != der.context(3):
        parts.append(body.raw())
    extensions = body.inside(der.context(3)).body(der.SEQUENCE)
    grown = der.element(der.context(3), der.sequence(extensions, extension))
    return der.sequence(der.sequence(*parts, grown), outer.raw(), outer.raw())


def _reencoded(data: bytes, old: bytes, new: bytes) -> bytes:
    """Return a list with an extension's identifier replaced, all lengths made to fit."""
    outer = der.Reader(data).inside()
    body = der.Reader(outer.raw()).inside()
    parts = []
    while body.tag() != der.context(0):
        parts.append(body.raw())
    extensions = _each(body.inside(der.context(0)).inside())
    changed = [der.sequence(one[2:].replace(old, new)) if old in one else one for one in extensions]
    tagged = der.element(der.context(0), der.sequence(*changed))
    return der.sequence(der.sequence(*parts, tagged), outer.raw(), outer.raw())


def _each(at: der.Reader) -> list[bytes]:
    found = []
    while at.more():
        found.append(at.raw())
    return found
