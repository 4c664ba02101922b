"""A case: opened for an applicant, told once what is missing, verified, decided, delivered.

Where a case stands (``stage``) is one matter, who holds it (``custody``) another; this file has the
first, and asks the second before every act. What is done for another place rests on exactly one
right of exactly one live grant, named in the body and cited; what an authority does itself rests on
its own competence.

Source: domain.md rules 1, 4, 5, 7; mechanisms 10, 14, 15, 17, 22, 23, 24, 34, 42.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

from authz import custody, originals, party, term, unsettled
from authz.calendar import day_of
from authz.custody import At
from authz.grant import quota_object
from authz.hours import beyond
from authz.item import version_object
from authz.representative import check_on_site
from authz.right import Right
from authz.shared_papers import check_not_come, come_needs
from authz.use import (
    Occasion,
    check_device,
    check_own_competence,
    check_quota,
    check_use,
    grant_needs,
    hall_of,
)
from ledger import judge
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Flag, Judgement, Need, Use


class Stage(StrEnum):
    """How far a case has come."""

    NEW = "new"
    RECEIVED = "received"
    NOTICED = "noticed"
    """The one notice has been given, and nothing new has come in since."""
    SUPPLEMENTED = "supplemented"
    DECIDED = "decided"
    DELIVERED = "delivered"
    WITHDRAWN = "withdrawn"
    CLOSED = "closed"


class Event(StrEnum):
    """What happens to a case; the value is the act's kind."""

    OPEN = "case.open"
    NOTICE = "case.notice"
    SUPPLEMENT = "case.supplement"
    VERIFY = "case.verify"
    DECIDE = "case.decide"
    DELIVER = "case.deliver"
    WITHDRAW = "case.withdraw"
    CLOSE = "case.close"
    NOTE = "case.note"


# The whole life of a case. What is not in this table is refused.
TRANSITIONS: Final[Mapping[tuple[Stage, Event], Stage]] = {
    (Stage.NEW, Event.OPEN): Stage.RECEIVED,
    (Stage.RECEIVED, Event.NOTICE): Stage.NOTICED,
    (Stage.RECEIVED, Event.SUPPLEMENT): Stage.RECEIVED,
    (Stage.RECEIVED, Event.VERIFY): Stage.RECEIVED,
    (Stage.RECEIVED, Event.DECIDE): Stage.DECIDED,
    (Stage.RECEIVED, Event.WITHDRAW): Stage.WITHDRAWN,
    (Stage.RECEIVED, Event.NOTE): Stage.RECEIVED,
    (Stage.NOTICED, Event.SUPPLEMENT): Stage.SUPPLEMENTED,
    (Stage.NOTICED, Event.VERIFY): Stage.NOTICED,
    (Stage.NOTICED, Event.DECIDE): Stage.DECIDED,  # what was asked for never came
    (Stage.NOTICED, Event.WITHDRAW): Stage.WITHDRAWN,
    (Stage.NOTICED, Event.NOTE): Stage.NOTICED,
    (Stage.SUPPLEMENTED, Event.NOTICE): Stage.NOTICED,  # the new papers are the new fact
    (Stage.SUPPLEMENTED, Event.SUPPLEMENT): Stage.SUPPLEMENTED,
    (Stage.SUPPLEMENTED, Event.VERIFY): Stage.SUPPLEMENTED,
    (Stage.SUPPLEMENTED, Event.DECIDE): Stage.DECIDED,
    (Stage.SUPPLEMENTED, Event.WITHDRAW): Stage.WITHDRAWN,
    (Stage.SUPPLEMENTED, Event.NOTE): Stage.SUPPLEMENTED,
    (Stage.DECIDED, Event.DELIVER): Stage.DELIVERED,
    (Stage.DECIDED, Event.NOTE): Stage.DECIDED,
    (Stage.DELIVERED, Event.CLOSE): Stage.CLOSED,
    (Stage.DELIVERED, Event.NOTE): Stage.DELIVERED,
    (Stage.WITHDRAWN, Event.CLOSE): Stage.CLOSED,
    (Stage.WITHDRAWN, Event.NOTE): Stage.WITHDRAWN,
}

# May be recorded while an offer is open; the rest waits for the answer (protocol.md section 5).
WHILE_OFFERED: Final = frozenset({Event.NOTICE, Event.SUPPLEMENT, Event.VERIFY, Event.NOTE})

RIGHT_OF: Final[Mapping[str, Right]] = {
    Event.OPEN: Right.INTAKE,
    Event.NOTICE: Right.NOTICE,
    Event.SUPPLEMENT: Right.INTAKE,
    Event.VERIFY: Right.VERIFY,
    Event.DELIVER: Right.DELIVER,
    Event.WITHDRAW: Right.INTAKE,
}
"""The one right that each of these acts rests on, when it is done for another place."""


KIOSK: Final = "kiosk"
"""The way of handling in which a machine takes the papers in (一体机)."""

_UNTIL_DECIDED: Final = ("mat", "seen")
"""What nobody asks of a case any more once it is decided; every later row would repeat it."""


def next_stage(stage: Stage, event: Event) -> Stage:
    """Return how far ``event`` takes a case.

    Raises:
        RefusedError: ``second-notice`` or ``wrong-state``.
    """
    after = TRANSITIONS.get((stage, event))
    if after is not None:
        return after
    if (stage, event) == (Stage.NOTICED, Event.NOTICE):
        raise RefusedError(
            "one notice lists all that is missing, and nothing new has come in",
            code="second-notice",
        )
    raise RefusedError(
        f"{event.value} does not fit a case that is {stage.value}", code="wrong-state"
    )


# ---- what an act rests on -----------------------------------------------------------------------


def act_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return the release that brought the case, the grant in both logs, and the window."""
    needs = custody.release_needs(draft, own)
    body = draft.body
    needs += grant_needs(body)
    for name in ("window", "device"):
        if name in body:
            needs += _need(name, body[name])
    if "grant" in body and not _is_counted(own, body["grant"]):
        needs += _quota_need(draft.issuer[:6], body["grant"])
    return needs


# Acts name the same windows, grants and items over and over.


@lru_cache(maxsize=4_096)
def _need(name: str, object_: str) -> tuple[Need, ...]:
    return (Need(name, object_),)


@lru_cache(maxsize=4_096)
def _quota_need(region: str, grant: str) -> tuple[Need, ...]:
    return (Need("quota", quota_object(region, grant)),)


@lru_cache(maxsize=4_096)
def _item_needs(item: str, version: int) -> tuple[Need, ...]:
    return (
        Need("item", item, origin=item[:6]),
        Need("version", version_object(item, version), origin=item[:6]),
    )


def _is_counted(own: Fact | None, grant: str) -> bool:
    """Return whether the case has counted for a grant: it was opened, or used it, under that."""
    return own is not None and (
        own.state.get("grant") == grant or grant in own.state.get("used", ())
    )


class _Rested(NamedTuple):
    """What an act rests on: reliance on the grantor's log, which later views settle, and marks."""

    uses: tuple[Use, ...] = ()
    flags: tuple[Flag, ...] = ()


def _rest(acting: Acting, row: Mapping[str, Any], event: Event) -> _Rested:
    """Check that the act rests on one right of one live grant, or on own competence.

    Within one log nothing is left for later views to settle. What a machine does by itself is
    beyond no hours.
    """
    signer, body, right = party.person(acting), acting.act.body, RIGHT_OF[event]
    window, time_s = body.get("window"), acting.statement.time_s
    party.check_role(signer, party.RECEIVE)
    hours: dict[str, Mapping[str, Any]] = {}
    if window is not None:
        hours["window"] = _check_window(acting, signer, window).state
    device = _check_device(acting, signer, row)
    grant = body.get("grant")
    if grant is None:
        check_own_competence(acting, row, right)
        return _Rested(flags=() if device else beyond(time_s, hours))
    if window is None:
        raise RefusedError(
            "a grant is used at the window it was given to", code="window-not-granted"
        )
    found = check_use(
        acting.facts["grant"],
        acting.facts["acceptance"],
        Occasion(
            window,
            right,
            row["item"],
            row["dept"],
            time_s,
            hall_of(hours["window"]),
            device,
            row.get("scen"),
        ),
    )
    party.check_trained(signer, found.state.get("train"))
    party.check_equipped(hours["window"], found.state.get("equip"))
    hours["grant"] = found.state
    days_off = found.state.get("hols", False)
    return _Rested(
        () if found.origin == acting.origin else (Use("grant", found.state["stale"]),),
        () if device else beyond(time_s, hours, days_off=days_off),
    )


def _check_device(acting: Acting, signer: Fact, row: Mapping[str, Any]) -> str | None:
    """Check the machine by which the act is done, and return its name; None where there is none.

    A machine's own key speaks for that machine alone.
    """
    device: str | None = acting.act.body.get("device")
    if signer.state.get("device", device) != device:
        raise RefusedError(
            f"{signer.object} is the key of {signer.state['device']}", code="not-entitled"
        )
    if device is not None:
        check_device(
            acting.facts["device"],
            name=device,
            window=acting.act.body.get("window", ""),
            item=row["item"],
        )
    return device


def _check_window(acting: Acting, signer: Fact, window: str) -> Fact:
    found = acting.facts["window"]
    if found is None or "/window/" not in window or not found.live:
        raise RefusedError(f"no live window here: {window}", code="window-not-live")
    if signer.state["unit"] != window:
        raise RefusedError(f"{signer.object} does not sit at {window}", code="not-entitled")
    return found


# ---- case.open ----------------------------------------------------------------------------------


def open_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return what every act on a case needs, the item and its version."""
    body = draft.body
    item = body["item"]
    needs = act_needs(draft, own) + _item_needs(item, body["item_version"])
    if "scenario" in body:
        needs += (Need("scenario", body["scenario"], origin=item[:6]),)
    return needs


def open_case(acting: Acting) -> Judgement:
    """Judge ``case.open``: papers are taken in, and the receipt's clock starts (收件即受理)."""
    judge.check_own_region(acting)
    at = custody.next_at(custody.at_of(acting.own), custody.Event.OPEN)
    stage = next_stage(Stage.NEW, Event.OPEN)
    body, signer = acting.act.body, party.person(acting)
    if body["mode"] == KIOSK and "device" not in body:
        raise RefusedError("a case taken in by a machine names it", code="device-not-live")
    item = acting.facts["item"]
    if item is None:
        raise RefusedError(f"no such item is within sight: {body['item']}", code="unknown-object")
    version = acting.facts["version"]
    promised = None if version is None else version.state["days"]
    row: dict[str, Any] = {
        "at": str(at),
        "n": 0,
        "stage": str(stage),
        "item": body["item"],
        "v": body["item_version"],
        "dept": item.state["dept"],
        "by": signer.object,
        "unit": signer.state["unit"],
        "term": term.opened(promised, acting.statement.time_s),
    }
    row |= _scenario(acting)
    rested = _rest(acting, row, Event.OPEN)
    uses = rested.uses
    if not item.live or item.state["v"] != body["item_version"]:
        raise RefusedError(
            f"version {body['item_version']} of {item.object} is not in force", code="item-not-live"
        )
    if item.origin != acting.origin:
        # It may have ended unseen, like a grant; the version's own row says when.
        seen = ("version", "scenario") if "scenario" in body else ("version",)
        uses += tuple(Use(name, acting.roster.constants.staleness_s) for name in seen)
    if body["department"] != row["dept"]:
        raise RefusedError(f"{row['dept']} decides on {item.object}", code="not-competent")
    party.check_trained(signer, item.state.get("train"))
    if "window" in body:
        row["win"] = body["window"]
    changes = [Change(acting.statement.subject, row)]
    if "grant" in body:
        row["grant"] = body["grant"]
        changes += _counted(acting)
    return Judgement(tuple(changes), uses, flags=rested.flags)


def _scenario(acting: Acting) -> dict[str, Any]:
    """Return what a case keeps of the scenario it is one of: its name, and the papers it asks for.

    A scenario published anew is another one for cases that are opened from then on.
    """
    body = acting.act.body
    if "scenario" not in body:
        return {}
    scenario = acting.facts["scenario"]
    if scenario is None:
        raise RefusedError(
            f"no such scenario is within sight: {body['scenario']}", code="unknown-object"
        )
    of = (body["item"], body["item_version"])
    if not scenario.live or (scenario.state["item"], scenario.state["item_version"]) != of:
        raise RefusedError(
            f"{scenario.object} is not in force for version {of[1]} of {of[0]}",
            code="item-not-live",
        )
    return {"scen": scenario.object, "mat": scenario.state["materials"]}


def _counted(acting: Acting) -> tuple[Change, ...]:
    """Count a case for a grant that limits them; the grantee's log alone keeps the number.

    Nothing where it has counted before.
    """
    offer, used = acting.facts.get("grant"), acting.facts.get("quota")
    if offer is None or "quota" not in offer.state:
        return ()
    if _is_counted(acting.own, offer.object):
        return ()
    check_quota(offer, used)
    count = 1 if used is None else used.state["n"] + 1
    return (Change(quota_object(acting.region, offer.object), {"n": count}),)


_AfterTerm = Callable[[term.Term, int], list[int | None]]


def _unchanged(before: term.Term, _time_s: int) -> list[int | None]:
    return list(before)


def _over(acting: Acting) -> dict[str, int]:
    """Return what the row keeps of the day on which nothing was to be decided any more."""
    return {"over": day_of(acting.statement.time_s)}


# ---- acts of the holder -------------------------------------------------------------------------


def _advance(acting: Acting, event: Event) -> dict[str, Any]:
    """Return the row of the case after ``event``, by the holder who may take that step."""
    row = custody.held(acting)
    custody.check_unit(acting, row)
    if row["at"] != At.HELD and event not in WHILE_OFFERED:
        raise RefusedError("the case is offered, and waits for the answer", code="offer-open")
    step = custody.Event.CLOSE if event is Event.CLOSE else custody.Event.ACT
    row["at"] = custody.next_at(At(row["at"]), step).value
    row["stage"] = next_stage(Stage(row["stage"]), event).value
    return row


def _resting(acting: Acting, event: Event, term_after: _AfterTerm = _unchanged) -> Judgement:
    row = _advance(acting, event)
    rested = _rest(acting, row, event)
    if "term" in row:  # one of before terms were kept has none
        row["term"] = term_after(row["term"], acting.statement.time_s)
    counted = _counted(acting)
    if counted:
        row["used"] = sorted({*row.get("used", ()), acting.act.body["grant"]})
    changes = (Change(acting.statement.subject, row), *counted)
    return Judgement(changes, rested.uses, flags=rested.flags)


def _with_row(
    judgement: Judgement,
    row: Mapping[str, Any],
    *more: Change,
    flags: tuple[Flag, ...] = (),
) -> Judgement:
    """Return a judgement with another row of the case, and what else the act changes or marks."""
    [change, *rest] = judgement.changes
    changes = (Change(change.object, row), *rest, *more)
    return judgement._replace(changes=changes, flags=(*judgement.flags, *flags))


def notice_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return what every act on a case needs, and the list of the pinned item version."""
    needs = (*act_needs(draft, own), *come_needs(draft, draft.body["missing"]))
    if own is None:
        return needs
    item = own.state["item"]
    return (*needs, Need("version", version_object(item, own.state["v"]), origin=item[:6]))


def notice(acting: Acting) -> Judgement:
    """Judge ``case.notice``: once, and nothing that is not on the list (一次性告知)."""
    missing = acting.act.body["missing"]
    if not missing:
        # It would hold the clock while nothing is asked for.
        raise MalformedError("a notice says what is missing", code="bad-field")
    judgement = _resting(acting, Event.NOTICE, term.noticed)
    version = acting.facts["version"]
    if version is None:
        raise RefusedError("the pinned item version is not within sight", code="unknown-object")
    listed = judgement.changes[0].state.get("mat", version.state["mat"])
    for code in missing:
        if code not in listed:
            raise RefusedError(
                f"not on the list of {version.object}: {code}", code="extra-material"
            )
    check_not_come(acting, missing)
    return judgement


def supplement(acting: Acting) -> Judgement:
    """Judge ``case.supplement``: further papers are taken in."""
    if not acting.act.body["received"]:
        # What brings nothing is no new fact, and lets nobody ask a second time.
        raise MalformedError("no paper has come in", code="bad-field")
    judgement = _resting(acting, Event.SUPPLEMENT, term.supplemented)
    return _with_row(
        judgement, originals.received(judgement.changes[0].state, acting.act.body["received"])
    )


def verify(acting: Acting) -> Judgement:
    """Judge ``case.verify``: an officer has seen the originals (原件核验)."""
    judgement = _resting(acting, Event.VERIFY)
    row, flags = originals.checked(acting, judgement.changes[0].state)
    return _with_row(judgement, row, originals.check_made(acting), flags=flags)


def verify_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return what every act on a case needs, and the reason for checking again."""
    return (*act_needs(draft, own), *originals.needs(draft))


def deliver_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return what every act on a case needs, and what is open of it anywhere."""
    return (*act_needs(draft, own), *unsettled.all_needs(draft.subject, draft.issuer[:6], own))


def deliver(acting: Acting) -> Judgement:
    """Judge ``case.deliver``: the result is handed over (审批结果送达), once nothing is missing."""
    judgement = _resting(acting, Event.DELIVER)
    if judgement.changes[0].state["result"] != "refused":  # a refusal needs no further paper
        unsettled.check_papers(acting)
    return judgement


def withdraw(acting: Acting) -> Judgement:
    """Judge ``case.withdraw``: the applicant takes the application back."""
    judgement = _resting(acting, Event.WITHDRAW)
    return _with_row(judgement, {**judgement.changes[0].state, **_over(acting)})


def decide_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return the release that brought the case, and what is open of it anywhere."""
    return (
        *custody.release_needs(draft, own),
        *unsettled.all_needs(draft.subject, draft.issuer[:6], own),
    )


def decide(acting: Acting) -> Judgement:
    """Judge ``case.decide``: by the owning department alone, never by whoever received the case."""
    row = _advance(acting, Event.DECIDE)
    signer = party.person(acting)
    if row["item"][:6] != acting.region:
        raise RefusedError(f"the decision is {row['dept']}'s", code="decision-stays")
    if signer.state.get("dept") != row["dept"]:
        raise RefusedError(f"the decision is {row['dept']}'s", code="not-competent")
    party.check_role(signer, party.DECIDE)
    check_on_site(signer, row["item"], acting.statement.time_s)
    if row["by"] == signer.object:
        raise RefusedError("whoever received a case does not decide it", code="receiver-decides")
    unsettled.check_joined(acting)
    row["result"] = acting.act.body["result"]
    for name in _UNTIL_DECIDED:
        row.pop(name, None)
    row |= _over(acting)
    return Judgement((Change(acting.statement.subject, row),))


def close(acting: Acting) -> Judgement:
    """Judge ``case.close``: delivered or withdrawn, and nothing is left to do."""
    row = _advance(acting, Event.CLOSE)
    party.check_role(party.person(acting), party.RECEIVE, party.DECIDE)
    unsettled.check_whole(acting)
    row["live"] = False
    return Judgement((Change(acting.statement.subject, row),))


def note(acting: Acting) -> Judgement:
    """Judge ``case.note``: the holder records a remark; nothing else changes."""
    row = _advance(acting, Event.NOTE)
    return Judgement((Change(acting.statement.subject, row),))
