"""One request between nodes for what else takes two: a checkpoint, and the entries up to it.

The receiver does the one and then the other as if they had come alone, and commits once. Each half
is answered as it would be alone; the second only where the first was taken.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ledger.encoding import decode, encode
from ledger.errors import MalformedError
from nodes.core.exchange import ADD_CHECKPOINT, ADD_ENTRIES
from nodes.core.ready import PeerCalled, PeerReply

EXTEND: Final = "/peer/extend"

EXTENSION_TYPE: Final = "application/cbor"
FRAME_BYTES: Final = 16
"""More than what stands around the two bodies."""


def encode_extension(checkpoint: bytes, entries: bytes) -> bytes:
    """Return the body of a request: that of ``add-checkpoint``, and that of ``add-entries``."""
    return encode([checkpoint, entries])


def decode_extension(body: bytes) -> tuple[bytes, bytes]:
    """Read the body of a request; neither half is read yet.

    Raises:
        MalformedError: It is something else.
    """
    match decode(body):
        case [bytes() as checkpoint, bytes() as entries]:
            return checkpoint, entries
        case _:
            raise MalformedError("not a checkpoint and entries")


def halves(event: PeerCalled) -> tuple[PeerCalled, PeerCalled]:
    """Return the two requests that one stands for.

    Raises:
        MalformedError: As ``decode_extension``.
    """
    checkpoint, entries = decode_extension(event.body)
    return (
        replace(event, path=ADD_CHECKPOINT, body=checkpoint),
        replace(event, path=ADD_ENTRIES, body=entries),
    )


def encode_extended(answers: Sequence[PeerReply]) -> bytes:
    """Return the body of an answer: status and body of one half, or of both."""
    return encode([[it.status, it.body] for it in answers])


def decode_extended(body: bytes) -> list[tuple[int, bytes]]:
    """Read the body of an answer.

    Raises:
        MalformedError: It is something else.
    """
    value = decode(body)
    found: list[tuple[int, bytes]] = []
    for item in value if type(value) is list else ():
        match item:
            case [int() as status, bytes() as half] if type(status) is int:
                found.append((status, half))
            case _:
                raise MalformedError("not a status and a body")
    if not found or len(found) > (2 if found[0][0] == 200 else 1):
        raise MalformedError("not the answer to a checkpoint, or to entries as well")
    return found
