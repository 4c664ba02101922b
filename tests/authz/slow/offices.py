"""Parties, items, grants and tokens: when an act on them is legal.

Source: domain.md rules 1 to 3, 9 and 11.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.authz.slow.cases import CLERICAL, FOUR, REGIONS, STEWARD, grant_until
from tests.authz.slow.past import Act, Past, type_of

# ---- parties ------------------------------------------------------------------------------------


def enrol(past: Past, act: Act) -> bool:
    body, new = act.body, past.enrolled(act.name) is None
    if not act.is_region or act.name[:6] != act.region or not new:
        return False
    match type_of(act.name):
        case "window":
            return (
                past.is_live(body["hall"])
                and past.is_live(body["department"])
                and body["hall"][:6] == body["department"][:6] == act.region
            )
        case "officer":
            seat = past.is_live(body["unit"]) and body["unit"][:6] == act.region
            return seat and is_new_key(past, act)
        case _:
            return True


def is_new_key(past: Past, act: Act) -> bool:
    """Whether the region has enrolled nobody with this key; it may not see what others have."""
    said = past.said("party.enrol", "party.rekey")
    return act.body["key"] not in {it.body.get("key") for it in said if it.region == act.region}


def is_master(past: Past, act: Act) -> bool:
    """Whether somebody may stop a party: its region, its department, its hall."""
    if act.is_region:
        return act.region == act.name[:6]
    masters = {past.dept(act.name), past.hall(act.name)}
    enrolled = past.enrolled(act.name) or {}
    if type_of(act.name) in {"department", "hall"}:
        masters = set()
    elif type_of(act.name) == "window":
        masters = {enrolled.get("department"), enrolled.get("hall")}
    return past.has_role(act.who, "manage") and past.unit(act.who) in masters - {None}


def is_there(past: Past, act: Act) -> bool:
    enrolled = past.enrolled(act.name) is not None and act.region == act.name[:6]
    return enrolled and not past.of(act.name, "party.retire")


def suspend(past: Past, act: Act) -> bool:
    free = past.unit(act.who) not in past.stopped_by(act.name)
    return is_there(past, act) and is_master(past, act) and free


def resume(past: Past, act: Act) -> bool:
    mine = past.unit(act.who) in past.stopped_by(act.name)
    return is_there(past, act) and is_master(past, act) and mine


def retire(past: Past, act: Act) -> bool:
    return is_there(past, act) and is_master(past, act)


def rekey(past: Past, act: Act) -> bool:
    there = is_there(past, act) and past.is_live(act.name) and act.is_region
    return there and is_new_key(past, act)


def teaches(past: Past, act: Act) -> bool:
    allowed = act.is_region or (past.has_role(act.who, "manage") and act.who != act.name)
    return is_there(past, act) and allowed


# ---- items and grants ---------------------------------------------------------------------------


def is_of_dept(past: Past, act: Act, department: str | None) -> bool:
    by = past.has_role(act.who, "grant", "manage")
    return not act.is_region and by and past.dept(act.who) == department


def publish_item(past: Past, act: Act) -> bool:
    body, before = act.body, past.item_dept(act.name)
    return (
        act.name[:6] == act.region
        and is_of_dept(past, act, body["department"])
        and before in {None, body["department"]}
        and past.is_live(body["department"])
        and body["version"] == len(past.versions(act.name)) + 1
        and set(body.get("tolerable", ())) <= set(body["materials"])
    )


def withdraw_item(past: Past, act: Act) -> bool:
    count = len(past.versions(act.name))
    here = act.name[:6] == act.region and past.in_force(act.name, count)
    return here and is_of_dept(past, act, past.item_dept(act.name))


def publish_basis(past: Past, act: Act) -> bool:
    by = act.is_region or past.has_role(act.who, "grant", "manage")
    new = act.name[:6] == act.region and not past.of(act.name)
    return by and new and act.body["valid_from"] < act.body["valid_until"]


def publish_calendar(past: Past, act: Act) -> bool:
    by = act.is_region or past.has_role(act.who, "manage")
    newer = all(it.body["version"] < act.body["version"] for it in past.of(act.name))
    return by and act.region == STEWARD == act.name[:6] and newer and act.body["version"] > 0


def within_basis(past: Past, body: Mapping[str, Any], until_s: int) -> bool:
    if "basis" not in body:
        return True
    found = past.of(body["basis"], "basis.publish")
    if not found:
        return False
    basis = found[0].body
    return bool(basis["valid_from"] <= body["valid_from"] and until_s <= basis["valid_until"])


def offer_grant(past: Past, act: Act) -> bool:
    body = act.body
    by = not act.is_region and past.has_role(act.who, "grant")
    return (
        by
        and act.name[:6] == act.region == body["item"][:6]
        and not past.of(act.name)
        and past.dept(act.who) == past.item_dept(body["item"])
        and past.in_force(body["item"], body["item_version"])
        and len(body["rights"]) > 0
        and set(body["rights"]) <= FOUR
        and type_of(body["window"]) in {"window", "hall"}
        and body["window"][:6] in REGIONS
        and body["valid_from"] < body["valid_until"]
        and body.get("basis", act.region)[:6] == act.region
        and within_basis(past, body, body["valid_until"])
    )


def move_grant(past: Past, act: Act) -> bool:
    """Suspend, resume or revoke: by who lent it, and never after the end."""
    moves = past.of(act.name, "grant.offer", "grant.suspend", "grant.resume", "grant.revoke")
    if not moves or act.name[:6] != act.region or moves[-1].kind == "grant.revoke":
        return False
    stopped = moves[-1].kind == "grant.suspend"
    item = moves[0].body["item"]
    granting = past.has_role(act.who, "grant") and past.dept(act.who) == past.item_dept(item)
    if not act.is_region and not granting:
        return False
    return act.kind == "grant.revoke" or stopped == (act.kind == "grant.resume")


def renew_grant(past: Past, act: Act) -> bool:
    moves = past.of(act.name, "grant.offer", "grant.suspend", "grant.resume", "grant.revoke")
    if not moves or act.is_region or act.name[:6] != act.region:
        return False
    if moves[-1].kind in {"grant.suspend", "grant.revoke"}:
        return False
    body, until_s, new_s = moves[0].body, grant_until(past, act.name), act.body["valid_until"]
    granting = past.has_role(act.who, "grant")
    by = granting and past.dept(act.who) == past.item_dept(body["item"])
    return by and act.time_s < until_s < new_s and within_basis(past, body, new_s)


def answer_grant(past: Past, act: Act) -> bool:
    offers = past.of(act.name, "grant.offer")
    answered = past.of(act.name, "grant.accept", "grant.decline")
    if act.is_region or not offers or answered:
        return False
    moves = past.of(act.name, "grant.offer", "grant.suspend", "grant.resume", "grant.revoke")
    if moves[-1].kind in {"grant.suspend", "grant.revoke"}:
        return False
    offer, window = offers[0].body, act.body["window"]
    enrolled = past.enrolled(window) or {}
    masters = {window, enrolled.get("hall"), enrolled.get("department")}
    clerical = set(offer["rights"]) <= CLERICAL
    accepts = act.kind == "grant.accept"
    return (
        act.time_s < grant_until(past, act.name)
        and window == offer["window"]
        and window[:6] == act.region
        and (not accepts or past.is_live(window))
        and past.has_role(act.who, "grant", "manage")
        and past.unit(act.who) in masters - {None}
        and (not accepts or act.body["item"] == offer["item"])
        and (not accepts or not enrolled.get("outlet") or clerical)
    )


# ---- tokens, corrections ------------------------------------------------------------------------


def issue_token(past: Past, act: Act) -> bool:
    return act.is_region and act.name[:6] == act.region and not past.of(act.name)


def revoke_token(past: Past, act: Act) -> bool:
    given = past.of(act.name, "token.issue") and not past.of(act.name, "token.revoke")
    return act.is_region and act.name[:6] == act.region and bool(given)


def correct(past: Past, act: Act) -> bool:
    """Whether an act on this very thing is corrected by who made it, a manager, or the region."""
    at = (act.name, act.region, act.body["index"])
    made = next((it for it in past.acts if (it.name, it.region, it.index) == at), None)
    if made is None:
        return False
    manages = past.has_role(act.who, "manage") and past.unit(act.who) in past.units(made.who)
    return act.is_region or act.who == made.who or (manages and not made.is_region)


RULES: Final[Mapping[str, Callable[[Past, Act], bool]]] = {
    "party.enrol": enrol,
    "party.rekey": rekey,
    "party.suspend": suspend,
    "party.resume": resume,
    "party.retire": retire,
    "training.attest": lambda past, act: (
        teaches(past, act) and not past.is_trained(act.name, act.body["course"])
    ),
    "training.lapse": lambda past, act: (
        teaches(past, act) and past.is_trained(act.name, act.body["course"])
    ),
    "basis.publish": publish_basis,
    "item.publish": publish_item,
    "item.withdraw": withdraw_item,
    "calendar.publish": publish_calendar,
    "grant.offer": offer_grant,
    "grant.accept": answer_grant,
    "grant.decline": answer_grant,
    "grant.suspend": move_grant,
    "grant.resume": move_grant,
    "grant.revoke": move_grant,
    "grant.renew": renew_grant,
    "token.issue": issue_token,
    "token.revoke": revoke_token,
    "act.correct": correct,
}
