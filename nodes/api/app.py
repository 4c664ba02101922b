"""The two applications of a node: one for callers, one for other nodes."""

from typing import Final

from aiohttp import HttpVersion11, web

from nodes.api import (
    acts,
    answers,
    asides,
    c2sp,
    cases,
    check,
    followed,
    gaps,
    looking,
    loss,
    milestones,
    openapi,
    papers,
    public_papers,
    records,
    rosters,
    scitt,
    sweeps,
    tiles,
    tokens,
    vault,
    vault_fetching,
    work_ledger,
)
from nodes.api.context import SERVICE, Service
from nodes.api.middleware import problems

# An object's proof stands before the object, whose path would take it in.
PUBLIC: Final = (
    acts,
    looking,
    cases,
    answers,
    check,
    followed,
    gaps,
    loss,
    asides,
    milestones,
    openapi,
    papers,
    public_papers,
    records,
    rosters,
    scitt,
    sweeps,
    tiles,
    tokens,
    work_ledger,
    vault,
)
PEER: Final = (c2sp, tiles, vault_fetching)


def public_app(service: Service) -> web.Application:
    """Return the application for callers."""
    return _app(service, *(module.routes for module in PUBLIC))


def peer_app(service: Service) -> web.Application:
    """Return the application for other nodes; logs are read there too, to rebuild a lost one."""
    return _app(service, *(module.routes for module in PEER))


def _app(service: Service, *tables: web.RouteTableDef) -> web.Application:
    # Bodies are limited where they are read, each route by its own bound.
    app = web.Application(middlewares=[problems], client_max_size=0)
    app[SERVICE] = service
    for table in tables:
        for route in table:
            assert isinstance(route, web.RouteDef)
            made = web.RouteDef(route.method, route.path, route.handler, _EXPECT)
            app.add_routes([made])
    return app


async def _expect(request: web.Request) -> None:
    """Ask for the body where the caller waits for that; what else is expected is not our concern.

    RFC 9110 lets a server pass over it, while aiohttp would answer in words of its own.
    """
    waits = request.headers.get("Expect", "").lower() == "100-continue"
    if waits and request.version == HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # That was no part of the answer.
        request.writer.output_size = 0


_EXPECT: Final = {"expect_handler": _expect}
