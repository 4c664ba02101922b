"""Joint meetings and their issues; who supervises an item after it is granted."""

from typing import Final

from authz.records import NEW, Life, Row, Side
from authz.tables.desks import office_step
from authz.tables.lives import recorded
from authz.tables.words import (
    DUE,
    EVIDENCE,
    REASON,
    REMARK,
    TO,
    date,
    digest,
    kind_of_step,
    object_,
    parties,
    text,
)
from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Kind

ISSUE: Final = Life(
    subject="meeting-issue",
    steps={
        (NEW, "issue.raise"): "open",
        ("open", "issue.settle"): "settled",
        ("settled", "issue.reopen"): "open",
        ("settled", "issue.close"): "closed",
    },
    ended=frozenset({"closed"}),
)

MEETING: Final = recorded("meeting", "meeting.record")

OVERSIGHT: Final = Life(
    subject="oversight",
    steps={
        (NEW, "oversight.assign"): "assigned",
        ("assigned", "oversight.accept"): "accepted",
        # A new supervisor is named while the old one still answers: there is no gap between them.
        ("assigned", "oversight.assign"): "assigned",
        ("accepted", "oversight.assign"): "assigned",
    },
)

LIVES: Final = (
    ISSUE,
    MEETING,
    OVERSIGHT,
)


def _check_overseen(_acting: Acting, before: Row, after: Row) -> tuple[Change, ...]:
    """Check that one record follows one item, from one supervisor to the next."""
    if before.get("item", after["item"]) != after["item"]:
        raise RefusedError(f"this is the supervision of {before['item']}", code="wrong-state")
    return ()


KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        office_step(MEETING, "meeting.record"),
        "联席会议纪要",
        "record a joint meeting",
        {
            "parties": parties("与会单位", "who took part"),
            "digest": digest("纪要摘要", "digest of the minutes"),
            "held": date("会议时间", "when it was held"),
        },
        question="Who met, and what was settled?",
        source="51 两地联席会议",
    ),
    kind_of_step(
        office_step(ISSUE, "issue.raise", rests_on=("meeting",)),
        "提出议题",
        "raise an issue of a joint meeting",
        {
            "meeting": object_("meeting", "联席会议", "joint meeting"),
            "matter": text("议题", "issue"),
            "to": TO,
            "due": DUE,
        },
        question="Whose issue is it, and until when?",
        source="51 两地联席会议",
        cites=("meeting",),
    ),
    kind_of_step(
        office_step(ISSUE, "issue.settle", side=Side.ADDRESSEE),
        "落实议题",
        "settle an issue",
        {"evidence": EVIDENCE, "remark": REMARK},
        question="Which issues are overdue?",
        source="51 两地联席会议",
        cites=("there",),
    ),
    kind_of_step(
        office_step(ISSUE, "issue.reopen"),
        "重提议题",
        "open an issue again",
        {"reason": REASON, "due": DUE},
        question="Why was it not settled?",
        source="51 两地联席会议",
        cites=("there",),
    ),
    kind_of_step(
        office_step(ISSUE, "issue.close"),
        "议题办结",
        "close an issue",
        {},
        question="When was it over?",
        source="51 两地联席会议",
        cites=("there",),
    ),
    kind_of_step(
        office_step(OVERSIGHT, "oversight.assign", keep=("item",), check=_check_overseen),
        "指定监管主体",
        "name who supervises an item",
        {"item": object_("item", "事项", "item"), "to": TO, "due": DUE},
        question="Was there any period with no supervisor?",
        source="67 事中事后监管",
        cites=("there",),
    ),
    kind_of_step(
        office_step(OVERSIGHT, "oversight.accept", side=Side.ADDRESSEE),
        "承接监管",
        "take over supervision",
        {"remark": REMARK},
        question="From when on did the new supervisor answer?",
        source="67 事中事后监管",
        cites=("there",),
    ),
)
