"""Time-stamp tokens over a seal's signature (RFC 3161, GB/T 20520), with SM2 and SM3.

Requests and answers for a client, the answering side of a small service, and the check of a token.
A token is CMS SignedData over a TSTInfo; it is read from received bytes.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ledger.errors import MalformedError, RefusedError, UnverifiedError
from seals import der
from seals.certificate import (
    DIGITAL_SIGNATURE,
    NON_REPUDIATION,
    OID_TIME_STAMPING,
    Certificate,
    decode_algorithm,
    decode_certificate,
)
from seals.der import Reader
from seals.sm2 import OID_SIGN, OID_SM3, SM2, USER_ID, SigningKey, sm3
from seals.trust import Trust

TOKEN_BYTES_MAX: Final = 256 * 1024
REQUEST_BYTES_MAX: Final = 4096
CERTIFICATES_MAX: Final = 16
ATTRIBUTES_MAX: Final = 32

OID_SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
OID_SIGNED_DATA_SM2: Final = "1.2.156.10197.6.1.4.2.2"
"""GB/T 35275's own name for the same structure."""
OID_TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"
OID_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
OID_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
OID_SIGNING_CERTIFICATE: Final = "1.2.840.113549.1.9.16.2.47"
OID_SHA256: Final = "2.16.840.1.101.3.4.2.1"
OID_SM2_BARE: Final = "1.2.156.10197.1.301.1"
"""Some services name the signature so; it is SM2 with SM3 all the same."""

TEST_POLICY: Final = "2.25.1"

GRANTED: Final = 0
GRANTED_CHANGED: Final = 1
REJECTION: Final = 2

_BAD_ALGORITHM: Final = 0
_BAD_DATA_FORMAT: Final = 5


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


_DIGESTS: Final = {OID_SM3: sm3, OID_SHA256: _sha256}
_SM3_ALGORITHM: Final = der.sequence(der.oid(OID_SM3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as received. Nothing is verified."""

    content: bytes
    imprint_algorithm: str
    imprint: bytes
    serial: int
    time_s: int
    nonce: int | None
    """The request's, given back; None where it had none."""
    certificates: tuple[bytes, ...]
    issuer: bytes
    certificate_serial: int
    digest_algorithm: str
    algorithm: str
    attributes: dict[str, bytes]
    """The one value of each signed attribute."""
    signed: bytes
    signature: bytes


def make_request(signature: bytes, *, nonce: int) -> bytes:
    """Return a TimeStampReq for these bytes, asking for the service's certificate too.

    Args:
        signature: What is to be dated.
        nonce: A fresh positive number, so that no old answer can be passed off as this one's.
    """
    return der.sequence(
        der.integer(1),
        der.sequence(_SM3_ALGORITHM, der.octets(sm3(signature))),
        der.integer(nonce),
        der.boolean(True),
    )


def read_response(response: bytes, signature: bytes, *, nonce: int) -> bytes:
    """Return the token in a TimeStampResp to ``make_request``; its signature is not checked.

    Raises:
        RefusedError: ``timestamp-refused``: the service gave none.
        UnverifiedError: ``timestamp-imprint`` or ``timestamp-nonce``: it answers something else.
        MalformedError: It is no such response.
    """
    if len(response) > TOKEN_BYTES_MAX:
        raise MalformedError("the response is too large", code="timestamp-too-large")
    outer = Reader(response)
    parts = outer.inside()
    outer.finish()
    status = parts.inside().integer()
    if status not in {GRANTED, GRANTED_CHANGED}:
        raise RefusedError(
            f"the time-stamp service refuses, status {status}", code="timestamp-refused"
        )
    raw = parts.raw(der.SEQUENCE)
    parts.finish()
    token = decode_token(raw)
    _check_imprint(token, signature)
    if token.nonce != nonce:
        raise UnverifiedError("the answer is to another request", code="timestamp-nonce")
    return raw


def answer(
    request: bytes,
    *,
    certificate: bytes,
    key: SigningKey,
    time_s: int,
    serial: int,
    policy: str = TEST_POLICY,
) -> bytes:
    """Return a TimeStampResp to a request: a small service, for tests and demonstrations.

    Args:
        request: As received; what cannot be read is answered with a rejection.
        certificate: The service's, with the usage of ``Profile.TIMESTAMP``.
        key: The key of that certificate.
        time_s: The time to vouch for.
        serial: Never given twice.
        policy: Under which policy it is given.
    """
    try:
        imprint, nonce, wants_certificate = _decode_request(request)
    except MalformedError:
        return _rejection(_BAD_DATA_FORMAT)
    algorithm = Reader(imprint).inside().raw(der.SEQUENCE)
    if decode_algorithm(algorithm) not in _DIGESTS:
        return _rejection(_BAD_ALGORITHM)
    content = der.sequence(
        der.integer(1),
        der.oid(policy),
        imprint,
        der.integer(serial),
        der.generalized_time(time_s),
        *([der.integer(nonce)] if nonce is not None else []),
    )
    token = _sign_content(content, certificate, key, with_certificate=wants_certificate)
    return der.sequence(der.sequence(der.integer(GRANTED)), token)


def decode_token(data: bytes) -> Token:
    """Read a token.

    Raises:
        MalformedError: ``timestamp-form``, ``timestamp-too-large``, or a code of ``seals.der``.
    """
    if len(data) > TOKEN_BYTES_MAX:
        raise MalformedError("the token is too large", code="timestamp-too-large")
    outer = Reader(data)
    info = outer.inside()
    outer.finish()
    if info.oid() not in {OID_SIGNED_DATA, OID_SIGNED_DATA_SM2}:
        raise MalformedError("the token is not signed data", code="timestamp-form")
    tagged = info.inside(der.context(0))
    info.finish()
    body = tagged.inside()
    tagged.finish()
    # No signature covers these numbers and names; a token has them in one way only all the same.
    # 3 is RFC 5652's number for a content of its own kind, 1 what GB/T 35275 writes.
    if body.integer() not in {1, 3}:
        raise MalformedError("no such version of signed data", code="timestamp-form")
    named = body.inside(der.SET)
    named_digest = decode_algorithm(named.raw(der.SEQUENCE))
    named.finish()
    held = body.inside()
    if held.oid() != OID_TST_INFO:
        raise MalformedError("the token does not hold a time stamp", code="timestamp-form")
    wrapped = held.inside(der.context(0))
    held.finish()
    content = wrapped.octets()
    wrapped.finish()
    certificates: list[bytes] = []
    if body.tag() == der.context(0):
        given = body.inside(der.context(0))
        while given.more():
            certificates.append(given.raw())
            if len(certificates) > CERTIFICATES_MAX:
                raise MalformedError("the token has too many certificates", code="timestamp-form")
    if body.tag() == der.context(1):
        body.raw()
    signers = body.inside(der.SET)
    body.finish()
    signer = signers.inside()
    signers.finish()  # RFC 3161 section 2.4.2: one signature, the service's own.
    if signer.integer() != 1:
        raise MalformedError("no such version of a signer", code="timestamp-form")
    named = signer.inside()
    issuer, certificate_serial = named.raw(der.SEQUENCE), named.integer()
    named.finish()
    digest_algorithm = decode_algorithm(signer.raw(der.SEQUENCE))
    if digest_algorithm != named_digest:
        raise MalformedError("the token names another digest", code="timestamp-form")
    attributes_raw = signer.raw(der.context(0))
    algorithm = decode_algorithm(signer.raw(der.SEQUENCE))
    signature = signer.octets()
    if signer.more():
        signer.raw(der.context(1))
    signer.finish()
    imprint_algorithm, imprint, serial, time_s, nonce = _decode_content(content)
    return Token(
        content=content,
        imprint_algorithm=imprint_algorithm,
        imprint=imprint,
        serial=serial,
        time_s=time_s,
        nonce=nonce,
        certificates=tuple(certificates),
        issuer=issuer,
        certificate_serial=certificate_serial,
        digest_algorithm=digest_algorithm,
        algorithm=algorithm,
        attributes=dict(_attributes(Reader(attributes_raw).inside(der.context(0)))),
        # Stored under [0], signed as the SET OF that it is: RFC 5652 section 5.4.
        signed=bytes((der.SET,)) + attributes_raw[1:],
        signature=signature,
    )


def check_token(data: bytes, signature: bytes, *, sm2: SM2, trust: Trust) -> int:
    """Check a token over ``signature``, and return the time that it vouches for.

    (1) Its form. (2) It is over these bytes. (3) Its attributes name its content, and the service's
    certificate. (4) The service's key signed them. (5) The certificate is for time stamps and
    nothing else, was valid, and reaches a trusted root. (6) It was not revoked.

    Raises:
        MalformedError: As ``decode_token``.
        UnverifiedError: ``timestamp-imprint``, ``timestamp-algorithm``, ``timestamp-attributes``,
            ``timestamp-certificate``, ``timestamp-signature``, ``timestamp-usage``,
            ``timestamp-period``, ``timestamp-revoked``, or a code of ``Trust.chain``. ``no-anchor``
            and ``no-revocation-list`` say that all else held.
    """
    token = decode_token(data)  # (1)
    _check_imprint(token, signature)  # (2)
    if token.digest_algorithm != OID_SM3 or token.algorithm not in {OID_SIGN, OID_SM2_BARE}:
        raise UnverifiedError("the token is not of SM2 and SM3", code="timestamp-algorithm")
    if token.attributes.get(OID_CONTENT_TYPE) != der.oid(OID_TST_INFO) or token.attributes.get(
        OID_MESSAGE_DIGEST
    ) != der.octets(sm3(token.content)):  # (3)
        raise UnverifiedError(
            "the signed attributes name another content", code="timestamp-attributes"
        )
    certificate = _service(token, trust)
    _check_named(token, certificate)
    assert certificate.public is not None
    try:
        sm2.check(certificate.public, token.signed, token.signature, user_id=USER_ID)  # (4)
    except UnverifiedError as error:
        raise UnverifiedError(
            f"the service did not sign the token: {error}", code="timestamp-signature"
        ) from error
    if (
        certificate.extended_usage != (OID_TIME_STAMPING,)
        or not certificate.extended_usage_critical
        or not certificate.allows(DIGITAL_SIGNATURE, NON_REPUDIATION)
    ):
        raise UnverifiedError(
            "the certificate is not one of a time-stamp service", code="timestamp-usage"
        )  # (5)
    if not certificate.from_s <= token.time_s <= certificate.until_s:
        raise UnverifiedError(
            "the service's certificate was not valid then", code="timestamp-period"
        )
    if not trust.anchors:
        raise UnverifiedError("no trusted root was given", code="no-anchor")
    chain = trust.chain(certificate, at_s=token.time_s, sm2=sm2)
    for subject, issuer in zip((certificate, *chain), chain, strict=False):  # (6)
        revoked_s = trust.revoked_s(subject, issuer, at_s=token.time_s, sm2=sm2)
        if revoked_s is not None and revoked_s <= token.time_s:
            raise UnverifiedError(f"{subject.name} was revoked", code="timestamp-revoked")
    return token.time_s


def _check_imprint(token: Token, signature: bytes) -> None:
    digest = _DIGESTS.get(token.imprint_algorithm)
    if digest is None:
        raise UnverifiedError(
            f"a digest that we do not know: {token.imprint_algorithm}", code="timestamp-algorithm"
        )
    if digest(signature) != token.imprint:
        raise UnverifiedError("the token is over other bytes", code="timestamp-imprint")


def _service(token: Token, trust: Trust) -> Certificate:
    for candidate in (
        *map(_readable, token.certificates),
        *trust.others,
        *trust.anchors,
    ):
        if (
            candidate is not None
            and candidate.issuer == token.issuer
            and candidate.serial == token.certificate_serial
            and candidate.public is not None
        ):
            return candidate
    raise UnverifiedError("the service's certificate is not at hand", code="timestamp-certificate")


def _readable(data: bytes) -> Certificate | None:
    """Return the certificate; None where it is of a form that cannot be the service's."""
    try:
        return decode_certificate(data)
    except MalformedError:
        return None


def _check_named(token: Token, certificate: Certificate) -> None:
    """Check that the signed attributes pin this certificate (RFC 5816)."""
    value = token.attributes.get(OID_SIGNING_CERTIFICATE)
    if value is not None:
        first = Reader(value).inside().inside().inside()
        algorithm = (
            decode_algorithm(first.raw(der.SEQUENCE)) if first.tag() == der.SEQUENCE else OID_SHA256
        )
        digest = _DIGESTS.get(algorithm)
        if digest is not None and first.octets() == digest(certificate.raw):
            return
    raise UnverifiedError("the token does not name its certificate", code="timestamp-certificate")


def _attributes(at: Reader) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    for one in at.each():
        oid = one.oid()
        values = one.inside(der.SET)
        value = values.raw()
        values.finish()
        one.finish()
        if oid in seen or len(seen) == ATTRIBUTES_MAX:
            raise MalformedError("an attribute stands twice, or too many", code="timestamp-form")
        seen.add(oid)
        yield oid, value


def _decode_imprint(data: bytes) -> tuple[str, bytes]:
    parts = Reader(data).inside()
    algorithm, digest = decode_algorithm(parts.raw(der.SEQUENCE)), parts.octets()
    parts.finish()
    return algorithm, digest


def _decode_content(content: bytes) -> tuple[str, bytes, int, int, int | None]:
    outer = Reader(content)
    body = outer.inside()
    outer.finish()
    if body.integer() != 1:
        raise MalformedError("no such version of a time stamp", code="timestamp-form")
    body.oid()
    algorithm, imprint = _decode_imprint(body.raw(der.SEQUENCE))
    serial = body.integer()
    if body.tag() != der.GENERALIZED_TIME:
        raise MalformedError("the stamp has no time", code="timestamp-form")
    time_s = body.time_s()
    if body.tag() == der.SEQUENCE:  # accuracy
        body.raw()
    if body.tag() == der.BOOLEAN:  # ordering
        body.boolean()
    nonce = body.integer() if body.tag() == der.INTEGER else None
    for number in (0, 1):  # the service's name, and extensions
        if body.tag() == der.context(number):
            body.raw()
    body.finish()
    return algorithm, imprint, serial, time_s, nonce


def _decode_request(data: bytes) -> tuple[bytes, int | None, bool]:
    if len(data) > REQUEST_BYTES_MAX:
        raise MalformedError("the request is too large", code="timestamp-too-large")
    outer = Reader(data)
    body = outer.inside()
    outer.finish()
    if body.integer() != 1:
        raise MalformedError("no such version of a request", code="timestamp-form")
    imprint = body.raw(der.SEQUENCE)
    _decode_imprint(imprint)
    if body.tag() == der.OID:
        body.oid()
    nonce = body.integer() if body.tag() == der.INTEGER else None
    wants_certificate = body.boolean() if body.tag() == der.BOOLEAN else False
    body.finish()
    return imprint, nonce, wants_certificate


def _rejection(failure: int) -> bytes:
    return der.sequence(der.sequence(der.integer(REJECTION), der.flags(failure)))


def _sign_content(
    content: bytes, certificate: bytes, key: SigningKey, *, with_certificate: bool
) -> bytes:
    signer = decode_certificate(certificate)
    named = der.sequence(der.sequence(der.sequence(_SM3_ALGORITHM, der.octets(sm3(certificate)))))
    attributes = der.set_of(
        _attribute(OID_CONTENT_TYPE, der.oid(OID_TST_INFO)),
        _attribute(OID_MESSAGE_DIGEST, der.octets(sm3(content))),
        _attribute(OID_SIGNING_CERTIFICATE, named),
    )
    signed_data = der.sequence(
        der.integer(3),
        der.set_of(_SM3_ALGORITHM),
        der.sequence(der.oid(OID_TST_INFO), der.element(der.context(0), der.octets(content))),
        *([der.element(der.context(0), certificate)] if with_certificate else []),
        der.set_of(
            der.sequence(
                der.integer(1),
                der.sequence(signer.issuer, der.integer(signer.serial)),
                _SM3_ALGORITHM,
                bytes((der.context(0),)) + attributes[1:],
                der.sequence(der.oid(OID_SIGN)),
                der.octets(key.sign(attributes, user_id=USER_ID)),
            )
        ),
    )
    return der.sequence(der.oid(OID_SIGNED_DATA), der.element(der.context(0), signed_data))


def _attribute(oid: str, value: bytes) -> bytes:
    return der.sequence(der.oid(oid), der.set_of(value))
