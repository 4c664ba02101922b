"""A town in which something was recorded for each of the eighty mechanisms.

It begins where the slow model's walks begin; each act says only what its question will ask for, and
the rest of its fields are filled with anything that fits.
"""

from typing import Any

from ledger.kind import Field, FieldType
from tests.authz.slow.steps import CHIEF, CHONGQING, KINDS
from tests.authz.slow.walk import START
from tests.authz.world import (
    CLERK,
    CLERK_2,
    DECIDER,
    FROM_S,
    GRANT,
    GRANT_BODY,
    HALL,
    HEAD,
    HEAD_SC,
    HRSS,
    HRSS_CQ,
    HRSS_SC,
    ITEM,
    SICHUAN,
    TIBET,
    UNTIL_S,
    WINDOW,
    World,
)

ZERO = bytes(32)
FRESH, BACK, OWN = (f"{SICHUAN}/case/{number}" for number in (1, 2, 3))
"""At the window; decided and back at the window; at the department."""
OUTLET = f"{SICHUAN}/window/bank"
LATER_S = 10_000


def _anything(field: Field, now_s: int) -> Any:
    if field.choices:
        return [field.choices[0]] if field.type is FieldType.CODES else field.choices[0]
    return {
        FieldType.TEXT: "办理",
        FieldType.CODE: "a1",
        FieldType.PARTY: HRSS,
        FieldType.OBJECT: ITEM,
        FieldType.HASH: ZERO,
        FieldType.UINT: 1,
        FieldType.BOOL: False,
        FieldType.SECONDS: now_s + 100,
        FieldType.CODES: ["a1"],
        FieldType.HASHES: [ZERO],
        FieldType.PARTIES: [HRSS],
    }[field.type]


class Town:
    """The world, and a short way to have something done in it."""

    def __init__(self) -> None:
        self.world: World = START[0].copy()

    def act(self, who: str, kind: str, number: str, **given: Any) -> None:
        """Have something done on what ``number`` says, a number or a whole name."""
        fields = KINDS[kind].fields
        body = {
            name: given.get(name, _anything(field, self.world.now_s))
            for name, field in fields.items()
            if name in given or not field.optional
        }
        name = number if "/" in number else f"{who[:6]}/{KINDS[kind].subject}/{number}"
        self.world.do(kind, who, name, body)


def asked_town() -> Town:
    town = Town()
    _lend(town)
    _take_in(town)
    _hand_back(town)
    _manage(town)
    _oversee(town)
    town.world.now_s += LATER_S
    return town


def _lend(town: Town) -> None:
    act, term = town.act, {"valid_from": FROM_S, "valid_until": UNTIL_S}
    act(HEAD, "template.publish", "1", **term)
    act(HEAD, "process.publish", "1")
    act(HEAD, "scenario.publish", "1", item=ITEM, materials=["form"])
    act(HEAD, "item-list.publish", "1", items=[ITEM.split("/")[2]])
    act(TIBET, "basis.publish", "1", **term)
    act(CHIEF, "responsible.assign", "1", officer=CLERK)
    act(HEAD_SC, "agreement.propose", "1", to=TIBET, **term)
    act(HEAD, "agreement.sign", f"{SICHUAN}/agreement/1")
    act(HEAD_SC, "recognition.propose", "1", to=TIBET, **term)
    act(HEAD, "recognition.sign", f"{SICHUAN}/recognition/1")
    grounds = {
        "model": f"{TIBET}/template/1",
        "process": f"{TIBET}/process/1",
        "list": f"{TIBET}/item-list/1",
        "basis": f"{TIBET}/basis/1",
        "agreement": f"{SICHUAN}/agreement/1",
        "scenarios": [f"{TIBET}/scenario/1"],
        "reciprocal": f"{SICHUAN}/grant/none",
    }
    act(HEAD, "grant.offer", "full", **GRANT_BODY, **grounds)
    act(SICHUAN, "token.issue", "1", holder=WINDOW)
    act(HEAD, "representative.appoint", "1", officer=DECIDER, **term)
    act(CHIEF, "contact.publish", "1", window=WINDOW)
    bank = {"name": "银行网点", "hall": HALL, "department": HRSS_SC, "outlet": True}
    act(SICHUAN, "party.enrol", OUTLET, **bank)


def _take_in(town: Town) -> None:
    act, under = town.act, {"case": FRESH, "grant": GRANT}
    act(CLERK, "contact.first", "1", case=FRESH)
    act(CLERK, "consultation.record", "1", guide=f"{SICHUAN}/guide/1", item=ITEM)
    act(CLERK, "channel.choose", "1", case=FRESH, channel="online")
    act(CLERK, "assist.consent", "1", item=ITEM)
    act(CLERK, "assist.file", "1", case=FRESH)
    act(CLERK, "agent.engage", "1", case=FRESH, fee_fen=0, agent=CLERK_2)
    act(SICHUAN, "login.record", "1", case=FRESH, level="high")
    act(CLERK, "signature.record", "1", case=FRESH, method="face")
    act(CLERK, "payment.record", "1", case=FRESH, amount_fen=900)
    act(CLERK, "review.form", "1", **under)
    act(CLERK, "identity.check", "1", **under, method="face")
    act(CLERK, "share.use", "1", **under, material="proof")
    act(CLERK, "paper.ask", "1", **under, item=ITEM, material="form", issued_by=HRSS)
    act(CLERK, "tolerance.accept", "1", **under, item=ITEM, missing=["proof"])
    act(CLERK, "part.ask", "1", case=FRESH, to=HRSS_CQ)
    act(CLERK, "video.start", "1", case=FRESH, parties=[WINDOW])
    act(CLERK, "bundle.open", "1", received=["id-copy"])
    act(CLERK, "bundle.add", "1", case=FRESH)
    act(CLERK, "consent.give", "1", delegate=WINDOW, item=ITEM, uses="once", valid_until=UNTIL_S)
    act(CLERK, "consent.spend", "1", case=FRESH)
    act(CHIEF, "device.session", "1", device=f"{SICHUAN}/device/1", outside_hours=False)
    town.world.do("handoff.offer", CLERK, FRESH, {"unit": HRSS})
    town.world.do("handoff.accept", HEAD, FRESH, {"holder": SICHUAN})
    town.world.do("handoff.release", SICHUAN, FRESH, {})
    town.world.do("case.note", HEAD, FRESH, {"remark": "已收到"})
    check = town.world.newest(SICHUAN, f"{SICHUAN}/identity-check/1")
    assert check is not None
    of = {"identity": check.object, "check": check.leaf}
    act(HEAD, "challenge.raise", "1", case=FRESH, to=WINDOW, **of)
    act(CLERK, "challenge.answer", f"{TIBET}/challenge/1", outcome="overturned")
    act(HEAD, "procedure.start", "1", case=OWN, item=ITEM, procedure="hearing")
    act(HEAD, "commitment.make", "1", case=OWN)
    act(HEAD, "commitment.check", "1", result="breached")


def _hand_back(town: Town) -> None:
    act = town.act
    act(CLERK, "blanks.receive", "1", first="B-0001", last="B-0009")
    of = {"decided_in": TIBET, "blank": "B-0001", "stock": f"{SICHUAN}/blank-stock/1"}
    act(CLERK, "print.record", "1", case=BACK, grant=GRANT, **of)
    act(CLERK, "blanks.count", "1", left=7)
    act(CLERK, "parcel.send", "1", case=BACK, to=HRSS)
    act(CLERK, "parcel.lose", "1")
    act(CLERK, "charge.record", "1", case=BACK, policy=f"{SICHUAN}/fee-policy/1", payer="hall")
    act(HEAD, "certificate.issue", "1", case=BACK, to=TIBET)
    act(SICHUAN, "evaluation.rate", "1", case=BACK, grade="dissatisfied", to=WINDOW)
    use = {"seal": f"{TIBET}/seal/1", "case": BACK}
    act(HEAD, "seal.approve", "1", **use)
    act(DECIDER, "seal.use", "1", **use)
    act(DECIDER, "seal.ask", "2", **use)


def _manage(town: Town) -> None:
    act = town.act
    act(HEAD_SC, "exception.apply", "1", to=HALL)
    act(CHIEF, "exception.answer", "1", outcome="approved")
    act(HEAD_SC, "proposal.submit", "1", to=HALL)
    act(HEAD, "claim.make", "1", code="000500000001")
    act(CHIEF, "training.attest", CLERK, course="medical")
    act(CHIEF, "party.suspend", CLERK_2)
    days = {"windows": [WINDOW], "days": ["mon"], "opens": "09:00", "closes": "17:00"}
    act(CHIEF, "hours.publish", "1", **days)
    act(SICHUAN, "counts.tell", "1", to=TIBET, sent=5, received=3)
    different = {"outcome": "different", "sent": 3, "received": 4}
    act(TIBET, "counts.answer", f"{SICHUAN}/counts/1", **different)
    act(CLERK, "data.request", "1", to=HRSS, dataset="hukou")
    act(CHIEF, "intermediaries.publish", "1")
    act(CHIEF, "publication.record", "1")
    act(CHIEF, "public-service.include", "1", unit=OUTLET, to=HRSS_SC)


def _oversee(town: Town) -> None:
    act, method = town.act, {"method": f"{TIBET}/assessment-method/1"}
    act(CHIEF, "grievance.file", "1", channel="hotline", cause="queue", to=HRSS_SC)
    act(HEAD, "issue.raise", "1", meeting=f"{TIBET}/meeting/1", to=HRSS_SC)
    act(CHIEF, "incident.report", "1", case=FRESH, grant=GRANT)
    entry = town.world.logs[SICHUAN].statements[-1].leaf
    act(CHIEF, "incident.find", "1", responsible=CLERK, entry=entry)
    act(HEAD, "task.assign", "1", to=HRSS_SC)
    act(HEAD_SC, "task.report", f"{TIBET}/task/1")
    act(HEAD, "task.assign", "2", to=HRSS_CQ)
    act(HEAD, "supervision.notice", "1", to=WINDOW)
    act(HEAD, "assessment.publish", "1", to=CHONGQING, **method)
    act(HEAD, "bulletin.publish", "1", **method)
    act(HEAD, "push.send", "1", case=BACK, to=HRSS_SC)
    act(HEAD, "oversight.assign", "1", item=ITEM, to=HRSS_SC)
    act(HEAD, "credit.push", "1", to=HRSS_SC, **{"class": "breach"})
    act(HEAD, "milestone.set", "1", counts="claims", target=1, due=town.world.now_s + 100)
