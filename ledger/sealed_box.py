"""Sealed boxes: bytes that only the holder of one X25519 key can read, from nobody in particular.

The bytes are libsodium's ``crypto_box_seal``: a key made for this one box, 32 bytes, then the
message under XSalsa20-Poly1305 with a nonce that is BLAKE2b of both public keys. The one key is
drawn here from the randomness that is handed in, so that vectors can be made again.

A box shows nothing of who made it. Who is to be believed, what is inside says, and what carried it.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Final

# Beside ledger.keys, which signs, this is the one module that imports nacl: it seals.
import nacl.bindings  # noqa: TID251 - see above
import nacl.exceptions  # noqa: TID251 - see above

from ledger.errors import MalformedError, UnverifiedError

PUBLIC_BYTES: Final = 32
SEED_BYTES: Final = 32
BOX_EXTRA_BYTES: Final = 48
"""How much longer a box is than what is in it."""

_NONCE_BYTES: Final = 24


class BoxKey:
    """An X25519 private key. Nothing but ``seed()`` shows the secret."""

    __slots__ = ("_secret", "public")

    public: bytes

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise MalformedError(f"a key has {SEED_BYTES} bytes, not {len(seed)}", code="bad-key")
        self._secret = seed
        self.public = nacl.bindings.crypto_scalarmult_base(seed)

    def seed(self) -> bytes:
        """Return the secret, for the key store only."""
        return self._secret

    def open(self, box: bytes) -> bytes:
        """Return what is in a box for this key.

        Raises:
            UnverifiedError: ``wrong-wrap``: it is for another key, or was changed.
        """
        try:
            return nacl.bindings.crypto_box_seal_open(box, self.public, self._secret)
        except (nacl.exceptions.CryptoError, ValueError, TypeError) as error:
            raise UnverifiedError("the box does not open with this key", code="wrong-wrap") from (
                error
            )

    def __repr__(self) -> str:
        return f"BoxKey(public={self.public.hex()})"


def seal_box(public: bytes, message: bytes, randomness: Callable[[int], bytes]) -> bytes:
    """Return a box that only the holder of ``public`` opens.

    Raises:
        MalformedError: ``bad-key``: no X25519 key; a point of small order among them, under which
            anybody could open the box.
    """
    if len(public) != PUBLIC_BYTES:
        raise MalformedError(f"a key has {PUBLIC_BYTES} bytes, not {len(public)}", code="bad-key")
    once = BoxKey(randomness(SEED_BYTES))
    nonce = blake2b(once.public + public, digest_size=_NONCE_BYTES).digest()
    try:
        sealed = nacl.bindings.crypto_box(message, nonce, public, once.seed())
    except nacl.exceptions.CryptoError as error:
        raise MalformedError("the key is no point to seal for", code="bad-key") from error
    return once.public + sealed
