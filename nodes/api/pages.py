"""Pages of long answers: who may ask for one, how it begins, and what stands beside its rows."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from ledger.errors import MalformedError
from nodes.api.answers import as_of
from nodes.api.consistency import NAMES, consistency_of, judged_size, reach
from nodes.api.context import SERVICE, Service
from nodes.api.replies import json_response
from nodes.api.requests import check_query, query_number
from nodes.api.tokens import Role, authorize

LOOKING: Final = frozenset({Role.AUTHORITY, Role.AUDITOR, Role.OPERATOR})
ROWS_DEFAULT: Final = 100
TIME_S_MAX: Final = 2**62


async def begin(request: web.Request, *names: str) -> tuple[Service, int, str]:
    """Return the service, how many rows a page looks at, and where the page before ended.

    ``names`` are the parameters that this question takes beside those of every page.
    """
    service = request.app[SERVICE]
    authorize(request, LOOKING)
    check_query(request, *names, "rows", "after", *NAMES)
    rows_max = query_number(
        request, "rows", default=ROWS_DEFAULT, most=service.limits.page_rows_max
    )
    if rows_max < 1:
        raise MalformedError("rows is at least 1", code="bad-field")
    await reach(service, request, partial(judged_size, service))
    return service, rows_max, request.query.get("after", "")


async def page(
    service: Service,
    name: str,
    read: Callable[[Connection], tuple[list[dict[str, Any]], str | None]],
    asked: Mapping[str, Any],
) -> web.Response:
    """Answer with the rows that ``read`` returns, and where the next page begins.

    Args:
        service: The node's.
        name: Of the rows, in the answer.
        read: What reads them.
        asked: What was asked for, told again in the answer.
    """
    sizes = as_of(service)
    rows, last = await service.readers.run(read)
    return json_response(
        {
            **asked,
            name: rows,
            "next": last,
            "as_of": sizes,
            "as_of_s": service.now_s(),
            "consistency": consistency_of(sizes),
        }
    )
