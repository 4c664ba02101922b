"""What happens to every request: whatever goes wrong becomes problem details."""

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ledger.errors import LedgerError, UnavailableError
from nodes.api.attempts import note_refusal
from nodes.api.problem import concise_problem, concise_problem_status, problem, problem_status
from nodes.store.engine import trouble

_log: Final = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into problem details, as SCRAPI or everyone else wants them."""
    try:
        return await handler(request)
    except LedgerError as error:
        number = note_refusal(request, error)
        make = concise_problem if _is_scrapi(request.path) else problem
        return make(error, number)
    except web.HTTPException as error:
        # Redirects do not occur here; what aiohttp raises are refusals of its own.
        return answer_status(request.path, error.status, error.reason)
    except (HttpProcessingError, web.RequestPayloadError, UnicodeDecodeError) as error:
        return answer_status(
            request.path, 400, f"the request cannot be read, {type(error).__name__}"
        )
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception as error:  # noqa: BLE001 - logged, and never answered with what it says
        refusal = _unavailable(error)
        if refusal is not None:
            return concise_problem(refusal) if _is_scrapi(request.path) else problem(refusal)
        # A bug: the caller learns that it was ours, the operator what it was.
        _log.exception("%s %s failed", request.method, request.path)
        return answer_status(
            request.path, 500, "the node made a mistake; nothing is known to have changed"
        )


def answer_status(path: str, status: int, detail: str) -> web.Response:
    """Return problem details for a status, as SCRAPI or everyone else wants them."""
    make = concise_problem_status if _is_scrapi(path) else problem_status
    return make(status, detail)


def _is_scrapi(path: str) -> bool:
    return path.startswith(("/entries", "/.well-known/scitt-keys"))


def _unavailable(error: Exception) -> UnavailableError | None:
    """Return what to say when disk or database gave way under a handler; None if neither did.

    The node's own steps say so themselves; this is for tokens, officers' keys and reads.
    """
    if isinstance(error, OSError):
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        return UnavailableError("the disk is full", code="disk") if full else None
    found = trouble(error)
    return None if found is None else UnavailableError(found[1], code=found[0])
