"""Custody of a case: one holder at every moment, moved by offer, accept and release.

The holder's log alone decides. The holder offers (own log), the receiver accepts in its own log,
and custody moves when the holder releases, citing that acceptance; the receiver's first act cites
the release and carries the case over from it. Inside one region the three stand in one log. Until
the release the holder may cancel; the first of the two in its log counts. Offers of a case are
numbered along its whole way, so that an answer belongs to one offer.

The custody of a branch (``authz.branch``) moves by the same acts.

Row of a case in a log: ``{at, n, stage, item, v, dept, by, win, grant, unit, to, from, result,
unsettled}``.
``at`` is where it stands in this log; ``n`` counts its offers; ``unit`` is the holding department
or window; ``to`` the unit it is offered or released to; ``from`` the region it came from; ``by``
the officer who received the papers and ``win`` their window. ``grant`` is the one it was opened
under, ``unsettled`` which regions had something open of it when it was offered (see there). In a
receiver's log before its first act the row is only ``{at, n, to, from, item, v, unsettled}``, and
what it decided on the case, if it did.

Source: protocol.md section 5; domain.md rule 7.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from authz import party, unsettled
from ledger import judge
from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Judgement, Need

Row = Mapping[str, Any]


class At(StrEnum):
    """Where a case stands in one log."""

    NEW = "new"
    """It has never been in this log."""
    HELD = "held"
    OFFERED = "offered"
    ACCEPTED = "accepted"
    """A unit of the holder's own region has accepted; the holder has not released yet."""
    DECLINED = "declined"
    """A unit of the holder's own region has declined; the holder has not cancelled yet."""
    AWAY = "away"
    """Released to another region."""
    ANSWERED = "answered"
    """This region has accepted. It holds the case once the other's release is within sight."""
    TURNED_DOWN = "turned-down"
    CLOSED = "closed"


class Event(StrEnum):
    """What moves custody. OPEN, ACT and CLOSE stand for kinds of ``case``."""

    OPEN = "open"
    ARRIVE = "arrive"
    """The receiver's first act, which cites the release."""
    ACT = "act"
    CLOSE = "close"
    OFFER = "handoff.offer"
    ACCEPT = "handoff.accept"
    DECLINE = "handoff.decline"
    RELEASE = "handoff.release"
    CANCEL = "handoff.cancel"


# The whole life of custody in one log. What is not in this table is refused.
TRANSITIONS: Final[Mapping[tuple[At, Event], At]] = {
    (At.NEW, Event.OPEN): At.HELD,
    (At.HELD, Event.ACT): At.HELD,
    (At.HELD, Event.OFFER): At.OFFERED,
    (At.HELD, Event.CLOSE): At.CLOSED,
    # While an offer is open the holder still records what happens; it decides nothing.
    (At.OFFERED, Event.ACT): At.OFFERED,
    (At.ACCEPTED, Event.ACT): At.ACCEPTED,
    (At.DECLINED, Event.ACT): At.DECLINED,
    (At.OFFERED, Event.RELEASE): At.AWAY,  # on the acceptance in the receiver's log
    (At.OFFERED, Event.CANCEL): At.HELD,
    # Inside one region the answer stands in the holder's own log.
    (At.OFFERED, Event.ACCEPT): At.ACCEPTED,
    (At.OFFERED, Event.DECLINE): At.DECLINED,
    (At.ACCEPTED, Event.RELEASE): At.HELD,  # by the receiving unit, from here on
    (At.ACCEPTED, Event.CANCEL): At.HELD,
    (At.DECLINED, Event.CANCEL): At.HELD,
    # In a receiver's log.
    (At.NEW, Event.ACCEPT): At.ANSWERED,
    (At.AWAY, Event.ACCEPT): At.ANSWERED,
    (At.ANSWERED, Event.ACCEPT): At.ANSWERED,  # a later offer, after the first was cancelled
    (At.TURNED_DOWN, Event.ACCEPT): At.ANSWERED,
    (At.NEW, Event.DECLINE): At.TURNED_DOWN,
    (At.AWAY, Event.DECLINE): At.TURNED_DOWN,
    (At.ANSWERED, Event.DECLINE): At.TURNED_DOWN,
    (At.TURNED_DOWN, Event.DECLINE): At.TURNED_DOWN,
    (At.ANSWERED, Event.ARRIVE): At.HELD,
}

HOLDING: Final = frozenset({At.HELD, At.OFFERED, At.ACCEPTED, At.DECLINED})
"""Where this log's region is the holder."""

OPEN_OFFER: Final = frozenset({At.OFFERED, At.ACCEPTED, At.DECLINED})

_DECIDED: Final = ("result", "dept", "scen")
"""What stays in a log that decided on a case, when it is offered to it again: others rest on it."""

_ANSWERS: Final = frozenset({Event.ACCEPT, Event.DECLINE})


def at_of(own: Fact | None) -> At:
    """Return where the case stands in a log by its newest row there."""
    return At.NEW if own is None else At(own.state["at"])


def next_at(at: At, event: Event) -> At:
    """Return where ``event`` takes a case in this log.

    Raises:
        RefusedError: ``exists``, ``not-holder``, ``offer-open``, ``already-answered`` or
            ``wrong-state``.
    """
    after = TRANSITIONS.get((at, event))
    if after is not None:
        return after
    if event is Event.OPEN:
        raise RefusedError("a case of this number exists", code="exists")
    if event in _ANSWERS and at in OPEN_OFFER:
        raise RefusedError("the offer has been answered", code="already-answered")
    if at in OPEN_OFFER and event in {Event.OFFER, Event.CLOSE}:
        raise RefusedError("the case is offered already", code="offer-open")
    if at in HOLDING or at is At.CLOSED:
        raise RefusedError(
            f"{event.value} does not fit a case that is {at.value}", code="wrong-state"
        )
    raise RefusedError("the case is not held here", code="not-holder")


# ---- holding ------------------------------------------------------------------------------------


def release_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return the release that brings the case, where the next act here is the first since."""
    if own is None or own.state["at"] != At.ANSWERED:
        return ()
    return (Need("release", draft.subject, origin=own.state["from"], cite=True),)


def held(acting: Acting) -> dict[str, Any]:
    """Return the row of the case, held by this region; carried over from the release if need be.

    Raises:
        RefusedError: ``not-holder``, or ``unknown-object`` where this log never heard of the case.
    """
    own = acting.own
    if own is None:
        raise RefusedError("this region has never held the case", code="unknown-object")
    at = own.state["at"]
    if at in HOLDING:
        return dict(own.state)
    if at == At.ANSWERED:
        release = acting.facts["release"]
        if (
            release is not None
            and release.state["at"] == At.AWAY
            and release.state["n"] == own.state["n"]
            and release.state["to"] == own.state["to"]
        ):
            return _carried(release.state, own.state["from"])
        at = "accepted, and its release is not seen yet"
    if at == At.CLOSED:
        raise RefusedError("the case is closed", code="wrong-state")
    raise RefusedError(f"the case is not held here: it is {at}", code="not-holder")


def _carried(released: Row, source: str) -> dict[str, Any]:
    row = dict(released)
    row["at"] = next_at(At.ANSWERED, Event.ARRIVE).value
    row["unit"] = row.pop("to")
    row["from"] = source
    return row


def check_unit(acting: Acting, row: Row) -> None:
    """Check that the officer sits in the very department or window that holds the case.

    Raises:
        RefusedError: ``not-holder``.
    """
    if row["unit"] != party.person(acting).state["unit"]:
        raise RefusedError(f"{row['unit']} holds the case", code="not-holder")


def holder_of(rows: Mapping[str, Row]) -> str | None:
    """Return the department or window that holds a case, seen from all logs at once.

    Args:
        rows: The newest row of the case in each log that has one, by region.

    Returns:
        None where the case is closed, or the rows within sight do not say.
    """
    for _, row in sorted(rows.items()):
        if row["at"] in HOLDING:
            unit: str = row["unit"]
            return unit
        if row["at"] != At.ANSWERED:
            continue
        source = rows.get(row["from"])
        if (
            source is not None
            and source["at"] == At.AWAY
            and (source["n"], source["to"]) == (row["n"], row["to"])
        ):
            return str(row["to"])
    return None


def ever_held(rows: Iterable[Row]) -> frozenset[str]:
    """Return the departments and windows that hold a case, or held it once.

    Args:
        rows: All rows of the case, or of a branch of it, in all logs within sight.
    """
    units = set()
    for row in rows:
        if row["at"] in HOLDING:
            units.add(row["unit"])
        elif row["at"] == At.AWAY:
            # Custody moves at the release, before the receiver's first act.
            units.add(row["to"])
    return frozenset(units)


# ---- handing over -------------------------------------------------------------------------------


def offer_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return the release that brought the case, and what is open of it here.

    Where the region itself asks, also the unit that holds the case.
    """
    needs = (*release_needs(draft, own), unsettled.own_need(draft.subject, draft.issuer[:6]))
    if own is None or "/" in draft.issuer:
        return needs
    holder = own.state["to"] if own.state["at"] == At.ANSWERED else own.state.get("unit")
    return needs if holder is None else (*needs, Need("holder", holder))


def offer(acting: Acting) -> Judgement:
    """Judge ``handoff.offer``: the holder asks one unit, here or elsewhere, to take over.

    What a unit holds that is suspended or retired, its region may hand on as well: nobody may be
    left there who could.
    """
    row = held(acting)
    if acting.by_region:
        holder = acting.facts["holder"]
        if holder is None or holder.live:
            raise RefusedError(f"{row['unit']} holds the case", code="not-holder")
    else:
        check_unit(acting, row)
        party.check_role(party.person(acting), party.RECEIVE, party.DECIDE)
    row["at"] = next_at(At(row["at"]), Event.OFFER).value
    unit = acting.act.body["unit"]
    if party.type_of_unit(unit) is None or unit[:6] not in acting.roster.members:
        raise RefusedError(f"no such department or window: {unit}", code="unknown-object")
    if unit == row["unit"]:
        raise RefusedError(f"{unit} holds the case already", code="wrong-state")
    unsettled.check_whole(acting)
    along = unsettled.carried(acting, row)
    if along:
        row["unsettled"] = along
    row["n"] += 1
    row["to"] = unit
    return _one(acting, row)


def answer_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return the offer, in the log of the region that holds the case; the case of a branch here."""
    offer = Need("offer", draft.subject, origin=draft.body["holder"], cite=True)
    if own is None or "case" not in own.state:
        return (offer,)
    return (offer, Need("case", own.state["case"]))


def accept(acting: Acting) -> Judgement:
    """Judge ``handoff.accept``: the receiver takes the offer; custody has not moved yet.

    A unit that is suspended or retired takes nothing on but a branch of a case that it holds:
    joined or dropped, that lets the case go whole to another unit.
    """
    if not _comes_home(acting):
        judge.check_in_service(acting.seats)
    return _answer(acting, Event.ACCEPT)


def decline(acting: Acting) -> Judgement:
    """Judge ``handoff.decline``: the receiver does not take it; the holder stays the holder."""
    return _answer(acting, Event.DECLINE)


def _comes_home(acting: Acting) -> bool:
    """Return whether what is offered is a branch of a case that the signer's own unit holds."""
    case = acting.facts.get("case")
    return (
        case is not None
        and case.state["at"] in HOLDING
        and case.state["unit"] == party.person(acting).state["unit"]
    )


def _answer(acting: Acting, event: Event) -> Judgement:
    own, made = acting.own, acting.facts["offer"]
    if made is None:
        raise RefusedError("no such case is within sight at its holder", code="unknown-object")
    is_inside = acting.act.body["holder"] == acting.region
    after = next_at(at_of(own), event)
    if not is_inside and at_of(own) in OPEN_OFFER:
        # An old view may still show an offer from before this region held the case.
        raise RefusedError("the case is held here, and offered from here", code="wrong-state")
    offered = made.state
    if offered["at"] != At.OFFERED:
        raise RefusedError(
            "no offer is open at the holder, as far as is seen here", code="wrong-state"
        )
    unit = offered["to"]
    signer = party.person(acting)
    party.check_role(signer, party.RECEIVE, party.DECIDE)
    if unit != signer.state["unit"]:
        raise RefusedError(f"the case is offered to {unit}", code="not-entitled")
    if own is not None and is_inside:
        return _one(acting, {**own.state, "at": after.value})
    if own is not None and own.state["n"] >= offered["n"]:
        raise RefusedError(f"offer {offered['n']} has been answered here", code="already-answered")
    row = {
        "at": after.value,
        "n": offered["n"],
        "to": unit,
        "from": acting.act.body["holder"],
        "item": offered["item"],
        "v": offered["v"],
    }
    if "unsettled" in offered:
        row["unsettled"] = offered["unsettled"]
    if own is not None and "result" in own.state:
        row |= {name: own.state[name] for name in _DECIDED if name in own.state}
    return _one(acting, row)


def settle_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return the answer in the receiver's log: for a release always, for a cancel by the region."""
    if own is None or own.state["at"] not in OPEN_OFFER:
        return ()
    role = "accept" if draft.kind == Event.RELEASE else "decline"
    if role == "decline" and draft.issuer != draft.issuer[:6]:
        return ()  # an officer of the holder may cancel without a reason from the other side
    return (Need(role, draft.subject, origin=own.state["to"][:6], cite=True),)


def release(acting: Acting) -> Judgement:
    """Judge ``handoff.release``: on the acceptance of this very offer, custody moves."""
    row = _settled(acting, Event.RELEASE)
    if row["at"] == At.HELD:
        row["unit"] = row.pop("to")
    else:
        _check_answer(acting, row, "accept", At.ANSWERED)
    return _one(acting, row)


def cancel(acting: Acting) -> Judgement:
    """Judge ``handoff.cancel``: the holder takes the offer back, or its node answers a decline."""
    own = acting.own
    row = _settled(acting, Event.CANCEL)
    if acting.by_region:
        assert own is not None
        if own.state["at"] != At.DECLINED:
            _check_answer(acting, row, "decline", At.TURNED_DOWN)
    del row["to"]
    return _one(acting, row)


def _settled(acting: Acting, event: Event) -> dict[str, Any]:
    own = acting.own
    if own is None:
        raise RefusedError("this region has never held the case", code="unknown-object")
    row = dict(own.state)
    row["at"] = next_at(At(row["at"]), event).value
    if not acting.by_region:
        check_unit(acting, row)
    return row


def _check_answer(acting: Acting, row: Row, role: str, answer: At) -> None:
    found = acting.facts[role]
    if (
        found is None
        or found.state["at"] != answer
        or found.state["n"] != row["n"]
        or found.state.get("from") != acting.region
    ):
        raise RefusedError(
            f"the receiver's {role} of this very offer is wanted", code="wrong-state"
        )


def _one(acting: Acting, row: Row) -> Judgement:
    return Judgement((Change(acting.statement.subject, row),))
