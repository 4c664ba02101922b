"""What of a request is noted when it is refused: who tried what, and how far the logs were read.

Nothing is done for a request that is not refused, but to remember who asks. What a rule relied on
is our own log and the views of other logs that stand in it, so their sizes are noted.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from aiohttp import web

from ledger.errors import (
    ConflictError,
    LedgerError,
    MalformedError,
    RefusedError,
    UnverifiedError,
)
from ledger.schema import names_citizen
from nodes.api.context import SERVICE, Service

DETAIL_CHARS_MAX: Final = 500
PATH_CHARS_MAX: Final = 200
RESULTS_MAX: Final = 20
"""Of a batch, refused statements that are noted one by one; the others are counted."""


class Asker(NamedTuple):
    """Who asks; ``role`` is empty where a signature says so, and no token."""

    party: str
    role: str


class Attempt(NamedTuple):
    """What a request is after, once that is known: an act, in whose name, on what."""

    kind: str
    subject: str
    issuer: str


_ASKER: Final = web.RequestKey("asker", Asker)
_ATTEMPT: Final = web.RequestKey("attempt", Attempt)


class Refused(NamedTuple):
    """One statement of a batch that was refused."""

    position: int
    code: str
    detail: str


def remember_caller(request: web.Request, party: str, role: str) -> None:
    """Remember who asks."""
    request[_ASKER] = Asker(party, role)


def remember_attempt(request: web.Request, attempt: Attempt) -> None:
    """Remember what a request is after. Names in it are of the form."""
    request[_ATTEMPT] = attempt


def note_refusal(request: web.Request, error: LedgerError) -> str | None:
    """Note that a request was refused, and return the number to look it up by; None: it is not.

    That is where its caller is known, and a rule or a check stood against what they wanted. What
    nobody can read, what is not there and what cannot be done now are no refused attempts.
    """
    caller, attempt = request.get(_ASKER), request.get(_ATTEMPT)
    is_refused = isinstance(error, RefusedError | UnverifiedError | ConflictError)
    if caller is None or not (is_refused or (attempt and isinstance(error, MalformedError))):
        return None
    told = _told(request, caller.role) | _because(error.code, str(error))
    if attempt is not None:
        told |= attempt._asdict()
    return _note(request.app[SERVICE], caller.party, "act" if attempt else "request", told)


def note_batch(request: web.Request, results: Sequence[Refused]) -> str | None:
    """Note the statements of a batch that were refused, as one attempt."""
    caller = request[_ASKER]
    shown = [
        {"position": it.position, **_because(it.code, it.detail)} for it in results[:RESULTS_MAX]
    ]
    told = _told(request, caller.role) | {"refused": len(results), "results": shown}
    return _note(request.app[SERVICE], caller.party, "batch", told)


def note_denial(request: web.Request, told: dict[str, Any]) -> str | None:
    """Note that a check was answered with no: ``told`` is what was asked, and why not."""
    caller = request[_ASKER]
    made = {name: _masked(str(value)) for name, value in told.items() if value is not None}
    return _note(request.app[SERVICE], caller.party, "check", _told(request, caller.role) | made)


def _told(request: web.Request, role: str) -> dict[str, Any]:
    service = request.app[SERVICE]
    snapshot = service.node.snapshot
    sizes = {origin: view.size for origin, view in snapshot.views.items()}
    return {
        "role": role,
        "method": request.method,
        "path": _masked(request.path[:PATH_CHARS_MAX]),
        "sizes": sizes | {service.origin: snapshot.size},
    }


def _because(code: str, detail: str) -> dict[str, str]:
    return {"code": code, "detail": _masked(detail[:DETAIL_CHARS_MAX])}


def _note(service: Service, party: str, what: str, told: dict[str, Any]) -> str | None:
    request = service.journal.refuse(party, what, told)
    return None if request is None else request.hex()


def _masked(text: str) -> str:
    """Return words that a caller may have put a citizen's number into, without them."""
    told = text.encode("utf-8", "replace").decode()
    return "(withheld: it holds a citizen's number)" if names_citizen(told) else told
