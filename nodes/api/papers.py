"""Sealed papers: drawn from a case's facts, approved where the seal asks for it, sealed, recorded.

The order is the contract. A draft is laid out first; its digest is what the electronic seal will
sign, and what a second person approves (``seal.approve``). Then the key signs, once; the finished
file's digest goes onto the ledger (``seal.use``); and only then the file is handed out. A crash in
between leaves a signature whose file nobody has; its use is recorded before the seal signs again.
"""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from ledger import judge
from ledger.errors import MalformedError, NotFoundError, RefusedError, UnavailableError
from ledger.kind import Fact
from ledger.names import check_object, check_party
from nodes.adapters.held_seals import HeldSeal, PaperKey, Pending, SealKey
from nodes.adapters.random import randomness
from nodes.api.appending import compose
from nodes.api.context import SERVICE, Service
from nodes.api.desk import Draft
from nodes.api.paper_facts import PURPOSES, TEXT_CHARS_MAX, draw, gather, laid, press, seal_row
from nodes.api.public_papers import use_of
from nodes.api.replies import json_response
from nodes.api.requests import check_case, check_query, read_json, take
from nodes.api.tokens import ANY, PEOPLE, Caller, Role, authorize, parse_hash
from nodes.core.ready import Compose
from nodes.core.sight import INDEX_PAST_ALL
from nodes.store.facts import newest
from seals.life import check_live, life_of
from seals.usage import UseStage, check_use, needs_of, use_stage

FORMATS: Final = ("pdf", "ofd")
TYPES: Final = {"pdf": "application/pdf", "ofd": "application/ofd"}

routes = web.RouteTableDef()


# ---- seals --------------------------------------------------------------------------------------


@routes.post("/v1/seals")
async def make_seal(request: web.Request) -> web.Response:
    """Make the keys, certificates and electronic seal of a seal for trials; issuing it is an act.

    The answer has the certificate's digest, which ``seal.issue`` asks for.
    """
    service = request.app[SERVICE]
    authorize(request, frozenset({Role.OPERATOR}))
    check_query(request)
    fields = take(
        await read_json(request, service.limits.act_bytes_max), {"seal": str, "name": str}, {}
    )
    desk, seal, name = service.desk, fields["seal"], fields["name"]
    _check_own_seal(service, seal)
    if not desk.trial:
        raise RefusedError("this node makes no seals; bring them from a maker", code="no-trial")
    number = int.from_bytes(sha256(seal.encode()).digest()[:8]) % 10**8
    code = f"{service.region}{number:08}"

    def make() -> bytes:
        picture: bytes = press().picture(name, code)
        now_s = service.now_s()
        desk.seals.make_trial(seal, name=name, code=code, picture=picture, now_s=now_s)
        return desk.seals.load(seal).certificate

    certificate = await desk.run(make)
    digest = sha256(certificate).digest()
    answer = {"seal": seal, "code": code, "trial": True, "certificate": digest}
    return json_response(answer, status=HTTPStatus.CREATED)


@routes.get("/v1/seals")
async def seals(request: web.Request) -> web.Response:
    """List the seals whose keys are held here, with where each stands on the ledger."""
    service = request.app[SERVICE]
    check_query(request)
    rows = await service.readers.run(lambda it: _held_rows(service, it))
    listed = [
        {
            "seal": name,
            "name": None if row is None else row.state["name"],
            "owner": None if row is None else row.state["owner"],
            "state": str(life_of(row)),
            "stopped": None if row is None else row.state.get("stop"),
            "valid_from": None if row is None else row.state.get("from"),
            "valid_until": None if row is None else row.state.get("until"),
            "certificate": None if row is None else row.state.get("cert"),
        }
        for name, row in rows.items()
    ]
    return json_response({"seals": listed})


def _held_rows(service: Service, connection: Connection) -> dict[str, Fact | None]:
    held = service.desk.seals.held()
    rows = newest(connection, service.ids, [(service.origin, it, INDEX_PAST_ALL) for it in held])
    return dict(zip(held, rows, strict=True))


async def publish(service: Service) -> None:
    """Bring the revocation list up to what the ledger says of the seals held here."""
    rows = await service.readers.run(lambda it: _held_rows(service, it))
    stopped = {
        name: row.state["stop"]
        for name, row in rows.items()
        if row is not None and "stop" in row.state
    }
    await service.desk.run(lambda: service.desk.seals.publish(stopped, service.now_s()))


@routes.get("/v1/seals/trust")
async def trust(request: web.Request) -> web.Response:
    """Give the roots and the revocation lists of the seals that are held here, as PEM."""
    service = request.app[SERVICE]
    check_query(request)
    await publish(service)
    found = await service.readers.work(service.desk.seals.trust)
    return web.Response(body=found, content_type="application/x-pem-file")


@routes.get("/v1/seals/{id:.+}")
async def count(request: web.Request) -> web.Response:
    """Say how often a seal's key has signed, and what of that is not on the ledger yet."""
    service = request.app[SERVICE]
    authorize(request, ANY)
    check_query(request)
    seal = request.match_info["id"]
    _check_own_seal(service, seal)
    journal = await service.readers.work(lambda: service.desk.seals.journal(seal))
    unrecorded = None if journal.pending is None else journal.pending.subject
    answer = {"seal": seal, "signatures": journal.signatures, "unrecorded": unrecorded}
    return json_response(answer)


def _check_own_seal(service: Service, seal: str) -> None:
    check_object(seal)
    region, kind, _ = seal.split("/", 2)
    if kind != "seal":
        raise MalformedError(f"not the name of a seal: {seal[:80]!r}", code="bad-field")
    if region != service.region:
        raise RefusedError(f"{seal} is not a seal of {service.region}", code="not-competent")


# ---- papers -------------------------------------------------------------------------------------


@routes.post("/v1/papers")
async def make_paper(request: web.Request) -> web.Response:
    """Draw a paper; seal it where its seal asks for no second person, else wait for the approval.

    201 has the file. 202 has what a second person is to approve: ``approve`` are the fields of the
    act ``seal.approve`` about ``subject``.
    """
    service = request.app[SERVICE]
    caller = authorize(request, PEOPLE)
    check_query(request)
    given = take(
        await read_json(request, service.limits.act_bytes_max),
        dict.fromkeys(("case", "kind", "format", "seal", "officer", "applicant"), str),
        {
            "materials": list,
            **dict.fromkeys(("reasons", "delivery", "basis", "result", "telephone", "loan"), str),
        },
    )
    _check_given(service, caller, given)
    told = await service.readers.run(lambda connection: gather(service, connection, given))
    short = randomness(8).hex()
    subject = use_of(service.region, short)
    base = service.desk.link or service.roster.members[service.region].url
    link = f"{base.rstrip('/')}/p/{short}"
    draft = await service.desk.run(lambda: draw(service, given, told, subject, link))
    await service.desk.keep(draft, service.now_s())
    seal = service.readers.here(lambda connection: seal_row(service, connection, draft.seal))
    if seal.state["two"]:
        return json_response(_announced(draft), status=HTTPStatus.ACCEPTED)
    return await _finish(service, draft)


@routes.get("/v1/papers")
async def list_papers(request: web.Request) -> web.Response:
    """List the caller's papers kept here: drafts, and sealed ones that can be had again."""
    service = request.app[SERVICE]
    caller = authorize(request, PEOPLE)
    check_query(request)
    store = service.desk.store

    def read() -> list[dict[str, object]]:
        found = [(digest, store.load(digest)) for digest in store.digests()]
        return [
            {
                "draft": digest,
                "subject": origin.subject,
                "case": origin.case,
                "seal": origin.seal,
                "purpose": origin.purpose,
                "format": origin.form,
                "sealed": store.load_file(digest) is not None,
            }
            for digest, origin in found
            if origin is not None and origin.officer == caller.party
        ]

    return json_response({"papers": await service.desk.run(read)})


@routes.get("/v1/papers/{digest}")
async def show_draft(request: web.Request) -> web.Response:
    """Show a draft, unsealed and as PDF, to whoever is to approve it."""
    service = request.app[SERVICE]
    authorize(request, ANY)
    check_query(request)
    draft = await _find(service, request)
    shown: bytes = await service.desk.run(lambda: press().show(laid(draft)))
    return web.Response(body=shown, content_type=TYPES["pdf"])


@routes.post("/v1/papers/{digest}")
async def seal_paper(request: web.Request) -> web.Response:
    """Seal a draft that was approved; asked again, give the same file."""
    service = request.app[SERVICE]
    caller = authorize(request, PEOPLE)
    check_query(request)
    draft = await _find(service, request)
    if caller.party != draft.officer:
        raise RefusedError(f"the token is not that of {draft.officer}", code="wrong-party")
    return await _finish(service, draft)


async def _find(service: Service, request: web.Request) -> Draft:
    digest = parse_hash(request.match_info["digest"], "digest")
    draft = await service.desk.find(digest)
    if draft is None:
        raise NotFoundError("no such draft, or no longer: draw it anew", code="no-draft")
    return draft


def _announced(draft: Draft) -> dict[str, object]:
    # The fields of seal.approve alone: on what the use rests, the use says.
    body = draft.body(draft.digest)
    approve = {name: body[name] for name in ("seal", "document", "case", "purpose")}
    return {"draft": draft.digest, "subject": draft.subject, "approve": approve}


def _check_given(service: Service, caller: Caller, given: Mapping[str, Any]) -> None:
    check_party(given["officer"])
    if caller.party != given["officer"]:
        raise RefusedError(f"the token is not that of {given['officer']}", code="wrong-party")
    _check_own_seal(service, given["seal"])
    check_case(given["case"])
    if given["kind"] not in PURPOSES or given["format"] not in FORMATS:
        raise MalformedError(
            f"kind is one of {', '.join(PURPOSES)}; format one of {', '.join(FORMATS)}",
            code="bad-field",
        )
    for name, value in given.items():
        if isinstance(value, str) and len(value) > TEXT_CHARS_MAX:
            raise MalformedError(f"{name} is too long", code="bad-field")
    press()  # or say at once what is not installed


# ---- sealing ------------------------------------------------------------------------------------


async def _finish(service: Service, draft: Draft) -> web.Response:
    """Sign, record, and only then hand out."""
    desk = service.desk
    # One paper of a seal at a time, so that what is unrecorded is never more than one.
    async with desk.locks.setdefault(draft.seal, asyncio.Lock()):
        if draft.finished is None:
            await _settle(service, draft.seal)
        if draft.finished is None:
            service.readers.here(lambda connection: _check_ready(service, connection, draft))
            await publish(service)
            pending = Pending(
                subject=draft.subject, officer=draft.officer, body=draft.body(draft.digest)
            )

            def seal() -> None:
                now_s, paper = service.now_s(), laid(draft)
                desk.seals.check_signer(draft.seal, now_s)
                if draft.origin.form == "pdf":
                    desk.seals.load(draft.seal).check_paper(now_s)
                form = draft.origin.form
                # Whether the services are there is found out before a key signs.
                stamps = desk.stamping.ready(form)
                make = press().seal(paper, form, draft.digest, now_s, stamps)

                def work(held: HeldSeal, key: SealKey, paper_key: PaperKey) -> bytes:
                    file: bytes = make(held, key, paper_key)
                    # On disk before anything else is: a crash from here on loses no file.
                    desk.store.save_file(draft.digest, file)
                    return file

                # Kept here, so that a caller who goes away meanwhile does not lose the file.
                draft.finished = desk.seals.sign(draft.seal, pending, work)

            await asyncio.shield(desk.run(seal))
            assert draft.finished is not None
        if draft.index is None:
            document = sha256(draft.finished).digest()
            draft.index = await _record(
                service,
                Pending(subject=draft.subject, officer=draft.officer, body=draft.body(document)),
            )
            await desk.run(lambda: desk.seals.recorded(draft.seal, draft.subject))
    finished = draft.finished
    stamped = await desk.run(lambda: press().stamped(finished, draft.origin.form))
    answer = {
        "subject": draft.subject,
        "index": draft.index,
        "origin": service.origin,
        "draft": draft.digest,
        "document": sha256(finished).digest(),
        "stamped": stamped,
        "type": TYPES[draft.origin.form],
        "file": base64.b64encode(finished).decode("ascii"),
    }
    return json_response(answer, status=HTTPStatus.CREATED)


async def _settle(service: Service, seal: str) -> None:
    """Record what a seal has signed and nobody recorded, since a crash or refusal came between."""
    # In the thread that seals: what is under way there is finished first.
    pending = await service.desk.run(lambda: _pending(service, seal))
    if pending is not None:
        await _record(service, pending)
        await service.desk.run(lambda: service.desk.seals.recorded(seal, pending.subject))


def _pending(service: Service, seal: str) -> Pending | None:
    """Return what a seal signed last and nobody recorded, with its file where that was made."""
    pending = service.desk.seals.journal(seal).pending
    if pending is None:
        return None
    draft = pending.body["draft"]
    assert isinstance(draft, bytes)
    file = service.desk.store.load_file(draft)
    if file is None:
        return pending
    return replace(pending, body=pending.body | {"document": sha256(file).digest()})


async def _record(service: Service, pending: Pending) -> int:
    """Append the use of a seal, unless it is there, and return its index."""
    found = service.readers.here(lambda it: _use_row(service, it, pending.subject))
    if found is not None and found.state["st"] == "used":
        if found.state["doc"] != pending.body["document"]:
            raise RefusedError(
                f"{pending.subject} stands for another document", code="seal-unrecorded"
            )
        return found.index

    def make(request_id: int) -> Compose:
        return Compose(
            request_id=request_id,
            kind="seal.use",
            issuer=pending.officer,
            subject=pending.subject,
            body=pending.body,
        )

    return (await compose(service, make)).index


def _use_row(service: Service, connection: Connection, subject: str) -> Fact | None:
    [found] = newest(connection, service.ids, [(service.origin, subject, INDEX_PAST_ALL)])
    return found


def _check_ready(service: Service, connection: Connection, draft: Draft) -> None:
    """Check all that the rule of ``seal.use`` will, before the key signs.

    Raises:
        RefusedError: As the rule, or ``seal-certificate``: the key is not that of the seal issued.
        UnavailableError: The node writes nothing now; the code says why.
    """
    state = service.node.snapshot.state
    if state != "serving":
        raise UnavailableError(f"nothing is recorded here now: {state}", code=state)
    row = seal_row(service, connection, draft.seal)
    check_live(draft.seal, row.state, time_s=service.now_s())
    approved = _use_row(service, connection, draft.subject)
    if use_stage(approved) is UseStage.USED:
        # The key has signed for it once, and the file was lost on the way.
        raise RefusedError(f"{draft.subject} is used up: draw the paper anew", code="exists")
    [officer] = newest(connection, service.ids, [(service.origin, draft.officer, INDEX_PAST_ALL)])
    if officer is None or not officer.live:
        raise RefusedError(f"no live officer here: {draft.officer}", code="officer-not-live")
    seats = [(service.origin, unit, INDEX_PAST_ALL) for unit in judge.units_of(officer)]
    judge.check_in_service(row for row in newest(connection, service.ids, seats) if row is not None)
    body = draft.body(draft.digest)
    needs = needs_of(body)
    wanted = [(service.origin, need.object, INDEX_PAST_ALL) for need in needs]
    found = newest(connection, service.ids, wanted)
    check_use(
        approved,
        body,
        officer=officer,
        facts={need.name: fact for need, fact in zip(needs, found, strict=True)},
        time_s=service.now_s(),
    )
    held = service.desk.seals.load(draft.seal)
    if sha256(held.certificate).digest() != row.state["cert"]:
        raise RefusedError("the key held is not that of the seal issued", code="seal-certificate")
    is_held = officer.state.get("holder") == "region"
    if not is_held or service.officers.signer(draft.officer) is None:
        raise RefusedError(f"no key of {draft.officer} is held here", code="not-entitled")
