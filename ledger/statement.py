"""Statements: a party's signed act, as the bytes that a log keeps.

A statement is read in two steps with two types: ``decode_statement`` says what the bytes claim,
``verify_statement`` that the claimed issuer's key signed it. Which key that is, and whether the act
is allowed, others decide.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol

from ledger import encoding
from ledger.cose import (
    ALGORITHM,
    CONTENT_TYPE,
    CWT_CLAIMS,
    ED25519,
    EDDSA,
    ISSUED_AT,
    ISSUER,
    KID,
    SM2_SM3,
    SUBJECT,
    TIME_S_MAX,
    sig_structure,
)
from ledger.errors import MalformedError, RefusedError, UnverifiedError
from ledger.hashing import HASH_BYTES, hash_leaf
from ledger.keys import key_thumbprint, verify
from ledger.names import check_origin, check_party, check_subject, is_party
from ledger.sign1 import decode_statement_parts, encode_statement_parts
from ledger.suites import SM2_PUBLIC_BYTES, CheckSM2

ENTRY_BYTES_MAX: Final = 65_535
ACT_CONTENT_TYPE: Final = "application/shouxin-act+cbor"
CITATIONS_MAX: Final = 256
INDEX_MAX: Final = 2**63 - 1

# A citation's role that names an entry `log.view` of the citing log.
ROLE_VIEW: Final = "view"

_PROTECTED_KEYS: Final = [ALGORITHM, CONTENT_TYPE, KID, CWT_CLAIMS]
_CLAIM_KEYS: Final = [ISSUER, SUBJECT, ISSUED_AT]
_is_kind = re.compile(r"[a-z][a-z0-9-]{0,31}(?:\.[a-z][a-z0-9-]{0,31}){0,2}").fullmatch
_is_role = re.compile(r"[a-z][a-z0-9-]{0,31}").fullmatch

# The protected header as we write it, up to the kid; then what stands between kid and issuer.
_PROTECTED_HEAD: Final = (
    b"\xa4\x01\x27\x03\x78"
    + bytes((len(ACT_CONTENT_TYPE),))
    + ACT_CONTENT_TYPE.encode()
    + b"\x04\x58\x20"
)
_CLAIMS_HEAD: Final = b"\x0f\xa3\x01"
_KID_AT: Final = len(_PROTECTED_HEAD)
_CLAIMS_AT: Final = _KID_AT + HASH_BYTES
_ISSUER_AT: Final = _CLAIMS_AT + len(_CLAIMS_HEAD)
_SHORT_BYTES_MAX: Final = 257
"""Of a text of less than 256 bytes, with its head."""


class Citation(NamedTuple):
    """A reference to another entry, by place and leaf hash, and what it is cited as."""

    role: str
    origin: str
    index: int  # type: ignore[assignment]  # a tuple's method of that name is of no use here
    leaf: bytes


# This and the two below are named tuples: each statement makes one of each, and making a frozen
# dataclass of ten fields takes five times as long.
class Act(NamedTuple):
    """What someone did. The body is judged by the kind's own schema, not here.

    Args:
        previous: Leaf hash of the act before it on the same subject in the same log; None for the
            first there.
    """

    kind: str
    version: int
    previous: bytes | None
    citations: tuple[Citation, ...]
    body: Mapping[str, Any]

    def encode(self) -> bytes:
        """Return the payload that a statement signs."""
        citations = [[it.role, it.origin, it.index, it.leaf] for it in self.citations]
        return encoding.encode([self.kind, self.version, self.previous, citations, self.body])

    @classmethod
    def decode(cls, payload: bytes) -> "Act":
        """Decode a payload.

        Raises:
            MalformedError: The bytes are not canonical, or a field is not of the form.
        """
        items = encoding.decode(payload)
        if type(items) is not list or len(items) != 5 or type(items[3]) is not list:
            raise MalformedError("an act is an array of five: kind to body")
        kind, version, previous, citations, body = items
        if type(kind) is not str:
            raise _no_kind()
        _check_kind(kind)
        if type(version) is not int or version < 1:
            raise MalformedError("an act's version counts from 1", code="bad-field")
        if previous is not None and not _is_hash(previous):
            raise MalformedError("an act's previous is null or a leaf hash", code="bad-field")
        if type(body) is not dict:
            raise MalformedError("an act's body is a map", code="bad-field")
        if not all([type(key) is str for key in body]):  # noqa: C419 - a generator costs twice as much
            raise MalformedError("an act's body has text for keys", code="bad-field")
        return cls(kind, version, previous, _decode_citations(citations) if citations else (), body)


class UnverifiedStatement(NamedTuple):
    """A statement of the right form. Anyone may have made it.

    Args:
        entry: The whole COSE_Sign1, as the log keeps it.
        kid: Thumbprint of the key that is to have signed.
        signed: The Sig_structure, over which the signature stands.
        leaf: Leaf hash of the entry.
        algorithm: As COSE numbers it; the header says so, and the key must be of that kind.
    """

    entry: bytes
    issuer: str
    subject: str
    time_s: int
    kid: bytes
    act: Act
    signed: bytes
    signature: bytes
    leaf: bytes
    algorithm: int


class Statement(NamedTuple):
    """A statement whose signature holds under the key that ``kid`` names; fields as above."""

    entry: bytes
    issuer: str
    subject: str
    time_s: int
    kid: bytes
    act: Act
    signed: bytes
    signature: bytes
    leaf: bytes
    algorithm: int


def decode_statement(entry: bytes) -> UnverifiedStatement:
    """Read an entry and check everything about its form, nothing about its truth.

    Raises:
        MalformedError: The bytes or a field are not of the form.
        UnverifiedError: ``bad-algorithm``: the signature is neither EdDSA nor SM2 with SM3.
    """
    return _read(entry)


# Apart, as the edge at which a world of many nodes in one process reads each entry once for all.
def _read(entry: bytes) -> UnverifiedStatement:
    if len(entry) > ENTRY_BYTES_MAX:
        raise MalformedError(f"an entry has at most {ENTRY_BYTES_MAX} bytes", code="too-large")
    protected, payload, signature = decode_statement_parts(entry)
    kid, issuer, subject, time_s, algorithm = _decode_protected(protected)
    if len(signature) != 64:
        raise MalformedError("a signature has 64 bytes", code="bad-field")
    return UnverifiedStatement(
        entry,
        issuer,
        subject,
        time_s,
        kid,
        Act.decode(payload),
        sig_structure(protected, payload),
        signature,
        hash_leaf(entry),
        algorithm,
    )


def verify_statement(
    unverified: UnverifiedStatement, public: bytes, sm2: CheckSM2 | None = None
) -> Statement:
    """Check the signature under ``public`` and return the statement as verified.

    Raises:
        LedgerError: As ``check_statement``.
    """
    check_statement(unverified, public, sm2)
    return _as_verified(unverified)


def check_statement(
    unverified: UnverifiedStatement, public: bytes, sm2: CheckSM2 | None = None
) -> None:
    """Check that the key ``public`` signed a statement.

    Args:
        unverified: As it was read.
        public: The key that the issuer has at the place where it stands.
        sm2: Checks SM2 signatures; None where the roster does not name the suite.

    Raises:
        UnverifiedError: ``unknown-key`` if the statement names another key, ``bad-algorithm`` if
            its algorithm is not the key's, ``bad-signature`` if the signature does not hold.
        RefusedError: ``suite-not-named``: the roster does not name its suite.
    """
    # Without this, one entry could name one key in its signed header and be taken for another's.
    if unverified.kid != key_thumbprint(public):
        raise UnverifiedError("the statement names another key", code="unknown-key")
    if unverified.algorithm == SM2_SM3:
        _verify_sm2(unverified, public, sm2)
    elif len(public) == SM2_PUBLIC_BYTES:
        raise UnverifiedError("an SM2 key signs with SM2", code="bad-algorithm")
    else:
        verify(public, unverified.signed, unverified.signature)


def _verify_sm2(unverified: UnverifiedStatement, public: bytes, sm2: CheckSM2 | None) -> None:
    if len(public) != SM2_PUBLIC_BYTES:
        raise UnverifiedError("an Ed25519 key does not sign with SM2", code="bad-algorithm")
    if sm2 is None:
        raise RefusedError("the roster does not name the suite sm2-sm3", code="suite-not-named")
    try:
        sm2(public, unverified.signed, unverified.signature)
    except UnverifiedError as error:
        raise UnverifiedError(
            f"the signature does not hold: {error}", code="bad-signature"
        ) from error


class StatementKey(Protocol):
    """What signs statements: an Ed25519 key, or an SM2 key wherever it is."""

    @property
    def public(self) -> bytes:
        """32 bytes, or 65 for SM2, which is how the two are told apart."""

    def sign(self, message: bytes) -> bytes:
        """Return a signature of 64 bytes."""


def sign_statement(
    key: StatementKey, issuer: str, subject: str, time_s: int, act: Act
) -> Statement:
    """Make a statement of the form that ``decode_statement`` accepts, declared at ``time_s``.

    Raises:
        MalformedError: A name or field is not of the form, or the entry would be too large.
    """
    kid = key_thumbprint(key.public)
    protected = encoding.encode(
        {
            ALGORITHM: SM2_SM3 if len(key.public) == SM2_PUBLIC_BYTES else EDDSA,
            CONTENT_TYPE: ACT_CONTENT_TYPE,
            KID: kid,
            CWT_CLAIMS: {ISSUER: issuer, SUBJECT: subject, ISSUED_AT: time_s},
        }
    )
    payload = act.encode()
    signature = key.sign(sig_structure(protected, payload))
    entry = encode_statement_parts(protected, payload, signature)
    # Reading it back is the one list of checks; nothing leaves here that we would refuse.
    return _as_verified(decode_statement(entry))


def _as_verified(unverified: UnverifiedStatement) -> Statement:
    # As a tuple, not field by field: the fields are the same.
    return tuple.__new__(Statement, unverified)


# Kinds and roles are few, and of a greatest length; what is neither is not kept.
@lru_cache(maxsize=256)
def _check_kind(kind: str) -> None:
    if not _is_kind(kind):
        raise _no_kind()


@lru_cache(maxsize=256)
def _check_role(role: str) -> None:
    if not _is_role(role):
        raise _no_role()


def _no_kind() -> MalformedError:
    return MalformedError("an act's kind is two words joined by a dot", code="bad-field")


def _no_role() -> MalformedError:
    return MalformedError("a citation's role is one word", code="bad-field")


def _is_hash(value: object) -> bool:
    return type(value) is bytes and len(value) == HASH_BYTES


def _decode_citations(items: list[Any]) -> tuple[Citation, ...]:
    if len(items) > CITATIONS_MAX:
        raise MalformedError(f"an act has at most {CITATIONS_MAX} citations", code="bad-field")
    citations = []
    viewed: set[str] = set()
    for item in items:
        if type(item) is not list or len(item) != 4:
            raise MalformedError("a citation is role, origin, index, leaf", code="bad-field")
        role, origin, index, leaf = item
        if type(role) is not str:
            raise _no_role()
        _check_role(role)
        if type(index) is not int or not 0 <= index <= INDEX_MAX:
            raise MalformedError("a citation's index is out of range", code="bad-field")
        if type(origin) is not str or not _is_hash(leaf):
            raise MalformedError("a citation's origin or leaf is bad", code="bad-field")
        check_origin(origin)
        if role == ROLE_VIEW:
            # Two views of one log would let an author choose between them after the fact.
            if origin in viewed:
                raise MalformedError(f"an act relies on one view of {origin}", code="bad-field")
            viewed.add(origin)
        citations.append(Citation(role, origin, index, leaf))
    return tuple(citations)


def _decode_protected(protected: bytes) -> tuple[bytes, str, str, int, int]:
    """Return kid, issuer, subject, declared time and algorithm.

    Nearly every header is spelled as in ``sign_statement``, with names of less than 256 characters
    and a time of 32 bits. That one shape is cut up in place, which takes a quarter of the time; any
    other, right or wrong, goes the long way round.
    """
    if protected.startswith(_PROTECTED_HEAD) and protected[_CLAIMS_AT:_ISSUER_AT] == _CLAIMS_HEAD:
        # No name holds the byte 2, and no head of least length does; so the first one is the key.
        first, _, second = protected[_ISSUER_AT:-6].partition(b"\x02")
        time_s = int.from_bytes(protected[-4:])
        # What is longer is none, and anybody may send it: it is not to stay in memory.
        issuer = _short_issuer(first) if len(first) <= _SHORT_BYTES_MAX else None
        subject = _short_text(second)
        if issuer and subject and protected[-6:-4] == b"\x06\x1a" and time_s >= 0x10000:
            check_subject(subject)
            return protected[_KID_AT:_CLAIMS_AT], issuer, subject, time_s, EDDSA
    return _decode_protected_slowly(protected)


def _short_text(item: bytes) -> str | None:
    """Return the ASCII text of less than 256 bytes that ``item`` is the CBOR of, else None."""
    size = len(item)
    if 1 < size < 25 and item[0] == 0x60 + size - 1:
        text = item[1:]
    elif 25 < size <= _SHORT_BYTES_MAX and item[0] == 0x78 and item[1] == size - 2:
        text = item[2:]
    else:
        return None
    return text.decode("ascii") if text.isascii() else None


# The same few officers sign nearly all statements of a log.
@lru_cache(maxsize=4_096)
def _short_issuer(item: bytes) -> str | None:
    """Return the party that ``item`` is the CBOR of, as ``_short_text`` has it; else None."""
    text = _short_text(item)
    return text if text and is_party(text) else None


def _decode_protected_slowly(protected: bytes) -> tuple[bytes, str, str, int, int]:
    header = encoding.decode(protected)
    if type(header) is not dict or list(header) != _PROTECTED_KEYS:
        raise MalformedError("the protected header has the keys 1, 3, 4 and 15", code="bad-field")
    algorithm, content_type, kid, claims = header.values()
    if type(algorithm) is not int or algorithm not in {EDDSA, ED25519, SM2_SM3}:
        raise UnverifiedError(
            f"not a signature algorithm of ours: {algorithm!r:.40}", code="bad-algorithm"
        )
    if content_type != ACT_CONTENT_TYPE:
        raise MalformedError(f"the content type is not {ACT_CONTENT_TYPE}", code="bad-field")
    if not _is_hash(kid):
        raise MalformedError("the kid is a key thumbprint of 32 bytes", code="bad-field")
    if type(claims) is not dict or list(claims) != _CLAIM_KEYS:
        raise MalformedError("the claims are issuer, subject and declared time", code="bad-field")
    issuer, subject, time_s = claims.values()
    if type(issuer) is not str or type(subject) is not str:
        raise MalformedError("issuer and subject are text", code="bad-field")
    if type(time_s) is not int or not 0 <= time_s <= TIME_S_MAX:
        raise MalformedError(
            "the declared time is in seconds, before the year 10000", code="bad-field"
        )
    check_party(issuer)
    check_subject(subject)
    return kid, issuer, subject, time_s, algorithm
