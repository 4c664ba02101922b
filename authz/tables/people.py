"""The people of a hall: who decides on site, who is responsible, who is trained."""

from typing import Final

from authz import party, training
from authz.party import GRANT
from authz.records import Row, Signer, Step
from authz.representative import appointed, relieved
from authz.tables.desks import office_step
from authz.tables.lives import in_versions
from authz.tables.words import (
    EVIDENCE,
    REASON,
    VERSION,
    code,
    codes,
    date,
    kind_of_step,
    party_,
    text,
)
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Kind, Need

REPRESENTATIVE: Final = in_versions(
    "representative", "representative.appoint", "representative.dismiss", "ended"
)

RESPONSIBLE: Final = in_versions(
    "responsible", "responsible.assign", "responsible.relieve", "ended"
)

LIVES: Final = (
    REPRESENTATIVE,
    RESPONSIBLE,
)


def _officer_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    return (Need("officer", draft.body["officer"]),)


def _check_officer(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that who is named is an officer in service here."""
    _check_in_service(acting, "officer")
    return ()


def _check_in_service(acting: Acting, name: str) -> Fact:
    officer = acting.facts[name]
    if officer is None or "roles" not in officer.state or not officer.live:
        who = acting.act.body[name]
        raise RefusedError(f"no live officer here: {who}", code="officer-not-live")
    return officer


def _representative_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return who is appointed, and who was before."""
    named = {} if own is None else own.state
    needs = [Need(role, draft.body[role]) for role in _APPOINTED if role in draft.body]
    needs += [Need(f"before-{role}", named[role]) for role in _APPOINTED if role in named]
    return tuple(needs)


def _check_representative(acting: Acting, before: Row, after: Row) -> tuple[Change, ...]:
    """Check that a department appoints two of its own for a term; they may decide on site then."""
    body, signer = acting.act.body, party.person(acting)
    if body["valid_until"] <= acting.statement.time_s:
        raise RefusedError("the term is over already", code="outlives-basis")
    if body["officer"] == body.get("deputy"):
        raise MalformedError("a deputy is somebody else", code="bad-field")
    rows = {it.object: it for it in _check_dismissal(acting, before, after)}
    for role in _APPOINTED:
        if role not in body:
            continue
        officer = _check_in_service(acting, role)
        if officer.state.get("dept") != signer.state["unit"]:
            raise RefusedError(f"{officer.object} is of another department", code="not-competent")
        rows[officer.object] = appointed(
            officer,
            acting.statement.subject,
            body["items"],
            body["valid_from"],
            body["valid_until"],
        )
    return tuple(rows.values())


def _check_dismissal(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that whoever was appointed before decides on site no more."""
    of = acting.statement.subject
    rows = [relieved(acting.facts.get(f"before-{role}"), of) for role in _APPOINTED]
    return tuple(change for row in rows for change in row)


_APPOINTED: Final = ("officer", "deputy")

_OFFICER: Final = party_("人员", "officer")

KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        Step(
            life=REPRESENTATIVE,
            event="representative.appoint",
            signer=Signer.OFFICER,
            roles=(GRANT,),
            units=("department",),
            versioned=True,
            keep=("officer", "deputy", "items", "valid_from", "valid_until"),
            wants=_representative_needs,
            check=_check_representative,
        ),
        "任命首席事务代表",
        "appoint a chief representative",
        {
            "version": VERSION,
            "officer": party_("首席事务代表", "chief representative"),
            "deputy": party_("副代表", "deputy", optional=True),
            "items": codes("综合授权事项", "codes of the items they may decide on site"),
            "limits": text("权限限制", "limits", optional=True),
            "valid_from": date("起", "from"),
            "valid_until": date("止", "until"),
        },
        question="Who could decide on site, within what list?",
        source="8 首席事务代表, 9 进必授权",
        changes=("officer",),
    ),
    kind_of_step(
        Step(
            life=REPRESENTATIVE,
            event="representative.dismiss",
            roles=(GRANT,),
            units=("department",),
            wants=_representative_needs,
            check=_check_dismissal,
        ),
        "解除首席事务代表",
        "end an appointment",
        {"reason": REASON},
        question="Until when could they decide?",
        source="8 首席事务代表",
        changes=("officer",),
        while_stopped=True,
    ),
    kind_of_step(
        office_step(
            RESPONSIBLE,
            "responsible.assign",
            versioned=True,
            keep=("officer",),
            wants=_officer_needs,
            check=_check_officer,
        ),
        "指定专人负责",
        "name who is responsible",
        {
            "version": VERSION,
            "officer": _OFFICER,
            "matter": text("负责事项", "what for"),
            "valid_from": date("起", "from"),
        },
        question="Who was responsible on that day?",
        source="12 专人负责制/人员配备",
    ),
    kind_of_step(
        office_step(RESPONSIBLE, "responsible.relieve"),
        "解除专人负责",
        "relieve who is responsible",
        {"reason": REASON},
        question="Until when were they responsible?",
        source="12 专人负责制/人员配备",
    ),
    Kind(
        name="training.attest",
        zh="培训合格",
        en="attest a training",
        subject="officer",
        fields={
            "course": code("课程", "course"),
            "evidence": EVIDENCE,
        },
        rule=training.attest,
        by_region=True,
        question="Did an untrained officer act?",
        source="69 业务培训",
        roles=("manage",),
    ),
    Kind(
        name="training.lapse",
        zh="培训失效",
        en="end a training",
        subject="officer",
        fields={"course": code("课程", "course"), "reason": REASON},
        rule=training.lapse,
        by_region=True,
        question="Until when did the training count?",
        source="69 业务培训",
        roles=("manage",),
    ),
)
