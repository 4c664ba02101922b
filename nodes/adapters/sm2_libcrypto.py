"""SM2 by the system's libcrypto (OpenSSL 3): the provider behind ``seals.sm2``.

libcrypto is called without the interpreter's lock, so verifications run beside one another. A
public key is parsed once and kept; a digest context belongs to one call and is never shared. Keys
in software do not pass a commercial-cryptography assessment (密评): a production site puts an SDF
device or a signing server behind the same protocols.

Source: GB/T 32918.2, GB/T 32918.5; OpenSSL 3 manual pages of the functions named here.
"""

import ctypes
import ctypes.util
from functools import lru_cache
from typing import Any, Final

from ledger.errors import FatalError, MalformedError, UnavailableError, UnverifiedError
from ledger.suites import check_point
from seals.sm2 import (
    PUBLIC_BYTES,
    USER_ID,
    Randomness,
    check_private,
    check_signature_form,
    check_user_id,
    draw_private,
)

PKCS8_BYTES_MAX: Final = 4096
PASSPHRASE_BYTES_MIN: Final = 12
PASSPHRASE_BYTES_MAX: Final = 1024
SIGNATURE_BYTES_MAX: Final = 72
ENCRYPTED_BYTES_MAX: Final = 255
"""What GmSSL takes; enough for a key, and the same for every provider."""

# Keys at rest: AES-256-CBC under scrypt (RFC 7914, PKCS #5): 16 MiB and about 50 ms. More than
# 32 MiB libcrypto refuses unasked.
SCRYPT_N: Final = 2**14
SCRYPT_R: Final = 8
SCRYPT_P: Final = 1
SALT_BYTES: Final = 16
IV_BYTES: Final = 16

_VERSION_MIN: Final = 0x30000000
_VERSION_END: Final = 0x40000000
_CURVE_NID: Final = 1172
_PUBLIC_KEYS_MAX: Final = 256

# SubjectPublicKeyInfo and ECPrivateKey of the SM2 curve up to the key's own bytes.
_SPKI_HEAD: Final = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")
_PRIVATE_HEAD: Final = bytes.fromhex("30770201010420")
_PRIVATE_MIDDLE: Final = bytes.fromhex("a00a06082a811ccf5501822da144034200")

# GB/T 32918.5 appendix A: the key, its public point and the signature on "message digest".
KNOWN_PRIVATE: Final = bytes.fromhex(
    "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8"
)
KNOWN_PUBLIC: Final = bytes.fromhex(
    "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
KNOWN_SIGNATURE: Final = bytes.fromhex(
    "3046022100f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
    "022100b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
)
KNOWN_MESSAGE: Final = b"message digest"

_POINTER: Final = ctypes.c_void_p
_INT: Final = ctypes.c_int
_SIZE: Final = ctypes.c_size_t
_BYTES: Final = ctypes.c_char_p

# Each function that we call: what it returns and what it takes.
_FUNCTIONS: Final[dict[str, tuple[Any, list[Any]]]] = {
    "OpenSSL_version_num": (ctypes.c_ulong, []),
    "ERR_clear_error": (None, []),
    "EVP_sm3": (_POINTER, []),
    "EVP_aes_256_cbc": (_POINTER, []),
    "EVP_MD_CTX_new": (_POINTER, []),
    "EVP_MD_CTX_free": (None, [_POINTER]),
    "EVP_MD_CTX_set_pkey_ctx": (None, [_POINTER, _POINTER]),
    "EVP_PKEY_CTX_new": (_POINTER, [_POINTER, _POINTER]),
    "EVP_PKEY_CTX_free": (None, [_POINTER]),
    "EVP_PKEY_CTX_set1_id": (_INT, [_POINTER, _BYTES, _INT]),
    "EVP_DigestSignInit": (_INT, [_POINTER, _POINTER, _POINTER, _POINTER, _POINTER]),
    "EVP_DigestSign": (_INT, [_POINTER, _BYTES, ctypes.POINTER(_SIZE), _BYTES, _SIZE]),
    "EVP_DigestVerifyInit": (_INT, [_POINTER, _POINTER, _POINTER, _POINTER, _POINTER]),
    "EVP_DigestVerify": (_INT, [_POINTER, _BYTES, _SIZE, _BYTES, _SIZE]),
    "EVP_PKEY_encrypt_init": (_INT, [_POINTER]),
    "EVP_PKEY_encrypt": (_INT, [_POINTER, _BYTES, ctypes.POINTER(_SIZE), _BYTES, _SIZE]),
    "EVP_PKEY_decrypt_init": (_INT, [_POINTER]),
    "EVP_PKEY_decrypt": (_INT, [_POINTER, _BYTES, ctypes.POINTER(_SIZE), _BYTES, _SIZE]),
    "EVP_PKEY_free": (None, [_POINTER]),
    "EVP_PKEY_is_a": (_INT, [_POINTER, _BYTES]),
    "EVP_PKEY_get_octet_string_param": (
        _INT,
        [_POINTER, _BYTES, _BYTES, _SIZE, ctypes.POINTER(_SIZE)],
    ),
    "d2i_PUBKEY": (_POINTER, [_POINTER, ctypes.POINTER(_BYTES), ctypes.c_long]),
    "d2i_AutoPrivateKey": (_POINTER, [_POINTER, ctypes.POINTER(_BYTES), ctypes.c_long]),
    "EVP_PKEY2PKCS8": (_POINTER, [_POINTER]),
    "EVP_PKCS82PKEY": (_POINTER, [_POINTER]),
    "PKCS8_PRIV_KEY_INFO_free": (None, [_POINTER]),
    "PKCS5_pbe2_set_scrypt": (
        _POINTER,
        [_POINTER, _BYTES, _INT, _BYTES, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64],
    ),
    "X509_ALGOR_free": (None, [_POINTER]),
    "PKCS8_set0_pbe": (_POINTER, [_BYTES, _INT, _POINTER, _POINTER]),
    "PKCS8_decrypt": (_POINTER, [_POINTER, _BYTES, _INT]),
    "d2i_X509_SIG": (_POINTER, [_POINTER, ctypes.POINTER(_BYTES), ctypes.c_long]),
    "i2d_X509_SIG": (_INT, [_POINTER, ctypes.POINTER(_POINTER)]),
    "X509_SIG_free": (None, [_POINTER]),
    "EC_GROUP_new_by_curve_name": (_POINTER, [_INT]),
    "EC_GROUP_free": (None, [_POINTER]),
    "EC_POINT_new": (_POINTER, [_POINTER]),
    "EC_POINT_clear_free": (None, [_POINTER]),
    "EC_POINT_mul": (_INT, [_POINTER] * 6),
    "EC_POINT_point2oct": (_SIZE, [_POINTER, _POINTER, _INT, _BYTES, _SIZE, _POINTER]),
    "BN_bin2bn": (_POINTER, [_BYTES, _INT, _POINTER]),
    "BN_clear_free": (None, [_POINTER]),
}


class _Key:
    """An EVP_PKEY, freed with its last user. libcrypto only reads it once it is made."""

    __slots__ = ("_free", "pointer")

    def __init__(self, library: Any, pointer: int) -> None:  # noqa: ANN401 - a loaded library
        self.pointer = pointer
        self._free = library.EVP_PKEY_free

    def __del__(self) -> None:
        self._free(self.pointer)


class LibcryptoSM2:
    """The provider; implements ``seals.sm2.SM2``. One for each process is enough.

    Args:
        path: The library's file or soname; the system's own when None.

    Raises:
        UnavailableError: ``no-libcrypto``: not found, too old, or without SM2.
        FatalError: It gives a wrong answer to the known question, so nothing it says counts.
    """

    name = "libcrypto"

    def __init__(self, path: str | None = None) -> None:
        name = path or ctypes.util.find_library("crypto") or "libcrypto.so.3"
        try:
            self._library = ctypes.CDLL(name)
            for function, (result, arguments) in _FUNCTIONS.items():
                bound = getattr(self._library, function)
                bound.restype, bound.argtypes = result, arguments
        except (OSError, AttributeError) as error:
            raise UnavailableError(f"no usable libcrypto: {error}", code="no-libcrypto") from error
        version = self._library.OpenSSL_version_num()
        if not _VERSION_MIN <= version < _VERSION_END:
            raise UnavailableError(
                f"libcrypto is not of OpenSSL 3: {version:#x}", code="no-libcrypto"
            )
        self._sm3 = self._library.EVP_sm3()
        if not self._sm3:
            raise UnavailableError("libcrypto was built without SM3", code="no-libcrypto")
        self._public = lru_cache(maxsize=_PUBLIC_KEYS_MAX)(self._parse_public)
        self._check_known_answers()

    def check(self, public: bytes, message: bytes, signature: bytes, *, user_id: bytes) -> None:
        """Check a signature; see ``seals.sm2.SM2``."""
        check_user_id(user_id)
        check_signature_form(signature)
        key = self._public(public)
        library = self._library
        context, key_context = self._contexts(key, user_id)
        try:
            if (
                library.EVP_DigestVerifyInit(context, None, self._sm3, None, key.pointer) == 1
                and library.EVP_DigestVerify(
                    context, signature, len(signature), message, len(message)
                )
                == 1
            ):
                return
        finally:
            library.EVP_MD_CTX_free(context)
            library.EVP_PKEY_CTX_free(key_context)
        library.ERR_clear_error()
        raise UnverifiedError("the signature does not hold", code="sm2-signature")

    def encrypt(self, public: bytes, message: bytes) -> bytes:
        """Encrypt for the holder of a key; see ``nodes.adapters.sm2.Provider``."""
        if not 0 < len(message) <= ENCRYPTED_BYTES_MAX:
            raise MalformedError(
                f"SM2 encrypts 1 to {ENCRYPTED_BYTES_MAX} bytes", code="bad-payload"
            )
        library = self._library
        done = self._crypt(
            self._public(public), library.EVP_PKEY_encrypt_init, library.EVP_PKEY_encrypt, message
        )
        if done is None:
            raise UnavailableError("libcrypto does not encrypt", code="sm2-unavailable")
        return done

    def generate(self, randomness: Randomness) -> "LibcryptoKey":
        """Make a new key out of these random bytes."""
        return self.from_private(draw_private(randomness))

    def from_private(self, private: bytes) -> "LibcryptoKey":
        """Return the key with these 32 secret bytes, a number in 1..n-2."""
        check_private(private)
        public = self._multiply(private)
        encoded = _PRIVATE_HEAD + private + _PRIVATE_MIDDLE + public
        start = _BYTES(encoded)
        pointer = self._library.d2i_AutoPrivateKey(None, ctypes.byref(start), len(encoded))
        return self._checked_private(pointer)

    def load(self, encrypted: bytes, passphrase: bytes) -> "LibcryptoKey":
        """Open a key at rest: DER EncryptedPrivateKeyInfo (PKCS #8).

        Raises:
            MalformedError: ``sm2-key-file``: it is no such thing, or no SM2 key.
            UnverifiedError: ``sm2-passphrase``: the passphrase does not open it.
        """
        if len(encrypted) > PKCS8_BYTES_MAX:
            raise MalformedError("the key file is too large", code="sm2-key-file")
        library = self._library
        start = _BYTES(encrypted)
        sealed = library.d2i_X509_SIG(None, ctypes.byref(start), len(encrypted))
        if not sealed or _consumed(start, encrypted) != len(encrypted):
            if sealed:
                library.X509_SIG_free(sealed)
            library.ERR_clear_error()
            raise MalformedError("this is no encrypted PKCS #8 key", code="sm2-key-file")
        opened = library.PKCS8_decrypt(sealed, passphrase, len(passphrase))
        library.X509_SIG_free(sealed)
        if not opened:
            library.ERR_clear_error()
            raise UnverifiedError("the passphrase does not open the key", code="sm2-passphrase")
        pointer = library.EVP_PKCS82PKEY(opened)
        library.PKCS8_PRIV_KEY_INFO_free(opened)
        return self._checked_private(pointer)

    def _checked_private(self, pointer: int | None) -> "LibcryptoKey":
        library = self._library
        if not pointer:
            library.ERR_clear_error()
            raise MalformedError("this is no private key", code="sm2-key-file")
        key = _Key(library, pointer)
        public = ctypes.create_string_buffer(PUBLIC_BYTES)
        written = _SIZE()
        if (
            library.EVP_PKEY_is_a(pointer, b"SM2") != 1
            or library.EVP_PKEY_get_octet_string_param(
                pointer, b"pub", public, PUBLIC_BYTES, ctypes.byref(written)
            )
            != 1
        ):
            library.ERR_clear_error()
            raise MalformedError("this is not an SM2 key", code="sm2-key-file")
        return LibcryptoKey(self, key, public.raw)

    def _sign(self, key: _Key, message: bytes, user_id: bytes) -> bytes:
        check_user_id(user_id)
        library = self._library
        context, key_context = self._contexts(key, user_id)
        signature = ctypes.create_string_buffer(SIGNATURE_BYTES_MAX)
        written = _SIZE(SIGNATURE_BYTES_MAX)
        try:
            if (
                library.EVP_DigestSignInit(context, None, self._sm3, None, key.pointer) != 1
                or library.EVP_DigestSign(
                    context, signature, ctypes.byref(written), message, len(message)
                )
                != 1
            ):
                library.ERR_clear_error()
                raise UnavailableError("libcrypto does not sign", code="sm2-unavailable")
        finally:
            library.EVP_MD_CTX_free(context)
            library.EVP_PKEY_CTX_free(key_context)
        return signature.raw[: written.value]

    def _decrypt(self, key: _Key, box: bytes) -> bytes:
        library = self._library
        done = self._crypt(key, library.EVP_PKEY_decrypt_init, library.EVP_PKEY_decrypt, box)
        if done is None:
            raise UnverifiedError("the box does not open with this key", code="wrong-wrap")
        return done

    def _crypt(self, key: _Key, begin: Any, step: Any, data: bytes) -> bytes | None:  # noqa: ANN401 - functions of a library
        """Encrypt or decrypt; None where libcrypto says no."""
        library = self._library
        context = library.EVP_PKEY_CTX_new(key.pointer, None)
        try:
            size = _SIZE()
            if (
                not context
                or begin(context) != 1
                or step(context, None, ctypes.byref(size), data, len(data)) != 1
            ):
                library.ERR_clear_error()
                return None
            done = ctypes.create_string_buffer(size.value)
            if step(context, done, ctypes.byref(size), data, len(data)) != 1:
                library.ERR_clear_error()
                return None
            return done.raw[: size.value]
        finally:
            library.EVP_PKEY_CTX_free(context)

    def _encrypt(self, key: _Key, passphrase: bytes, randomness: Randomness) -> bytes:
        if not PASSPHRASE_BYTES_MIN <= len(passphrase) <= PASSPHRASE_BYTES_MAX:
            raise MalformedError(
                f"a passphrase has {PASSPHRASE_BYTES_MIN} to {PASSPHRASE_BYTES_MAX} bytes",
                code="sm2-passphrase",
            )
        library = self._library
        plain = library.EVP_PKEY2PKCS8(key.pointer)
        method = library.PKCS5_pbe2_set_scrypt(
            library.EVP_aes_256_cbc(),
            randomness(SALT_BYTES),
            SALT_BYTES,
            randomness(IV_BYTES),
            SCRYPT_N,
            SCRYPT_R,
            SCRYPT_P,
        )
        sealed = (
            library.PKCS8_set0_pbe(passphrase, len(passphrase), plain, method)
            if plain and method
            else None
        )
        if plain:
            library.PKCS8_PRIV_KEY_INFO_free(plain)
        if not sealed:
            # Only on failure is the method still ours to free.
            if method:
                library.X509_ALGOR_free(method)
            library.ERR_clear_error()
            raise UnavailableError("libcrypto does not encrypt the key", code="sm2-unavailable")
        try:
            length = library.i2d_X509_SIG(sealed, None)
            buffer = ctypes.create_string_buffer(length)
            start = ctypes.cast(buffer, _POINTER)
            library.i2d_X509_SIG(sealed, ctypes.byref(start))
            return buffer.raw
        finally:
            library.X509_SIG_free(sealed)

    def _contexts(self, key: _Key, user_id: bytes) -> tuple[int, int]:
        """Make the two contexts of one call; the caller frees both."""
        library = self._library
        context = library.EVP_MD_CTX_new()
        key_context = library.EVP_PKEY_CTX_new(key.pointer, None)
        # libcrypto has no default for the user identifier, and verifies nothing without one.
        if (
            not context
            or not key_context
            or library.EVP_PKEY_CTX_set1_id(key_context, user_id, len(user_id)) != 1
        ):
            library.EVP_MD_CTX_free(context)
            library.EVP_PKEY_CTX_free(key_context)
            library.ERR_clear_error()
            raise UnavailableError("libcrypto has no memory", code="sm2-unavailable")
        library.EVP_MD_CTX_set_pkey_ctx(context, key_context)
        return context, key_context

    def _parse_public(self, public: bytes) -> _Key:
        check_point(public)
        encoded = _SPKI_HEAD + public
        start = _BYTES(encoded)
        pointer = self._library.d2i_PUBKEY(None, ctypes.byref(start), len(encoded))
        if not pointer:
            self._library.ERR_clear_error()
            raise UnverifiedError("libcrypto refuses the key", code="sm2-key")
        return _Key(self._library, pointer)

    def _multiply(self, private: bytes) -> bytes:
        """Return the public point of a private key."""
        library = self._library
        group = library.EC_GROUP_new_by_curve_name(_CURVE_NID)
        point = library.EC_POINT_new(group) if group else None
        number = library.BN_bin2bn(private, len(private), None)
        public = ctypes.create_string_buffer(PUBLIC_BYTES)
        done = (
            point
            and number
            and library.EC_POINT_mul(group, point, number, None, None, None) == 1
            and library.EC_POINT_point2oct(group, point, 4, public, PUBLIC_BYTES, None)
            == PUBLIC_BYTES
        )
        library.BN_clear_free(number)
        library.EC_POINT_clear_free(point)
        library.EC_GROUP_free(group)
        if not done:
            library.ERR_clear_error()
            raise UnavailableError("libcrypto does not know the curve", code="no-libcrypto")
        return public.raw

    def _check_known_answers(self) -> None:
        try:
            self.check(KNOWN_PUBLIC, KNOWN_MESSAGE, KNOWN_SIGNATURE, user_id=USER_ID)
            key = self.from_private(KNOWN_PRIVATE)
            self.check(key.public, b"", key.sign(b"", user_id=b"a"), user_id=b"a")
        except (UnverifiedError, MalformedError) as error:
            raise FatalError(f"libcrypto fails the known-answer test: {error}") from error
        if key.public != KNOWN_PUBLIC:
            raise FatalError("libcrypto fails the known-answer test: another public key")
        try:
            self.check(KNOWN_PUBLIC, KNOWN_MESSAGE, KNOWN_SIGNATURE, user_id=b"another")
        except UnverifiedError:
            return
        raise FatalError("libcrypto fails the known-answer test: it takes any user identifier")


class LibcryptoKey:
    """A private key in this process's memory; implements ``seals.sm2.SigningKey``."""

    __slots__ = ("_key", "_provider", "public")

    public: bytes

    def __init__(self, provider: LibcryptoSM2, key: _Key, public: bytes) -> None:
        self._provider = provider
        self._key = key
        self.public = public

    def sign(self, message: bytes, *, user_id: bytes) -> bytes:
        """Return a signature on ``message``; no two are alike."""
        return self._provider._sign(self._key, message, user_id)  # noqa: SLF001 - the provider's own key

    def open(self, box: bytes) -> bytes:
        """Return what was encrypted for this key; see ``nodes.adapters.sm2.StoredKey``."""
        return self._provider._decrypt(self._key, box)  # noqa: SLF001 - the same

    def encrypted(self, passphrase: bytes, randomness: Randomness) -> bytes:
        """Return the key as it may rest: DER EncryptedPrivateKeyInfo, scrypt and AES-256.

        Raises:
            MalformedError: ``sm2-passphrase``: too short or too long.
        """
        return self._provider._encrypt(self._key, passphrase, randomness)  # noqa: SLF001 - the same

    def __repr__(self) -> str:
        return f"LibcryptoKey(public={self.public.hex()})"


def _consumed(start: Any, data: bytes) -> int:  # noqa: ANN401 - a ctypes pointer
    """Return how many bytes of ``data`` a decoder has stepped over."""
    now = ctypes.cast(start, ctypes.c_void_p).value or 0
    begin = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
    return now - begin
