"""SM2 keys at rest, without libcrypto: PKCS #8 EncryptedPrivateKeyInfo, scrypt and AES-256-CBC.

The same files that ``sm2_libcrypto`` writes and reads, so that a store opens whichever provider the
machine has. Files of other tools (PBKDF2, other ciphers) are libcrypto's to read, not ours.

Source: RFC 5208, RFC 5958, RFC 8018 (PBES2), RFC 7914 section 7, RFC 5915.
"""

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ledger.errors import LedgerError, MalformedError, UnverifiedError
from ledger.suites import check_point
from nodes.adapters.sm2_libcrypto import (
    IV_BYTES,
    PASSPHRASE_BYTES_MAX,
    PASSPHRASE_BYTES_MIN,
    PKCS8_BYTES_MAX,
    SALT_BYTES,
    SCRYPT_N,
    SCRYPT_P,
    SCRYPT_R,
)
from seals import der
from seals.sm2 import OID_CURVE, OID_EC_PUBLIC_KEY, Randomness, check_private

_PBES2: Final = "1.2.840.113549.1.5.13"
_SCRYPT: Final = "1.3.6.1.4.1.11591.4.11"
_AES_256_CBC: Final = "2.16.840.1.101.3.4.1.42"
_KEY_BYTES: Final = 32
_BLOCK_BITS: Final = 128


def seal_key(private: bytes, public: bytes, passphrase: bytes, randomness: Randomness) -> bytes:
    """Return a key as it may rest.

    Raises:
        MalformedError: ``sm2-passphrase``: too short or too long.
    """
    if not PASSPHRASE_BYTES_MIN <= len(passphrase) <= PASSPHRASE_BYTES_MAX:
        raise MalformedError(
            f"a passphrase has {PASSPHRASE_BYTES_MIN} to {PASSPHRASE_BYTES_MAX} bytes",
            code="sm2-passphrase",
        )
    # RFC 5915; the curve stands in the envelope, so its own field is left out as RFC 5958 asks.
    bare = der.sequence(der.integer(1), der.octets(private), der.element(0xA1, der.bits(public)))
    plain = der.sequence(
        der.integer(0),
        der.sequence(der.oid(OID_EC_PUBLIC_KEY), der.oid(OID_CURVE)),
        der.octets(bare),
    )
    salt, start = randomness(SALT_BYTES), randomness(IV_BYTES)
    padder = padding.PKCS7(_BLOCK_BITS).padder()
    encryptor = _cipher(_derive(passphrase, salt, SCRYPT_N), start).encryptor()
    hidden = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    cost = [der.integer(value) for value in (SCRYPT_N, SCRYPT_R, SCRYPT_P)]
    method = der.sequence(
        der.oid(_PBES2),
        der.sequence(
            der.sequence(der.oid(_SCRYPT), der.sequence(der.octets(salt), *cost)),
            der.sequence(der.oid(_AES_256_CBC), der.octets(start)),
        ),
    )
    return der.sequence(method, der.octets(hidden))


def open_key(encrypted: bytes, passphrase: bytes) -> tuple[bytes, bytes]:
    """Return the private and the public key of a file. That they belong together is not checked.

    Raises:
        MalformedError: ``sm2-key-file``: it is no such file, or holds no SM2 key.
        UnverifiedError: ``sm2-passphrase``: the passphrase does not open it.
    """
    if len(encrypted) > PKCS8_BYTES_MAX:
        raise MalformedError("the key file is too large", code="sm2-key-file")
    try:
        salt, start, hidden = _decode_envelope(encrypted)
    except LedgerError as error:
        raise MalformedError(f"not a key file of ours: {error}", code="sm2-key-file") from error
    try:
        decryptor = _cipher(_derive(passphrase, salt, SCRYPT_N), start).decryptor()
        padded = decryptor.update(hidden) + decryptor.finalize()
        unpadder = padding.PKCS7(_BLOCK_BITS).unpadder()
        plain = unpadder.update(padded) + unpadder.finalize()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnverifiedError(
            "the passphrase does not open the key", code="sm2-passphrase"
        ) from error
    try:
        return _decode_key(plain)
    except LedgerError as error:
        raise MalformedError(f"this is not an SM2 key: {error}", code="sm2-key-file") from error


def _decode_envelope(encrypted: bytes) -> tuple[bytes, bytes, bytes]:
    whole = der.Reader(encrypted)
    outer = whole.inside()
    whole.finish()
    method, hidden = outer.inside(), outer.octets()
    outer.finish()
    is_ours = method.oid() == _PBES2
    both = method.inside()
    derivation, cipher = both.inside(), both.inside()
    is_ours = is_ours and derivation.oid() == _SCRYPT and cipher.oid() == _AES_256_CBC
    costs = derivation.inside()
    salt, start = costs.octets(), cipher.octets()
    cost = costs.integer(), costs.integer(), costs.integer()
    for reader in (method, both, derivation, cipher, costs):
        reader.finish()
    # Another cost would be a file that someone weakened, or one that exhausts memory.
    if not is_ours or cost != (SCRYPT_N, SCRYPT_R, SCRYPT_P) or len(start) != IV_BYTES:
        raise MalformedError("another method than scrypt and AES-256-CBC as we use them")
    return salt, start, hidden


def _decode_key(plain: bytes) -> tuple[bytes, bytes]:
    whole = der.Reader(plain)
    outer = whole.inside()
    whole.finish()
    version, algorithm, bare = outer.integer(), outer.inside(), outer.octets()
    if (version, algorithm.oid(), algorithm.oid()) != (0, OID_EC_PUBLIC_KEY, OID_CURVE):
        raise MalformedError("not a key of the SM2 curve")
    inside = der.Reader(bare)
    key = inside.inside()
    inside.finish()
    number, private = key.integer(), key.octets()
    if key.tag() == der.context(0):
        key.raw()
    wrapped = key.inside(der.context(1))
    key.finish()
    public = wrapped.bits()
    wrapped.finish()
    if number != 1:
        raise MalformedError("not the version of a key")
    check_private(private)
    check_point(public)
    return private, public


def _derive(passphrase: bytes, salt: bytes, cost: int) -> bytes:
    return Scrypt(salt=salt, length=_KEY_BYTES, n=cost, r=SCRYPT_R, p=SCRYPT_P).derive(passphrase)


def _cipher(key: bytes, start: bytes) -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES256(key), modes.CBC(start))
