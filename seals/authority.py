"""A small certificate authority for SM2 keys: for tests, demonstrations and trials.

It knows three kinds of certificate and keeps no register. An office uses certificates of a licensed
authority (电子认证服务机构).

Source: RFC 5280; GB/T 20518.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from seals import der
from seals.certificate import (
    CRL_SIGN,
    DIGITAL_SIGNATURE,
    KEY_CERT_SIGN,
    NON_REPUDIATION,
    OID_AUTHORITY_KEY,
    OID_BASIC_CONSTRAINTS,
    OID_COMMON_NAME,
    OID_COUNTRY,
    OID_EXTENDED_USAGE,
    OID_KEY_USAGE,
    OID_ORGANISATION,
    OID_SUBJECT_KEY,
    OID_TIME_STAMPING,
    decode_certificate,
)
from seals.sm2 import OID_CURVE, OID_EC_PUBLIC_KEY, OID_SIGN, USER_ID, SigningKey, sm3

_KEY_ID_BYTES: Final = 20
_ALGORITHM: Final = der.sequence(der.oid(OID_SIGN))


class Profile(Enum):
    """What a certificate is for: the positions of its KeyUsage."""

    AUTHORITY = (KEY_CERT_SIGN, CRL_SIGN)
    SEAL = (DIGITAL_SIGNATURE, NON_REPUDIATION)
    """A seal's signer or maker."""
    TIMESTAMP = (NON_REPUDIATION, DIGITAL_SIGNATURE, "time")
    """A time-stamp service."""
    ENCIPHERMENT = (2, 3)
    """Of the pair that Chinese authorities give out, the one that must not sign."""


def issue_root(name: str, *, key: SigningKey, serial: int, from_s: int, until_s: int) -> bytes:
    """Return a certificate that an authority makes for itself."""
    subject = encode_name(name)
    return _issue(
        issuer=subject,
        issuer_public=key.public,
        issuer_key=key,
        subject=subject,
        public=key.public,
        serial=serial,
        from_s=from_s,
        until_s=until_s,
        profile=Profile.AUTHORITY,
        path_max=None,
    )


def issue(
    *,
    issuer: bytes,
    issuer_key: SigningKey,
    name: str,
    public: bytes,
    serial: int,
    from_s: int,
    until_s: int,
    profile: Profile,
    organisation: str = "",
    path_max: int | None = None,
) -> bytes:
    """Return a certificate for ``public``, signed by the issuer's key. Asks nothing.

    Args:
        issuer: The issuer's certificate.
        issuer_key: Its key.
        name: The subject's common name.
        public: 65 bytes.
        serial: Positive and never given twice by one issuer.
        from_s: Start of its validity.
        until_s: End of its validity, included.
        profile: What it is for.
        organisation: The subject's organisation; empty for none.
        path_max: How many authorities may stand below this one; None for no limit.
    """
    above = decode_certificate(issuer)
    return _issue(
        issuer=above.subject,
        issuer_public=issuer_key.public,
        issuer_key=issuer_key,
        subject=encode_name(name, organisation),
        public=public,
        serial=serial,
        from_s=from_s,
        until_s=until_s,
        profile=profile,
        path_max=path_max,
    )


def issue_list(
    *,
    issuer: bytes,
    issuer_key: SigningKey,
    this_s: int,
    next_s: int,
    revoked: Mapping[int, int],
    number: int = 1,
) -> bytes:
    """Return the issuer's revocation list.

    Args:
        issuer: The issuer's certificate.
        issuer_key: Its key.
        this_s: When the list is made.
        next_s: Until when it speaks.
        revoked: When each serial number was revoked.
        number: The list's own number, growing.
    """
    entries = [
        der.sequence(der.integer(serial), der.certificate_time(time_s))
        for serial, time_s in sorted(revoked.items())
    ]
    signed = der.sequence(
        der.integer(1),
        _ALGORITHM,
        decode_certificate(issuer).subject,
        der.certificate_time(this_s),
        der.certificate_time(next_s),
        *([der.sequence(*entries)] if entries else []),
        der.element(
            der.context(0),
            der.sequence(
                _authority_key(issuer_key.public), _extension("2.5.29.20", der.integer(number))
            ),
        ),
    )
    return _sign(signed, issuer_key)


def encode_name(name: str, organisation: str = "") -> bytes:
    """Return the Name of somebody in China."""
    parts = [(OID_COUNTRY, der.ascii_string("CN", der.PRINTABLE_STRING))]
    if organisation:
        parts.append((OID_ORGANISATION, der.utf8(organisation)))
    parts.append((OID_COMMON_NAME, der.utf8(name)))
    return der.sequence(*(der.set_of(der.sequence(der.oid(oid), value)) for oid, value in parts))


def encode_public(public: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of an SM2 key."""
    return der.sequence(
        der.sequence(der.oid(OID_EC_PUBLIC_KEY), der.oid(OID_CURVE)), der.bits(public)
    )


def _issue(
    *,
    issuer: bytes,
    issuer_public: bytes,
    issuer_key: SigningKey,
    subject: bytes,
    public: bytes,
    serial: int,
    from_s: int,
    until_s: int,
    profile: Profile,
    path_max: int | None,
) -> bytes:
    positions = [one for one in profile.value if isinstance(one, int)]
    constraints = [der.boolean(True)] if profile is Profile.AUTHORITY else []
    if constraints and path_max is not None:
        constraints.append(der.integer(path_max))
    extensions = [
        _extension(OID_BASIC_CONSTRAINTS, der.sequence(*constraints), critical=True),
        _extension(OID_KEY_USAGE, der.flags(*positions), critical=True),
        _extension(OID_SUBJECT_KEY, der.octets(_key_id(public))),
        _authority_key(issuer_public),
    ]
    if profile is Profile.TIMESTAMP:
        usage = der.sequence(der.oid(OID_TIME_STAMPING))
        extensions.append(_extension(OID_EXTENDED_USAGE, usage, critical=True))
    signed = der.sequence(
        der.element(der.context(0), der.integer(2)),
        der.integer(serial),
        _ALGORITHM,
        issuer,
        der.sequence(der.certificate_time(from_s), der.certificate_time(until_s)),
        subject,
        encode_public(public),
        der.element(der.context(3), der.sequence(*extensions)),
    )
    return _sign(signed, issuer_key)


def _sign(signed: bytes, key: SigningKey) -> bytes:
    return der.sequence(signed, _ALGORITHM, der.bits(key.sign(signed, user_id=USER_ID)))


def _extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    return der.sequence(der.oid(oid), *([der.boolean(True)] if critical else []), der.octets(value))


def _authority_key(public: bytes) -> bytes:
    return _extension(OID_AUTHORITY_KEY, der.sequence(der.element(0x80, _key_id(public))))


def _key_id(public: bytes) -> bytes:
    return sm3(public)[:_KEY_ID_BYTES]
