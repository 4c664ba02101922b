"""Lists of revoked certificates (CRLs), read from received bytes.

Only whole lists of one issuer: a delta list, or one that speaks for part of the certificates, is
refused by its critical extension.

Source: RFC 5280 section 5; GB/T 20518.
"""

from dataclasses import dataclass
from typing import Final

from ledger.errors import MalformedError
from seals import der
from seals.certificate import decode_algorithm, decode_extensions
from seals.der import Reader

LIST_BYTES_MAX: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """A list as received; ``signed`` is its TBSCertList. Nothing is verified.

    It tells how things stood until ``next_s``.
    """

    raw: bytes
    signed: bytes
    issuer: bytes
    this_s: int
    next_s: int
    revoked: dict[int, int]
    """When each serial number was revoked."""
    algorithm: str
    signature: bytes


def decode_revocation_list(data: bytes) -> RevocationList:
    """Read a list.

    Raises:
        MalformedError: ``list-too-large``, ``list-extension``, ``list-version``, or a code of
            ``seals.der``.
    """
    if len(data) > LIST_BYTES_MAX:
        raise MalformedError("the revocation list is too large", code="list-too-large")
    signed, algorithm_raw, signature = der.signed_parts(data)
    body = Reader(signed).inside()
    if body.tag() == der.INTEGER and body.integer() != 1:
        raise MalformedError("no such version of a revocation list", code="list-version")
    if body.raw(der.SEQUENCE) != algorithm_raw:
        raise MalformedError("the list names two signature algorithms", code="list-version")
    issuer = body.raw(der.SEQUENCE)
    this_s = body.time_s()
    # A list that does not say when the next comes speaks for its own moment only.
    next_s = body.time_s() if body.tag() in {der.UTC_TIME, der.GENERALIZED_TIME} else this_s
    revoked: dict[int, int] = {}
    if body.tag() == der.SEQUENCE:
        for one in body.inside().each():
            serial, time_s = one.integer(), one.time_s()
            if one.more():
                _check_extensions(decode_extensions(one.inside()))
            one.finish()
            revoked[serial] = min(time_s, revoked.get(serial, time_s))
    if body.more():
        tagged = body.inside(der.context(0))
        _check_extensions(decode_extensions(tagged.inside()))
        tagged.finish()
    body.finish()
    return RevocationList(
        raw=data,
        signed=signed,
        issuer=issuer,
        this_s=this_s,
        next_s=next_s,
        revoked=revoked,
        algorithm=decode_algorithm(algorithm_raw),
        signature=signature,
    )


def _check_extensions(extensions: dict[str, tuple[bool, bytes]]) -> None:
    for oid, (critical, _) in extensions.items():
        if critical:
            raise MalformedError(
                f"the list has a critical extension that we do not know: {oid}",
                code="list-extension",
            )
