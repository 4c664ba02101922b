"""Names and bodies of records that several tests write."""

from collections.abc import Mapping
from typing import Any

from tests.authz.world import (
    CASE,
    GRANT,
    ITEM,
    TIBET,
    UNTIL_S,
    WINDOW,
)
from tests.vectors.own.network import TIME_S

HASH, OTHER = bytes(32), bytes([1]) * 32
UNDER = {"grant": GRANT, "window": WINDOW}
WHY = {"reason": "调整"}
EVIDENCE = {"evidence": HASH}
DUE_S = TIME_S + 1_000
NOTICE = "540000/supervision/1"
NOTICE_BODY = {"to": WINDOW, "matter": "逾期未推送", "due": DUE_S}
REPLY = {"reply": "已推送", **EVIDENCE}
TOLERANCE = "510000/tolerance/1"
TOLERANCE_BODY = {
    "case": CASE,
    "item": ITEM,
    "item_version": 1,
    "missing": ["proof"],
    "consent": HASH,
    "due": DUE_S,
    "grant": GRANT,
}
SETTLE = {"received": ["proof"], "materials": [HASH]}
PRINT = "510000/print/1"
PRINT_BODY = {
    "case": CASE,
    "decided_in": TIBET,
    "certificate": HASH,
    "blank": "B-0001",
    "grant": GRANT,
}
PROPOSAL = "510000/proposal/1"
AGREEMENT = "510000/agreement/1"
AGREEMENT_BODY = {
    "to": TIBET,
    "title": "川藏通办协议",
    "here": ["intake"],
    "there": ["decide"],
    "valid_from": 1,
    "valid_until": UNTIL_S,
    "digest": HASH,
    "due": DUE_S,
}
RATING = "510000/evaluation/1"
RATE = {"case": CASE, "grade": "dissatisfied", "token": HASH, "to": WINDOW, "due": DUE_S}
RECTIFY = {"cause": "attitude", "reply": "已整改", **EVIDENCE}
CONTACT = "510000/contact/w3"
REACHED = {
    "version": 1,
    "window": WINDOW,
    "address": "政务大厅",
    "telephone": "028-1",
    "hours": "9-17",
}


def without(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The body with some fields left out."""
    return {name: it for name, it in body.items() if name not in names}
