"""Who serves outside the hall, or is no department: exceptions, and public service bodies."""

from typing import Final

from authz.records import NEW, Life, Side, Signer, Step
from authz.tables.desks import office_step
from authz.tables.words import (
    DIGEST,
    DUE,
    REASON,
    REMARK,
    TO,
    code,
    date,
    digest,
    kind_of_step,
    party_,
)
from ledger.kind import Kind

EXCEPTION: Final = Life(
    subject="exception",
    steps={
        (NEW, "exception.apply"): "applied",
        ("applied", "exception.answer:approved"): "approved",
        ("applied", "exception.answer:refused"): "refused",
        ("approved", "exception.end"): "ended",
    },
    ended=frozenset({"refused", "ended"}),
)

PUBLIC_SERVICE: Final = Life(
    subject="public-service",
    steps={
        (NEW, "public-service.include"): "proposed",
        ("proposed", "public-service.supervise"): "supervised",
        ("proposed", "public-service.exclude"): "ended",
        ("supervised", "public-service.exclude"): "ended",
    },
    ended=frozenset({"ended"}),
)

LIVES: Final = (
    EXCEPTION,
    PUBLIC_SERVICE,
)

KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        office_step(EXCEPTION, "exception.apply", units=("department",)),
        "申请设立分中心",
        "apply for an exception",
        {"to": TO, "due": DUE, "reason": REASON, "digest": DIGEST},
        question="Who asked to stay outside the hall, and why?",
        source="76 分中心例外批准, 9 进必授权",
    ),
    kind_of_step(
        office_step(
            EXCEPTION,
            "exception.answer",
            branch="outcome",
            side=Side.ADDRESSEE,
            keep=("outcome", "valid_until"),
        ),
        "例外审批",
        "answer an application for an exception",
        {
            "outcome": code("结果", "outcome", "approved", "refused"),
            "valid_until": date("有效期至", "valid until"),
            "digest": digest("批复摘要", "digest of the answer"),
        },
        question="Who approved the exception, until when?",
        source="76 分中心例外批准",
        cites=("there",),
    ),
    kind_of_step(
        Step(life=EXCEPTION, event="exception.end", side=Side.EITHER, signer=Signer.REGION),
        "终止例外",
        "end an exception",
        {"reason": REASON},
        question="When did the exception end?",
        source="76 分中心例外批准",
        cites=("there",),
    ),
    kind_of_step(
        office_step(PUBLIC_SERVICE, "public-service.include", keep=("unit",)),
        "纳入公共服务单位",
        "include a public service body",
        {
            "unit": party_("公共服务单位窗口", "window of the body"),
            "class": code("类别", "class", "enterprise", "institution"),
            "to": party_("指导监督部门", "department that supervises it"),
            "due": DUE,
            "digest": digest("依据文件摘要", "digest of the document it rests on"),
        },
        question="Which bodies outside government serve, and since when?",
        source="80 社会公共服务单位纳入",
    ),
    kind_of_step(
        office_step(PUBLIC_SERVICE, "public-service.supervise", side=Side.ADDRESSEE),
        "承担指导监督",
        "take on the supervision of a public service body",
        {"remark": REMARK},
        question="Who supervises it?",
        source="80 社会公共服务单位纳入",
        cites=("there",),
    ),
    kind_of_step(
        office_step(PUBLIC_SERVICE, "public-service.exclude"),
        "退出公共服务",
        "end the service of a body",
        {"reason": REASON},
        question="Until when did it serve?",
        source="80 社会公共服务单位纳入",
        cites=("there",),
    ),
)
