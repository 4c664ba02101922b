"""Cases, their branches, and the rights that acts on them rest on: when an act is legal.

Source: domain.md rules 1 and 4 to 8; protocol.md section 5.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.authz.slow.past import Act, Past, names, type_of

FOUR: Final = {"intake", "notice", "verify", "deliver"}
CLERICAL: Final = {"intake", "deliver"}
REGIONS: Final = {"500000", "510000", "540000"}
STEWARD: Final = "500000"

# ---- who holds what -----------------------------------------------------------------------------


@dataclass
class Custody:
    """Who holds a case or a branch, and how its offer stands."""

    holder: str | None = None
    offered: str | None = None
    answer: str = ""
    came_from: str = ""
    """The region that handed it to the holder's, until the holder's own log shows it."""

    @property
    def is_free(self) -> bool:
        return self.holder is not None and self.offered is None


ENDS: Final = {"case.close", "branch.join", "branch.drop"}


def custody(past: Past, name: str) -> Custody:
    now = Custody()
    for it in past.of(name):
        if it.kind in {"case.open", "branch.open"}:
            now = Custody(past.unit(it.who))
        elif it.kind in {"handoff.accept", "handoff.decline"}:
            now.answer = it.kind
        elif it.kind == "handoff.offer":
            now.offered, now.answer, now.came_from = it.body["unit"], "", ""
        elif it.kind == "handoff.release":
            assert now.holder is not None
            assert now.offered is not None
            source = now.holder[:6]
            now = Custody(now.offered, came_from="" if now.offered[:6] == source else source)
        elif it.kind == "handoff.cancel":
            now.offered, now.answer = None, ""
        else:
            now.came_from = ""
            if it.kind in ENDS:
                now.holder = None
    return now


def holds(past: Past, who: str, name: str) -> bool:
    return custody(past, name).holder == past.unit(who)


def holds_here(past: Past, who: str, name: str) -> bool:
    """Whether somebody's unit holds a case, and has acted on it since it came."""
    it = custody(past, name)
    unit = past.unit(who)
    held_by = it.holder is not None and (it.holder[:6] if len(unit) == 6 else it.holder) == unit
    return held_by and not it.came_from


def stage(past: Past, case: str) -> str:
    at = ""
    for it in past.of(case):
        at = {
            "case.open": "received",
            "case.notice": "noticed",
            "case.decide": "decided",
            "case.deliver": "delivered",
            "case.withdraw": "withdrawn",
            "case.close": "closed",
        }.get(it.kind, at)
        if it.kind == "case.supplement" and at == "noticed":
            at = "supplemented"
    return at


def is_working(past: Past, case: str) -> bool:
    return stage(past, case) in {"received", "noticed", "supplemented"}


def opening(past: Past, case: str) -> Act | None:
    found = past.of(case, "case.open")
    return found[0] if found else None


def is_known(past: Past, case: str, region: str) -> bool:
    return opening(past, case) is not None and bool(past.here(case, region))


def open_branches(past: Past, case: str) -> set[str]:
    made = {it.name for it in past.said("branch.open") if it.body["case"] == case}
    return made - {it.name for it in past.said("branch.join", "branch.drop")}


def open_parts(past: Past, case: str) -> set[str]:
    asked = {it.name for it in past.said("part.ask") if it.body["case"] == case}
    return asked - {it.name for it in past.said("part.join", "part.withdraw")}


def papers_to_come(past: Past, case: str) -> set[str]:
    taken = {it.name for it in past.said("tolerance.accept") if it.body["case"] == case}
    return taken - {it.name for it in past.said("tolerance.settle")}


# ---- rights -------------------------------------------------------------------------------------


def grant_until(past: Past, grant: str) -> int:
    found = past.of(grant, "grant.offer", "grant.renew")
    return int(found[-1].body["valid_until"])


def is_on_offer(past: Past, grant: str, time_s: int) -> bool:
    """Whether the grantor lends it now: offered, not stopped, within its term."""
    moves = past.of(grant, "grant.offer", "grant.suspend", "grant.resume", "grant.revoke")
    if not moves or moves[-1].kind in {"grant.suspend", "grant.revoke"}:
        return False
    return bool(moves[0].body["valid_from"] <= time_s < grant_until(past, grant))


def carries(past: Past, act: Act, case: Mapping[str, Any], right: str, window: str) -> bool:
    """Whether the grant that an act names lends the right to the window, over the case's item."""
    grant = act.body["grant"]
    if not is_on_offer(past, grant, act.time_s):
        return False
    offer = past.of(grant, "grant.offer")[0].body
    accepted = [it for it in past.of(grant, "grant.accept") if it.region == act.region]
    enrolled = past.enrolled(window) or {}
    hall = None if enrolled.get("outlet") else enrolled.get("hall")
    trained = "training" not in offer or past.is_trained(act.who, offer["training"])
    return (
        bool(accepted)
        and offer["item"] == case["item"]
        and offer["window"] in {window, hall}
        and right in offer["rights"]
        and trained
    )


def within_quota(past: Past, act: Act) -> bool:
    offer = past.of(act.body["grant"], "grant.offer")[0].body
    if "quota" not in offer:
        return True
    grant = act.body["grant"]
    used = {
        it.name
        for it in past.acts
        if it.region == act.region and it.body.get("grant") == grant and type_of(it.name) == "case"
    }
    return act.name in used or len(used) < offer["quota"]


def may_on_case(past: Past, act: Act, case: Mapping[str, Any], right: str) -> bool:
    """Whether an act on a case rests on own competence, or on one right of one live grant."""
    body, window = act.body, act.body.get("window")
    if not past.has_role(act.who, "receive") or past.is_machine(act.who):
        return False
    if window is not None:
        sits = past.unit(act.who) == window and type_of(window) == "window"
        if not sits or not past.is_live(window):
            return False
    if "grant" not in body:
        return is_competent(past, act, case)
    if window is None:
        return False
    return carries(past, act, case, right, window) and within_quota(past, act)


def may_beside(past: Past, act: Act, case: Mapping[str, Any], right: str) -> bool:
    """Whether an act beside a case rests on own competence, or on one right of one live grant."""
    if "grant" not in act.body:
        return is_competent(past, act, case)
    return carries(past, act, case, right, past.unit(act.who))


def is_competent(past: Past, act: Act, case: Mapping[str, Any]) -> bool:
    own: str = case["item"]
    return own[:6] == act.region and past.dept(act.who) == case["department"]


# ---- cases --------------------------------------------------------------------------------------


def open_case(past: Past, act: Act) -> bool:
    body = act.body
    version = past.version(body["item"], body["item_version"]) or {}
    return (
        not act.is_region
        and act.name[:6] == act.region
        and not past.of(act.name)
        and ("training" not in version or past.is_trained(act.who, version["training"]))
        and past.in_force(body["item"], body["item_version"])
        and past.item_dept(body["item"]) == body["department"]
        and body["mode"] != "kiosk"
        and may_on_case(past, act, body, "intake")
    )


def asks_well(past: Past, act: Act, case: Mapping[str, Any]) -> bool:
    """Whether a notice asks for something, once, that is listed and has not come yet."""
    version = past.version(case["item"], case["item_version"])
    assert version is not None
    missing = act.body["missing"]
    return (
        bool(missing)
        and stage(past, act.name) in {"received", "supplemented"}
        and set(missing) <= set(version["materials"])
        and not come(past, act.name, act.region) & set(missing)
    )


def come(past: Past, case: str, region: str) -> set[str]:
    """Papers of a case that a region has with its bundle, or as data."""
    shared = {
        it.body["material"]
        for it in past.said("share.use")
        if it.region == region and it.body["case"] == case
    }
    for it in past.said("bundle.add"):
        if it.region == region and it.body["case"] == case:
            shared |= set(past.of(it.name, "bundle.open")[0].body.get("received", ()))
    return shared


def decides(past: Past, act: Act, case: Mapping[str, Any]) -> bool:
    own = is_competent(past, act, case) and past.has_role(act.who, "decide")
    opened = opening(past, act.name)
    whole = not open_branches(past, act.name) and not open_parts(past, act.name)
    received = opened is not None and opened.who == act.who
    return own and whole and not received and on_site(past, act, case["item"])


def on_site(past: Past, act: Act, item: str) -> bool:
    """Whether who sits at a window was appointed to decide there, on this item, for now."""
    if type_of(past.unit(act.who)) == "department":
        return True
    appointment: Act | None = None
    for it in past.said("representative.appoint", "representative.dismiss"):
        named = {it.body.get("officer"), it.body.get("deputy")}
        if it.kind == "representative.appoint" and act.who in named:
            appointment = it
        elif appointment is not None and it.name == appointment.name:
            appointment = None
    if appointment is None:
        return False
    body = appointment.body
    listed = item.split("/")[2] in body["items"]
    return listed and bool(body["valid_from"] <= act.time_s < body["valid_until"])


def on_case(past: Past, act: Act) -> bool:
    """Whether the holder of a case may do this, where the case stands."""
    opened, it = opening(past, act.name), custody(past, act.name)
    if act.is_region or opened is None or it.holder != past.unit(act.who):
        return False
    case, free = opened.body, it.offered is None
    at, working = stage(past, act.name), is_working(past, act.name)
    match act.kind:
        case "case.note":
            return True
        case "case.notice":
            return may_on_case(past, act, case, "notice") and asks_well(past, act, case)
        case "case.supplement":
            brings = bool(act.body["received"])
            return working and brings and may_on_case(past, act, case, "intake")
        case "case.verify":
            return working and may_on_case(past, act, case, "verify") and is_reason(past, act)
        case "case.decide":
            return free and working and decides(past, act, case)
        case "case.deliver":
            refused = past.of(act.name, "case.decide")[-1:]
            came = not papers_to_come(past, act.name)
            may = may_on_case(past, act, case, "deliver")
            return (
                free
                and at == "decided"
                and may
                and (came or refused[0].body["result"] == "refused")
            )
        case "case.withdraw":
            return free and working and may_on_case(past, act, case, "intake")
        case _:
            over = free and at in {"delivered", "withdrawn"}
            by = past.has_role(act.who, "receive", "decide")
            return over and by and not open_branches(past, act.name)


def is_reason(past: Past, act: Act) -> bool:
    """Whether a challenge that is named for checking again is the unit's own, on this case."""
    if "challenge" not in act.body:
        return True
    raised = past.of(act.body["challenge"], "challenge.raise")
    return any(
        it.body["case"] == act.name
        and it.region == act.region
        and past.unit(it.who) == past.unit(act.who)
        for it in raised
    )


# ---- units out of service -----------------------------------------------------------------------

GOES_ON: Final = frozenset(
    names(
        # What is there goes back, and what was lent ends.
        "handoff.offer handoff.decline handoff.release handoff.cancel branch.join branch.drop"
        " parcel.send parcel.receive parcel.lose payment.refund print.void blanks.count"
        " blanks.close part.withdraw consent.withdraw assist.withdraw agent.end"
        " grant.suspend grant.revoke grant.decline representative.dismiss"
        " seal.suspend seal.lose seal.recall seal.refuse"
        # Nobody waits for ever on what was begun.
        " procedure.end video.end tolerance.settle"
        # It answers for what it did.
        " act.correct challenge.answer supervision.reply grievance.answer evaluation.rectify"
        " incident.report"
    )
)


def goes_on_while_stopped(past: Past, act: Act) -> bool:
    """Whether a unit that is suspended or retired may do something still: it begins nothing."""
    if act.kind != "handoff.accept":
        return act.kind in GOES_ON
    made = past.of(act.name, "branch.open")
    known = bool(past.here(act.name, act.region))
    return bool(made) and known and holds_here(past, act.who, made[0].body["case"])


# ---- handing over -------------------------------------------------------------------------------


def hand_over(past: Past, act: Act) -> bool:
    it, unit = custody(past, act.name), past.unit(act.who)
    desk = past.has_role(act.who, "receive", "decide")
    if it.holder is None:
        return False
    match act.kind:
        case "handoff.offer":
            to = act.body["unit"]
            fits = type_of(to) in {"department", "window"} and to[:6] in REGIONS
            whole = not open_branches(past, act.name)
            mine = desk and it.holder == unit
            if act.is_region:  # for a unit that is out of service itself
                mine = not past.is_live(it.holder)
            free = it.offered is None and it.holder[:6] == act.region
            return mine and free and fits and to != it.holder and whole
        case "handoff.accept" | "handoff.decline":
            asked = it.offered == unit and not it.answer
            return desk and asked and act.body["holder"] == it.holder[:6]
        case "handoff.release":
            by = it.holder == unit or (act.is_region and it.holder[:6] == act.region)
            return by and it.answer == "handoff.accept"
        case _:
            if act.is_region:
                return it.answer == "handoff.decline" and it.holder[:6] == act.region
            return it.offered is not None and it.holder == unit


def open_branch(past: Past, act: Act) -> bool:
    case, department = act.body["case"], act.body["department"]
    return (
        not act.is_region
        and act.name[:6] == act.region
        and not past.of(act.name)
        and past.has_role(act.who, "receive", "decide")
        and opening(past, case) is not None
        and holds_here(past, act.who, case)
        and custody(past, case).is_free
        and is_working(past, case)
        and type_of(department) == "department"
        and department[:6] in REGIONS
    )


def on_branch(past: Past, act: Act) -> bool:
    made = past.of(act.name, "branch.open")
    if act.is_region or not made or not custody(past, act.name).is_free:
        return False
    opened, reported = made[0].body, bool(past.of(act.name, "branch.report"))
    case_opened = opening(past, opened["case"])
    if not holds(past, act.who, act.name) or case_opened is None:
        return False
    if act.kind == "branch.report":
        owes = past.dept(act.who) == opened["department"] and past.has_role(act.who, "decide")
        return owes and not reported and case_opened.who != act.who
    return (
        act.body["case"] == opened["case"]
        and past.has_role(act.who, "receive", "decide")
        and holds_here(past, act.who, opened["case"])
        and reported == (act.kind == "branch.join")
    )


RULES: Final[Mapping[str, Callable[[Past, Act], bool]]] = {
    "case.open": open_case,
    **dict.fromkeys(
        (
            "case.notice",
            "case.supplement",
            "case.verify",
            "case.decide",
            "case.deliver",
            "case.withdraw",
            "case.close",
            "case.note",
        ),
        on_case,
    ),
    **dict.fromkeys(
        (
            "handoff.offer",
            "handoff.accept",
            "handoff.decline",
            "handoff.release",
            "handoff.cancel",
        ),
        hand_over,
    ),
    "branch.open": open_branch,
    **dict.fromkeys(("branch.report", "branch.join", "branch.drop"), on_branch),
}
