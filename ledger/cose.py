"""What statements and receipts share of COSE: labels, and the bytes that are signed.

Nothing here decodes: a signature is made over the protected header's bytes as they were received.
"""

from collections.abc import Iterable
from typing import Final

from ledger import encoding
from ledger.keys import cose_key, key_thumbprint

# Header labels: RFC 9052 section 3.1, RFC 9597, RFC 9942.
ALGORITHM: Final = 1
CONTENT_TYPE: Final = 3
KID: Final = 4
CWT_CLAIMS: Final = 15
RECEIPTS: Final = 394
VDS: Final = 395
VDP: Final = 396

# Claims in the CWT Claims header: RFC 8392.
ISSUER: Final = 1
SUBJECT: Final = 2
ISSUED_AT: Final = 6

EDDSA: Final = -8
ED25519: Final = -19  # RFC 9864's name for the same algorithm; read, never written
SM2_SM3: Final = -65_537  # of the private-use range: SM2 with SM3, docs/formats/own.md section 2

# RFC 9942: the only verifiable data structure that we know, and its kinds of proof.
RFC9162_SHA256: Final = 1
INCLUSION: Final = -1
CONSISTENCY: Final = -2

# Dates beyond the year 9999 fit no calendar that we or SQLite compute with.
TIME_S_MAX: Final = 253_402_300_799

_SIGNATURE1: Final = b"\x84\x6aSignature1"


def byte_string(data: bytes) -> bytes:
    """Return ``data`` as a CBOR byte string; hand-made, since each verification makes two."""
    size = len(data)
    if size < 24:
        return bytes((0x40 | size,)) + data
    if size < 0x100:
        return bytes((0x58, size)) + data
    if size < 0x10000:
        return b"\x59" + size.to_bytes(2) + data
    return b"\x5a" + size.to_bytes(4) + data


def sig_structure(protected: bytes, payload: bytes) -> bytes:
    """Return what a COSE_Sign1 signs: its context, protected header, no external data, payload.

    Args:
        protected: The content of the protected header's byte string, as received.
        payload: The payload, attached or not.

    Source: RFC 9052 section 4.4.
    """
    return b"".join((_SIGNATURE1, byte_string(protected), b"\x40", byte_string(payload)))


def encode_key_set(publics: Iterable[bytes]) -> bytes:
    """Encode Ed25519 keys as a COSE_KeySet, each with its thumbprint as kid.

    Source: RFC 9052 section 7.
    """
    return encoding.encode([cose_key(public, key_thumbprint(public)) for public in publics])
