"""The verification of a seal and of a signature made with one, step by step.

A signature (签章): (a) form; (b) the signature's value; (c) the signer's certificate: chain, usage,
and whether the seal lists it; (d) the signing time against the certificate's period and
revocation; (e) the sealed original's digest; (f) the seal itself, at the signing time; (g) the time
stamp, if there is one.
A seal (印章): (a) form; (b) the maker's signature; (c) the maker's certificate: chain, usage,
period, revocation; (d) the seal's own period.
After a bad form nothing else is looked at. Any other failure leaves the later steps to be taken, so
that a report names all that is wrong.

Source: GM/T 0031-2014 sections 6.1.2 and 6.2.3; GB/T 38540-2020 section 7.
"""

from collections.abc import Iterator
from typing import Any, Final

from ledger.errors import LedgerError, MalformedError, UnverifiedError
from seals.certificate import (
    DIGITAL_SIGNATURE,
    NON_REPUDIATION,
    Certificate,
    decode_certificate,
)
from seals.der import moment
from seals.report import Report, Step
from seals.ses import ListKind, Seal, SignedSeal, decode_seal, decode_signature
from seals.sm2 import OID_SIGN, OID_SM3, SM2, USER_ID, sm3
from seals.timestamp import check_token, decode_token
from seals.trust import Trust

AHEAD_S_MAX: Final = 300
"""How far a signer's clock may run before the verifier's."""

_SM3_NAMES: Final = frozenset({OID_SM3, f"{OID_SM3}.1", "SM3", "sm3"})


def verify_seal(data: bytes, *, sm2: SM2, trust: Trust, at_s: int) -> Report:
    """Verify a bare seal as it stands at ``at_s``. Never raises for what ``data`` holds."""
    try:
        seal = decode_seal(data)  # (a)
    except MalformedError as error:
        return Report("seal", (Step.failed("form", error.code, str(error)),))
    steps = (Step.passed("form"), *_seal_steps(seal, sm2=sm2, trust=trust, at_s=at_s))
    return Report("seal", steps, seal_facts(seal))


def verify_signature(
    data: bytes,
    *,
    sm2: SM2,
    trust: Trust,
    at_s: int,
    original_digest: bytes | None,
) -> Report:
    """Verify a signature as seen at ``at_s``. Never raises for what ``data`` holds.

    Args:
        data: A DER SES_Signature.
        sm2: Checks the signatures.
        trust: Anchors, links and revocation lists.
        at_s: The present; signatures from the future are refused.
        original_digest: The SM3 digest of what the signature's property information names; None
            where the sealed file is not at hand, which leaves that step unchecked.
    """
    try:
        signed = decode_signature(data)  # (a)
    except MalformedError as error:
        return Report("signature", (Step.failed("form", error.code, str(error)),))
    steps = (
        Step.passed("form"),
        *_signature_steps(signed, sm2, trust, at_s, original_digest),
    )
    return Report("signature", steps, signature_facts(signed))


def verify_signer(seal: bytes, certificate: bytes, *, sm2: SM2, trust: Trust, at_s: int) -> Report:
    """Verify, before a seal is used, that the seal is good and this certificate may sign with it.

    Both standards ask for it before every signature; ``seals.signing`` itself only looks at what
    needs no trust. Never raises for what the bytes hold.
    """
    try:
        opened = decode_seal(seal)
    except MalformedError as error:
        return Report("signer", (Step.failed("form", error.code, str(error)),))
    steps = [Step.passed("form"), *_seal_steps(opened, sm2=sm2, trust=trust, at_s=at_s)]
    signer = _certificate("signer-form", certificate)
    if isinstance(signer, Step):
        return Report("signer", (*steps, signer), seal_facts(opened))
    chain, chained = _chain_step("signer", signer, sm2, trust, at_s)
    steps += [chained, _usage_step("signer", signer), _listed_step(opened, certificate)]
    if signer.from_s <= at_s <= signer.until_s:
        steps.append(Step.passed("signer-period"))
    else:
        steps.append(Step.failed("signer-period", "outside-certificate", _period(signer)))
    if chain is not None:
        steps.append(_revocation_step("signer", signer, chain, sm2, trust, at_s))
    return Report("signer", tuple(steps), seal_facts(opened))


def _signature_steps(
    signed: SignedSeal, sm2: SM2, trust: Trust, at_s: int, original_digest: bytes | None
) -> Iterator[Step]:
    time_s = at_s if signed.time_s is None else signed.time_s
    signer = _certificate("signature", signed.certificate)
    yield _value_step("signature", signer, signed, sm2)  # (b)
    chain: tuple[Certificate, ...] | None = None
    if isinstance(signer, Certificate):
        chain, chained = _chain_step("signer", signer, sm2, trust, time_s)  # (c)
        yield chained
        yield _usage_step("signer", signer)
    yield _listed_step(signed.seal, signed.certificate)
    yield _time_step(signed, signer, at_s)  # (d) (1) (2)
    if isinstance(signer, Certificate) and chain is not None:
        yield _revocation_step("signer", signer, chain, sm2, trust, time_s)  # (d) (3) (4)
    yield _digest_step(signed, original_digest)  # (e)
    yield from _seal_steps(signed.seal, sm2=sm2, trust=trust, at_s=time_s)  # (f)
    if signed.timestamp is not None:  # (g)
        yield _timestamp_step(signed, signer, chain, sm2, trust)


def _seal_steps(seal: Seal, *, sm2: SM2, trust: Trust, at_s: int) -> Iterator[Step]:
    maker = _certificate("seal-signature", seal.certificate)
    yield _value_step("seal-signature", maker, seal, sm2)  # (b)
    if isinstance(maker, Certificate):
        chain, chained = _chain_step("maker", maker, sm2, trust, at_s)  # (c)
        yield chained
        yield _usage_step("maker", maker)
        if maker.from_s <= at_s <= maker.until_s:
            yield Step.passed("maker-period")
        else:
            yield Step.failed("maker-period", "maker-out-of-period", _period(maker))
        if chain is not None:
            yield _revocation_step("maker", maker, chain, sm2, trust, at_s)
    yield _seal_period_step(seal, at_s)  # (d)
    if seal.timestamp is not None:
        yield _seal_timestamp_step(seal, sm2, trust)


def _certificate(name: str, data: bytes) -> Certificate | Step:
    """Return the certificate, or the failure of the step that needs it first."""
    try:
        return decode_certificate(data)
    except MalformedError as error:
        return Step.failed(name, "certificate-form", f"{error.code}: {error}")


def _value_step(
    name: str, certificate: Certificate | Step, signed: Seal | SignedSeal, sm2: SM2
) -> Step:
    if isinstance(certificate, Step):
        return certificate
    if signed.algorithm != OID_SIGN:
        return Step.failed(name, "algorithm", f"not SM2 with SM3: {signed.algorithm}")
    if certificate.public is None:
        return Step.failed(name, "algorithm", "the certificate's key is not an SM2 key")
    try:
        sm2.check(certificate.public, signed.signed, signed.signature, user_id=USER_ID)
    except UnverifiedError as error:
        # sm2-signature or sm2-key; the seal's and the signature's are told apart.
        code = error.code if error.code == "sm2-key" else f"bad-{name}"
        return Step.failed(name, code, str(error))
    return Step.passed(name, certificate.name)


def _chain_step(
    who: str, certificate: Certificate, sm2: SM2, trust: Trust, at_s: int
) -> tuple[tuple[Certificate, ...] | None, Step]:
    name = f"{who}-chain"
    if not trust.anchors:
        return None, Step.unchecked(name, "no-anchor", "no trusted root was given")
    try:
        chain = trust.chain(certificate, at_s=at_s, sm2=sm2)
    except UnverifiedError as error:
        return None, Step.failed(name, error.code, str(error))
    return chain, Step.passed(name, " ← ".join(one.name for one in (certificate, *chain)))


def _usage_step(who: str, certificate: Certificate) -> Step:
    name = f"{who}-usage"
    if certificate.allows(DIGITAL_SIGNATURE, NON_REPUDIATION):
        return Step.passed(name)
    return Step.failed(name, f"{who}-usage", "the certificate is not for signing")


def _listed_step(seal: Seal, certificate: bytes) -> Step:
    name = "signer-listed"
    try:
        listed = is_listed(seal, certificate)
    except MalformedError as error:
        return Step.unchecked(name, error.code, str(error))
    if listed:
        return Step.passed(name)
    return Step.failed(
        name,
        "not-in-list",
        "the seal does not name this certificate; if it was renewed, the seal must be made anew",
    )


def is_listed(seal: Seal, certificate: bytes) -> bool:
    """Whether a seal says that this certificate may sign with it.

    Raises:
        MalformedError: ``list-digest``: it is not among those that can be compared, but some are
            digests of a kind that we do not know.
    """
    if seal.list_kind is ListKind.CERTIFICATES:
        return certificate in seal.certificates
    digest = sm3(certificate)
    if any(kind in _SM3_NAMES and value == digest for kind, value in seal.digests):
        return True
    for kind, _ in seal.digests:
        if kind not in _SM3_NAMES:
            raise MalformedError(
                f"a digest of a kind that we do not know: {kind}", code="list-digest"
            )
    return False


def _time_step(signed: SignedSeal, signer: Certificate | Step, at_s: int) -> Step:
    name = "signing-time"
    if signed.time_s is None:
        return Step.unchecked(name, "no-signing-time", "the signature does not say when")
    if signed.time_s > at_s + AHEAD_S_MAX:
        return Step.failed(name, "signed-in-future", moment(signed.time_s))
    if isinstance(signer, Step):
        return Step.unchecked(name, signer.code, "the certificate cannot be read")
    if not signer.from_s <= signed.time_s <= signer.until_s:
        return Step.failed(
            name, "outside-certificate", f"{moment(signed.time_s)} is not in {_period(signer)}"
        )
    return Step.passed(name, moment(signed.time_s))


def _revocation_step(  # noqa: PLR0917 - the same order as in all its neighbours
    who: str,
    certificate: Certificate,
    chain: tuple[Certificate, ...],
    sm2: SM2,
    trust: Trust,
    time_s: int,
) -> Step:
    """Check that neither the certificate nor an authority above it was revoked by ``time_s``."""
    name = f"{who}-revocation"
    later = ""
    for subject, issuer in zip((certificate, *chain), chain, strict=False):
        try:
            revoked_s = trust.revoked_s(subject, issuer, at_s=time_s, sm2=sm2)
        except UnverifiedError as error:
            return Step.unchecked(name, error.code, f"{subject.name}: {error}")
        if revoked_s is None:
            continue
        told = f"{subject.name} was revoked at {moment(revoked_s)}"
        if revoked_s <= time_s:
            code = "revoked-before-signing" if who == "signer" else "maker-revoked"
            return Step.failed(name, code, told)
        later = later or told
    return Step.passed(name, later, code="revoked-after" if later else "")


def _digest_step(signed: SignedSeal, original_digest: bytes | None) -> Step:
    if original_digest is None:
        return Step.unchecked("digest", "no-original", f"not at hand: {signed.property_info}")
    if original_digest != signed.digest:
        return Step.failed("digest", "digest-differs", signed.property_info)
    return Step.passed("digest", signed.property_info)


def _seal_period_step(seal: Seal, at_s: int) -> Step:
    told = f"{moment(seal.from_s)} to {moment(seal.until_s)}"
    if at_s < seal.from_s:
        return Step.failed("seal-period", "seal-not-yet", told)
    if at_s > seal.until_s:
        return Step.failed("seal-period", "seal-expired", told)
    return Step.passed("seal-period", told)


def _timestamp_step(
    signed: SignedSeal,
    signer: Certificate | Step,
    chain: tuple[Certificate, ...] | None,
    sm2: SM2,
    trust: Trust,
) -> Step:
    name = "timestamp"
    assert signed.timestamp is not None
    try:
        stamped_s = check_token(signed.timestamp, signed.signature, sm2=sm2, trust=trust)
    except LedgerError as error:
        return _token_step(name, error)
    if signed.time_s is not None and signed.time_s > stamped_s + AHEAD_S_MAX:
        return Step.failed(
            name, "timestamp-before-signing", f"stamped at {moment(stamped_s)}, before it was made"
        )
    # The signer alone vouches for the signing time; whoever stole a key may set it back. What was
    # stamped only after the revocation may have been made after it.
    if isinstance(signer, Certificate) and chain:
        try:
            revoked_s = trust.revoked_s(signer, chain[0], at_s=stamped_s, sm2=sm2)
        except UnverifiedError as error:
            return Step.unchecked(name, error.code, f"{moment(stamped_s)}: {error}")
        if revoked_s is not None and revoked_s <= stamped_s:
            return Step.failed(
                name, "timestamp-after-revocation", f"revoked at {moment(revoked_s)}"
            )
    return Step.passed(name, moment(stamped_s))


def _seal_timestamp_step(seal: Seal, sm2: SM2, trust: Trust) -> Step:
    assert seal.timestamp is not None
    try:
        stamped_s = check_token(seal.timestamp, seal.signature, sm2=sm2, trust=trust)
    except LedgerError as error:
        return _token_step("seal-timestamp", error)
    return Step.passed("seal-timestamp", moment(stamped_s))


def _token_step(name: str, error: LedgerError) -> Step:
    # All else held, but nobody told us whom to believe.
    if error.code in {"no-anchor", "no-revocation-list"}:
        return Step.unchecked(name, error.code, str(error))
    return Step.failed(name, error.code, str(error))


def seal_facts(seal: Seal) -> dict[str, Any]:
    """Return what a seal says of itself, for people and JSON."""
    return {
        "version": int(seal.version),
        "seal_id": seal.seal_id,
        "name": seal.name,
        "vendor": seal.vendor,
        "made": moment(seal.made_s),
        "from": moment(seal.from_s),
        "until": moment(seal.until_s),
        "picture": f"{seal.picture.kind} {seal.picture.width_mm}×{seal.picture.height_mm} mm",
    }


def signature_facts(signed: SignedSeal) -> dict[str, Any]:
    """Return what a signature says of itself, its seal's facts among them."""
    return {
        **seal_facts(signed.seal),
        "signed": "" if signed.time_s is None else moment(signed.time_s),
        "stamped": _stamped(signed.timestamp),
        "signer": _name(signed.certificate),
        "property_info": signed.property_info,
        "digest": signed.digest.hex(),
    }


def _stamped(token: bytes | None) -> str:
    """Return the time that a token claims; a signature without one says so."""
    if token is None:
        return "no time stamp"
    try:
        return moment(decode_token(token).time_s)
    except MalformedError:
        return ""


def _name(data: bytes) -> str:
    try:
        return decode_certificate(data).name
    except MalformedError:
        return ""


def _period(certificate: Certificate) -> str:
    return f"{moment(certificate.from_s)} to {moment(certificate.until_s)}"
