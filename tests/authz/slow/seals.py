"""Seals, their uses and their loans: when an act on them is legal.

Source: domain.md rule 10; mechanisms 52 and 53.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.authz.slow.cases import is_on_offer
from tests.authz.slow.past import Act, Past
from tests.authz.slow.words import begins_a_word

_IN_USE: Final = (
    "( seal.entrust | seal.suspend seal.entrust* seal.resume | seal.lose seal.resume"
    " | seal.suspend seal.entrust* seal.lose seal.resume )*"
    " ( (seal.suspend seal.entrust*)? seal.lose? (seal.replace | seal.revoke) )?"
)
LIFE: Final = (
    f"seal.request ( seal.decline | seal.make ( seal.revoke | seal.file ( seal.revoke"
    f" | seal.enable {_IN_USE} ) ) ) | seal.issue {_IN_USE}"
)
USE: Final = "seal.ask? ( seal.refuse | seal.approve ( seal.refuse | seal.use ) | seal.use )"
"""Asked for if need be, approved if need be, used once; or refused."""


def _fits(life: str, past: Past, act: Act) -> bool:
    told = [it.kind for it in past.of(act.name) if it.kind.startswith("seal.")]
    return act.name[:6] == act.region and begins_a_word(life, [*told, act.kind])


def _first(past: Past, seal: str) -> Mapping[str, Any]:
    return past.of(seal, "seal.request", "seal.issue")[0].body


def _trusted(past: Past, seal: str) -> Mapping[str, Any]:
    """By the last word on it: who keeps a seal, and who approves its use."""
    return past.of(seal, "seal.request", "seal.issue", "seal.entrust")[-1].body


def _is_maker(past: Past, act: Act) -> bool:
    return act.is_region or past.has_role(act.who, "maker")


def _is_sound(body: Mapping[str, Any], *, two: bool) -> bool:
    return bool(body["keepers"]) and (not two or bool(body.get("approvers")))


def is_usable(past: Past, seal: str, time_s: int) -> bool:
    moves = [it for it in past.of(seal) if it.kind != "seal.entrust"]
    if not moves or moves[-1].kind not in {"seal.enable", "seal.issue", "seal.resume"}:
        return False
    term = past.of(seal, "seal.make", "seal.issue")[0].body
    return bool(term["valid_from"] <= time_s < term["valid_until"])


def on_seal(past: Past, act: Act) -> bool:
    if not _fits(LIFE, past, act):
        return False
    body, maker = act.body, _is_maker(past, act)

    def not_who(kind: str) -> bool:
        return past.of(act.name, kind)[-1].who != act.who

    match act.kind:
        case "seal.request":
            own = act.is_region or past.dept(act.who) == body["owner"]
            return own and _is_sound(body, two=body["approval"])
        case "seal.issue":
            term = body["valid_from"] < body["valid_until"]
            return maker and term and _is_sound(body, two=body["approval"])
        case "seal.make":
            term = body["valid_from"] < body["valid_until"]
            return maker and not_who("seal.request") and term
        case "seal.file":
            return maker and not_who("seal.make")
        case "seal.enable":
            return act.who in _trusted(past, act.name)["keepers"] and not act.is_region
        case "seal.entrust":
            return maker and _is_sound(body, two=_first(past, act.name)["approval"])
        case "seal.suspend" | "seal.lose":
            return maker or act.who in _trusted(past, act.name)["keepers"]
        case "seal.resume":
            stop = past.of(act.name, "seal.suspend", "seal.lose")[-1]
            return maker and (stop.kind == "seal.suspend" or stop.who != act.who)
        case "seal.replace":
            other = body["successor"]
            fit = other != act.name and other[:6] == act.region
            usable = fit and is_usable(past, other, act.time_s)
            return (
                maker
                and usable
                and (_first(past, other)["owner"] == _first(past, act.name)["owner"])
            )
        case _:
            return maker


def _is_same(before: Act, act: Act) -> bool:
    names = ("seal", "case", "document")
    return all(before.body[name] == act.body[name] for name in names)


def on_use(past: Past, act: Act) -> bool:
    seal, before = act.body["seal"], past.of(act.name)
    if act.is_region or not _fits(USE, past, act) or seal[:6] != act.region or not past.of(seal):
        return False
    if act.kind != "seal.refuse" and not is_usable(past, seal, act.time_s):
        return False
    if act.kind == "seal.ask":
        return True
    trusted = _trusted(past, seal)
    approvers, keepers = trusted.get("approvers", ()), trusted["keepers"]
    if before and not _is_same(before[-1], act):
        return False
    match act.kind:
        case "seal.approve":
            return act.who in approvers and all(it.who != act.who for it in before)
        case "seal.refuse":
            return act.who in {*approvers, *keepers}
    approvals = [it for it in before if it.kind == "seal.approve"]
    if _first(past, seal)["approval"] and not approvals:
        return False
    if any(it.who == act.who for it in approvals):
        return False
    if not _is_lent(past, act) if "loan" in act.body else act.who not in keepers:
        return False
    most = _first(past, seal).get("uses_max")
    used = [it for it in past.said("seal.use") if it.body["seal"] == seal]
    return most is None or len(used) < most


def _is_lent(past: Past, act: Act) -> bool:
    """Whether a use is one that a loan allows: to this unit, of this seal, now, once more."""
    loan = past.of(act.body["loan"])
    if len(loan) != 1 or loan[0].kind != "seal.lend":
        return False
    lent = loan[0].body
    used = [it for it in past.said("seal.use") if it.body.get("loan") == act.body["loan"]]
    keeps = act.who in _trusted(past, act.body["seal"])["keepers"]
    return (
        (lent["seal"], lent["grant"]) == (act.body["seal"], act.body["grant"])
        and bool(lent["valid_from"] <= act.time_s < lent["valid_until"])
        and _is_good(past, lent["grant"], lent["window"], act.time_s)
        and (keeps or past.unit(act.who) == lent["window"])
        and len(used) < lent["uses_max"]
    )


def _is_good(past: Past, grant: str, window: str, time_s: int) -> bool:
    offers = past.of(grant, "grant.offer")
    # What was taken or turned down within one region ends nothing: the grant is as it was offered.
    return bool(offers) and is_on_offer(past, grant, time_s) and offers[0].body["window"] == window


def on_loan(past: Past, act: Act) -> bool:
    if not _fits("seal.lend seal.recall?", past, act):
        return False
    made = past.of(act.name, "seal.lend")
    seal = act.body["seal"] if act.kind == "seal.lend" else made[0].body["seal"]
    if seal[:6] != act.region or not past.of(seal):
        return False
    trusted = _trusted(past, seal)
    answers = trusted.get("approvers", ()) if _first(past, seal)["approval"] else trusted["keepers"]
    if not act.is_region and act.who not in answers:
        return False
    if act.kind == "seal.recall":
        return True
    body = act.body
    return (
        is_usable(past, seal, act.time_s)
        and body["valid_from"] < body["valid_until"]
        and body["uses_max"] > 0
        and body["grant"][:6] == act.region
        and _is_good(past, body["grant"], body["window"], act.time_s)
    )


RULES: Final[Mapping[str, Callable[[Past, Act], bool]]] = {
    **dict.fromkeys(
        (
            "seal.request",
            "seal.decline",
            "seal.make",
            "seal.file",
            "seal.enable",
            "seal.issue",
            "seal.entrust",
            "seal.suspend",
            "seal.lose",
            "seal.resume",
            "seal.replace",
            "seal.revoke",
        ),
        on_seal,
    ),
    **dict.fromkeys(("seal.lend", "seal.recall"), on_loan),
    **dict.fromkeys(("seal.ask", "seal.approve", "seal.refuse", "seal.use"), on_use),
}
