"""Suites: what statements may be signed with beside Ed25519, and the form of such keys.

Ed25519 needs no naming. ``sm2-sm3`` (GB/T 32918, GB/T 32905) counts where the roster names it. SM2
itself is not computed here, nor in any pure room: whoever judges hands in a ``CheckSM2``.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from ledger.errors import FatalError, MalformedError, UnverifiedError

SM2_SM3: Final = "sm2-sm3"
SUITES: Final = (SM2_SM3,)
"""All that a roster can name."""

SM2_PUBLIC_BYTES: Final = 65
SM2_SIGNATURE_BYTES: Final = 64

SM2_USER_ID: Final = b"1234567812345678"
"""The user identifier that GM/T 0009 gives to everybody who has no other; our statements use it."""

# The curve of GB/T 32918.5: y² = x³ − 3x + b over the integers modulo SM2_PRIME.
SM2_PRIME: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
SM2_CURVE_B: Final = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93

# The deterministic CBOR map {1: 2 (EC2), -1: -65537 (our SM2 curve), -2: x, -3: y}, cut at x and y.
_COSE_KEY_HEAD: Final = bytes.fromhex("a4 01 02 20 3a00010000 21 58 20")
_COSE_KEY_MIDDLE: Final = bytes.fromhex("22 58 20")

CheckSM2 = Callable[[bytes, bytes, bytes], None]
"""Checks a signature: public key (04, x, y), message, signature (r and s, 32 bytes each).

It raises ``UnverifiedError`` where the signature does not hold, and never for any other reason: a
verdict that depends on a machine's memory would differ from node to node. Safe between threads.
"""


def no_sm2(_public: bytes, _message: bytes, _signature: bytes) -> None:
    """Stand in where this process has no SM2, and stop it rather than judge without."""
    raise FatalError("the roster names sm2-sm3, and this process has no SM2")


def check_point(public: bytes) -> None:
    """Check that an SM2 key is an uncompressed point of the curve, and not infinity.

    The curve's cofactor is one, so every point of it has the right order.

    Raises:
        UnverifiedError: ``sm2-key``.
    """
    if len(public) != SM2_PUBLIC_BYTES or public[0] != 4:
        raise UnverifiedError("the key is not an uncompressed point", code="sm2-key")
    x = int.from_bytes(public[1:33], "big")
    y = int.from_bytes(public[33:], "big")
    if x >= SM2_PRIME or y >= SM2_PRIME or (y * y - (x * x - 3) * x - SM2_CURVE_B) % SM2_PRIME:
        raise UnverifiedError("the key is not a point of the curve", code="sm2-key")


def sm2_thumbprint(public: bytes) -> bytes:
    """Return the COSE Key Thumbprint of an SM2 key: 32 bytes that name it in ``kid``.

    Source: RFC 9679 section 4, for a key of type EC2 on a curve of the private-use range.
    """
    if len(public) != SM2_PUBLIC_BYTES:
        raise MalformedError(f"an SM2 key is 65 bytes, not {len(public)}", code="bad-key")
    return sha256(_COSE_KEY_HEAD + public[1:33] + _COSE_KEY_MIDDLE + public[33:]).digest()
