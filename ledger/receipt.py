"""Receipts: a log's signed word that an entry is in its tree, or that its tree only grew.

RFC 9942 with the RFC 9162 tree. A receipt is one log's word, not a quorum's: finality comes from
lines. The ``tree-size`` label binds the size under the signature, which the RFC leaves open.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger import encoding
from ledger.checkpoint import SIZE_MAX
from ledger.cose import (
    ALGORITHM,
    CONSISTENCY,
    CWT_CLAIMS,
    ED25519,
    EDDSA,
    INCLUSION,
    ISSUED_AT,
    ISSUER,
    KID,
    RECEIPTS,
    RFC9162_SHA256,
    SUBJECT,
    TIME_S_MAX,
    VDP,
    VDS,
    sig_structure,
)
from ledger.errors import MalformedError, UnverifiedError
from ledger.hashing import HASH_BYTES
from ledger.keys import SIGNATURE_BYTES, SigningKey, key_thumbprint, verify
from ledger.names import check_origin, check_subject
from ledger.proofs import check_consistency, root_from_inclusion
from ledger.sign1 import decode_statement_parts, encode_statement_parts
from ledger.statement import decode_statement

TREE_SIZE: Final = "tree-size"
PROOF_HASHES_MAX: Final = 64
CONSISTENCY_HASHES_MAX: Final = 130
RECEIPT_BYTES_MAX: Final = 8_192
RECEIPTS_MAX: Final = 64

_PROTECTED_KEYS: Final = {ALGORITHM, KID, CWT_CLAIMS, VDS, TREE_SIZE}

Keys = bytes | Mapping[bytes, bytes]
"""One Ed25519 public key, or several by their thumbprints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A receipt for one entry, whose signature and proof hold.

    Args:
        time_s: When the receipt was made, by the log's clock.
    """

    origin: str
    subject: str
    size: int
    index: int
    time_s: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyReceipt:
    """A receipt that a log's tree extends an older one, whose signature and proof hold."""

    origin: str
    subject: str
    old_size: int
    size: int
    time_s: int
    root: bytes


@dataclass(frozen=True, slots=True)
class _Parts:
    """A receipt of the right form."""

    kid: bytes
    origin: str
    subject: str
    time_s: int
    size: int
    protected: bytes
    proof: list[Any]
    signature: bytes


def make_inclusion_receipt(  # noqa: PLR0917 - in the order of header, proof, payload
    key: SigningKey,
    origin: str,
    subject: str,
    time_s: int,
    size: int,
    index: int,
    hashes: Sequence[bytes],
    root: bytes,
) -> bytes:
    """Sign that the entry at ``index`` is in the tree of this size and root.

    The subject is that of the entry's statement; that the proof is right, the caller knows.

    Source: RFC 9942 section 5.2.1.
    """
    claims = {ISSUER: origin, SUBJECT: subject, ISSUED_AT: time_s}
    return _make(key, claims, size, {INCLUSION: [size, index, list(hashes)]}, root)


def make_consistency_receipt(  # noqa: PLR0917 - as above
    key: SigningKey,
    origin: str,
    subject: str,
    time_s: int,
    old_size: int,
    size: int,
    hashes: Sequence[bytes],
    root: bytes,
) -> bytes:
    """Sign that the tree of this size and root extends that of ``old_size``.

    The root is that of the newer tree; that the proof is right, the caller knows.

    Source: RFC 9942 section 5.2.2.
    """
    claims = {ISSUER: origin, SUBJECT: subject, ISSUED_AT: time_s}
    return _make(key, claims, size, {CONSISTENCY: [old_size, size, list(hashes)]}, root)


def check_inclusion_receipt(receipt: bytes, leaf: bytes, keys: Keys) -> Receipt:
    """Check that the signer's tree holds the entry with this leaf hash.

    ``keys`` are those that the caller trusts to sign for this log.

    1. The form; the size in the proof is the signed one.
    2. The proof leads from the leaf to a root.
    3. The signature holds over that root.

    Raises:
        MalformedError: (1).
        UnverifiedError: ``bad-proof`` (2), ``unknown-key`` or ``bad-signature`` (3).
    """
    parts = _decode(receipt, INCLUSION)  # (1)
    size, index, hashes = _decode_proof(parts.proof, hashes_max=PROOF_HASHES_MAX)
    _check_size(size, parts)
    root = root_from_inclusion(index, size, leaf, hashes)  # (2)
    verify(_public(parts, keys), sig_structure(parts.protected, root), parts.signature)  # (3)
    return Receipt(
        origin=parts.origin,
        subject=parts.subject,
        size=size,
        index=index,
        time_s=parts.time_s,
        root=root,
    )


def place_of_receipt(receipt: bytes) -> tuple[str, int]:
    """Return the log and the index that an inclusion receipt names; nothing of it is checked.

    Raises:
        MalformedError: It is not of the form.
    """
    parts = _decode(receipt, INCLUSION)
    _, index, _ = _decode_proof(parts.proof, hashes_max=PROOF_HASHES_MAX)
    return parts.origin, index


def check_consistency_receipt(
    receipt: bytes, old_root: bytes, root: bytes, keys: Keys
) -> ConsistencyReceipt:
    """Check that the signer's tree with ``root`` extends its tree with ``old_root``.

    ``keys`` are those that the caller trusts to sign for this log.

    Raises:
        MalformedError: It is not of the form.
        UnverifiedError: ``unknown-key``, ``bad-signature`` or ``bad-proof``.
    """
    parts = _decode(receipt, CONSISTENCY)
    old_size, size, hashes = _decode_proof(parts.proof, hashes_max=CONSISTENCY_HASHES_MAX)
    _check_size(size, parts)
    verify(_public(parts, keys), sig_structure(parts.protected, root), parts.signature)
    check_consistency(old_size, size, old_root, root, hashes)
    return ConsistencyReceipt(
        origin=parts.origin,
        subject=parts.subject,
        old_size=old_size,
        size=size,
        time_s=parts.time_s,
        root=root,
    )


def transparent_statement(entry: bytes, receipts: Iterable[bytes]) -> bytes:
    """Return the statement with its receipts in the unprotected header, for a client to keep.

    It is not what the log holds: the leaf is the entry without them.

    Source: RFC 9942 section 3; each receipt is a byte string.
    """
    protected, payload, signature = decode_statement_parts(entry)
    return encoding.encode_tagged([protected, {RECEIPTS: list(receipts)}, payload, signature])


def decode_transparent_statement(data: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the entry, as the log holds it, and the receipts; none of them is checked.

    Raises:
        MalformedError: The bytes are not of the form.
        UnverifiedError: The statement in it is of a foreign algorithm.
    """
    match encoding.decode_tagged(data):
        case [bytes(protected), dict(unprotected), bytes(payload), bytes(signature)]:
            pass
        case _:
            raise MalformedError("a transparent statement is a COSE_Sign1")
    receipts = unprotected.get(RECEIPTS)
    if len(unprotected) != 1 or type(receipts) is not list:
        raise MalformedError("there are receipts and no other header", code="unprotected-header")
    if not (1 <= len(receipts) <= RECEIPTS_MAX and all(type(item) is bytes for item in receipts)):
        raise MalformedError(f"there are 1 to {RECEIPTS_MAX} receipts", code="bad-field")
    entry = encode_statement_parts(protected, payload, signature)
    decode_statement(entry)
    return entry, tuple(receipts)


def _make(
    key: SigningKey,
    claims: Mapping[int, object],
    size: int,
    proofs: Mapping[int, Any],
    root: bytes,
) -> bytes:
    protected = encoding.encode(
        {
            ALGORITHM: EDDSA,
            KID: key_thumbprint(key.public),
            CWT_CLAIMS: claims,
            VDS: RFC9162_SHA256,
            TREE_SIZE: size,
        }
    )
    unprotected = {VDP: {label: [encoding.encode(proof)] for label, proof in proofs.items()}}
    signature = key.sign(sig_structure(protected, root))
    return encoding.encode_tagged([protected, unprotected, None, signature])


def _decode(receipt: bytes, label: int) -> _Parts:
    match encoding.decode_tagged(receipt, bytes_max=RECEIPT_BYTES_MAX):
        case [bytes(protected), dict(unprotected), None, bytes(signature)]:
            pass
        case _:
            raise MalformedError("a receipt is a COSE_Sign1 whose payload is detached")
    if len(signature) != SIGNATURE_BYTES:
        raise MalformedError(f"an EdDSA signature has {SIGNATURE_BYTES} bytes", code="bad-field")
    proofs = unprotected.get(VDP)
    if len(unprotected) != 1 or type(proofs) is not dict or list(proofs) != [label]:
        raise MalformedError("a receipt's unprotected header holds its proof", code="bad-field")
    match proofs[label]:
        case [bytes(encoded)]:
            proof = encoding.decode(encoded)
        case _:
            raise MalformedError("a receipt holds one proof", code="bad-field")
    header = encoding.decode(protected)
    if type(header) is not dict or header.keys() != _PROTECTED_KEYS:
        raise MalformedError("a receipt's protected header has other keys", code="bad-field")
    if type(header[ALGORITHM]) is not int or header[ALGORITHM] not in {EDDSA, ED25519}:
        raise UnverifiedError("a receipt is signed with EdDSA", code="bad-algorithm")
    if type(header[VDS]) is not int or header[VDS] != RFC9162_SHA256:
        raise MalformedError("the receipt is of another kind of tree", code="bad-field")
    match header[CWT_CLAIMS]:
        case {1: str(origin), 2: str(subject), 6: int(time_s), **rest} if not rest:
            pass
        case _:
            raise MalformedError("a receipt claims issuer, subject and time", code="bad-field")
    if type(time_s) is not int or not 0 <= time_s <= TIME_S_MAX:
        raise MalformedError("a receipt's time is out of range", code="bad-field")
    check_origin(origin)
    check_subject(subject)
    kid, size = header[KID], header[TREE_SIZE]
    if type(kid) is not bytes or len(kid) != HASH_BYTES or type(size) is not int:
        raise MalformedError("a receipt's kid or tree-size is bad", code="bad-field")
    return _Parts(kid, origin, subject, time_s, size, protected, proof, signature)


def _decode_proof(proof: object, *, hashes_max: int) -> tuple[int, int, list[bytes]]:
    match proof:
        case [int(first), int(second), list(hashes)] if type(first) is type(second) is int:
            pass
        case _:
            raise MalformedError("a proof is two numbers and hashes", code="bad-field")
    if not (0 <= first <= SIZE_MAX and 0 <= second <= SIZE_MAX and len(hashes) <= hashes_max):
        raise MalformedError("a proof's numbers are out of range", code="bad-field")
    if not all(type(item) is bytes and len(item) == HASH_BYTES for item in hashes):
        raise MalformedError(f"a proof's hashes have {HASH_BYTES} bytes", code="bad-field")
    return first, second, hashes


def _check_size(size: int, parts: _Parts) -> None:
    # The proof stands outside the signature: a root of one size can be reached as if of another.
    if size != parts.size:
        raise UnverifiedError(f"a proof for size {size}, signed {parts.size}", code="bad-proof")


def _public(parts: _Parts, keys: Keys) -> bytes:
    """Return the trusted key that the receipt names."""
    trusted = {key_thumbprint(keys): keys} if isinstance(keys, bytes) else keys
    try:
        return trusted[parts.kid]
    except KeyError as error:
        raise UnverifiedError("the receipt names an unknown key", code="unknown-key") from error
