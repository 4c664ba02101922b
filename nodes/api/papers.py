"""Sealed papers: drawn from a case's facts, approved where the seal asks for it, sealed, recorded.

The order is the contract. A draft is laid out first; its digest is what the electronic seal will
sign, and what a second person approves (``seal.approve``). Then the key signs, once; the finished
file's digest goes onto the ledger (``seal.use``); and only then the file is handed out. A crash in
between leaves a signature whose file nobody has; its use is recorded before the seal signs again.
"""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from sqlalchemy import Connection

from authz.obligation import Obligation
from authz.trace import Trace
from ledger.errors import MalformedError, NotFoundError, RefusedError, UnavailableError
from ledger.kind import Fact
from ledger.names import check_object, check_party
from ledger.statement import UnverifiedStatement, decode_statement
from nodes.adapters.draft_store import Origin
from nodes.adapters.random import randomness
from nodes.adapters.seal_store import HeldSeal, PaperKey, Pending, SealKey
from nodes.api.appending import compose
from nodes.api.cases import prove
from nodes.api.context import SERVICE, Service
from nodes.api.desk import Draft
from nodes.api.public_papers import use_of
from nodes.api.replies import json_response
from nodes.api.requests import check_case, check_query, read_json, take
from nodes.api.timelines import tell
from nodes.api.tokens import ANY, PEOPLE, Caller, Role, authorize, parse_hash
from nodes.core.ready import Compose
from nodes.core.sight import INDEX_PAST_ALL
from nodes.store.entries import LogIDs, load_entries
from nodes.store.facts import load_trace, newest
from seals.life import check_live, life_of
from seals.usage import UseStage, check_use, needs_of, use_stage

if TYPE_CHECKING:
    from types import ModuleType

    from seals.documents import Facts, Material
    from seals.sheets import LaidOut

FORMATS: Final = ("pdf", "ofd")
PURPOSES: Final = {"receipt": "受理凭证", "notice": "一次性告知书", "result": "办理结果通知书"}
TYPES: Final = {"pdf": "application/pdf", "ofd": "application/ofd"}
MATERIALS_MAX: Final = 60
TEXT_CHARS_MAX: Final = 400

_RESULTS: Final = {"granted": "准予办理", "refused": "不予办理"}

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
    told = await service.readers.run(lambda connection: _gather(service, connection, given))
    short = randomness(8).hex()
    subject = use_of(service.region, short)
    base = service.desk.link or service.roster.members[service.region].url
    link = f"{base.rstrip('/')}/p/{short}"
    draft = await service.desk.run(lambda: _draw(service, given, told, subject, link))
    await service.desk.keep(draft, service.now_s())
    seal = service.readers.here(lambda connection: _seal_row(service, connection, draft.seal))
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
    shown: bytes = await service.desk.run(lambda: press().show(_laid(draft)))
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


def press() -> "ModuleType":
    """Return what draws papers, loaded when the first one is wanted.

    Raises:
        UnavailableError: ``no-documents``: the optional part is not installed.
    """
    try:
        from nodes.adapters import press as found  # noqa: PLC0415 - large, and optional
    except ImportError as error:
        raise UnavailableError(
            f"papers need the optional part documents: {error}", code="no-documents"
        ) from error
    return found


# ---- facts --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What the ledger says of a case, as a paper needs it."""

    opened: UnverifiedStatement
    acts: Mapping[str, UnverifiedStatement]
    trace: Trace
    item: Mapping[str, Any]
    window: str
    authority: str
    owner: str
    seal_name: str
    grounds: dict[str, str]
    bundle: bytes


def _gather(service: Service, connection: Connection, given: Mapping[str, Any]) -> _Told:
    """Read what the ledger says; in a reader's thread.

    Raises:
        NotFoundError: The case is not in this region's log.
        UnavailableError: ``not-replicated``: it is not all proven yet; ask again.
    """
    ids, case = LogIDs(), given["case"]
    [own] = newest(connection, ids, [(service.origin, case, INDEX_PAST_ALL)])
    if own is None:
        raise NotFoundError(f"{case} was never held here", code="unknown-object")
    acts: dict[str, UnverifiedStatement] = {}
    told = tell(service, connection, case)
    void = {(origin, index) for origin, index, _ in told.findings}
    for line in told.lines:
        if (line.origin, line.index) not in void and line.subject == case:
            [entry] = load_entries(connection, ids, line.origin, line.index, line.index + 1)
            acts[line.kind] = decode_statement(entry)
    seal = _seal_row(service, connection, given["seal"])
    if "case.open" not in acts:
        raise _otherwise("nothing that stands here opened the case")
    opened = acts["case.open"]
    body = opened.act.body
    window = body.get("window")
    if window is None:
        window = _first(service, connection, ids, opened.issuer, "party.enrol")["unit"]
    department, owner = body["department"], seal.state["owner"]
    names = {
        party: str(_first(service, connection, ids, party, "party.enrol")["name"])
        for party in (department, window, owner)
    }
    return _Told(
        opened=opened,
        acts=acts,
        trace=told,
        item=_first(
            service,
            connection,
            ids,
            body["item"],
            "item.publish",
            version=body["item_version"],
        ),
        window=names[window],
        authority=names[department],
        owner=names[owner],
        seal_name=str(seal.state["name"]),
        grounds=_grounds(service, connection, given, body),
        bundle=prove(service, connection, case).encode(),
    )


def _grounds(
    service: Service, connection: Connection, given: Mapping[str, Any], opened: Mapping[str, Any]
) -> dict[str, str]:
    """Return what the use rests on: the loan and its grant, else the grant of the case if any."""
    loan = given.get("loan")
    if loan is None:
        return {"grant": opened["grant"]} if "grant" in opened else {}
    check_object(loan)
    [row] = newest(connection, service.ids, [(service.origin, loan, INDEX_PAST_ALL)])
    if row is None or loan.split("/")[1] != "seal-loan":
        raise NotFoundError(f"no such loan was made here: {loan}", code="unknown-object")
    return {"loan": loan, "grant": row.state["grant"]}


def _first(
    service: Service,
    connection: Connection,
    ids: LogIDs,
    object_: str,
    kind: str,
    *,
    version: int | None = None,
) -> Mapping[str, Any]:
    """Return the fields of the act by which something came to be, in the log it belongs to."""
    home = service.roster.origin_of(object_[:6])
    for origin, index in load_trace(connection, ids, object_):
        if origin != home:
            continue
        [entry] = load_entries(connection, ids, origin, index, index + 1)
        made = decode_statement(entry)
        body = made.act.body
        if (made.subject, made.act.kind) != (object_, kind):
            continue
        if version is None or body.get("version") == version:
            return body
    raise NotFoundError(f"{object_} is not within sight", code="unknown-object")


def _seal_row(service: Service, connection: Connection, seal: str) -> Fact:
    [row] = newest(connection, service.ids, [(service.origin, seal, INDEX_PAST_ALL)])
    if row is None:
        raise NotFoundError(f"no such seal is issued here: {seal}", code="unknown-object")
    return row


def _draw(
    service: Service, given: Mapping[str, Any], told: _Told, subject: str, link: str
) -> Draft:
    """Lay a paper out; in the drawing thread."""
    from seals.documents import Proof  # noqa: PLC0415 - large, and optional

    origin = Origin(
        form=given["format"],
        subject=subject,
        officer=given["officer"],
        seal=given["seal"],
        case=given["case"],
        purpose=PURPOSES[given["kind"]],
        grounds=told.grounds,
        facts=_facts(service, given, told),
        proof=Proof(link, told.bundle),
        name=told.seal_name,
        code=_code(service, given["seal"]),
    )
    paper = _lay(origin)
    return Draft(digest=press().digest(paper, origin.form), origin=origin, paper=paper)


def _lay(origin: Origin) -> "LaidOut":
    laid: LaidOut = press().lay(origin.facts, origin.proof, name=origin.name, code=origin.code)
    return laid


def _laid(draft: Draft) -> "LaidOut":
    """Return a draft's paper, laid out anew where the node has started since; in the thread.

    Raises:
        NotFoundError: ``no-draft``: it looks otherwise now, with other typefaces or software.
    """
    if draft.paper is None:
        paper = _lay(draft.origin)
        if press().digest(paper, draft.origin.form) != draft.digest:
            raise NotFoundError("the draft cannot be drawn as it was", code="no-draft")
        draft.paper = paper
    return draft.paper


def _code(service: Service, seal: str) -> str:
    from seals.ses import decode_seal  # noqa: PLC0415 - where it is used

    return decode_seal(service.desk.seals.load(seal).seal).seal_id


def _facts(service: Service, given: Mapping[str, Any], told: _Told) -> "Facts":
    """Check what is asked for against the ledger, and return the paper's facts.

    Raises:
        RefusedError: ``paper-facts``: the ledger says otherwise, or does not say so yet.
    """
    from seals import documents  # noqa: PLC0415 - large, and optional

    body = told.opened.act.body
    common: dict[str, Any] = {
        "number": given["case"],
        "item": str(told.item["title"]),
        "item_code": f"{told.item['code']}（第 {body['item_version']} 版）",
        "applicant": given["applicant"],
        "window": told.window,
        "officer": told.opened.issuer.rsplit("/", 1)[1],
        "authority": told.authority,
        "grant": str(body.get("grant", "")),
        "issuer": told.owner,
        "time_s": service.now_s(),
        "telephone": given.get("telephone", ""),
    }
    if given["kind"] == "receipt":
        due_s = next(
            (it.due_s for it in told.trace.clocks if it.obligation is Obligation.PROMISE), None
        )
        days = int(told.item["days"])
        day = None if due_s is None else documents.show_time(due_s - 1).split(" ", 1)[0]
        return documents.AcceptanceReceipt(
            **common,
            materials=_materials(given, coded=False)[0],
            due=day or "受理之日起期限届满",
            working_days=days,
        )
    if given["kind"] == "notice":
        notice = told.acts.get("case.notice")
        if notice is None:
            raise _otherwise("no notice was given in this case")
        missing, codes = _materials(given, coded=True)
        if codes != sorted(notice.act.body["missing"]):
            raise _otherwise(f"the notice lists {', '.join(notice.act.body['missing'])}")
        return documents.OneTimeNotice(**common, missing=missing, days=int(told.item["days"]))
    return _result(service, given, told, common)


def _result(
    service: Service, given: Mapping[str, Any], told: _Told, common: dict[str, Any]
) -> "Facts":
    """A result is sealed before its decision is recorded, which names it, or says the same."""
    from seals import documents  # noqa: PLC0415 - large, and optional

    result = given.get("result", "")
    if result not in _RESULTS:
        raise MalformedError(f"result is one of {', '.join(_RESULTS)}", code="bad-field")
    if told.opened.act.body["item"][:6] != service.region:
        raise _otherwise(f"the decision is {told.authority}'s")
    decided = told.acts.get("case.decide")
    basis = given.get("basis", "")
    if decided is not None:
        if decided.act.body["result"] != result:
            raise _otherwise(f"it was decided otherwise: {decided.act.body['result']}")
        basis = basis or str(decided.act.body["basis"])
    return documents.CaseResult(
        **common,
        outcome=f"{_RESULTS[result]}：{common['item']}",
        reasons=given.get("reasons", ""),
        basis=basis,
        delivery=given.get("delivery", "") or "由收件窗口送达",
    )


def _materials(
    given: Mapping[str, Any], *, coded: bool
) -> tuple[tuple["Material", ...], list[str]]:
    """Return the materials as they stand on the paper, and their codes."""
    from seals.documents import Material  # noqa: PLC0415 - large, and optional

    asked = given.get("materials", [])
    if not 1 <= len(asked) <= MATERIALS_MAX or not all(type(it) is dict for it in asked):
        raise MalformedError(f"materials are 1 to {MATERIALS_MAX} objects", code="bad-field")
    made, codes = [], []
    for one in asked:
        wanted = dict.fromkeys(("name", "code") if coded else ("name",), str)
        fields = take(one, wanted, {"form": str, "count": int, "note": str})
        codes.append(fields.get("code", ""))
        made.append(
            Material(
                name=fields["name"],
                form=fields.get("form", "原件"),
                count=fields.get("count", 1),
                note=fields.get("note", ""),
            )
        )
    return tuple(made), sorted(codes)


def _otherwise(detail: str) -> RefusedError:
    return RefusedError(detail, code="paper-facts")


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
                now_s, paper = service.now_s(), _laid(draft)
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
    row = _seal_row(service, connection, draft.seal)
    check_live(draft.seal, row.state, time_s=service.now_s())
    approved = _use_row(service, connection, draft.subject)
    if use_stage(approved) is UseStage.USED:
        # The key has signed for it once, and the file was lost on the way.
        raise RefusedError(f"{draft.subject} is used up: draw the paper anew", code="exists")
    [officer] = newest(connection, service.ids, [(service.origin, draft.officer, INDEX_PAST_ALL)])
    if officer is None or not officer.live:
        raise RefusedError(f"no live officer here: {draft.officer}", code="officer-not-live")
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
