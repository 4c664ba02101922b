"""Certificates of SM2 keys (X.509, RFC 5280, GB/T 20518), read from received bytes.

Names are read tolerantly, for people only: issuers and subjects are compared as bytes. A
certificate of another kind of key is read too, and then has no ``public``; the chain will refuse
it. Whether anyone should trust a certificate is ``seals.trust``'s business.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ledger.errors import MalformedError
from seals import der
from seals.der import Reader
from seals.sm2 import OID_CURVE, OID_EC_PUBLIC_KEY, PUBLIC_BYTES

CERTIFICATE_BYTES_MAX: Final = 64 * 1024
NAMES_MAX: Final = 64
EXTENSIONS_MAX: Final = 64

DIGITAL_SIGNATURE: Final = 0
NON_REPUDIATION: Final = 1
KEY_CERT_SIGN: Final = 5
CRL_SIGN: Final = 6
"""Positions in KeyUsage, RFC 5280 section 4.2.1.3."""

OID_KEY_USAGE: Final = "2.5.29.15"
OID_BASIC_CONSTRAINTS: Final = "2.5.29.19"
OID_SUBJECT_KEY: Final = "2.5.29.14"
OID_AUTHORITY_KEY: Final = "2.5.29.35"
OID_EXTENDED_USAGE: Final = "2.5.29.37"
OID_TIME_STAMPING: Final = "1.3.6.1.5.5.7.3.8"

OID_COMMON_NAME: Final = "2.5.4.3"
OID_COUNTRY: Final = "2.5.4.6"
OID_ORGANISATION: Final = "2.5.4.10"

# Critical extensions that may be passed over: what they restrict, we do not rely on.
_READ_OVER: Final = frozenset({"2.5.29.17", "2.5.29.32"})
_UNDERSTOOD: Final = frozenset(
    {OID_KEY_USAGE, OID_BASIC_CONSTRAINTS, OID_SUBJECT_KEY, OID_AUTHORITY_KEY, OID_EXTENDED_USAGE}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate as received; ``signed`` is its TBSCertificate. Nothing is verified."""

    raw: bytes
    signed: bytes
    serial: int
    issuer: bytes
    subject: bytes
    from_s: int
    until_s: int
    public: bytes | None
    """65 bytes; None where the key is not an SM2 key."""
    key_usage: int | None
    """Bit n for position n of KeyUsage; None where the extension is missing."""
    extended_usage: tuple[str, ...]
    extended_usage_critical: bool
    authority: bool
    path_max: int | None
    """How many authorities may stand below this one; None for no limit."""
    subject_key: bytes | None
    authority_key: bytes | None
    unknown_critical: tuple[str, ...]
    algorithm: str
    signature: bytes

    def allows(self, *positions: int) -> bool:
        """Whether the key may be used for any of these; a missing extension allows nothing."""
        usage = self.key_usage or 0
        return any(usage >> position & 1 for position in positions)

    @property
    def name(self) -> str:
        """The subject's common name, or organisation, for people."""
        return display_name(self.subject)


# The same few certificates come with every seal; reading one costs a third of a verification.
@lru_cache(maxsize=256)
def decode_certificate(data: bytes) -> Certificate:
    """Read a certificate.

    Raises:
        MalformedError: ``certificate-too-large``, ``certificate-version``,
            ``certificate-extension``, ``certificate-algorithm``, or a code of ``seals.der``.
    """
    if len(data) > CERTIFICATE_BYTES_MAX:
        raise MalformedError("the certificate is too large", code="certificate-too-large")
    signed, algorithm_raw, signature = der.signed_parts(data)
    body = Reader(signed).inside()
    version = body.inside(der.context(0)).integer() if body.tag() == der.context(0) else 0
    if version not in {0, 1, 2}:
        raise MalformedError(f"no such certificate version: {version}", code="certificate-version")
    serial = body.integer()
    if body.raw(der.SEQUENCE) != algorithm_raw:
        raise MalformedError(
            "the certificate names two signature algorithms", code="certificate-algorithm"
        )
    issuer = body.raw(der.SEQUENCE)
    period = body.inside()
    from_s, until_s = period.time_s(), period.time_s()
    period.finish()
    subject = body.raw(der.SEQUENCE)
    public = decode_public(body.raw(der.SEQUENCE))
    for unique in (0x81, 0x82):
        if body.tag() == unique:
            body.raw(unique)
    extensions: dict[str, tuple[bool, bytes]] = {}
    if body.more():
        tagged = body.inside(der.context(3))
        extensions = decode_extensions(tagged.inside())
        tagged.finish()
    body.finish()
    authority, path_max = _basic_constraints(extensions)
    usage_critical, usage = _extended_usage(extensions)
    return Certificate(
        raw=data,
        signed=signed,
        serial=serial,
        issuer=issuer,
        subject=subject,
        from_s=from_s,
        until_s=until_s,
        public=public,
        key_usage=_key_usage(extensions),
        extended_usage=usage,
        extended_usage_critical=usage_critical,
        authority=authority,
        path_max=path_max,
        subject_key=_subject_key(extensions),
        authority_key=_authority_key(extensions),
        unknown_critical=tuple(
            oid
            for oid, (critical, _) in extensions.items()
            if critical and oid not in _UNDERSTOOD | _READ_OVER
        ),
        algorithm=decode_algorithm(algorithm_raw),
        signature=signature,
    )


def decode_algorithm(data: bytes) -> str:
    """Return the identifier of an AlgorithmIdentifier; its parameters are NULL or not there."""
    parts = Reader(data).inside()
    oid = parts.oid()
    if parts.more():
        parts.raw()
    parts.finish()
    return oid


def decode_public(data: bytes) -> bytes | None:
    """Return the point in a SubjectPublicKeyInfo; None where it is not an SM2 key."""
    parts = Reader(data).inside()
    algorithm = parts.inside()
    point = parts.bits()
    parts.finish()
    if algorithm.oid() != OID_EC_PUBLIC_KEY or algorithm.tag() != der.OID:
        return None
    if algorithm.oid() != OID_CURVE or len(point) != PUBLIC_BYTES:
        return None
    algorithm.finish()
    return point


def decode_extensions(at: Reader) -> dict[str, tuple[bool, bytes]]:
    """Return the extensions by identifier: whether critical, and the value."""
    extensions: dict[str, tuple[bool, bytes]] = {}
    for one in at.each():
        oid = one.oid()
        critical = one.boolean() if one.tag() == der.BOOLEAN else False
        value = one.octets()
        one.finish()
        if oid in extensions or len(extensions) == EXTENSIONS_MAX:
            raise MalformedError(
                f"an extension stands twice, or there are too many: {oid}",
                code="certificate-extension",
            )
        extensions[oid] = (critical, value)
    return extensions


def _inner(extensions: dict[str, tuple[bool, bytes]], oid: str) -> Reader | None:
    found = extensions.get(oid)
    return None if found is None else Reader(found[1])


def _key_usage(extensions: dict[str, tuple[bool, bytes]]) -> int | None:
    at = _inner(extensions, OID_KEY_USAGE)
    if at is None:
        return None
    usage = at.flags()
    at.finish()
    return usage


def _basic_constraints(extensions: dict[str, tuple[bool, bytes]]) -> tuple[bool, int | None]:
    outer = _inner(extensions, OID_BASIC_CONSTRAINTS)
    if outer is None:
        return False, None
    at = outer.inside()
    outer.finish()
    authority = at.boolean() if at.tag() == der.BOOLEAN else False
    path_max = at.integer() if at.more() else None
    at.finish()
    if path_max is not None and path_max < 0:
        raise MalformedError("a path length is negative", code="certificate-extension")
    return authority, path_max


def _extended_usage(extensions: dict[str, tuple[bool, bytes]]) -> tuple[bool, tuple[str, ...]]:
    outer = _inner(extensions, OID_EXTENDED_USAGE)
    if outer is None:
        return False, ()
    at = outer.inside()
    outer.finish()
    usages: list[str] = []
    while at.more():
        usages.append(at.oid())
    return extensions[OID_EXTENDED_USAGE][0], tuple(usages)


def _subject_key(extensions: dict[str, tuple[bool, bytes]]) -> bytes | None:
    at = _inner(extensions, OID_SUBJECT_KEY)
    if at is None:
        return None
    value = at.octets()
    at.finish()
    return value


def _authority_key(extensions: dict[str, tuple[bool, bytes]]) -> bytes | None:
    outer = _inner(extensions, OID_AUTHORITY_KEY)
    if outer is None:
        return None
    at = outer.inside()
    outer.finish()
    return at.body(0x80) if at.tag() == 0x80 else None


@lru_cache(maxsize=256)
def display_name(name: bytes) -> str:
    """Return the common name in a Name, else its organisation, else all of it in hexadecimal.

    Makers write Chinese into strings of any kind; what is no text is shown escaped.
    """
    found: dict[str, str] = {}
    try:
        for count, group in enumerate(Reader(name).inside().each(der.SET)):
            if count == NAMES_MAX:
                break
            one = group.inside()
            oid, tag = one.oid(), one.tag()
            found.setdefault(oid, _text(tag, one.body(tag)))
    except MalformedError:
        return name.hex()
    return found.get(OID_COMMON_NAME) or found.get(OID_ORGANISATION) or name.hex()


def _text(tag: int, content: bytes) -> str:
    # 1E is BMPString; the rest is ASCII, UTF-8, or what a maker took for it.
    if tag == 0x1E:
        return content.decode("utf-16-be", "replace")
    return content.decode("utf-8", "backslashreplace")
