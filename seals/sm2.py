"""SM2 signatures and SM3 digests (GB/T 32918, GB/T 32905): what every provider promises.

A provider stands behind ``SM2``: the system's libcrypto, a cryptographic device (SDF, GM/T 0018) or
a signing server. Keys and signatures are judged here, in plain arithmetic, before any provider sees
them, so that no provider's leniency becomes ours. There is no signing here.
"""

import hashlib
from collections.abc import Callable
from typing import Final, Protocol

from ledger.errors import MalformedError, UnverifiedError
from seals.der import Reader, integer, sequence

USER_ID: Final = b"1234567812345678"
"""The user identifier that GM/T 0009 gives to everybody who has no other."""

USER_ID_BYTES_MAX: Final = 8191
"""Its length in bits goes into two bytes."""

PUBLIC_BYTES: Final = 65
PRIVATE_BYTES: Final = 32

OID_EC_PUBLIC_KEY: Final = "1.2.840.10045.2.1"
OID_CURVE: Final = "1.2.156.10197.1.301"
OID_SIGN: Final = "1.2.156.10197.1.501"
OID_SM3: Final = "1.2.156.10197.1.401"

# The curve of GB/T 32918.5: y² = x³ − 3x + b over the integers modulo PRIME; ORDER points.
PRIME: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
CURVE_B: Final = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
ORDER: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123

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


def sm3(data: bytes) -> bytes:
    """Return the 32-byte SM3 digest of ``data``."""
    return hashlib.new("sm3", data).digest()


def check_public(public: bytes) -> None:
    """Check that a public key is an uncompressed point of the curve, and not infinity.

    The curve's cofactor is one, so every point of it has the right order.

    Raises:
        UnverifiedError: ``sm2-key``.
    """
    if len(public) != PUBLIC_BYTES or public[0] != 4:
        raise UnverifiedError("the key is not an uncompressed point", code="sm2-key")
    x = int.from_bytes(public[1:33], "big")
    y = int.from_bytes(public[33:], "big")
    if x >= PRIME or y >= PRIME or (y * y - (x * x - 3) * x - CURVE_B) % PRIME:
        raise UnverifiedError("the key is not a point of the curve", code="sm2-key")


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
