"""Long ways that a random walk seldom finds to their end, told act by act."""

from collections.abc import Iterator
from typing import Any, Final

from tests.authz.slow.steps import CHIEF, HEAD_CQ, MAKER
from tests.authz.slow.walk import SEAL_BODY
from tests.authz.world import (
    CLERK,
    CLERK_2,
    DECIDER,
    GRANT,
    HEAD,
    HEAD_SC,
    HRSS,
    HRSS_CQ,
    SICHUAN,
    TIBET,
    UNTIL_S,
    WINDOW,
    WINDOW_2,
)

Told = tuple[str, str, str, dict[str, Any]]
CASE: Final = f"{SICHUAN}/case/1"
WHY: Final = {"reason": "调整"}
ZERO: Final = bytes(32)


def handed_over(name: str, giver: str, unit: str, taker: str) -> Iterator[Told]:
    yield ("handoff.offer", giver, name, {"unit": unit})
    yield ("handoff.accept", taker, name, {"holder": giver[:6]})
    yield ("handoff.release", giver[:6], name, {})


def a_branch_out_and_back() -> Iterator[Told]:
    name, result = f"{SICHUAN}/branch/1", {"result": "granted", "basis": "依据", "document": ZERO}
    of = {"case": CASE}
    yield ("branch.open", CLERK, name, of | {"part": "a1", "department": HRSS_CQ})
    yield from handed_over(name, CLERK, HRSS_CQ, HEAD_CQ)
    yield ("branch.report", HEAD_CQ, name, result)
    yield from handed_over(name, HEAD_CQ, WINDOW, CLERK)
    yield ("branch.join", CLERK, name, of)


def offers_answered_and_taken_back() -> Iterator[Told]:
    for answers in ("accept", "accept", "decline", "decline", "accept"):
        more = WHY if answers == "decline" else {}
        yield ("handoff.offer", CLERK, CASE, {"unit": HRSS})
        yield (f"handoff.{answers}", HEAD, CASE, {"holder": SICHUAN, **more})
        yield ("handoff.cancel", CLERK, CASE, {})
    for answers in ("accept", "decline"):
        more = WHY if answers == "decline" else {}
        yield ("handoff.offer", CLERK, CASE, {"unit": WINDOW_2})
        yield (f"handoff.{answers}", CLERK_2, CASE, {"holder": SICHUAN, **more})
        yield ("case.note", CLERK, CASE, {"remark": "已联系"})
        yield ("handoff.cancel", CLERK, CASE, {})
    yield from handed_over(CASE, CLERK, WINDOW_2, CLERK_2)


def checks_that_were_challenged() -> Iterator[Told]:
    check = {"case": CASE, "method": "card", "result": "match", "evidence": ZERO, "grant": GRANT}
    name = f"{SICHUAN}/identity-check/1"
    yield ("identity.check", CLERK, name, check)
    yield from handed_over(CASE, CLERK, HRSS, HEAD)
    yield ("case.note", HEAD, CASE, {"remark": "已收到"})
    why = WHY | {"case": CASE, "to": WINDOW, "identity": name, "due": UNTIL_S}
    for at, outcome in enumerate(("overturned", "upheld")):
        challenge = f"{TIBET}/challenge/{at}"
        # Which act it was, the walk fills in: the last on the check.
        yield ("challenge.raise", HEAD, challenge, why | {"check": ZERO})
        yield ("challenge.answer", CLERK, challenge, {"outcome": outcome, "evidence": ZERO})


def a_proposal_to_its_publication() -> Iterator[Told]:
    for at, verdict in enumerate(("returned", "passed")):
        name, before = f"{SICHUAN}/proposal/{at}", {"before": SICHUAN}
        asked = WHY | {"code": "a1", "change": "add", "digest": ZERO, "due": UNTIL_S}
        yield ("proposal.submit", HEAD_SC, name, asked | {"to": SICHUAN})
        yield ("proposal.review", CHIEF, name, before | {"verdict": "passed", "to": SICHUAN})
        yield ("proposal.confirm", SICHUAN, name, before | {"verdict": verdict})
    yield ("proposal.publish", HEAD_SC, name, before | {"digest": ZERO})


def seals_made_and_used() -> Iterator[Told]:
    owned = {name: SEAL_BODY[name] for name in ("name", "owner", "keepers", "approvers")} | {
        "approval": True
    }
    made = {name: SEAL_BODY[name] for name in ("certificate", "valid_from", "valid_until")}
    for name, last in ((f"{TIBET}/seal/3", "seal.revoke"), (f"{TIBET}/seal/4", "seal.enable")):
        yield ("seal.request", HEAD, name, owned | WHY)
        yield ("seal.make", MAKER, name, made)
        yield ("seal.file", TIBET, name, {"number": "a1", "register": "公安"})
        yield (last, HEAD, name, {}) if last == "seal.enable" else (last, TIBET, name, WHY)
    use = {"seal": f"{TIBET}/seal/1", "document": ZERO, "case": CASE, "purpose": "决定文书"}
    for kind, who in (("seal.ask", DECIDER), ("seal.approve", HEAD), ("seal.use", DECIDER)):
        yield (kind, who, f"{TIBET}/seal-use/1", use)
    for kind, who in (("seal.approve", HEAD), ("seal.refuse", DECIDER)):
        yield (kind, who, f"{TIBET}/seal-use/2", use | (WHY if kind == "seal.refuse" else {}))
    free = use | {"seal": f"{TIBET}/seal/2"}
    yield ("seal.ask", DECIDER, f"{TIBET}/seal-use/3", free)
    yield ("seal.use", DECIDER, f"{TIBET}/seal-use/3", free)
    for at, stop in enumerate(("", "seal.suspend", "seal.lose")):
        name = f"{TIBET}/seal/r{at}"
        yield ("seal.issue", TIBET, name, SEAL_BODY | {"approval": True})
        if stop:
            yield (stop, HEAD, name, WHY)
        yield ("seal.replace", TIBET, name, WHY | {"successor": f"{TIBET}/seal/1"})


WAYS: Final = (
    a_branch_out_and_back,
    offers_answered_and_taken_back,
    checks_that_were_challenged,
    a_proposal_to_its_publication,
    seals_made_and_used,
)
