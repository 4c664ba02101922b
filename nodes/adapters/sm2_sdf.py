"""SM2 keys in a cryptographic device, or behind a signing server, by its vendor's SDF library.

The library's path is configured; GM/T 0018 names its functions. Keys never leave the device: it is
given the digest e and returns r and s. What it returns is verified in software before anybody else
sees it, so a device that answers for another key is found out at once.

Source: GM/T 0018 sections 5 and 6 (structures, functions), GM/T 0006 (algorithm identifiers).
"""

import ctypes
import threading
from pathlib import Path
from typing import Any, Final

from ledger.errors import FatalError, MalformedError, UnavailableError, UnverifiedError
from ledger.suites import check_point
from nodes.adapters.sm2_libcrypto import KNOWN_MESSAGE, KNOWN_PUBLIC, KNOWN_SIGNATURE
from seals.sm2 import (
    SM2,
    USER_ID,
    check_signature_form,
    decode_signature_value,
    encode_signature_value,
    user_digest,
)

KEY_INDEX_MAX: Final = 4096
PASSWORD_BYTES_MAX: Final = 256

_OK: Final = 0
_VERIFY_FAILED: Final = 0x0100000E
# GM/T 0006 in its present form, and as devices of before 2012 count.
_SIGN_ALGORITHMS: Final = (0x00020100, 0x00020200)
_FIELD_BYTES: Final = 64
_BITS: Final = 256

_UINT: Final = ctypes.c_uint
_HANDLE: Final = ctypes.c_void_p
_FIELD: Final = ctypes.c_ubyte * _FIELD_BYTES


class _PublicKey(ctypes.Structure):
    """ECCrefPublicKey: numbers stand at the right of their 64 bytes."""

    _fields_ = (("bits", _UINT), ("x", _FIELD), ("y", _FIELD))


class _Signature(ctypes.Structure):
    """ECCSignature."""

    _fields_ = (("r", _FIELD), ("s", _FIELD))


_KEY_AT: Final = ctypes.POINTER(_PublicKey)
_SIGNATURE_AT: Final = ctypes.POINTER(_Signature)
_BYTES: Final = ctypes.c_char_p

_FUNCTIONS: Final[dict[str, list[Any]]] = {
    "SDF_OpenDevice": [ctypes.POINTER(_HANDLE)],
    "SDF_CloseDevice": [_HANDLE],
    "SDF_OpenSession": [_HANDLE, ctypes.POINTER(_HANDLE)],
    "SDF_CloseSession": [_HANDLE],
    "SDF_GetPrivateKeyAccessRight": [_HANDLE, _UINT, _BYTES, _UINT],
    "SDF_ReleasePrivateKeyAccessRight": [_HANDLE, _UINT],
    "SDF_ExportSignPublicKey_ECC": [_HANDLE, _UINT, _KEY_AT],
    "SDF_InternalSign_ECC": [_HANDLE, _UINT, _BYTES, _UINT, _SIGNATURE_AT],
    "SDF_ExternalVerify_ECC": [_HANDLE, _UINT, _KEY_AT, _BYTES, _UINT, _SIGNATURE_AT],
}


class SDFDevice:
    """An opened device. Safe for threads: one call at a time, on one session.

    Implements ``seals.sm2.SM2``; ``key`` gives what implements ``seals.sm2.SigningKey``.

    Args:
        path: The vendor's shared library.
        password: That the device asks for before a private key may be used.
        sm2: Verifies what the device signs.

    Raises:
        UnavailableError: ``no-device``: no such library, or it opens no device.
        FatalError: It gives a wrong answer to the known question.
    """

    name = "sdf"

    def __init__(self, path: Path, password: bytes, sm2: SM2) -> None:
        if len(password) > PASSWORD_BYTES_MAX:
            raise MalformedError("the device's password is too long", code="bad-config")
        self._sm2, self._password = sm2, password
        self._lock = threading.Lock()
        self._session: int | None = None
        try:
            self._library = ctypes.CDLL(str(path))
            for function, arguments in _FUNCTIONS.items():
                bound = getattr(self._library, function)
                bound.restype, bound.argtypes = ctypes.c_int, arguments
        except (OSError, AttributeError) as error:
            raise UnavailableError(f"no SDF library: {error}", code="no-device") from error
        device = _HANDLE()
        status = self._library.SDF_OpenDevice(ctypes.byref(device))
        if status != _OK:
            raise UnavailableError(f"the device does not open: {status:#x}", code="no-device")
        self._device = device.value
        try:
            self._algorithm = self._known_algorithm()
        except FatalError:
            self.close()
            raise

    def close(self) -> None:
        """Close session and device; nothing may be asked of it afterwards."""
        with self._lock:
            self._drop()
            self._library.SDF_CloseDevice(self._device)

    def key(self, label: str) -> "SDFKey":
        """Return the signing key at an index of the device, such as ``"3"``.

        Raises:
            MalformedError: ``bad-field``: the label is no index.
            UnavailableError: ``sm2-unavailable``: the device has no such key, or does not answer.
        """
        if not (label.isascii() and label.isdigit() and 1 <= int(label) <= KEY_INDEX_MAX):
            raise MalformedError(
                f"a device's key is an index in 1..{KEY_INDEX_MAX}: {label[:20]!r}",
                code="bad-field",
            )
        index, found = int(label), _PublicKey()
        with self._lock:
            self._call("SDF_ExportSignPublicKey_ECC", index, ctypes.byref(found))
        public = b"\x04" + _number(found.x) + _number(found.y)
        try:
            check_point(public)
        except UnverifiedError as error:
            raise UnavailableError(
                f"the device's key {index} is none of SM2", code="sm2-unavailable"
            ) from error
        return SDFKey(self, index, public)

    def sign(self, index: int, public: bytes, message: bytes, user_id: bytes) -> bytes:
        """Return a signature by the key at an index, verified to be one of ``public``."""
        digest, made = user_digest(public, message, user_id=user_id), _Signature()
        with self._lock:
            self._call("SDF_GetPrivateKeyAccessRight", index, self._password, len(self._password))
            try:
                self._call("SDF_InternalSign_ECC", index, digest, len(digest), ctypes.byref(made))
            finally:
                if self._session is not None:
                    self._library.SDF_ReleasePrivateKeyAccessRight(self._session, index)
        r, s = int.from_bytes(_number(made.r)), int.from_bytes(_number(made.s))
        signature = encode_signature_value(r, s)
        try:
            self._sm2.check(public, message, signature, user_id=user_id)
        except UnverifiedError as error:
            raise UnavailableError(
                f"the device's signature by key {index} does not hold", code="sm2-unavailable"
            ) from error
        return signature

    def check(self, public: bytes, message: bytes, signature: bytes, *, user_id: bytes) -> None:
        """Check a signature by the device; see ``seals.sm2.SM2``."""
        check_signature_form(signature)
        check_point(public)
        digest = user_digest(public, message, user_id=user_id)
        with self._lock:
            held = self._verifies(self._algorithm, public, digest, signature)
        if not held:
            raise UnverifiedError("the signature does not hold", code="sm2-signature")

    def _verifies(self, algorithm: int, public: bytes, digest: bytes, signature: bytes) -> bool:
        r, s = decode_signature_value(signature)
        key = _PublicKey(_BITS, _field(public[1:33]), _field(public[33:]))
        given = _Signature(_field(r.to_bytes(32)), _field(s.to_bytes(32)))
        status = self._call(
            "SDF_ExternalVerify_ECC",
            *(algorithm, ctypes.byref(key), digest, len(digest), ctypes.byref(given)),
            allowed=_VERIFY_FAILED,
        )
        return status == _OK

    def _known_algorithm(self) -> int:
        """Return the algorithm's number as this device knows it, by the known answer."""
        good = user_digest(KNOWN_PUBLIC, KNOWN_MESSAGE, user_id=USER_ID)
        bad = user_digest(KNOWN_PUBLIC, KNOWN_MESSAGE, user_id=b"another")
        with self._lock:
            for algorithm in _SIGN_ALGORITHMS:
                try:
                    if not self._verifies(algorithm, KNOWN_PUBLIC, good, KNOWN_SIGNATURE):
                        continue
                    if not self._verifies(algorithm, KNOWN_PUBLIC, bad, KNOWN_SIGNATURE):
                        return algorithm
                except UnavailableError:
                    continue
        raise FatalError("the device fails the known-answer test")

    def _call(self, function: str, *arguments: Any, allowed: int = _OK) -> int:  # noqa: ANN401 - as C takes them
        """Call a function of the session, which is opened where there is none.

        After any failure the session is dropped: what state it is in, only the device knows.
        """
        if self._session is None:
            session = _HANDLE()
            status = self._library.SDF_OpenSession(self._device, ctypes.byref(session))
            if status != _OK:
                raise UnavailableError(
                    f"the device opens no session: {status:#x}", code="sm2-unavailable"
                )
            self._session = session.value
        status = int(getattr(self._library, function)(self._session, *arguments)) & 0xFFFFFFFF
        if status not in {_OK, allowed}:
            self._drop()
            raise UnavailableError(
                f"the device answers {function} with {status:#x}", code="sm2-unavailable"
            )
        return status

    def _drop(self) -> None:
        if self._session is not None:
            self._library.SDF_CloseSession(self._session)
            self._session = None


class SDFKey:
    """A private key in a device; implements ``seals.sm2.SigningKey``."""

    __slots__ = ("_device", "_index", "public")

    public: bytes

    def __init__(self, device: SDFDevice, index: int, public: bytes) -> None:
        self._device, self._index, self.public = device, index, public

    def sign(self, message: bytes, *, user_id: bytes) -> bytes:
        """Return a signature on ``message``; no two are alike."""
        return self._device.sign(self._index, self.public, message, user_id)


def _field(number: bytes) -> Any:  # noqa: ANN401 - an array of C
    return _FIELD(*number.rjust(_FIELD_BYTES, b"\x00"))


def _number(field: Any) -> bytes:  # noqa: ANN401 - an array of C
    """Return the 32 bytes at the right; more than that is no number of the curve, nor is all ff."""
    whole = bytes(field)
    return whole[-32:] if not any(whole[:-32]) else b"\xff" * 32
