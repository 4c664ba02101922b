"""The private keys of a region's vault, and sealing for those of others, by suite."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ledger.errors import NotFoundError, UnavailableError
from ledger.payload import SM4_GCM, XCHACHA20, Opener
from ledger.sealed_box import seal_box
from ledger.suites import SM2_SM3
from nodes.adapters.keystore import VAULT, VAULT_SM2, KeyStore
from nodes.adapters.sm2 import Provider


@dataclass(frozen=True, slots=True)
class VaultKeys:
    """Safe between threads, as the key store is.

    Args:
        store: Of the region. A vault key's version is the number of its file.
        sm2: None where this machine has none.
        randomness: Where new keys and boxes come from.
    """

    store: KeyStore
    sm2: Provider | None
    randomness: Callable[[int], bytes]

    def make(self, suite: str, version: int) -> bytes:
        """Make a key, or keep the one there is, and return its public half."""
        name = _name(suite, version)
        if suite == SM2_SM3:
            return self.store.make_sm2_box(name).public
        return self.store.make_box(name).public

    def load(self, suite: str, version: int) -> Opener:
        """Return a private key.

        Raises:
            NotFoundError: ``no-key``: it is not here, or was destroyed.
            LedgerError: As the key store.
        """
        name = _name(suite, version)
        if suite == SM2_SM3:
            return self.store.load_sm2_box(name)
        return self.store.load_box(name)

    def holds(self, suite: str, version: int, public: bytes) -> bool:
        """Say whether the private half of a key that was published is here.

        Raises:
            UnverifiedError: ``wrong-secret``: it does not open, or its file was changed.
        """
        try:
            return self.load(suite, version).public == public
        except NotFoundError:
            return False

    def destroy(self, suite: str, version: int) -> None:
        """Overwrite and delete a private key."""
        self.store.destroy(_name(suite, version))

    def sealer(self, suite: str, public: bytes) -> Callable[[bytes], bytes]:
        """Return what makes boxes for the holder of a public key.

        Raises:
            UnavailableError: ``sm2-unavailable``: there is no SM2 here.
        """
        if suite != SM2_SM3:
            return lambda inside: seal_box(public, inside, self.randomness)
        if self.sm2 is None:
            raise UnavailableError("this machine has no SM2", code="sm2-unavailable")
        return partial(self.sm2.encrypt, public)


def cipher_of(suite: str) -> str:
    """Return the cipher of payloads that goes with a suite."""
    return SM4_GCM if suite == SM2_SM3 else XCHACHA20


def _name(suite: str, version: int) -> str:
    first = VAULT_SM2 if suite == SM2_SM3 else VAULT
    return first if version == 1 else f"{first}.{version}"
