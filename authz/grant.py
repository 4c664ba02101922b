"""Grants: an authority lends a window, hall or machine elsewhere some rights over its items.

A grant has two sides. The grantor's log holds ``st`` (offered, suspended, revoked), the grantee
region's log ``ans`` (accepted, declined); inside one region both stand in one row. It is live for a
use iff ``st`` is offered in the view of the grantor's log and the using log holds the acceptance.
A grant covers its item from the version it names on; which version a case is done under, the case
pins. ``also`` lists further items of the same department, ``dept`` is there where all items of it
are covered, ``scen`` lists the scenarios that it is for alone. ``train`` is the training that who
uses it must have, ``equip`` what the window must be equipped for, ``hours`` when it is for use,
``hols`` that it is for days off too; ``bas`` is the policy basis and ``mod`` the template that it
may not outlive, ``list`` the published list that its items stand on, ``pair`` the grant given in
return. What may be done under it, ``authz.use`` says.

``quota`` is the number of cases that it may be used for. A case counts once, by the first act on it
under the grant, whatever right that rests on; what is done beside a case counts no further.

Rows, grantor's: ``{live, st, item, also, dept, scen, v, to, rights, from, until, stale, quota,
pair, train, equip, hours, hols, bas, mod, list}``; grantee's: ``{live, ans, to, item}``. Beside
them the grantee's log keeps an index for the question "may this window",
``<region>/may/<hash of window, hall or machine, and item or department>``:
``{g: [[grant, rights], …]}``, newest first; and where uses are limited,
``<region>/quota/<hash of grant>``: ``{n}``.

Source: domain.md rules 1 to 4; mechanisms 1, 3, 4, 13, 14, 19, 39, 40, 44, 47, 72, 77.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from authz import party
from authz.ground import check_ground
from authz.hours import hours_of
from authz.item import number_of
from authz.right import CLERICAL, DECIDE, RIGHTS
from ledger import judge
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Flag, Judgement, Need
from ledger.roster_fields import STALENESS_S_MIN

INDEXED_GRANTS_MAX: Final = 16


class Side(StrEnum):
    """Where one side of a grant stands: the grantor's from NEW, the grantee's from UNANSWERED."""

    NEW = "new"
    OFFERED = "offered"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    UNANSWERED = "unanswered"
    ACCEPTED = "accepted"
    DECLINED = "declined"


class Event(StrEnum):
    """What happens to a grant; the value is the act's kind."""

    OFFER = "grant.offer"
    SUSPEND = "grant.suspend"
    RESUME = "grant.resume"
    RENEW = "grant.renew"
    REVOKE = "grant.revoke"
    ACCEPT = "grant.accept"
    DECLINE = "grant.decline"


# The whole life of a grant, both sides of it. What is not in this table is refused. Expiry is no
# event: a grant is out of its term by the clock alone.
TRANSITIONS: Final[Mapping[tuple[Side, Event], Side]] = {
    (Side.NEW, Event.OFFER): Side.OFFERED,
    (Side.OFFERED, Event.SUSPEND): Side.SUSPENDED,
    (Side.SUSPENDED, Event.RESUME): Side.OFFERED,
    (Side.OFFERED, Event.RENEW): Side.OFFERED,  # the same terms for longer
    (Side.OFFERED, Event.REVOKE): Side.REVOKED,
    (Side.SUSPENDED, Event.REVOKE): Side.REVOKED,
    (Side.UNANSWERED, Event.ACCEPT): Side.ACCEPTED,
    (Side.UNANSWERED, Event.DECLINE): Side.DECLINED,
}


def grantor_side(own: Fact | None) -> Side:
    """Return where the grantor's side stands by the grant's row in the grantor's log."""
    return Side.NEW if own is None else Side(own.state.get("st", Side.NEW))


def grantee_side(own: Fact | None) -> Side:
    """Return where the grantee's side stands by the grant's row in the grantee's log."""
    return Side.UNANSWERED if own is None else Side(own.state.get("ans", Side.UNANSWERED))


def next_side(side: Side, event: Event) -> Side:
    """Return where ``event`` takes one side of a grant.

    Raises:
        RefusedError: ``exists``, ``unknown-object``, ``already-answered`` or ``wrong-state``.
    """
    after = TRANSITIONS.get((side, event))
    if after is not None:
        return after
    if event is Event.OFFER:
        raise RefusedError("a grant of this number exists", code="exists")
    if event in {Event.ACCEPT, Event.DECLINE}:
        raise RefusedError(f"the grant has been {side.value} here", code="already-answered")
    if side is Side.NEW:
        raise RefusedError("no such grant was offered here", code="unknown-object")
    raise RefusedError(
        f"{event.value} does not fit a grant that is {side.value}", code="wrong-state"
    )


# One hall, and one department, stand for many windows and items.
@lru_cache(maxsize=4_096)
def index_object(window: str, item: str) -> str:
    """Return the object that lists the grants a window has accepted over an item.

    ``window`` is a hall or a machine likewise, ``item`` a department where all items of it are
    lent.
    """
    return f"{window[:6]}/may/{_digest(window, item)}"


# A window's acts name the same few grants again and again.
@lru_cache(maxsize=1_024)
def quota_object(region: str, grant: str) -> str:
    """Return the object that counts the cases for which a grantee region has used a grant."""
    return f"{region}/quota/{_digest(grant)}"


def _digest(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()[:32]


# ---- the grantor's side -------------------------------------------------------------------------


def offer_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    """Return the items, as the grantor's own log has them, and the grounds that are named."""
    body = draft.body
    needs = [Need("item", body["item"])]
    needs += [Need(f"item-{at}", name) for at, name in enumerate(body.get("also", ()))]
    needs += [Need(f"scenario-{at}", name) for at, name in enumerate(body.get("scenarios", ()))]
    if "basis" in body:
        needs.append(Need("basis", body["basis"]))
    needs += [
        Need(name, body[name], body[name][:6], cite=True)
        for name in ("model", "process", "list")
        if name in body
    ]
    if "reciprocal" in body:
        pair = body["reciprocal"]
        needs.append(Need("return", pair, pair[:6], cite=True))
    if "agreement" in body:
        agreement = body["agreement"]
        # It is signed in the log of the side that did not propose it.
        signer = body["window"][:6] if agreement[:6] == draft.issuer[:6] else draft.issuer[:6]
        needs += [Need("agreement", agreement, signer, cite=True), Need("proposed", agreement)]
    return tuple(needs)


def offer(acting: Acting) -> Judgement:
    """Judge ``grant.offer``: the item's competent department lends rights to one window."""
    judge.check_own_region(acting)
    next_side(grantor_side(acting.own), Event.OFFER)
    body = acting.act.body
    if body["item"][:6] != acting.region:
        # What is lent cannot be lent on: a grant's depth is one.
        raise RefusedError(
            f"{body['item']} belongs to another region, and a grant is not passed on",
            code="depth-exceeded",
        )
    _check_rights(body["rights"])
    _check_item(acting)
    _check_place(acting)
    _check_term(acting)
    row: dict[str, Any] = {
        "live": True,
        "st": Side.OFFERED.value,
        "item": body["item"],
        "v": body["item_version"],
        "to": body["window"],
        "rights": body["rights"],
        "from": body["valid_from"],
        "until": body["valid_until"],
        "stale": body["staleness_s"],
    }
    row |= {kept: body[name] for name, kept in _KEPT.items() if name in body}
    if "reciprocal" in body and body["reciprocal"][:6] != body["window"][:6]:
        raise RefusedError("the grant in return is one of the other side", code="wrong-state")
    if not _HOURS.isdisjoint(body):
        row["hours"] = hours_of(body)
    _check_listed(acting)
    flags = (*_check_grounds(acting), *_differing(row, acting.facts.get("return")))
    return Judgement((Change(acting.statement.subject, row),), flags=flags)


_KEPT: Final[Mapping[str, str]] = {
    "quota": "quota",
    "also": "also",
    "department": "dept",
    "scenarios": "scen",
    "training": "train",
    "equipment": "equip",
    "basis": "bas",
    "model": "mod",
    "reciprocal": "pair",
    "list": "list",
    "holidays": "hols",
}
"""Fields of an offer that may be left out, and what the row calls them."""

_HOURS: Final = frozenset({"days", "opens", "closes"})

TERMS: Final = ("rights", "from", "until", "stale", "quota", "hours", "hols", "train", "equip")
"""Fields of a row that two grants given in return for one another (互授) have alike."""


def differing(row: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the terms in which two grants given in return for one another differ."""
    return tuple(name for name in TERMS if row.get(name) != other.get(name))


def _differing(row: Mapping[str, Any], pair: Fact | None) -> tuple[Flag, ...]:
    """Return a flag where the grant given in return is there already and has other terms."""
    if pair is None or "st" not in pair.state:
        return ()
    names = differing(row, pair.state)
    if not names:
        return ()
    return (Flag(code="terms-differ", detail=f"{pair.object} differs in {', '.join(names)}"),)


def _check_listed(acting: Acting) -> None:
    """Check that a published list that is named is in force, and has every item that is lent."""
    body, published = acting.act.body, check_ground(acting, "list")
    if published is None:
        return
    for item in (body["item"], *body.get("also", ())):
        if number_of(item) not in published.state.get("items", ()):
            raise RefusedError(f"{item} is not on {published.object}", code="item-not-listed")


def _check_grounds(acting: Acting) -> tuple[Flag, ...]:
    """Check the template, the procedure and the agreement that a grant names.

    Returns:
        A flag where the grant's text is not the template's: a clause was changed.
    """
    body = acting.act.body
    model = check_ground(acting, "model")
    check_ground(acting, "process")
    if "agreement" in body:
        _check_agreement(acting)
    if model is None:
        return ()
    _check_outlives(body["valid_from"], body["valid_until"], model, "valid_from", "valid_until")
    if "template" in body and body["template"] != model.state["digest"]:
        detail = f"the text is not that of {model.object}"
        return (Flag(code="template-deviation", detail=detail),)
    return ()


def _check_agreement(acting: Acting) -> None:
    """Check that both sides have signed the agreement, neither has ended it, and it is in force."""
    body, signed, own = acting.act.body, acting.facts["agreement"], acting.facts["proposed"]
    if signed is None or own is None or acting.region == body["window"][:6]:
        raise RefusedError(
            f"no such agreement of both sides is within sight: {body['agreement']}",
            code="unknown-object",
        )
    for side in (signed, own):
        if side.state["st"] == "ended":
            raise RefusedError(f"the agreement has ended: {side.object}", code="ground-not-live")
    if {signed.state["by"][:6], signed.state["to"][:6]} != {acting.region, body["window"][:6]}:
        raise RefusedError(f"{signed.object} is one of other places", code="not-competent")
    if signed.state["st"] != "signed":
        raise RefusedError(f"the agreement is not signed: {signed.object}", code="ground-not-live")
    _check_outlives(body["valid_from"], body["valid_until"], signed, "valid_from", "valid_until")


def _check_outlives(from_s: int, until_s: int, ground: Fact, start: str, end: str) -> None:
    if not (ground.state[start] <= from_s and until_s <= ground.state[end]):
        raise RefusedError(f"the grant outlives {ground.object}", code="outlives-basis")


def _check_rights(rights: list[str]) -> None:
    if DECIDE in rights:
        raise RefusedError("the decision stays with the owning place", code="decision-stays")
    if not rights or not RIGHTS.issuperset(rights):
        raise MalformedError(
            f"rights are some of {', '.join(sorted(RIGHTS))}, not {rights!r:.80}", code="bad-field"
        )


def _check_item(acting: Acting) -> None:
    body, item = acting.act.body, acting.facts["item"]
    if item is None:
        raise RefusedError(f"no such item is published here: {body['item']}", code="unknown-object")
    _check_department(acting, item.state["dept"])
    if not item.live or item.state["v"] != body["item_version"]:
        raise RefusedError(
            f"version {body['item_version']} of {item.object} is not in force", code="item-not-live"
        )
    for at, name in enumerate(body.get("also", ())):
        other = acting.facts[f"item-{at}"]
        if other is None or "/item/" not in name:
            raise RefusedError(f"no such item is published here: {name}", code="unknown-object")
        if other.state["dept"] != item.state["dept"]:
            raise RefusedError(f"{name} is one of {other.state['dept']}", code="not-competent")
        if not other.live:
            raise RefusedError(f"the item is withdrawn: {name}", code="item-not-live")
    if body.get("department", item.state["dept"]) != item.state["dept"]:
        raise RefusedError(f"{item.object} is one of {item.state['dept']}", code="not-competent")
    _check_scenarios(acting)


def _check_scenarios(acting: Acting) -> None:
    """Check that the scenarios which a grant is for are in force, and of items it names."""
    body = acting.act.body
    covered = {body["item"], *body.get("also", ())}
    for at, name in enumerate(body.get("scenarios", ())):
        scenario = acting.facts[f"scenario-{at}"]
        if scenario is None or "/scenario/" not in name:
            raise RefusedError(f"no such scenario is published here: {name}", code="unknown-object")
        if not scenario.live:
            raise RefusedError(f"the scenario is withdrawn: {name}", code="item-not-live")
        of = scenario.state["item"]
        if of not in covered:
            raise RefusedError(f"{name} is one of {of}", code="item-not-granted")


def _check_place(acting: Acting) -> None:
    """Check that what a grant is for is a place in the network that may use it."""
    body = acting.act.body
    window = body["window"]
    of_type = party.type_of(window) if "/" in window else ""
    if of_type not in {"window", "hall", "device"}:
        raise MalformedError(
            f"a grant is for a window, a hall or a device, not {window!r:.80}", code="bad-field"
        )
    if of_type == "device" and not CLERICAL.issuperset(body["rights"]):
        raise RefusedError(
            f"a machine may be lent {', '.join(sorted(CLERICAL))} only", code="right-not-granted"
        )
    if window[:6] not in acting.roster.members:
        raise RefusedError(f"no such region in the network: {window[:6]}", code="unknown-object")


def _check_term(acting: Acting) -> None:
    body = acting.act.body
    greatest_s = acting.roster.constants.staleness_s
    if not STALENESS_S_MIN <= body["staleness_s"] <= greatest_s:
        raise MalformedError(
            f"staleness_s is from {STALENESS_S_MIN} to {greatest_s}", code="bad-field"
        )
    if not body["valid_from"] < body["valid_until"]:
        raise MalformedError("valid_until comes after valid_from", code="bad-field")
    if "basis" not in body:
        return
    basis = acting.facts["basis"]
    if basis is None:
        raise RefusedError(
            f"no such basis is published here: {body['basis']}", code="unknown-object"
        )
    _check_outlives(body["valid_from"], body["valid_until"], basis, "from", "until")


def _check_department(acting: Acting, department: str) -> None:
    signer = party.person(acting)
    party.check_role(signer, party.GRANT)
    if signer.state.get("dept") != department:
        raise RefusedError(f"only {department} is competent here", code="not-competent")


def suspend(acting: Acting) -> Judgement:
    """Judge ``grant.suspend``: no use until it is resumed."""
    return _move(acting, Event.SUSPEND)


def resume(acting: Acting) -> Judgement:
    """Judge ``grant.resume``."""
    return _move(acting, Event.RESUME)


def revoke(acting: Acting) -> Judgement:
    """Judge ``grant.revoke``: it has ended."""
    return _move(acting, Event.REVOKE)


def renew_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return the item, and what the grant may not outlive."""
    needs = move_needs(draft, own)
    if own is None:
        return needs
    if "bas" in own.state:
        needs += (Need("basis", own.state["bas"]),)
    if "mod" in own.state:
        needs += (Need("model", own.state["mod"], own.state["mod"][:6], cite=True),)
    return needs


def renew(acting: Acting) -> Judgement:
    """Judge ``grant.renew``: the same rights for longer, no longer than what they rest on."""
    judgement = _move(acting, Event.RENEW)
    row, until_s = judgement.changes[0].state, acting.act.body["valid_until"]
    if until_s <= row["until"]:
        raise RefusedError("a renewal is for longer", code="wrong-state")
    if acting.statement.time_s >= row["until"]:
        raise RefusedError("the grant is out of its term", code="grant-not-live")
    basis, model = acting.facts.get("basis"), acting.facts.get("model")
    if basis is not None:
        _check_outlives(row["from"], until_s, basis, "from", "until")
    if model is not None:
        _check_outlives(row["from"], until_s, model, "valid_from", "valid_until")
    return Judgement((Change(acting.statement.subject, {**row, "until": until_s}),))


def move_needs(_draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return the item, whose department is the competent one."""
    return () if own is None or "st" not in own.state else (Need("item", own.state["item"]),)


def _move(acting: Acting, event: Event) -> Judgement:
    own = acting.own
    after = next_side(grantor_side(own), event)
    assert own is not None  # the table has no way here from NEW
    if acting.signer is not None:
        item = acting.facts["item"]
        assert item is not None
        _check_department(acting, item.state["dept"])
    row = {**own.state, "live": after is Side.OFFERED, "st": after.value}
    return Judgement((Change(own.object, row),))


# ---- the grantee's side -------------------------------------------------------------------------


def accept_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return what a decline needs, and the window's list of grants over the item."""
    body = draft.body
    may = [
        Need(f"may-{at}", index_object(body["window"], it))
        for at, it in enumerate(covered(body, "department"))
    ]
    return (*decline_needs(draft, own), *may)


def covered(said: Mapping[str, Any], department: str) -> tuple[str, ...]:
    """Return what a grant covers: items, and the department whose items are covered all.

    ``department`` is what a row or a body calls the latter.
    """
    items = (said["item"], *said.get("also", ()))
    return (*items, said[department]) if department in said else items


def decline_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    """Return the offer, and the window it is for."""
    return (
        Need("offer", draft.subject, origin=draft.subject[:6], cite=True),
        Need("window", draft.body["window"]),
    )


def accept(acting: Acting) -> Judgement:
    """Judge ``grant.accept``: the grantee side takes the grant, and it is live (相互授予)."""
    made = _answered(acting, Event.ACCEPT)
    body = acting.act.body
    lent = covered(made, "dept")
    if lent != covered(body, "department"):
        raise RefusedError(f"the grant covers {', '.join(lent)}", code="item-not-granted")
    window = acting.facts["window"]
    assert window is not None  # _answered has looked
    if window.state.get("outlet") and not CLERICAL.issuperset(made["rights"]):
        raise RefusedError(
            f"an outlet that is no public body may be lent {', '.join(sorted(CLERICAL))} only",
            code="right-not-granted",
        )
    grant = acting.statement.subject
    changes = [Change(grant, _answer_row(acting, made, Side.ACCEPTED))]
    for at, item in enumerate(lent):
        index = acting.facts[f"may-{at}"]
        listed = [] if index is None else index.state["g"]
        newest = [[grant, made["rights"]], *listed][:INDEXED_GRANTS_MAX]
        changes.append(Change(index_object(window.object, item), {"g": newest}))
    return Judgement(tuple(changes))


def decline(acting: Acting) -> Judgement:
    """Judge ``grant.decline``."""
    made = _answered(acting, Event.DECLINE)
    return Judgement((Change(acting.statement.subject, _answer_row(acting, made, Side.DECLINED)),))


def _answer_row(acting: Acting, made: Mapping[str, Any], answer: Side) -> dict[str, Any]:
    if acting.own is not None:  # inside one region: the offer's own row, answered
        return {**acting.own.state, "ans": answer.value}
    return {
        "live": answer is Side.ACCEPTED,
        "ans": answer.value,
        "to": made["to"],
        "item": made["item"],
    }


def _answered(acting: Acting, event: Event) -> Mapping[str, Any]:
    """Return the row of the offer, whose window this region's officer may answer for."""
    next_side(grantee_side(acting.own), event)
    offer_row, window = acting.facts["offer"], acting.facts["window"]
    if offer_row is None or "st" not in offer_row.state:
        raise RefusedError("no such grant is within sight", code="unknown-object")
    made, body = offer_row.state, acting.act.body
    if made["st"] != Side.OFFERED or acting.statement.time_s >= made["until"]:
        raise RefusedError(f"the grant is {made['st']} or past its term", code="grant-not-live")
    if made["to"] != body["window"] or made["to"][:6] != acting.region:
        raise RefusedError(f"the grant is for {made['to']}", code="window-not-granted")
    if window is None or not (window.live or event is Event.DECLINE):
        raise RefusedError(f"no live window here: {body['window']}", code="window-not-live")
    signer = party.person(acting)
    party.check_role(signer, party.GRANT, party.MANAGE)
    # A machine is answered for by the hall that set it up.
    masters = {window.object, *(window.state.get(it) for it in ("hall", "dept", "by"))}
    if signer.state["unit"] not in masters:
        raise RefusedError(
            f"{signer.object} does not answer for {window.object}", code="not-entitled"
        )
    return made
