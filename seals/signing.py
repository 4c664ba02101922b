"""Making a seal and signing with it, as GB/T 38540-2020 (V4) lays them out.

Nothing here decides who may: the key comes as an argument, and only ``seals.usage`` and the ledger
say that a use was allowed.
"""

from collections.abc import Callable, Sequence

from ledger.errors import RefusedError
from seals import der
from seals.certificate import decode_certificate
from seals.ses import Extension, ListKind, Picture, Version, decode_seal
from seals.sm2 import OID_SIGN, OID_SM3, USER_ID, SigningKey, sm3
from seals.verify import is_listed


def make_seal(
    *,
    seal_id: str,
    name: str,
    vendor: str,
    kind: int,
    picture: Picture,
    certificates: Sequence[bytes],
    made_s: int,
    from_s: int,
    until_s: int,
    maker_certificate: bytes,
    maker_key: SigningKey,
    list_kind: ListKind = ListKind.CERTIFICATES,
    extensions: Sequence[Extension] = (),
) -> bytes:
    """Return a new seal: DER SESeal, what a ``.esl`` file holds.

    Args:
        seal_id: 14 digits: the county's code and a serial number.
        name: What the seal says.
        vendor: Who made the software.
        kind: The seal's kind as its maker numbers them; 1 is an organisation's.
        picture: What is seen of it.
        certificates: Those that may sign with it.
        made_s: When it is made.
        from_s: From when it may be used.
        until_s: Until when it may be used.
        maker_certificate: The maker's (制章人).
        maker_key: The key of that certificate.
        list_kind: Whether the certificates stand in it whole or as SM3 digests.
        extensions: Whatever else the maker puts in.
    """
    if list_kind is ListKind.CERTIFICATES:
        listed = [der.octets(one) for one in certificates]
    else:
        kind_of = der.ascii_string(OID_SM3, der.PRINTABLE_STRING)
        listed = [der.sequence(kind_of, der.octets(sm3(one))) for one in certificates]
    info = der.sequence(
        der.sequence(der.ascii_string("ES"), der.integer(Version.V4), der.ascii_string(vendor)),
        der.ascii_string(seal_id),
        der.sequence(
            der.integer(kind),
            der.utf8(name),
            der.integer(list_kind),
            der.sequence(*listed),
            der.generalized_time(made_s),
            der.generalized_time(from_s),
            der.generalized_time(until_s),
        ),
        der.sequence(
            der.ascii_string(picture.kind),
            der.octets(picture.data),
            der.integer(picture.width_mm),
            der.integer(picture.height_mm),
        ),
        *([_extensions(extensions)] if extensions else []),
    )
    return der.sequence(
        info,
        der.octets(maker_certificate),
        der.oid(OID_SIGN),
        der.bits(maker_key.sign(info, user_id=USER_ID)),
    )


def make_signature(
    *,
    seal: bytes,
    digest: bytes,
    property_info: str,
    time_s: int,
    certificate: bytes,
    key: SigningKey,
    timestamp: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """Return a signature with a seal: DER SES_Signature, what a ``SignedValue.dat`` holds.

    Args:
        seal: The seal, DER; it goes in as it is.
        digest: SM3 of the original.
        property_info: Which original, such as the path of a ``Signature.xml``.
        time_s: When it is signed.
        certificate: The signer's, one of those that the seal names.
        key: The key of that certificate.
        timestamp: Gets the signature's bytes and returns a token over them; None for no token.

    Raises:
        RefusedError: What would not verify is not signed: ``seal-out-of-period``,
            ``certificate-out-of-period``, ``not-in-list``, ``key-differs``.
        MalformedError: Seal or certificate cannot be read, or the seal is not of V4.
    """
    opened = decode_seal(seal)
    signer = decode_certificate(certificate)
    if opened.version is not Version.V4:
        raise RefusedError("only seals of version 4 are signed with", code="seal-version")
    if not opened.from_s <= time_s <= opened.until_s:
        raise RefusedError(
            "the seal is not valid at the time of signing", code="seal-out-of-period"
        )
    if not signer.from_s <= time_s <= signer.until_s:
        raise RefusedError(
            "the certificate is not valid at the time of signing", code="certificate-out-of-period"
        )
    if signer.public != key.public:
        raise RefusedError("the key is not the certificate's", code="key-differs")
    if not is_listed(opened, certificate):
        raise RefusedError(
            "the seal does not name this certificate; after a renewal the seal must be made anew",
            code="not-in-list",
        )
    signed = der.sequence(
        der.integer(Version.V4),
        seal,
        der.generalized_time(time_s),
        der.bits(digest),
        der.ascii_string(property_info),
    )
    signature = key.sign(signed, user_id=USER_ID)
    token = (
        [der.element(der.context(0), der.bits(timestamp(signature)))]
        if timestamp is not None
        else []
    )
    return der.sequence(
        signed, der.octets(certificate), der.oid(OID_SIGN), der.bits(signature), *token
    )


def _extensions(extensions: Sequence[Extension]) -> bytes:
    return der.sequence(
        *(
            der.sequence(
                der.oid(one.oid),
                *([der.boolean(True)] if one.critical else []),
                der.octets(one.value),
            )
            for one in extensions
        )
    )
