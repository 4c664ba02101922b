"""Payloads that only the regions of a case can read, and the keys of cases wrapped for them.

A **payload** is a paper with its name and the salt of its commitment, sealed under the data key
that one region has for one case. A **wrapped key** is such a data key inside a box for one holder's
vault key. Each says inside what it is for, so that neither can stand in for another: a payload is
bound to its object, its case and its commitment; a wrapped key to the case, the region whose key it
is, the holder, and the holder's key. In the ledger stand digests of both, and the commitment.

Source: docs/formats/own.md section 12.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

# The same library as in ledger.sealed_box, for the cipher that takes its nonces at random.
import nacl.bindings  # noqa: TID251 - see above
import nacl.exceptions  # noqa: TID251 - see above
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ledger import encoding
from ledger.commitment import check_opening
from ledger.errors import MalformedError, UnverifiedError
from ledger.names import check_object, check_region
from ledger.suites import SM2_SM3

X25519: Final = "x25519"
VAULT_SUITES: Final = (SM2_SM3, X25519)
"""What a data key can be wrapped by."""

XCHACHA20: Final = "xchacha20-poly1305"
SM4_GCM: Final = "sm4-gcm"
KEY_BYTES: Final = {XCHACHA20: 32, SM4_GCM: 16}
"""How long a data key is, by the cipher that it is for."""

WRAPPED_BYTES_MAX: Final = 2_048

_SEALED_FORMAT: Final = "shouxin/sealed-payload/v1"
_PAYLOAD_FORMAT: Final = "shouxin/payload/v1"
_WRAPPED_FORMAT: Final = "shouxin/wrapped-key/v1"
_KEY_FORMAT: Final = "shouxin/case-key/v1"
_NONCE_BYTES: Final = {XCHACHA20: 24, SM4_GCM: 12}
_GCM_TAG_BYTES: Final = 16

Randomness = Callable[[int], bytes]


class Opener(Protocol):
    """A vault's private key."""

    @property
    def public(self) -> bytes:
        """Its public half, as ``vault.key`` has it."""

    def open(self, box: bytes) -> bytes:
        """Return what is in a box for this key.

        Raises:
            UnverifiedError: ``wrong-wrap``.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a payload belongs: its object, its case, and the commitment beside it in the ledger."""

    payload: str
    case: str
    commitment: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What is sealed: a name for people, the commitment's salt, and the content itself."""

    name: str
    salt: bytes
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseKey:
    """The data key that ``region`` has for ``case``. It stands in no message and no log."""

    case: str
    region: str
    cipher: str
    secret: bytes

    def __post_init__(self) -> None:
        check_object(self.case)
        check_region(self.region)
        if len(self.secret) != KEY_BYTES.get(self.cipher):
            raise MalformedError(f"not a key of {self.cipher[:40]!r}", code="bad-key")

    def __repr__(self) -> str:
        return f"CaseKey(case={self.case!r}, region={self.region!r}, cipher={self.cipher!r})"


def make_case_key(case: str, region: str, cipher: str, randomness: Randomness) -> CaseKey:
    """Draw the data key of a case."""
    secret = randomness(KEY_BYTES[cipher])
    return CaseKey(case=case, region=region, cipher=cipher, secret=secret)


# ---- payloads -----------------------------------------------------------------------------------


def seal_payload(key: CaseKey, place: Place, payload: Payload, randomness: Randomness) -> bytes:
    """Return a payload sealed under a case's data key.

    Raises:
        UnverifiedError: ``wrong-opening``: content and salt are not those of the commitment, and
            nobody who opens the payload would believe it.
    """
    check_opening(place.commitment, payload.salt, payload.content)
    plain = encoding.encode([_PAYLOAD_FORMAT, payload.name, payload.salt, payload.content])
    bound = _bound(key.cipher, place)
    nonce = randomness(_NONCE_BYTES[key.cipher])
    if key.cipher == SM4_GCM:
        sealer = Cipher(algorithms.SM4(key.secret), modes.GCM(nonce)).encryptor()
        sealer.authenticate_additional_data(bound)
        box = sealer.update(plain) + sealer.finalize() + sealer.tag
    else:
        box = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            plain, bound, nonce, key.secret
        )
    return encoding.encode([_SEALED_FORMAT, key.cipher, nonce, box])


def open_payload(key: CaseKey, place: Place, sealed: bytes) -> Payload:
    """Return what is sealed in a payload, which is the one of this place and opens its commitment.

    Raises:
        MalformedError: It is none.
        UnverifiedError: ``altered-payload``: it was changed, is another one's, or under another
            key; ``wrong-opening``: what is in it is not what was committed to.
    """
    match encoding.decode(sealed):
        case [str(form), str(cipher), bytes(nonce), bytes(box)] if form == _SEALED_FORMAT:
            pass
        case _:
            raise MalformedError("not a sealed payload", code="bad-payload")
    if cipher != key.cipher or len(nonce) != _NONCE_BYTES[cipher]:
        raise UnverifiedError("it is sealed by another cipher", code="altered-payload")
    match encoding.decode(_opened(key, nonce, box, _bound(cipher, place))):
        case [str(form), str(name), bytes(salt), bytes(content)] if form == _PAYLOAD_FORMAT:
            pass
        case _:
            raise MalformedError("not a payload", code="bad-payload")
    check_opening(place.commitment, salt, content)
    return Payload(name=name, salt=salt, content=content)


def check_digest(sealed: bytes, digest: bytes) -> None:
    """Check that a sealed payload is the one whose digest the ledger holds.

    Raises:
        UnverifiedError: ``altered-payload``.
    """
    if sha256(sealed).digest() != digest:
        raise UnverifiedError("not the ciphertext that is recorded", code="altered-payload")


def _opened(key: CaseKey, nonce: bytes, box: bytes, bound: bytes) -> bytes:
    try:
        if key.cipher == XCHACHA20:
            return nacl.bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                box, bound, nonce, key.secret
            )
        body, tag = box[:-_GCM_TAG_BYTES], box[-_GCM_TAG_BYTES:]
        opener = Cipher(algorithms.SM4(key.secret), modes.GCM(nonce, tag)).decryptor()
        opener.authenticate_additional_data(bound)
        return opener.update(body) + opener.finalize()
    except (nacl.exceptions.CryptoError, InvalidTag, ValueError, TypeError) as error:
        raise UnverifiedError(
            "the payload does not open with the key of its case", code="altered-payload"
        ) from error


def _bound(cipher: str, place: Place) -> bytes:
    return encoding.encode([_SEALED_FORMAT, cipher, place.payload, place.case, place.commitment])


# ---- wrapped keys -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """For whom a key is wrapped: a region, and which of its vault keys."""

    region: str
    suite: str
    version: int


def wrap_key(key: CaseKey, holder: Holder, seal: Callable[[bytes], bytes]) -> bytes:
    """Return a data key wrapped for a holder.

    Args:
        key: To be wrapped.
        holder: Whose vault key it is.
        seal: Makes a box of the suite for that very key.
    """
    inside = [
        _KEY_FORMAT,
        key.case,
        key.region,
        holder.region,
        holder.suite,
        holder.version,
        key.cipher,
        key.secret,
    ]
    box = seal(encoding.encode(inside))
    return encoding.encode([_WRAPPED_FORMAT, holder.suite, holder.version, box])


def holder_key(wrapped: bytes) -> tuple[str, int]:
    """Return suite and version of the vault key that a wrapped key is for, by its own word.

    Raises:
        MalformedError: ``bad-payload``: it is no wrapped key.
    """
    suite, version, _ = _decode_wrapped(wrapped)
    return suite, version


def unwrap_key(
    wrapped: bytes, opener: Opener, *, case: str, region: str, holder: Holder
) -> CaseKey:
    """Return the data key that a region has for a case, wrapped for this holder.

    Raises:
        MalformedError: ``bad-payload``: it is no wrapped key.
        UnverifiedError: ``wrong-wrap``: it does not open, or what is in it is for another case,
            of another region, or for another holder.
    """
    suite, version, box = _decode_wrapped(wrapped)
    match encoding.decode(opener.open(box)):
        case [
            str(form),
            str() as of_case,
            str() as of_region,
            str(to),
            str(by),
            int(number),
            str(cipher),
            bytes(secret),
        ] if form == _KEY_FORMAT:
            pass
        case _:
            raise MalformedError("not a data key", code="bad-payload")
    told = (of_case, of_region, to, by, number)
    if told != (case, region, holder.region, holder.suite, holder.version):
        raise UnverifiedError(
            f"the key is that of {of_case} at {of_region}, wrapped for {to}", code="wrong-wrap"
        )
    if (suite, version) != (by, number):
        raise UnverifiedError("the wrap is for another vault key", code="wrong-wrap")
    return CaseKey(case=case, region=region, cipher=cipher, secret=secret)


def _decode_wrapped(wrapped: bytes) -> tuple[str, int, bytes]:
    match encoding.decode(wrapped, bytes_max=WRAPPED_BYTES_MAX):
        case [str(form), str(suite), int(version), bytes(box)] if (
            form == _WRAPPED_FORMAT and suite in VAULT_SUITES
        ):
            return suite, version, box
        case _:
            raise MalformedError("not a wrapped key", code="bad-payload")
