"""The two applications of a node: one for callers, one for other nodes."""

from typing import Final

from aiohttp import web

from nodes.api import acts, answers, c2sp, cases, check, scitt, tiles, tokens
from nodes.api.context import SERVICE, Service
from nodes.api.middleware import problems

PUBLIC: Final = (acts, answers, cases, check, scitt, tiles, tokens)
PEER: Final = (c2sp, tiles)


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
        app.add_routes(table)
    return app
