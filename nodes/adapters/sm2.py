"""Which SM2 this process has: the system's libcrypto, or GmSSL where that one lacks SM2.

A device for seals' own keys stands beside it (``sm2_sdf``); what anyone may verify, software does.
"""

from functools import lru_cache
from typing import Protocol

from ledger.errors import UnavailableError
from nodes.adapters.sm2_gmssl import GmSSLSM2
from nodes.adapters.sm2_libcrypto import LibcryptoSM2
from seals.sm2 import SM2, Randomness, SigningKey


class StoredKey(SigningKey, Protocol):
    """A private key that may rest in a file."""

    def open(self, box: bytes) -> bytes:
        """Return what was encrypted for this key.

        Raises:
            UnverifiedError: ``wrong-wrap``: it is for another key, or was changed.
        """

    def encrypted(self, passphrase: bytes, randomness: Randomness) -> bytes:
        """Return DER EncryptedPrivateKeyInfo."""


class Provider(SM2, Protocol):
    """Checks signatures, makes keys and opens them."""

    @property
    def name(self) -> str:
        """What the status calls it."""

    def encrypt(self, public: bytes, message: bytes) -> bytes:
        """Encrypt at most 255 bytes for the holder of a key: DER of C1, C3 and C2 (GM/T 0009).

        Raises:
            UnverifiedError: ``sm2-key``: the key is no point of the curve.
        """

    def generate(self, randomness: Randomness) -> StoredKey:
        """Make a new key."""

    def load(self, encrypted: bytes, passphrase: bytes) -> StoredKey:
        """Open a key at rest.

        Raises:
            MalformedError: ``sm2-key-file``.
            UnverifiedError: ``sm2-passphrase``.
        """


@lru_cache(maxsize=1)
def open_sm2() -> Provider:
    """Return this process's provider, after its known-answer test; always the same one.

    Raises:
        UnavailableError: ``sm2-unavailable``: there is none.
        FatalError: One gives wrong answers. The other is not tried then: something is wrong here.
    """
    try:
        return LibcryptoSM2()
    except UnavailableError as first:
        try:
            return GmSSLSM2()
        except UnavailableError as second:
            raise UnavailableError(
                f"no SM2 on this machine: {first}; {second}", code="sm2-unavailable"
            ) from second
