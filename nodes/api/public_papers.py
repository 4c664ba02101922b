"""What the code on a paper leads to: its record on the ledger, for whoever holds the paper.

No token is asked for. The number in the link is drawn at random for each paper, so only who has
seen the paper knows it; and nothing is shown that does not stand on the paper or in the log, which
anybody may read.
"""

import html
import re
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from ledger.errors import NotFoundError
from nodes.api.context import SERVICE, Service
from nodes.api.replies import json_response
from nodes.api.requests import check_query
from nodes.api.tokens import parse_hash
from nodes.core.sight import INDEX_PAST_ALL
from nodes.store.facts import newest
from nodes.store.findings import load_findings_of
from seals.life import life_of
from seals.usage import UseStage, use_stage

_short = re.compile(r"[0-9a-f]{16}").fullmatch
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)

routes = web.RouteTableDef()


def use_of(region: str, short: str) -> str:
    """Return the object on the ledger that a paper's short number stands for."""
    return f"{region}/seal-use/p{short}"


@routes.get("/p/{short}")
async def record(request: web.Request) -> web.Response:
    """Say what the ledger knows of a paper: a page for people, JSON for programs.

    With ``?document=<SHA-256 of the file>`` it also says whether that is the file that was sealed.
    """
    service = request.app[SERVICE]
    check_query(request, "document")
    given = request.query.get("document")
    document = None if given is None else parse_hash(given, "document")
    told = await _told(service, request.match_info["short"])
    service.journal.look("", "paper", told["case"], "record of a paper")
    if document is not None:
        told["is_document"] = told["document"] == document.hex()
    if "text/html" in request.headers.get("Accept", ""):
        headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
        return web.Response(text=_page(told), content_type="text/html", headers=headers)
    return json_response(told)


@routes.get("/p/{short}/proof")
async def proof(request: web.Request) -> web.Response:
    """Lead to the proof that the use of the seal is in the log."""
    service = request.app[SERVICE]
    check_query(request)
    told = await _told(service, request.match_info["short"])
    return web.Response(status=HTTPStatus.FOUND, headers={"Location": told["proof"]})


async def _told(service: Service, short: str) -> dict[str, Any]:
    if _short(short) is None:
        raise NotFoundError("no paper has this number")
    return await service.readers.run(lambda connection: _read(service, connection, short))


def _read(service: Service, connection: Connection, short: str) -> dict[str, Any]:
    subject = use_of(service.region, short)
    [use] = newest(connection, service.ids, [(service.origin, subject, INDEX_PAST_ALL)])
    if use is None or use_stage(use) is not UseStage.USED:
        # Before that it is nobody's business but the office's.
        raise NotFoundError("no paper of this number was sealed here")
    name = use.state["seal"]
    [seal] = newest(connection, service.ids, [(service.origin, name, INDEX_PAST_ALL)])
    against = load_findings_of(connection, service.ids, service.origin, use.index)
    findings = [finding.code for finding in against]
    return {
        "verdict": "flawed" if findings else "recorded",
        "findings": findings,
        "subject": subject,
        "document": use.state["doc"].hex(),
        "case": use.state["case"],
        "seal": name,
        "seal_name": "" if seal is None else seal.state["name"],
        "seal_now": str(life_of(seal)),
        "origin": service.origin,
        "index": use.index,
        "finality": service.driver.finality(use.index),
        "entry": f"/entries/{use.index}",
        "proof": f"/v1/entries/{use.index}/proof",
        "trust": "/v1/seals/trust",
    }


_VERDICTS: Final = {
    "recorded": ("用印已记入账本", "The use of the seal is on the ledger"),
    "flawed": ("账本上对此次用印有异议", "The ledger has findings against this use"),
}
_ROWS: Final = (
    ("seal_name", "印章", "seal"),
    ("seal_now", "印章现状", "the seal now"),
    ("case", "办件编号", "case"),
    ("document", "文件摘要（SHA-256）", "digest of the file"),
    ("origin", "账本", "log"),
    ("index", "序号", "entry"),
    ("finality", "确认程度", "finality"),
    ("findings", "异议", "findings"),
)


def _page(told: dict[str, Any]) -> str:
    zh, en = _VERDICTS[told["verdict"]]
    rows = "".join(
        f"<tr><th>{label}<br><small>{word}</small></th><td>{_cell(told[name])}</td></tr>"
        for name, label, word in _ROWS
    )
    colour = "#a00" if told["findings"] else "#060"
    return (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{zh}</title><style>body{{font-family:sans-serif;margin:1.2em;max-width:44em}}"
        "table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:.4em;text-align:left;"
        f"word-break:break-all}}h1{{font-size:1.3em;color:{colour}}}</style>"
        f"<h1>{zh}<br><small>{en}</small></h1><table>{rows}</table>"
        f'<p><a href="{told["proof"]}">收录证明 proof</a> · '
        f'<a href="{told["entry"]}">记录原文 entry</a> · '
        f'<a href="{told["trust"]}">根证书与撤销列表 trust</a></p>'
        "<p>请核对：手中文件的 SHA-256 应与上列文件摘要一致；"
        "二维码中 # 之后的摘要应与文件所附证据包一致。</p>"
    )


def _cell(value: object) -> str:
    text = "、".join(map(str, value)) if isinstance(value, list) else str(value)
    return html.escape(text) or "–"
