"""What passes between machines, taken apart where one request stands for two."""

from collections.abc import Callable
from dataclasses import replace

from nodes.core import extension
from nodes.core.exchange import ADD_CHECKPOINT, ADD_ENTRIES
from nodes.core.extension import EXTEND, decode_extended, encode_extended
from nodes.core.ready import PeerReply, PeerRequest

Exchanged = tuple[PeerRequest, PeerReply]


def asked_halves(request: PeerRequest) -> tuple[PeerRequest, ...]:
    """Return the requests that one stands for: itself, or a checkpoint and entries.

    Raises:
        MalformedError: It is not what its path says.
    """
    if request.path != EXTEND:
        return (request,)
    checkpoint, entries = extension.decode_extension(request.body)
    number, to, timeout_ms = request.request_id, request.to, request.timeout_ms
    return (
        PeerRequest(number, to, ADD_CHECKPOINT, checkpoint, timeout_ms),
        PeerRequest(number, to, ADD_ENTRIES, entries, timeout_ms),
    )


def answered_halves(request: PeerRequest, reply: PeerReply) -> tuple[Exchanged, ...]:
    """Return each request that one stands for, as far as it was answered, with its answer.

    Raises:
        MalformedError: Request or answer is not what the path says.
    """
    if request.path != EXTEND:
        return ((request, reply),)
    if reply.status != 200:
        return ()
    found = [PeerReply(status, body) for status, body in decode_extended(reply.body)]
    return tuple(zip(asked_halves(request), found, strict=False))


def altered(
    request: PeerRequest, reply: PeerReply, alter: Callable[[PeerRequest, PeerReply], PeerReply]
) -> PeerReply:
    """Return an answer with each half altered; what was refused as a whole stays as it is.

    Raises:
        MalformedError: As ``answered_halves``.
    """
    answers = [alter(half, answer) for half, answer in answered_halves(request, reply)]
    if not answers:
        return reply
    body = encode_extended(answers if answers[0].status == 200 else answers[:1])
    return replace(reply, body=body)
