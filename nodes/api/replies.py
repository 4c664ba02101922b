"""Answers as JSON: bytes in hexadecimal, one line, nothing that a reader could take two ways."""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from nodes.plain import plain

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def json_response(
    value: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a JSON object; bytes in it are written in lower-case hexadecimal."""
    return json_text(spell(value), status=status, headers=headers)


def json_text(
    text: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a JSON object that is spelled already."""
    return web.Response(
        status=status,
        body=text,
        headers={
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            **(headers or {}),
        },
    )


def spell(value: Mapping[str, Any]) -> bytes:
    """Return a JSON object's text."""
    try:
        text = _encode(value)
    except TypeError:
        # Only answers with bytes in them pay for the walk.
        text = _encode(plain(value))
    return text.encode("utf-8", "replace")
