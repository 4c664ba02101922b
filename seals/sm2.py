"""SM2 signatures and SM3 digests (GB/T 32918, GB/T 32905): what every provider promises.

A provider stands behind ``SM2``: the system's libcrypto, a cryptographic device (SDF, GM/T 0018) or
a signing server. Keys and signatures are judged here, in plain arithmetic, before any provider sees
them, so that no provider's leniency becomes ours. There is no signing here.
"""

import hashlib
from collections.abc import Callable
from typing import Final, Protocol

from ledger.errors import FatalError, MalformedError, UnavailableError, UnverifiedError
from ledger.suites import (
    SM2_CURVE_B,
    SM2_PRIME,
    SM2_PUBLIC_BYTES,
    SM2_SIGNATURE_BYTES,
    SM2_USER_ID,
    CheckSM2,
)
from seals.der import Reader, integer, sequence

USER_ID: Final = SM2_USER_ID
"""The user identifier of everybody who has no other."""

USER_ID_BYTES_MAX: Final = 8191
"""Its length in bits goes into two bytes."""

PUBLIC_BYTES: Final = SM2_PUBLIC_BYTES
PRIVATE_BYTES: Final = 32

OID_EC_PUBLIC_KEY: Final = "1.2.840.10045.2.1"
OID_CURVE: Final = "1.2.156.10197.1.301"
OID_SIGN: Final = "1.2.156.10197.1.501"
OID_SM3: Final = "1.2.156.10197.1.401"

# Of the points of the curve.
ORDER: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123

# The base point, x and y.
_BASE: Final = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)

Randomness = Callable[[int], bytes]
"""Gives as many unpredictable bytes as it is asked for, such as ``secrets.token_bytes``."""


class SigningKey(Protocol):
    """A private key somewhere; perhaps one that never leaves its device."""

    @property
    def public(self) -> bytes:
        """65 bytes: 04, x, y."""

    def sign(self, message: bytes, *, user_id: bytes) -> bytes:
        """Return a signature on ``message``: DER SEQUENCE of r and s.

        Raises:
            UnavailableError: The device does not answer.
        """


class SM2(Protocol):
    """Checks signatures. Safe to share between threads."""

    def check(self, public: bytes, message: bytes, signature: bytes, *, user_id: bytes) -> None:
        """Check a signature on ``message``.

        Raises:
            UnverifiedError: ``sm2-signature``: it does not hold or is not in its one form;
                ``sm2-key``: the key is no point of the curve.
        """


class SM2StatementKey:
    """An SM2 key as a signer of statements; implements ``ledger.statement.StatementKey``."""

    __slots__ = ("_key", "public")

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self.public = key.public

    def sign(self, message: bytes) -> bytes:
        """Return r and s, 32 bytes each; no two signatures are alike.

        Raises:
            UnavailableError: The device does not answer.
        """
        r, s = decode_signature_value(self._key.sign(message, user_id=USER_ID))
        return r.to_bytes(32) + s.to_bytes(32)


def statement_check(sm2: SM2) -> CheckSM2:
    """Return what checks statements by this provider, under the user identifier of all of us.

    A provider that does not answer stops the process: "not verified" would be another verdict than
    that of nodes whose provider does.
    """

    def check(public: bytes, message: bytes, signature: bytes) -> None:
        if len(signature) != SM2_SIGNATURE_BYTES:
            raise UnverifiedError("a signature is r and s of 32 bytes each", code="sm2-signature")
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        try:
            sm2.check(public, message, encode_signature_value(r, s), user_id=USER_ID)
        except UnavailableError as error:
            raise FatalError(f"SM2 does not answer: {error}") from error

    return check


def user_digest(public: bytes, message: bytes, *, user_id: bytes) -> bytes:
    """Return e, the 32 bytes that a device signs or verifies: SM3 over Z_A and the message.

    Source: GB/T 32918.2 sections 5.5 and 6.1.
    """
    check_user_id(user_id)
    known = SM2_PRIME - 3, SM2_CURVE_B, *_BASE
    head = (8 * len(user_id)).to_bytes(2) + user_id + b"".join(it.to_bytes(32) for it in known)
    return sm3(sm3(head + public[1:]) + message)


def sm3(data: bytes) -> bytes:
    """Return the 32-byte SM3 digest of ``data``."""
    return hashlib.new("sm3", data).digest()


def check_user_id(user_id: bytes) -> None:
    """Check that a user identifier fits its length field.

    Raises:
        MalformedError: ``sm2-user-id``.
    """
    if not 1 <= len(user_id) <= USER_ID_BYTES_MAX:
        raise MalformedError("a user identifier has 1 to 8191 bytes", code="sm2-user-id")


def check_signature_form(signature: bytes) -> None:
    """Check that a signature is DER and both its numbers are in range.

    Raises:
        UnverifiedError: ``sm2-signature``.
    """
    try:
        decode_signature_value(signature)
    except MalformedError as error:
        raise UnverifiedError(f"the signature's form: {error}", code="sm2-signature") from error


def decode_signature_value(signature: bytes) -> tuple[int, int]:
    """Return r and s of a DER signature, both in 1..n-1.

    Raises:
        MalformedError: It has another form.
    """
    outer = Reader(signature)
    inner = outer.inside()
    outer.finish()
    r, s = inner.integer(), inner.integer()
    inner.finish()
    if not (0 < r < ORDER and 0 < s < ORDER):
        raise MalformedError("a number is out of range", code="sm2-signature")
    return r, s


def encode_signature_value(r: int, s: int) -> bytes:
    """Return the DER form of r and s, for devices that give them bare."""
    return sequence(integer(r), integer(s))


def draw_private(randomness: Randomness) -> bytes:
    """Draw a private key in 1..n-2; n-1 has no inverse of 1 + d."""
    while True:
        drawn = randomness(PRIVATE_BYTES)
        if len(drawn) != PRIVATE_BYTES:
            raise MalformedError("the randomness gave another length", code="sm2-randomness")
        if 0 < int.from_bytes(drawn, "big") < ORDER - 1:
            return drawn


def check_private(private: bytes) -> None:
    """Check that a private key is 32 bytes and a number in 1..n-2.

    Raises:
        MalformedError: ``sm2-key``.
    """
    if len(private) != PRIVATE_BYTES or not 0 < int.from_bytes(private, "big") < ORDER - 1:
        raise MalformedError("a private key is 32 bytes in 1..n-2", code="sm2-key")
