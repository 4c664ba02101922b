"""How costly signatures are in a simulation: as in service, verified once for all, or declared.

Every simulated node reads every entry and checks every signature by itself, as in service; what is
shared is the answer to a pure question (also what bytes say that go to several nodes alike), and
what a key of the world has just signed is known to hold. Whatever anybody has altered is a new
question. With ``fast`` a signature is a keyed hash that anybody could make, which no report leaves
unsaid: it is for planning, never for finding forgeries.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from nacl.exceptions import BadSignatureError  # noqa: TID251 - what libsodium's door raises

from ledger import keys, statement
from nodes.core.exchange import Upload
from simulator.asked import AskedError

MODES: Final = ("real", "shared", "fast")
REMEMBERED_MAX: Final = 65_536
READ_MAX: Final = 16_384
"""Entries that are kept as read: nobody changes what a statement says, so all nodes may share it.
"""
UPLOADS_MAX: Final = 64
"""Uploads that are kept as read: most go to all witnesses of a log alike."""


def _mark(message: bytes, public: bytes) -> bytes:
    return blake2b(message, digest_size=64, key=public).digest()


def _fast_sign(message: bytes, sk: bytes) -> bytes:
    return _mark(message, sk[keys.SEED_BYTES :]) + message


def _fast_open(signed: bytes, pk: bytes) -> bytes:
    message = signed[keys.SIGNATURE_BYTES :]
    if signed[: keys.SIGNATURE_BYTES] != _mark(message, pk):
        raise BadSignatureError("not the declared signature")
    return message


@contextmanager
def signing(mode: str) -> Iterator[None]:
    """Let signatures be made and checked in this way inside the block.

    Raises:
        AskedError: There is no such way.
    """
    if mode not in MODES:
        raise AskedError("bad-plan", f"signatures are one of {', '.join(MODES)}, not {mode}")
    sign, check = keys._sign, keys._open  # noqa: SLF001 - the edge at which a world is exchanged
    read = statement._read  # noqa: SLF001 - see above
    upload = Upload.__dict__["decode"]
    known: dict[tuple[bytes, bytes], bytes] = {}

    def remember(signed: bytes, pk: bytes, message: bytes) -> bytes:
        if len(known) >= REMEMBERED_MAX:
            known.clear()
        known[signed, pk] = message
        return message

    def shared(signed: bytes, pk: bytes) -> bytes:
        found = known.get((signed, pk))
        return remember(signed, pk, check(signed, pk)) if found is None else found

    def known_to_hold(message: bytes, sk: bytes) -> bytes:
        signed = sign(message, sk)
        remember(signed, sk[keys.SEED_BYTES :], message)
        return signed

    if mode == "shared":
        keys._sign, keys._open = known_to_hold, shared  # noqa: SLF001 - see above
    elif mode == "fast":
        keys._sign, keys._open = _fast_sign, _fast_open  # noqa: SLF001 - see above
    if mode != "real":
        statement._read = lru_cache(maxsize=READ_MAX)(read)  # noqa: SLF001 - see above
        shared_upload = lru_cache(maxsize=UPLOADS_MAX)(Upload.decode)
        Upload.decode = staticmethod(shared_upload)  # type: ignore[method-assign]
    try:
        yield
    finally:
        statement._read = read  # noqa: SLF001 - see above
        Upload.decode = upload  # type: ignore[method-assign]
        keys._verify_once.cache_clear()  # noqa: SLF001 - what is held good here is so nowhere else
        keys._sign, keys._open = sign, check  # noqa: SLF001 - see above
