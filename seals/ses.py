"""Electronic seals and their signatures as GB/T 38540 and GM/T 0031 lay them out: reading.

Every value keeps the bytes that its signature covers as they were received; nothing is spelled
again. V1 is GM/T 0031-2014, V4 is GB/T 38540-2020; V5 (GM/T 0031-2025) is V4 with a time stamp on
the seal, as far as is known of it. Reading proves nothing: ``seals.verify`` does.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ledger.errors import MalformedError
from seals import der
from seals.der import Reader

SEAL_BYTES_MAX: Final = 4 * 1024 * 1024
SIGNATURE_BYTES_MAX: Final = 8 * 1024 * 1024
CERTIFICATES_MAX: Final = 256
EXTENSIONS_MAX: Final = 64
DIGEST_BYTES_MAX: Final = 64


class Version(IntEnum):
    """The layouts we can read."""

    V1 = 1
    V4 = 4
    V5 = 5


class ListKind(IntEnum):
    """What a seal's list of signers holds."""

    CERTIFICATES = 1
    DIGESTS = 2


@dataclass(frozen=True, slots=True)
class Picture:
    """What is seen of the seal: the kind of its bytes (``PNG``), and its size in millimetres."""

    kind: str
    data: bytes
    width_mm: int
    height_mm: int


@dataclass(frozen=True, slots=True)
class Extension:
    """Data that the standard leaves to the maker."""

    oid: str
    critical: bool
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A seal (SESeal) as received.

    ``signed`` is what the maker's signature covers, a part or a wrapping of received bytes; it is
    not checked here.
    """

    raw: bytes
    version: Version
    vendor: str
    seal_id: str
    kind: int
    name: str
    list_kind: ListKind
    certificates: tuple[bytes, ...]
    digests: tuple[tuple[str, bytes], ...]
    made_s: int
    from_s: int
    until_s: int
    picture: Picture
    extensions: tuple[Extension, ...]
    certificate: bytes
    algorithm: str
    signature: bytes
    signed: bytes
    timestamp: bytes | None
    """The token over the seal's signature; None where there is none, as before V5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedSeal:
    """A signature made with a seal (SES_Signature) as received. ``signed`` is its TBS_Sign."""

    raw: bytes
    version: Version
    seal: Seal
    time_s: int | None
    """What the signer says of the time; None where a V1 signature says it in no known way."""
    digest: bytes
    property_info: str
    extensions: tuple[Extension, ...]
    certificate: bytes
    algorithm: str
    signature: bytes
    signed: bytes
    timestamp: bytes | None
    """The token over ``signature``; None where there is none."""


def decode_seal(data: bytes) -> Seal:
    """Read a seal: a ``.esl`` file, or the one inside a signature.

    Raises:
        MalformedError: ``seal-version`` for a version that we do not know, ``seal-header``,
            ``seal-list``, ``seal-too-large``, or a code of ``seals.der``.
    """
    if len(data) > SEAL_BYTES_MAX:
        raise MalformedError(f"a seal has at most {SEAL_BYTES_MAX} bytes", code="seal-too-large")
    outer = Reader(data)
    parts = outer.inside()
    outer.finish()
    info_raw = parts.raw(der.SEQUENCE)
    flat = parts.tag() == der.OCTET_STRING
    timestamp = None
    if flat:
        certificate_raw, algorithm_raw = parts.raw(der.OCTET_STRING), parts.raw(der.OID)
        signature = parts.bits()
        signed = info_raw
        if parts.more():
            timestamp = _only_bits(parts.inside(der.context(0)))
    else:
        wrapped = parts.inside()
        certificate_raw, algorithm_raw = wrapped.raw(der.OCTET_STRING), wrapped.raw(der.OID)
        signature = wrapped.bits()
        wrapped.finish()
        # V1 signs the seal's three parts as one SEQUENCE that the file does not hold in one piece.
        signed = der.sequence(info_raw, certificate_raw, algorithm_raw)
    parts.finish()
    certificate, algorithm = Reader(certificate_raw).octets(), Reader(algorithm_raw).oid()

    info = Reader(info_raw).inside()
    version, vendor = _header(info.inside())
    if flat != (version >= Version.V4) or (timestamp is not None and version != Version.V5):
        raise MalformedError(
            f"the seal is not laid out as its version {int(version)} asks", code="seal-version"
        )
    seal_id = info.ascii()
    listed = info.inside()
    kind, name = listed.integer(), listed.utf8()
    list_kind = ListKind.CERTIFICATES
    if flat:
        number = listed.integer()
        if number not in {1, 2}:
            raise MalformedError(f"no such kind of certificate list: {number}", code="seal-list")
        list_kind = ListKind(number)
    certificates, digests = _signers(listed.inside(), list_kind)
    made_s, from_s, until_s = (_time(listed, version) for _ in range(3))
    listed.finish()
    shown = info.inside()
    picture = Picture(_label(shown), shown.octets(), shown.integer(), shown.integer())
    shown.finish()
    extensions = _extensions(info)
    info.finish()
    return Seal(
        raw=data,
        version=version,
        vendor=vendor,
        seal_id=seal_id,
        kind=kind,
        name=name,
        list_kind=list_kind,
        certificates=certificates,
        digests=digests,
        made_s=made_s,
        from_s=from_s,
        until_s=until_s,
        picture=picture,
        extensions=extensions,
        certificate=certificate,
        algorithm=algorithm,
        signature=signature,
        signed=signed,
        timestamp=timestamp,
    )


def decode_signature(data: bytes) -> SignedSeal:
    """Read a signature made with a seal: a ``SignedValue.dat``, and the seal inside it.

    Raises:
        MalformedError: ``signature-version``, ``signature-digest``, ``signature-too-large``, or a
            code of ``decode_seal``.
    """
    if len(data) > SIGNATURE_BYTES_MAX:
        raise MalformedError(
            f"a signature has at most {SIGNATURE_BYTES_MAX} bytes", code="signature-too-large"
        )
    outer = Reader(data)
    parts = outer.inside()
    outer.finish()
    signed = parts.raw(der.SEQUENCE)
    body = Reader(signed).inside()
    number = body.integer()
    seal = decode_seal(body.raw(der.SEQUENCE))
    timestamp = None
    if parts.tag() == der.OCTET_STRING:
        version = _version(number, "signature-version")
        time_s: int | None = _time(body, version)
        digest, property_info = body.bits(), body.ascii()
        extensions = _extensions(body)
        certificate, algorithm, signature = parts.octets(), parts.oid(), parts.bits()
        if parts.more():
            timestamp = _only_bits(parts.inside(der.context(0)))
    else:
        version = _version(number, "signature-version")
        time_s = _loose_time(body.bits())
        digest, property_info = body.bits(), body.ascii()
        certificate, algorithm = body.octets(), body.oid()
        extensions = ()
        signature = parts.bits()
    body.finish()
    parts.finish()
    if version != seal.version:
        raise MalformedError(
            f"a signature of version {int(version)} holds a seal of {int(seal.version)}",
            code="signature-version",
        )
    if not 1 <= len(digest) <= DIGEST_BYTES_MAX:
        raise MalformedError(f"a digest of {len(digest)} bytes", code="signature-digest")
    return SignedSeal(
        raw=data,
        version=version,
        seal=seal,
        time_s=time_s,
        digest=digest,
        property_info=property_info,
        extensions=extensions,
        certificate=certificate,
        algorithm=algorithm,
        signature=signature,
        signed=signed,
        timestamp=timestamp,
    )


def is_signature(data: bytes) -> bool:
    """Whether these bytes look like a signature rather than a bare seal.

    Raises:
        MalformedError: They are neither; a code of ``seals.der``.
    """
    first = Reader(Reader(data).inside().raw(der.SEQUENCE)).inside()
    return first.tag() == der.INTEGER


def _header(header: Reader) -> tuple[Version, str]:
    if header.ascii() != "ES":
        raise MalformedError("the seal's header does not say ES", code="seal-header")
    version = _version(header.integer(), "seal-version")
    vendor = _label(header)
    header.finish()
    return version, vendor


def _version(number: int, code: str) -> Version:
    # 2 and 3 were steps between the standards; those that exist are laid out as V1.
    known = {1: Version.V1, 2: Version.V1, 3: Version.V1, 4: Version.V4, 5: Version.V5}
    version = known.get(number)
    if version is None:
        raise MalformedError(f"no version that we know: {number}", code=code)
    return version


def _label(at: Reader) -> str:
    """Return an IA5String that nothing hangs on; makers also write other bytes there."""
    return at.body(der.IA5_STRING).decode("ascii", "backslashreplace")


def _time(at: Reader, version: Version) -> int:
    if version != Version.V1 and at.tag() != der.GENERALIZED_TIME:
        raise MalformedError("a time is no GeneralizedTime", code="der-tag")
    return at.time_s()


def _loose_time(content: bytes) -> int | None:
    """Return the time in V1's bit string, which says no more than that it is one."""
    try:
        if content[:1] in {b"\x17", b"\x18"}:
            return Reader(content).time_s()
        return der.parse_time(content, generalized=len(content) == 15)
    except MalformedError:
        return None


def _signers(at: Reader, kind: ListKind) -> tuple[tuple[bytes, ...], tuple[tuple[str, bytes], ...]]:
    certificates: list[bytes] = []
    digests: list[tuple[str, bytes]] = []
    while at.more():
        if kind is ListKind.CERTIFICATES:
            certificates.append(at.octets())
        else:
            entry = at.inside()
            digests.append((entry.ascii(der.PRINTABLE_STRING), entry.octets()))
            entry.finish()
        if len(certificates) + len(digests) > CERTIFICATES_MAX:
            raise MalformedError("the certificate list is too long", code="seal-list")
    return tuple(certificates), tuple(digests)


def _extensions(at: Reader) -> tuple[Extension, ...]:
    """Return the optional extensions, tagged or not: real seals have them both ways."""
    if not at.more():
        return ()
    if at.tag() == der.context(0):
        tagged = at.inside(der.context(0))
        found = tagged.inside()
        tagged.finish()
    else:
        found = at.inside()
    extensions: list[Extension] = []
    for one in found.each():
        oid = one.oid()
        critical = one.boolean() if one.tag() == der.BOOLEAN else False
        extensions.append(Extension(oid, critical, one.octets()))
        one.finish()
        if len(extensions) > EXTENSIONS_MAX:
            raise MalformedError("there are too many extensions", code="seal-extensions")
    return tuple(extensions)


def _only_bits(at: Reader) -> bytes:
    content = at.bits()
    at.finish()
    return content
