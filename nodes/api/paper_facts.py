"""What a paper says, taken from the ledger and laid out: nothing is signed here.

What a caller asks for is checked against the case's acts, and refused where these say otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection

from authz.obligation import Obligation
from authz.trace import Trace
from ledger.errors import MalformedError, NotFoundError, RefusedError, UnavailableError
from ledger.kind import Fact
from ledger.names import check_object
from ledger.statement import UnverifiedStatement, decode_statement
from nodes.adapters.draft_store import Origin
from nodes.api.cases import prove
from nodes.api.context import Service
from nodes.api.desk import Draft
from nodes.api.requests import take
from nodes.api.timelines import tell
from nodes.core.sight import INDEX_PAST_ALL
from nodes.store.entries import LogIDs, load_entries
from nodes.store.facts import load_trace, newest

if TYPE_CHECKING:
    from types import ModuleType

    from seals.documents import Facts, Material
    from seals.sheets import LaidOut


PURPOSES: Final = {"receipt": "受理凭证", "notice": "一次性告知书", "result": "办理结果通知书"}
MATERIALS_MAX: Final = 60
TEXT_CHARS_MAX: Final = 400

_RESULTS: Final = {"granted": "准予办理", "refused": "不予办理"}


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


def gather(service: Service, connection: Connection, given: Mapping[str, Any]) -> _Told:
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
    seal = seal_row(service, connection, given["seal"])
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


def seal_row(service: Service, connection: Connection, seal: str) -> Fact:
    """Return the newest row of a seal of this region.

    Raises:
        NotFoundError: ``unknown-object``: none of this name is issued here.
    """
    [row] = newest(connection, service.ids, [(service.origin, seal, INDEX_PAST_ALL)])
    if row is None:
        raise NotFoundError(f"no such seal is issued here: {seal}", code="unknown-object")
    return row


def draw(service: Service, given: Mapping[str, Any], told: _Told, subject: str, link: str) -> Draft:
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
    made: LaidOut = press().lay(origin.facts, origin.proof, name=origin.name, code=origin.code)
    return made


def laid(draft: Draft) -> "LaidOut":
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
