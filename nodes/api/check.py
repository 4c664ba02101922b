"""May this window use this right over this item, now: answered in the loop, from what is at hand.

This is the question that windows' systems ask all day, so it goes neither through the writer nor
through a change of threads: a dozen look-ups by key, and ``authz.decision``.
"""

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Final

from aiohttp import web

from authz.decision import (
    CheckFacts,
    CheckRequest,
    Decision,
    GrantFacts,
    check,
    indexes_of,
    seats_of,
)
from authz.grant import quota_object
from ledger.errors import MalformedError
from ledger.kind import ViewFact
from ledger.names import check_object, check_party, region_of_origin
from nodes.api.attempts import note_denial
from nodes.api.consistency import NAMES, consistency_of, judged_size, reach
from nodes.api.context import SERVICE, Service
from nodes.api.replies import json_response, json_text, spell
from nodes.api.requests import check_query, read_json, take
from nodes.api.tokens import ANY, authorize
from nodes.core.sight import INDEX_PAST_ALL
from nodes.snapshot import Snapshot

RIGHT_CHARS_MAX: Final = 32
TOLD_MAX: Final = 2_048

_NAMES: Final = ("window", "right", "item")
_MORE: Final = ("officer", "device", "scenario")
_FIELDS: Final = (*_NAMES, *_MORE)

routes = web.RouteTableDef()


@routes.get("/v1/check")
async def check_query_string(request: web.Request) -> web.Response:
    """Answer the question in the query."""
    service = request.app[SERVICE]
    authorize(request, ANY)
    check_query(request, *_NAMES, *_MORE, *NAMES)
    await reach(service, request, partial(seen_size, service))
    return _answer(request, request.query)


@routes.post("/v1/check")
async def check_body(request: web.Request) -> web.Response:
    """Answer the question in a JSON body."""
    service = request.app[SERVICE]
    authorize(request, ANY)
    check_query(request, *NAMES)
    fields = await read_json(request, service.limits.act_bytes_max)
    await reach(service, request, partial(seen_size, service))
    return _answer(request, take(fields, dict.fromkeys(_NAMES, str), dict.fromkeys(_MORE, str)))


def _answer(request: web.Request, asked: Mapping[str, str]) -> web.Response:
    service = request.app[SERVICE]
    now_s, snapshot = service.now_s(), service.node.snapshot
    given = service.recalled.answers(snapshot, now_s)
    key = tuple([asked.get(name) for name in _FIELDS])
    text = given.get(key)
    if text is not None:
        return json_text(text)
    for name in _NAMES:
        if name not in asked:
            raise MalformedError(f"missing field: {name}", code="bad-field")
    window, right, item = asked["window"], asked["right"], asked["item"]
    officer, device, scenario = (asked.get(name) for name in _MORE)
    check_party(window)
    check_object(item)
    if officer is not None:
        check_party(officer)
    for of_case in (device, scenario):
        if of_case is not None:
            check_object(of_case)
    if len(right) > RIGHT_CHARS_MAX:
        raise MalformedError(f"not a right: {right[:80]!r}", code="bad-field")
    question = CheckRequest(
        window=window,
        right=right,
        item=item,
        now_s=now_s,
        officer=officer,
        device=device,
        scenario=scenario,
    )
    facts = _recall(service, snapshot, question)
    constants = service.roster.constants
    decision = check(
        question,
        facts,
        staleness_s=constants.staleness_s,
        refresh_s=constants.refresh_s,
    )
    if decision.allowed != "no":
        text = given[key] = _told(decision, service.origin, snapshot.size)
        return json_text(text)
    fields = _fields(decision, service.origin, snapshot.size)
    denied = {**asked, "code": decision.code, "detail": decision.detail}
    fields["request"] = note_denial(request, denied | {"nearest": decision.nearest})
    return json_response(fields)


def _recall(service: Service, snapshot: Snapshot, question: CheckRequest) -> CheckFacts:
    recalled = service.recalled.of(snapshot, partial(sight, service))
    key = (question.window, question.item, question.officer, question.device)
    facts = recalled.get(key)
    if facts is None:
        facts = recalled[key] = _gather(service, snapshot, question)
    return facts


def _gather(service: Service, snapshot: Snapshot, question: CheckRequest) -> CheckFacts:
    """Return what this node holds that bears on the question."""
    own, read = service.origin, service.recalled.rows
    members = service.roster.members
    views: dict[str, ViewFact] = {}

    def view_of(name: str) -> ViewFact | None:
        """Return the view of the log of an object's region; None where that is our own log."""
        region = name[:6]
        member = members.get(region)
        if member is not None and member.origin == own:
            return None
        if region not in views:
            views[region] = sight(service, snapshot, region)
            service.recalled.rests_on(region, views[region])
        return views[region]

    named = [it for it in (question.officer, question.device) if it is not None]
    view = view_of(question.item)
    at, below = (own, INDEX_PAST_ALL) if view is None else (view.origin, view.size)
    asked = [(own, it, INDEX_PAST_ALL) for it in (question.window, *named)]
    item, window, *found = read([(at, question.item, below), *asked])
    officer_or_device = dict(zip(named, found, strict=True))
    officer = officer_or_device.get(question.officer or "")
    seats, listing = seats_of(window, officer), indexes_of(question, window, item)
    rows = read([(own, it, INDEX_PAST_ALL) for it in (*seats, *listing)])
    indexes = rows[len(seats) :]
    listed = {name: view_of(name) for it in indexes if it is not None for name, _ in it.state["g"]}
    return CheckFacts(
        window=window,
        item=item,
        officer=officer,
        device=officer_or_device.get(question.device or ""),
        grants=_grants(service, listed) if listed else (),
        seats=[row for row in rows[: len(seats)] if row is not None],
    )


def _grants(service: Service, listed: Mapping[str, ViewFact | None]) -> list[GrantFacts]:
    """Return what is held of grants, given the views of their logs; None: it is our own."""
    own, read = service.origin, service.recalled.rows
    # Inside one region both sides stand in one row.
    foreign = [(it.origin, name, it.size) for name, it in listed.items() if it is not None]
    rows = read([*((own, name, INDEX_PAST_ALL) for name in listed), *foreign])
    offers = {name: row for (_, name, _), row in zip(foreign, rows[len(listed) :], strict=True)}
    grants = []
    for (name, view), acceptance in zip(listed.items(), rows, strict=False):
        grant = offers.get(name, acceptance)
        used = None
        if grant is not None and "quota" in grant.state:
            [used] = read([(own, quota_object(service.region, name), INDEX_PAST_ALL)])
        grants.append(GrantFacts(grant=grant, acceptance=acceptance, used=used, view=view))
    return grants


def sight(service: Service, snapshot: Snapshot, region: str) -> ViewFact:
    """Return how far the log of a region is within sight, and how fresh that is.

    The view recorded in our log counts, or a note with a quorum of lines that we hold beside it, if
    it is the fresher and we have judged the log that far: the next act will record it.
    """
    member = service.roster.members.get(region)
    if member is None:
        return ViewFact(0, b"", f"{service.roster.network}/{region}", 0, b"", 0)
    origin = member.origin
    if origin == service.origin:
        return ViewFact(0, b"", origin, INDEX_PAST_ALL, b"", service.now_s())
    recorded = snapshot.views.get(origin)
    known = snapshot.known.get(origin)
    status = snapshot.logs.get(origin)
    judged_size = 0 if status is None else status.judged_size
    if (
        known is not None
        and known.size <= judged_size
        and (
            recorded is None
            or (known.fresh_at_s, known.size) > (recorded.fresh_at_s, recorded.size)
        )
    ):
        return ViewFact(0, b"", origin, known.size, known.root, known.fresh_at_s)
    return recorded or ViewFact(0, b"", origin, 0, b"", 0)


def seen_size(service: Service, origin: str) -> int:
    """Return how far a log is within sight of what is done here now."""
    if origin == service.origin:
        return judged_size(service, origin)
    return sight(service, service.node.snapshot, region_of_origin(origin)).size


# The same decision is told again and again, and spelling it takes longer than deciding.
@lru_cache(maxsize=TOLD_MAX)
def _told(decision: Decision, origin: str, size: int) -> bytes:
    return spell(_fields(decision, origin, size))


def _fields(decision: Decision, origin: str, size: int) -> dict[str, object]:
    sizes = {it.origin: it.size for it in decision.relied}
    return {
        "allowed": decision.allowed,
        "code": decision.code,
        "reason_zh": decision.reason_zh,
        "reason_en": decision.reason_en,
        "detail": decision.detail,
        "grant": decision.grant,
        "nearest": decision.nearest,
        "item_version": decision.item_version,
        "as_of": size,
        "relied": [
            {"origin": it.origin, "size": it.size, "fresh_at_s": it.fresh_at_s}
            for it in decision.relied
        ],
        "consistency": consistency_of({**sizes, origin: size}),
    }
