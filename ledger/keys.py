"""Signing keys and raw signatures: the one module that touches the cryptography libraries for them.

Ed25519 (RFC 8032) goes through libsodium, which refuses small-order keys and scalars that are not
canonical; ML-DSA-44 (FIPS 204) through OpenSSL. What signed bytes mean, how keys rest on disk and
where seeds come from is not this module's business: randomness is an argument.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Self

# This is the one module that imports nacl; the ban exists to bring everybody here.
import nacl.bindings  # noqa: TID251 - see above
import nacl.exceptions  # noqa: TID251 - see above
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from ledger.errors import MalformedError, UnverifiedError
from ledger.suites import SM2_PUBLIC_BYTES, sm2_thumbprint

SEED_BYTES: Final = 32
PUBLIC_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
POST_QUANTUM_PUBLIC_BYTES: Final = 1312

COSE_ALGORITHM_EDDSA: Final = -8

KEYS_REMEMBERED_MAX: Final = 4_096
LINES_REMEMBERED_MAX: Final = 4_096
REMEMBERED_BYTES_MAX: Final = 512
"""No checkpoint of the network is longer; a log must not fill our memory with what it signs."""

# Looked up once: an attribute chain on each verification is measurable.
_open = nacl.bindings.crypto_sign_open
_sign = nacl.bindings.crypto_sign

# The deterministic CBOR map {1: 1 (OKP), -1: 6 (Ed25519), -2: bytes(32)} up to the key's own bytes.
_COSE_KEY_HEAD: Final = bytes.fromhex("a3 01 01 20 06 21 58 20")


def generate_seed(randomness: Callable[[int], bytes]) -> bytes:
    """Draw the seed of a new key.

    Args:
        randomness: Gives as many unpredictable bytes as it is asked for, such as
            ``secrets.token_bytes``.
    """
    return _checked_seed(randomness(SEED_BYTES))


class SigningKey:
    """An Ed25519 private key. Nothing but ``seed()`` shows the secret."""

    __slots__ = ("_secret", "public")

    public: bytes

    def __init__(self, seed: bytes) -> None:
        self.public, self._secret = nacl.bindings.crypto_sign_seed_keypair(_checked_seed(seed))

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """Return the key that grows from 32 secret bytes."""
        return cls(seed)

    def seed(self) -> bytes:
        """Return the secret, for the key store only."""
        return self._secret[:SEED_BYTES]

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature on ``message``, always the same for the same message."""
        return _sign(message, self._secret)[:SIGNATURE_BYTES]

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()})"


class PostQuantumKey:
    """An ML-DSA-44 private key. Nothing but ``seed()`` shows the secret."""

    __slots__ = ("_key", "public")

    public: bytes

    def __init__(self, seed: bytes) -> None:
        self._key = MLDSA44PrivateKey.from_seed_bytes(_checked_seed(seed))
        self.public = self._key.public_key().public_bytes_raw()

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """Return the key that grows from 32 secret bytes (FIPS 204's xi)."""
        return cls(seed)

    def seed(self) -> bytes:
        """Return the secret, for the key store only."""
        return self._key.private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return a 2,420-byte signature on ``message``, with an empty context.

        OpenSSL hedges ML-DSA with fresh randomness, so two signatures on one message differ; no
        record may depend on their bytes.
        """
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"PostQuantumKey(public={self.public[:8].hex()}…)"


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Check an Ed25519 signature.

    Raises:
        UnverifiedError: ``bad-signature``; also when key or signature has the wrong length.
    """
    # libsodium sees neither length: it would take a signature's end from the message, and read
    # beyond a short key.
    if len(public) != PUBLIC_BYTES or len(signature) != SIGNATURE_BYTES:
        raise UnverifiedError("key or signature has the wrong length", code="bad-signature")
    try:
        _open(signature + message, public)
    except nacl.exceptions.BadSignatureError as error:
        raise UnverifiedError("the signature does not hold", code="bad-signature") from error


def verify_line(public: bytes, message: bytes, signature: bytes) -> None:
    """Check an Ed25519 signature that stands on a note; the last ones that held are remembered.

    The same line comes in an answer, on a finished note, in a block record and in views. What does
    not hold is checked each time.

    Raises:
        UnverifiedError: As ``verify``.
    """
    if len(message) > REMEMBERED_BYTES_MAX:
        verify(public, message, signature)
    else:
        _verify_once(public, message, signature)


# An error is not kept, so this remembers nothing but what held.
_verify_once = lru_cache(maxsize=LINES_REMEMBERED_MAX)(verify)


def verify_post_quantum(public: bytes, message: bytes, signature: bytes) -> None:
    """Check an ML-DSA-44 signature with an empty context.

    Raises:
        UnverifiedError: ``bad-signature``; also when key or signature has the wrong length.
    """
    try:
        # Both calls see to the lengths themselves.
        MLDSA44PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise UnverifiedError("the signature does not hold", code="bad-signature") from error


# The same few keys sign nearly all statements of a log.
@lru_cache(maxsize=KEYS_REMEMBERED_MAX)
def key_thumbprint(public: bytes) -> bytes:
    """Return the COSE Key Thumbprint of an Ed25519 or SM2 key: 32 bytes that name it in ``kid``.

    Source: RFC 9679 section 4, with SHA-256 over the required members only.
    """
    if len(public) == SM2_PUBLIC_BYTES:
        return sm2_thumbprint(public)
    return hashlib.sha256(_COSE_KEY_HEAD + _checked_public(public)).digest()


def cose_key(public: bytes, kid: bytes) -> dict[int, int | bytes]:
    """Return the COSE_Key map of an Ed25519 key, ready to be encoded.

    Source: RFC 9052 section 7.1, RFC 9053 section 7.2. The algorithm is EdDSA (-8), as our
    statements and receipts write it.
    """
    return {1: 1, 2: kid, 3: COSE_ALGORITHM_EDDSA, -1: 6, -2: _checked_public(public)}


def _checked_seed(seed: bytes) -> bytes:
    if len(seed) != SEED_BYTES:
        raise MalformedError(f"a seed is 32 bytes, not {len(seed)}", code="bad-key")
    return seed


def _checked_public(public: bytes) -> bytes:
    if len(public) != PUBLIC_BYTES:
        raise MalformedError(f"an Ed25519 key is 32 bytes, not {len(public)}", code="bad-key")
    return public
