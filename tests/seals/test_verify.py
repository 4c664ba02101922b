"""The steps of the standard, each with its code: what holds, and every way in which it does not."""

import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from seals import der
from seals.authority import Profile
from seals.report import Outcome, Report, Step, Verdict
from seals.ses import ListKind, decode_seal, decode_signature
from seals.sm2 import USER_ID, sm3
from seals.trust import Trust
from seals.verify import (
    AHEAD_S_MAX,
    is_listed,
    verify_seal,
    verify_signature,
    verify_signer,
)
from tests.seals.office import (
    DIGEST,
    NOW_S,
    OFFICE,
    PLACE,
    SEAL,
    SIGNED,
    SM2,
    STAMPED,
    TRUST,
    YEAR_S,
    Office,
    key,
)
from tests.seals.test_ses import V1, children, rebuilt, v1_seal
from tests.strategies import flip

REAL = Path(__file__).parents[3] / "shared/data/seals"
real = pytest.mark.skipif(not REAL.is_dir(), reason=f"no real seals at {REAL}")


def seal_report(data: bytes, *, trust: Trust = TRUST, at_s: int = NOW_S) -> Report:
    return verify_seal(data, sm2=SM2, trust=trust, at_s=at_s)


def report(
    data: bytes,
    *,
    trust: Trust = TRUST,
    at_s: int = NOW_S + 60,
    original: bytes | None = DIGEST,
) -> Report:
    return verify_signature(data, sm2=SM2, trust=trust, at_s=at_s, original_digest=original)


def resigned(signed: bytes, path: tuple[int, ...], new: list[bytes]) -> bytes:
    """Return a signature with a signed field replaced, signed again by the signer."""
    changed = children(rebuilt(signed, path, new))
    value = key("signer").sign(changed[0], user_id=USER_ID)
    return der.sequence(*changed[:3], der.bits(value), *changed[4:])


def test_a_good_signature_is_valid_in_every_step() -> None:
    found = report(STAMPED)
    assert found.verdict is Verdict.VALID
    assert [step.name for step in found.steps] == [
        "form",
        "signature",
        "signer-chain",
        "signer-usage",
        "signer-listed",
        "signing-time",
        "signer-revocation",
        "digest",
        "seal-signature",
        "maker-chain",
        "maker-usage",
        "maker-period",
        "maker-revocation",
        "seal-period",
        "timestamp",
    ]
    assert all(step.outcome is Outcome.PASSED and not step.code for step in found.steps)
    assert found.facts["name"] == "成都市政务服务中心"
    assert json.loads(json.dumps(found.fields()))["verdict"] == "valid"


def test_a_good_seal_is_valid_in_every_step() -> None:
    found = seal_report(SEAL)
    assert found.verdict is Verdict.VALID
    assert [step.name for step in found.steps] == [
        "form",
        "seal-signature",
        "maker-chain",
        "maker-usage",
        "maker-period",
        "maker-revocation",
        "seal-period",
    ]


def test_a_seal_and_signature_of_2014_are_valid_too() -> None:
    assert seal_report(v1_seal()).verdict is Verdict.VALID
    found = report(V1)
    assert found.codes == ()
    assert found.verdict is Verdict.VALID


def test_after_a_bad_form_nothing_else_is_looked_at() -> None:
    for found in (report(b""), seal_report(SIGNED), report(SEAL), report(STAMPED[:-1])):
        assert len(found.steps) == 1
        assert found.steps[0].name == "form"
        assert found.verdict is Verdict.INVALID


@pytest.mark.parametrize(
    ("office", "codes"),
    [
        (OFFICE.but(signer_profile=Profile.ENCIPHERMENT), ["signer-usage"]),
        (OFFICE.but(signer_profile=Profile.AUTHORITY), ["signer-usage"]),
        (OFFICE.but(maker_profile=Profile.ENCIPHERMENT), ["maker-usage"]),
        (OFFICE.but(maker_until_s=NOW_S - 1), ["maker-out-of-period"]),
        (OFFICE.but(middle_profile=Profile.SEAL), ["chain-usage", "chain-usage"]),
        (OFFICE.but(middle_until_s=NOW_S - 1), ["chain-period", "chain-period"]),
        (OFFICE.but(revoked={Office.SIGNER: NOW_S}), ["revoked-before-signing"]),
        (OFFICE.but(revoked={Office.SIGNER: NOW_S - 99}), ["revoked-before-signing"]),
        (OFFICE.but(revoked={Office.MAKER: NOW_S - 1}), ["maker-revoked"]),
        (
            OFFICE.but(root_revoked={Office.MIDDLE: NOW_S - 1}),
            ["revoked-before-signing", "maker-revoked"],
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_with_a_certificate_has_its_code(office: Office, codes: list[str]) -> None:
    found = report(office.sign(), trust=office.trust)
    assert list(found.codes) == codes
    assert found.verdict is Verdict.INVALID


@pytest.mark.parametrize("who", [Office.SIGNER, Office.MAKER, Office.MIDDLE])
def test_what_was_revoked_after_signing_stays_valid_and_is_told(who: int) -> None:
    revoked = {who: NOW_S + 1}
    office = OFFICE.but(revoked=revoked, root_revoked=revoked)
    found = report(office.sign(), trust=office.trust)
    assert found.verdict is Verdict.VALID
    assert "revoked-after" in {step.code for step in found.steps}


def test_a_time_outside_the_certificate_is_refused() -> None:
    early = der.generalized_time(NOW_S - 2 * YEAR_S)
    late = der.generalized_time(NOW_S + 6 * YEAR_S)
    for moment in (early, late):
        found = report(resigned(SIGNED, (0, 2), [moment]), at_s=NOW_S + 9 * YEAR_S)
        assert "outside-certificate" in found.codes


def test_a_signature_from_the_future_is_refused() -> None:
    assert report(SIGNED, at_s=NOW_S - AHEAD_S_MAX).verdict is Verdict.VALID
    assert report(SIGNED, at_s=NOW_S - AHEAD_S_MAX - 1).codes == ("signed-in-future",)


def test_a_seal_used_outside_its_period_is_refused() -> None:
    office = OFFICE.but(seal_until_s=NOW_S + 10)
    late = resigned(office.sign(), (0, 2), [der.generalized_time(NOW_S + 11)])
    assert report(late, trust=office.trust).codes == ("seal-expired",)
    office = OFFICE.but(seal_from_s=NOW_S)
    early = resigned(office.sign(), (0, 2), [der.generalized_time(NOW_S - 1)])
    assert report(early, trust=office.trust).codes == ("seal-not-yet",)


def test_a_seal_that_expires_after_the_signing_leaves_it_valid() -> None:
    office = OFFICE.but(seal_until_s=NOW_S)
    assert report(office.sign(), at_s=NOW_S + 300, trust=office.trust).verdict is Verdict.VALID


def test_a_bare_seal_out_of_its_period_is_refused() -> None:
    seal = decode_seal(SEAL)
    assert seal_report(SEAL, at_s=seal.from_s - 1).codes == ("seal-not-yet",)
    assert seal_report(SEAL, at_s=seal.until_s + 1).codes == ("seal-expired",)
    assert seal_report(SEAL, at_s=seal.from_s).verdict is Verdict.VALID


def test_another_digest_is_refused() -> None:
    assert report(SIGNED, original=sm3(b"another")).codes == ("digest-differs",)
    assert report(SIGNED, original=DIGEST[:-1]).codes == ("digest-differs",)


def test_a_changed_field_breaks_the_signature() -> None:
    changed = rebuilt(SIGNED, (0, 4), [der.ascii_string(PLACE + "x")])
    assert report(changed).codes == ("bad-signature",)


def test_another_seal_inside_breaks_both_signatures() -> None:
    changed = SIGNED.replace("政务".encode(), "政府".encode())
    assert report(changed).codes == ("bad-signature", "bad-seal-signature")


def test_a_seal_that_its_maker_did_not_sign_is_refused() -> None:
    changed = SEAL.replace("政务".encode(), "政府".encode())
    assert seal_report(changed).codes == ("bad-seal-signature",)


def test_another_algorithm_is_refused() -> None:
    other = der.oid("1.2.840.10045.4.3.2")
    assert report(rebuilt(SIGNED, (2,), [other])).codes == ("algorithm",)
    assert seal_report(rebuilt(SEAL, (2,), [other])).codes == ("algorithm",)


def test_a_certificate_with_a_key_off_the_curve_is_refused() -> None:
    public = key("signer").public
    forged = OFFICE.signer.replace(public, public[:-1] + bytes((public[-1] ^ 1,)))
    found = report(rebuilt(SIGNED, (1,), [der.octets(forged)]))
    assert found.step("signature") == Step.failed(
        "signature", "sm2-key", "the key is not a point of the curve"
    )


def test_a_certificate_with_another_kind_of_key_is_refused() -> None:
    forged = OFFICE.signer.replace(
        der.oid("1.2.156.10197.1.301"), b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
    )
    found = report(rebuilt(SIGNED, (1,), [der.octets(forged)]))
    assert found.codes[0] == "algorithm"


def test_a_certificate_that_cannot_be_read_is_refused() -> None:
    found = report(rebuilt(SIGNED, (1,), [der.octets(b"rubbish")]))
    assert "certificate-form" in found.codes
    found = seal_report(rebuilt(SEAL, (1,), [der.octets(b"rubbish")]))
    assert found.codes == ("certificate-form",)


@pytest.mark.parametrize("kind", list(ListKind))
def test_a_signer_that_the_seal_does_not_name_is_refused(kind: ListKind) -> None:
    office = OFFICE.but(list_kind=kind)
    named = office.sign()
    assert report(named).verdict is Verdict.VALID
    other = office.seal(certificates=[office.maker])
    found = report(resigned(named, (0, 1), [other]), trust=office.trust)
    assert found.codes == ("not-in-list",)
    assert "made anew" in found.step("signer-listed").detail  # type: ignore[union-attr]


def test_a_list_of_unknown_digests_is_not_a_no() -> None:
    seal = OFFICE.but(list_kind=ListKind.DIGESTS).seal()
    kind = der.ascii_string("1.2.156.10197.1.401", der.PRINTABLE_STRING)
    other = seal.replace(kind, kind.replace(b"401", b"499"))
    with pytest.raises(MalformedError) as caught:
        is_listed(decode_seal(other), OFFICE.signer)
    assert caught.value.code == "list-digest"
    found = report(resigned(SIGNED, (0, 1), [other]))
    assert found.step("signer-listed").outcome is Outcome.UNCHECKED  # type: ignore[union-attr]


def test_what_was_not_given_leaves_a_step_unchecked_and_the_whole_unproven() -> None:
    for found, step, code in (
        (report(SIGNED, original=None), "digest", "no-original"),
        (report(SIGNED, trust=Trust()), "signer-chain", "no-anchor"),
        (seal_report(SEAL, trust=Trust()), "maker-chain", "no-anchor"),
        (report(STAMPED, trust=Trust()), "timestamp", "no-anchor"),
        (
            report(SIGNED, trust=Trust(TRUST.anchors, TRUST.others)),
            "signer-revocation",
            "no-revocation-list",
        ),
        (
            seal_report(SEAL, trust=Trust(TRUST.anchors, TRUST.others)),
            "maker-revocation",
            "no-revocation-list",
        ),
        (
            report(STAMPED, trust=Trust(TRUST.anchors, TRUST.others)),
            "timestamp",
            "no-revocation-list",
        ),
    ):
        assert found.verdict is Verdict.UNPROVEN
        assert found.step(step).outcome is Outcome.UNCHECKED  # type: ignore[union-attr]
        assert found.step(step).code == code  # type: ignore[union-attr]


def test_a_chain_to_a_root_that_nobody_trusts_is_a_failure() -> None:
    stranger = Trust(anchors=Trust.of(anchors=[OFFICE.maker]).anchors, others=TRUST.others)
    assert report(SIGNED, trust=stranger).codes == ("no-issuer",)
    assert report(SIGNED, trust=Trust(Trust.of(anchors=[OFFICE.service]).anchors)).codes == (
        "no-issuer",
        "no-issuer",
    )


def test_a_time_stamp_over_another_signature_is_refused() -> None:
    *parts, _ = children(STAMPED)
    other = der.element(der.context(0), der.bits(OFFICE.stamp(b"another")))
    assert report(der.sequence(*parts, other)).codes == ("timestamp-imprint",)
    rubbish = der.element(der.context(0), der.bits(b"rubbish"))
    assert report(der.sequence(*parts, rubbish)).step("timestamp").outcome is Outcome.FAILED  # type: ignore[union-attr]


def test_a_time_stamp_from_before_the_signing_is_refused() -> None:
    signed = OFFICE.sign(stamped_s=NOW_S - AHEAD_S_MAX - 1)
    assert report(signed).codes == ("timestamp-before-signing",)
    assert report(OFFICE.sign(stamped_s=NOW_S - AHEAD_S_MAX)).verdict is Verdict.VALID


def test_a_signature_set_back_before_the_revocation_is_found_by_its_time_stamp() -> None:
    office = OFFICE.but(revoked={Office.SIGNER: NOW_S + 5})
    assert report(office.sign(stamped_s=NOW_S + 4), trust=office.trust).codes == ()
    found = report(office.sign(stamped_s=NOW_S + 5), trust=office.trust)
    assert found.codes == ("timestamp-after-revocation",)


def test_a_seal_of_2025_has_its_own_time_stamp_checked() -> None:
    info = rebuilt(children(SEAL)[0], (0, 1), [der.integer(5)])
    value = key("maker").sign(info, user_id=USER_ID)
    five = [info, *children(SEAL)[1:3], der.bits(value)]

    def stamped(over: bytes) -> bytes:
        return der.sequence(*five, der.element(der.context(0), der.bits(OFFICE.stamp(over))))

    assert seal_report(der.sequence(*five)).verdict is Verdict.VALID
    assert seal_report(stamped(value)).verdict is Verdict.VALID
    assert seal_report(stamped(b"another")).codes == ("timestamp-imprint",)


@pytest.mark.parametrize(
    ("office", "codes"),
    [
        (OFFICE, []),
        (OFFICE.but(seal_until_s=NOW_S - 1), ["seal-expired"]),
        (OFFICE.but(signer_until_s=NOW_S - 1), ["outside-certificate"]),
        (OFFICE.but(signer_profile=Profile.ENCIPHERMENT), ["signer-usage"]),
        (OFFICE.but(maker_profile=Profile.ENCIPHERMENT), ["maker-usage"]),
        (OFFICE.but(revoked={Office.SIGNER: NOW_S}), ["revoked-before-signing"]),
        (OFFICE.but(revoked={Office.MAKER: NOW_S}), ["maker-revoked"]),
    ],
)
def test_before_signing_seal_and_signer_are_verified(office: Office, codes: list[str]) -> None:
    found = verify_signer(office.seal(), office.signer, sm2=SM2, trust=office.trust, at_s=NOW_S)
    assert list(found.codes) == codes
    assert (found.verdict is Verdict.VALID) is (not codes)


def test_before_signing_another_certificate_or_rubbish_is_refused() -> None:
    def codes(seal: bytes, certificate: bytes) -> tuple[str, ...]:
        return verify_signer(seal, certificate, sm2=SM2, trust=TRUST, at_s=NOW_S).codes

    assert codes(SEAL, OFFICE.maker) == ("not-in-list",)
    assert codes(SEAL, b"rubbish") == ("certificate-form",)
    assert codes(b"", OFFICE.signer) == ("der-truncated",)


def test_where_no_list_speaks_for_the_stamp_it_is_unchecked() -> None:
    office = OFFICE.but(list_until_s=NOW_S + 5)
    found = report(office.sign(stamped_s=NOW_S + 6), trust=office.trust)
    assert found.step("signer-revocation").outcome is Outcome.PASSED  # type: ignore[union-attr]
    assert found.step("timestamp").code == "no-revocation-list"  # type: ignore[union-attr]
    assert found.verdict is Verdict.UNPROVEN


def test_a_container_puts_its_own_steps_first() -> None:
    found = report(SIGNED).extended([Step.failed("page", "page-altered", "x")], of="ofd")
    assert found.of == "ofd"
    assert found.steps[0].name == "page"
    assert found.codes == ("page-altered",)
    assert Report("seal", ()).verdict is Verdict.INVALID


@given(st.binary(max_size=200))
def test_any_bytes_give_a_report(data: bytes) -> None:
    assert report(data).verdict is Verdict.INVALID
    assert seal_report(data).verdict is Verdict.INVALID


@given(st.integers(0, 8 * len(STAMPED) - 1))
def test_one_turned_bit_is_never_valid(bit: int) -> None:
    assert report(flip(STAMPED, bit)).verdict is Verdict.INVALID or _in_token(bit)
    assert seal_report(flip(SEAL, bit % (8 * len(SEAL)))).verdict is Verdict.INVALID


def _in_token(bit: int) -> bool:
    """Whether a bit lies in the token's parts that its signature does not cover.

    Versions, digest lists and unneeded certificates of a CMS say nothing about what was stamped.
    """
    token = decode_signature(STAMPED).timestamp
    assert token is not None
    return bit // 8 >= STAMPED.index(token)


@real
@pytest.mark.parametrize("name", ["UserV1.esl", "UserV4.esl"])
def test_the_real_seals_are_good_as_far_as_can_be_seen(name: str) -> None:
    found = seal_report((REAL / name).read_bytes(), trust=Trust(), at_s=1_600_000_000)
    assert found.codes == ()
    assert found.step("seal-signature").outcome is Outcome.PASSED  # type: ignore[union-attr]
    unchecked = [step.name for step in found.steps if step.outcome is Outcome.UNCHECKED]
    assert unchecked == ["maker-chain"]
    late = seal_report((REAL / name).read_bytes(), trust=Trust())
    assert late.codes == ("maker-out-of-period", "seal-expired")


@real
def test_the_vendors_seal_is_refused_at_the_makers_signature() -> None:
    found = seal_report((REAL / "SESealData.DER").read_bytes(), trust=Trust(), at_s=1_605_000_000)
    assert found.step("form").outcome is Outcome.PASSED  # type: ignore[union-attr]
    assert found.codes[0] == "bad-seal-signature"


def real_signature() -> tuple[bytes, bytes]:
    with zipfile.ZipFile(REAL / "signedFile.ofd") as file:
        folder = "Doc_0/Signs/Sign_0/"
        return file.read(folder + "SignedValue.dat"), file.read(folder + "Signature.xml")


@real
def test_the_real_invoice_is_good_as_far_as_can_be_seen() -> None:
    signed, original = real_signature()
    found = report(signed, trust=Trust(), original=sm3(original))
    assert found.codes == ()
    passed = {step.name for step in found.steps if step.outcome is Outcome.PASSED}
    assert {"signature", "seal-signature", "digest", "signer-listed", "seal-period"} <= passed
    assert report(signed, trust=Trust(), original=sm3(original + b" ")).codes == ("digest-differs",)
    assert b"\x01\x01\x00" in decode_signature(signed).seal.signed  # FALSE, written out


@real
@given(st.integers(0, 8 * 6285 - 1))
def test_one_turned_bit_in_the_real_signature_is_found(bit: int) -> None:
    signed, original = real_signature()
    found = report(flip(signed, bit), trust=Trust(), original=sm3(original))
    assert found.verdict is Verdict.INVALID


def test_a_signature_by_people_who_are_known_costs_two_verifications() -> None:
    """That of the seal and its own; the bench says how little comes on top."""
    checked: list[bytes] = []

    class Counted:
        def check(self, public: bytes, message: bytes, signature: bytes, *, user_id: bytes) -> None:
            checked.append(message)
            SM2.check(public, message, signature, user_id=user_id)

    trust = Trust(TRUST.anchors, TRUST.others)
    for _ in range(2):
        checked.clear()
        found = verify_signature(
            SIGNED, sm2=Counted(), trust=trust, at_s=NOW_S + 60, original_digest=DIGEST
        )
        assert found.verdict is Verdict.UNPROVEN  # nobody gave a list of what is revoked
    signed = decode_signature(SIGNED)
    assert sorted(checked) == sorted([signed.signed, signed.seal.signed])
