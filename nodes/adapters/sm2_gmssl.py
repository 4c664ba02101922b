"""SM2 by GmSSL (the package ``gmssl-pyx``): what a node falls back to without a fit libcrypto.

Slower to the rest of a process than libcrypto, since it holds the interpreter's lock, and on each
signature that does not hold it writes a trace to the standard error. Its answers are the same: keys
and signatures are judged here before it sees them.
"""

from importlib import import_module
from typing import Any

from ledger.errors import FatalError, MalformedError, UnavailableError, UnverifiedError
from ledger.suites import check_point
from nodes.adapters.sm2_key_file import open_key, seal_key
from nodes.adapters.sm2_libcrypto import (
    ENCRYPTED_BYTES_MAX,
    KNOWN_MESSAGE,
    KNOWN_PRIVATE,
    KNOWN_PUBLIC,
    KNOWN_SIGNATURE,
)
from seals.sm2 import USER_ID, Randomness, check_signature_form, check_user_id


class GmSSLSM2:
    """The provider; implements ``nodes.adapters.sm2.Provider``.

    Raises:
        UnavailableError: ``no-gmssl``: the package is not installed, or does not load.
        FatalError: It gives a wrong answer to the known question, so nothing it says counts.
    """

    name = "gmssl"

    def __init__(self) -> None:
        try:
            self._library: Any = import_module("gmssl_pyx")
        except ImportError as error:
            raise UnavailableError(f"no usable gmssl-pyx: {error}", code="no-gmssl") from error
        self._check_known_answers()

    def check(self, public: bytes, message: bytes, signature: bytes, *, user_id: bytes) -> None:
        """Check a signature; see ``seals.sm2.SM2``."""
        check_user_id(user_id)
        check_signature_form(signature)
        check_point(public)
        try:
            held = self._library.sm2_verify(public[1:], message, signature, user_id)
        except self._library.GmsslInnerError as error:
            raise UnavailableError(
                f"GmSSL does not verify: {error}", code="sm2-unavailable"
            ) from error
        if held is not True:
            raise UnverifiedError("the signature does not hold", code="sm2-signature")

    def encrypt(self, public: bytes, message: bytes) -> bytes:
        """Encrypt for the holder of a key; see ``nodes.adapters.sm2.Provider``."""
        if not 0 < len(message) <= ENCRYPTED_BYTES_MAX:
            raise MalformedError(
                f"SM2 encrypts 1 to {ENCRYPTED_BYTES_MAX} bytes", code="bad-payload"
            )
        check_point(public)
        try:
            box = self._library.sm2_encrypt(public[1:], message)
        except self._library.GmsslInnerError as error:
            raise UnavailableError(
                f"GmSSL does not encrypt: {error}", code="sm2-unavailable"
            ) from error
        assert isinstance(box, bytes)
        return box

    def decrypt(self, private: bytes, box: bytes) -> bytes:
        """Return what was encrypted for a key in memory."""
        try:
            message = self._library.sm2_decrypt(private, box)
        except (self._library.GmsslInnerError, self._library.InvalidValueError) as error:
            raise UnverifiedError(
                "the box does not open with this key", code="wrong-wrap"
            ) from error
        assert isinstance(message, bytes)
        return message

    def generate(self, randomness: Randomness) -> "GmSSLKey":
        """Make a new key. GmSSL draws it from the system, since it takes no randomness from us."""
        del randomness
        public, private = self._library.sm2_key_generate()
        return self._checked(private, b"\x04" + public)

    def load(self, encrypted: bytes, passphrase: bytes) -> "GmSSLKey":
        """Open a key at rest; see ``LibcryptoSM2.load``."""
        private, public = open_key(encrypted, passphrase)
        try:
            return self._checked(private, public)
        except UnverifiedError as error:
            raise MalformedError("the two halves of the key differ", code="sm2-key-file") from error

    def sign(self, private: bytes, public: bytes, message: bytes, user_id: bytes) -> bytes:
        """Return a signature by a key in memory."""
        check_user_id(user_id)
        try:
            signature = self._library.sm2_sign(private, public[1:], message, user_id)
        except self._library.GmsslInnerError as error:
            raise UnavailableError(
                f"GmSSL does not sign: {error}", code="sm2-unavailable"
            ) from error
        assert isinstance(signature, bytes)
        return signature

    def _checked(self, private: bytes, public: bytes) -> "GmSSLKey":
        """Return a key whose halves belong together: what it signs, it verifies."""
        key = GmSSLKey(self, private, public)
        self.check(public, b"", key.sign(b"", user_id=b"a"), user_id=b"a")
        return key

    def _check_known_answers(self) -> None:
        try:
            self.check(KNOWN_PUBLIC, KNOWN_MESSAGE, KNOWN_SIGNATURE, user_id=USER_ID)
            self._checked(KNOWN_PRIVATE, KNOWN_PUBLIC)
        except (UnverifiedError, MalformedError) as error:
            raise FatalError(f"GmSSL fails the known-answer test: {error}") from error
        try:
            self.check(KNOWN_PUBLIC, KNOWN_MESSAGE, KNOWN_SIGNATURE, user_id=b"another")
        except UnverifiedError:
            return
        raise FatalError("GmSSL fails the known-answer test: it takes any user identifier")


class GmSSLKey:
    """A private key in this process's memory; implements ``nodes.adapters.sm2.StoredKey``."""

    __slots__ = ("_private", "_provider", "public")

    public: bytes

    def __init__(self, provider: GmSSLSM2, private: bytes, public: bytes) -> None:
        self._provider, self._private, self.public = provider, private, public

    def sign(self, message: bytes, *, user_id: bytes) -> bytes:
        """Return a signature on ``message``; no two are alike."""
        return self._provider.sign(self._private, self.public, message, user_id)

    def open(self, box: bytes) -> bytes:
        """Return what was encrypted for this key; see ``nodes.adapters.sm2.StoredKey``."""
        return self._provider.decrypt(self._private, box)

    def encrypted(self, passphrase: bytes, randomness: Randomness) -> bytes:
        """Return the key as it may rest; see ``LibcryptoKey.encrypted``."""
        return seal_key(self._private, self.public, passphrase, randomness)

    def __repr__(self) -> str:
        return f"GmSSLKey(public={self.public.hex()})"
