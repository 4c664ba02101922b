"""May this window use this right over this item, now: the answer, its reason, what it relied on.

``check`` asks the same questions as the rules of acts do; on top of them it weighs how fresh the
view of the grantor's log is, which a rule leaves to later views. How a node gathers the facts for
it: the newest rows, in its own log, of the window, of officer and machine if they are named, of
each object of ``seats_of``, and of each of ``indexes_of``, whose ``g`` lists grants; the item's
newest row within sight in the log of the item's region; and for each grant listed its newest row
within sight at the grantor, its own acceptance and, if the grant limits its uses, their count.
"Within sight" of another log means below the size of the node's newest view of it.

Source: protocol.md section 4, last bullet; domain.md rules 1 to 4.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from authz import finding, party
from authz.grant import index_object
from authz.representative import check_on_site
from authz.right import DECIDE, RECEIVING, RIGHTS, Right
from authz.use import Occasion, check_device, check_quota, check_use, hall_of
from ledger import judge
from ledger.errors import RefusedError
from ledger.kind import Fact, ViewFact

Allowed = Literal["yes", "open", "no"]

GRANTED: Final = "granted"
OWN_COMPETENCE: Final = "own-competence"

__all__ = [
    "CheckFacts",
    "CheckRequest",
    "Decision",
    "GrantFacts",
    "Relied",
    "check",
    "indexes_of",
    "seats_of",
]


# Named tuples: every question makes some, and a frozen dataclass takes four times as long.
class CheckRequest(NamedTuple):
    """The question.

    Args:
        right: One of the four rights, or ``decide``.
        officer: Who would act; None asks about the window alone.
        device: The machine by which it would be done; None for none.
        scenario: The item's scenario that the case is one of; None where it names none.
    """

    window: str
    right: str
    item: str
    now_s: int
    officer: str | None = None
    device: str | None = None
    scenario: str | None = None


class GrantFacts(NamedTuple):
    """What a node holds about one grant that the window has accepted.

    Args:
        grant: Its newest row within sight in the grantor's log.
        acceptance: Its newest row in the own log.
        used: The own count of its uses; None before the first.
        view: By which the grantor's log was read; None where that is the own log.
    """

    grant: Fact | None
    acceptance: Fact | None
    used: Fact | None = None
    view: ViewFact | None = None


class CheckFacts(NamedTuple):
    """What a node holds that bears on the question. None: no such row within sight.

    Args:
        grants: One for each grant listed under one of ``indexes_of``.
        seats: The rows of the units in ``seats_of``.
    """

    window: Fact | None
    item: Fact | None
    officer: Fact | None = None
    device: Fact | None = None
    grants: Sequence[GrantFacts] = ()
    seats: Sequence[Fact] = ()


class Relied(NamedTuple):
    """A log the answer relied on: up to which size, and how fresh that view is."""

    origin: str
    size: int
    fresh_at_s: int


class Decision(NamedTuple):
    """The answer.

    Args:
        allowed: ``open`` means yes, under a view too stale to be sure: what is done stays open
            until a fresher view settles it.
        code: ``granted``, ``own-competence``, ``stale-view``, or why not.
        grant: On which it rests; None on own competence, or where the answer is no.
        item_version: In force, to be pinned; None where the item is not within sight.
        nearest: The grant that came nearest, where the answer is no for want of one that suffices;
            ``code`` and ``detail`` say what it lacks.
    """

    allowed: Allowed
    code: str
    reason_zh: str
    reason_en: str
    detail: str = ""
    grant: str | None = None
    item_version: int | None = None
    relied: tuple[Relied, ...] = ()
    nearest: str | None = None


def check(
    request: CheckRequest, facts: CheckFacts, *, staleness_s: int, refresh_s: int
) -> Decision:
    """Answer the question from what this node holds.

    1. The window is in service, with its hall and department, and so is the officer where one is
       named, and sits there; so is the machine, and stands there.
    2. The item is in force.
    3. The right is one of the four, or the decision, which stays with the owning department.
    4. An authority's own window acts on its own competence.
    5. Else one of the window's grants carries it, the officer has the training and the window the
       equipment that it asks for.
       The first that does is named; where none does, the one that came nearest, with its reason.
    6. The view of the grantor's log is fresh enough: yes. Staler: open for what only receives, no
       for what cannot be undone. There is none yet, since the log goes on from a closed one and
       nothing of it is within sight: no, as no act could cite it.

    ``staleness_s`` is the roster's S, and a grant may ask for less; ``refresh_s`` is its R, kept in
    hand so that what is allowed now still stands when its use is seen.
    """
    version = facts.item.state.get("v") if facts.item is not None else None
    try:
        window = _live_window(request, facts)  # (1)
        _check_officer(request, facts.officer)
        judge.check_in_service(facts.seats)
        item = _item_in_force(request, facts.item)  # (2)
        if request.device is not None:
            check_device(
                facts.device, name=request.device, window=request.window, item=request.item
            )
        _check_right(request.right)  # (3)
        own = item.object[:6] == request.window[:6] and item.state["dept"] == window.state["dept"]
        if request.right == DECIDE:
            _check_decides(request, facts.officer, item, own=own)
        elif request.right == Right.INTAKE and facts.officer is not None:
            party.check_trained(facts.officer, item.state.get("train"))
        if own:  # (4)
            return _answer("yes", OWN_COMPETENCE, version=version)
    except RefusedError as error:
        return _answer("no", error.code, detail=str(error), version=version)
    found = _find_grant(request, facts, window, item)  # (5)
    if isinstance(found, _Missed):
        why = found.error
        return _answer("no", why.code, detail=str(why), version=version, nearest=found.nearest)
    grant = found.grant
    assert grant is not None  # (5) has looked
    if found.view is None:
        return _answer("yes", GRANTED, grant=grant.object, version=version)
    view = found.view  # (6)
    if not view.size:
        return _answer(
            "no",
            "stale-view",
            detail=f"no view of {view.origin} can be had yet",
            grant=grant.object,
            version=version,
        )
    relied = (Relied(view.origin, view.size, view.fresh_at_s),)
    bound_s = min(grant.state["stale"], staleness_s) - refresh_s
    if request.now_s - view.fresh_at_s <= bound_s:
        return _answer("yes", GRANTED, grant=grant.object, version=version, relied=relied)
    return _answer(
        "open" if request.right in RECEIVING else "no",
        "stale-view",
        detail=f"the view is {request.now_s - view.fresh_at_s} s old, allowed are {bound_s}",
        grant=grant.object,
        version=version,
        relied=relied,
    )


def _live_window(request: CheckRequest, facts: CheckFacts) -> Fact:
    window = facts.window
    if window is None or "/window/" not in window.object:
        raise RefusedError(f"no such window here: {request.window}", code="window-not-live")
    judge.check_in_service((window,))
    return window


def _check_officer(request: CheckRequest, officer: Fact | None) -> None:
    if request.officer is None:
        return
    if officer is None or not officer.live:
        raise RefusedError(f"no live officer here: {request.officer}", code="officer-not-live")
    if request.right != DECIDE:
        party.check_role(officer, party.RECEIVE)
        if officer.state.get("device", request.device) != request.device:
            raise RefusedError(
                f"{request.officer} is the key of {officer.state['device']}", code="not-entitled"
            )
        if officer.state["unit"] != request.window:
            raise RefusedError(
                f"{request.officer} does not sit at {request.window}", code="not-entitled"
            )


def _item_in_force(request: CheckRequest, item: Fact | None) -> Fact:
    if item is None or "/item/" not in item.object:
        raise RefusedError(f"no such item is within sight: {request.item}", code="unknown-object")
    if not item.live:
        raise RefusedError(f"the item is withdrawn: {request.item}", code="item-not-live")
    return item


def _check_right(right: str) -> None:
    if right != DECIDE and right not in RIGHTS:
        raise RefusedError(f"there is no such right: {right}", code="right-not-granted")


def _check_decides(request: CheckRequest, officer: Fact | None, item: Fact, *, own: bool) -> None:
    if not own:
        raise RefusedError("the decision stays with the owning place", code="decision-stays")
    if officer is None:
        raise RefusedError("a window decides nothing; an officer does", code="decision-stays")
    if officer.state.get("dept") != item.state["dept"]:
        raise RefusedError(f"the decision is {item.state['dept']}'s", code="not-competent")
    party.check_role(officer, party.DECIDE)
    check_on_site(officer, request.item, request.now_s)


class _Missed(NamedTuple):
    """No grant suffices: the reason of the one that came nearest, and its name if there is one."""

    error: RefusedError
    nearest: str | None


# In the order of ``check_use``: the later a grant fails, the nearer it came.
_STEPS: Final = (
    "no-grant",
    "grant-not-live",
    "item-not-granted",
    "scenario-not-granted",
    "window-not-granted",
    "right-not-granted",
    "not-accepted",
    "quota-spent",
    "not-entitled",
    "not-equipped",
)


def seats_of(window: Fact | None, officer: Fact | None) -> tuple[str, ...]:
    """Return the units whose stop is the window's, or the officer's: halls and departments."""
    rows = [row for row in (window, officer) if row is not None]
    return tuple(dict.fromkeys(name for row in rows for name in judge.units_of(row)))


def indexes_of(request: CheckRequest, window: Fact | None, item: Fact | None) -> tuple[str, ...]:
    """Return the objects that list the grants which may bear on the question, nearest first.

    What was lent to a machine is for it alone, and a machine has nothing else.
    """
    hall = None if window is None else hall_of(window.state)
    places = [request.device] if request.device else [it for it in (request.window, hall) if it]
    covering = [request.item] if item is None else [request.item, item.state["dept"]]
    return tuple(index_object(place, of) for of in covering for place in places)


def _find_grant(
    request: CheckRequest, facts: CheckFacts, window: Fact, item: Fact
) -> GrantFacts | _Missed:
    occasion = Occasion(
        window=request.window,
        right=request.right,
        item=request.item,
        department=item.state["dept"],
        time_s=request.now_s,
        hall=hall_of(window.state),
        device=request.device,
        scenario=request.scenario,
    )
    missed: _Missed | None = None
    furthest = -1
    for held in facts.grants:
        try:
            grant = check_use(held.grant, held.acceptance, occasion)
            check_quota(grant, held.used)
            if facts.officer is not None:
                party.check_trained(facts.officer, grant.state.get("train"))
            party.check_equipped(window.state, grant.state.get("equip"))
        except RefusedError as error:
            step = _STEPS.index(error.code)
            if step > furthest:
                furthest = step
                missed = _Missed(error, None if held.grant is None else held.grant.object)
        else:
            return held
    if missed is None:
        none = RefusedError("the window has accepted no grant over the item", code="no-grant")
        return _Missed(none, None)
    return missed


def _answer(
    allowed: Allowed,
    code: str,
    *,
    detail: str = "",
    grant: str | None = None,
    version: int | None = None,
    relied: tuple[Relied, ...] = (),
    nearest: str | None = None,
) -> Decision:
    zh, en = _SENTENCES.get((allowed, code)) or finding.SENTENCES[code]
    return Decision(
        allowed=allowed,
        code=code,
        reason_zh=zh,
        reason_en=en,
        detail=detail,
        grant=grant,
        item_version=version,
        relied=relied,
        nearest=nearest,
    )


_SENTENCES: Final[Mapping[tuple[Allowed, str], tuple[str, str]]] = {
    ("yes", GRANTED): ("可以办理：授权有效。", "Yes: a live grant covers this."),
    ("yes", OWN_COMPETENCE): (
        "可以办理：属本部门职权。",
        "Yes: it is within the department's own competence.",
    ),
    ("open", "stale-view"): (
        "可以先收件：暂未能确认授权的最新状态，连通后自动核对。",
        "Yes, open: the grant's newest state is not confirmed now; that follows with the link.",
    ),
    ("no", "stale-view"): (
        "暂不能办理：须待授权的最新状态确认。",
        "Not now: the grant's newest state is to be confirmed first.",
    ),
}
