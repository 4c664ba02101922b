"""What happens to every request: whatever goes wrong becomes problem details."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ledger.errors import LedgerError
from nodes.api.problem import concise_problem, concise_problem_status, problem, problem_status

_log: Final = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into problem details, as SCRAPI or everyone else wants them."""
    try:
        return await handler(request)
    except LedgerError as error:
        return concise_problem(error) if _is_scrapi(request) else problem(error)
    except web.HTTPException as error:
        # Redirects do not occur here; what aiohttp raises are refusals of its own.
        return _status(request, error.status, error.reason)
    except (HttpProcessingError, web.RequestPayloadError, UnicodeDecodeError) as error:
        return _status(request, 400, f"the request cannot be read, {type(error).__name__}")
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception:  # noqa: BLE001 - logged, and never answered with what it says
        # A bug: the caller learns that it was ours, the operator what it was.
        _log.exception("%s %s failed", request.method, request.path)
        return _status(request, 500, "the node made a mistake; nothing is known to have changed")


def _status(request: web.Request, status: int, detail: str) -> web.Response:
    make = concise_problem_status if _is_scrapi(request) else problem_status
    return make(status, detail)


def _is_scrapi(request: web.Request) -> bool:
    return request.path.startswith(("/entries", "/.well-known/scitt-keys"))
