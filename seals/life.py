"""The life of a seal: asked for, made, filed, taken into use, stopped, found again, ended.

Each step is an act of somebody, and no two steps that watch each other are one person's: who asks
does not make, who makes does not file, who reported a loss does not take it back. A seal that was
made and filed elsewhere comes in by one act (``seal.issue``).

Row: ``{live, st, name, owner, keep, appr, two}`` (keepers, approvers, whether a second person is
wanted), from its making on ``{from, until, cert}``; ``max`` where its uses have a limit; ``ask``,
``made`` who asked for it and who made it; while it is stopped, ``stop`` (since when) and ``by``
(who said so); ``next`` the seal that took its place. Limited uses are counted in a row of their
own, ``<region>/quota/<hash of seal or loan>``: ``{n}``.

Source: domain.md rule 10; mechanism 52.
"""

from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from ledger import judge
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Judgement, Need

MAKER: Final = "maker"
"""The role of an officer who may make, file and end seals (制章部门)."""


class Life(StrEnum):
    """Where a seal stands."""

    NEW = "new"
    REQUESTED = "requested"
    DECLINED = "declined"
    MADE = "made"
    FILED = "filed"
    LIVE = "live"
    SUSPENDED = "suspended"
    LOST = "lost"
    REPLACED = "replaced"
    REVOKED = "revoked"


class Event(StrEnum):
    """What happens to a seal; the value is the act's kind."""

    REQUEST = "seal.request"
    DECLINE = "seal.decline"
    MAKE = "seal.make"
    FILE = "seal.file"
    ENABLE = "seal.enable"
    ISSUE = "seal.issue"
    ENTRUST = "seal.entrust"
    SUSPEND = "seal.suspend"
    LOSE = "seal.lose"
    RESUME = "seal.resume"
    REPLACE = "seal.replace"
    REVOKE = "seal.revoke"


# The whole life of a seal. What is not in this table is refused. Its term ends by the clock alone.
TRANSITIONS: Final[Mapping[tuple[Life, Event], Life]] = {
    (Life.NEW, Event.REQUEST): Life.REQUESTED,
    (Life.REQUESTED, Event.DECLINE): Life.DECLINED,
    (Life.REQUESTED, Event.MAKE): Life.MADE,
    (Life.MADE, Event.FILE): Life.FILED,
    (Life.MADE, Event.REVOKE): Life.REVOKED,
    (Life.FILED, Event.ENABLE): Life.LIVE,
    (Life.FILED, Event.REVOKE): Life.REVOKED,
    (Life.NEW, Event.ISSUE): Life.LIVE,
    (Life.LIVE, Event.ENTRUST): Life.LIVE,
    (Life.SUSPENDED, Event.ENTRUST): Life.SUSPENDED,
    (Life.LIVE, Event.SUSPEND): Life.SUSPENDED,
    (Life.LIVE, Event.LOSE): Life.LOST,
    (Life.SUSPENDED, Event.LOSE): Life.LOST,
    (Life.SUSPENDED, Event.RESUME): Life.LIVE,
    (Life.LOST, Event.RESUME): Life.LIVE,
    (Life.LIVE, Event.REPLACE): Life.REPLACED,
    (Life.SUSPENDED, Event.REPLACE): Life.REPLACED,
    (Life.LOST, Event.REPLACE): Life.REPLACED,
    (Life.LIVE, Event.REVOKE): Life.REVOKED,
    (Life.SUSPENDED, Event.REVOKE): Life.REVOKED,
    (Life.LOST, Event.REVOKE): Life.REVOKED,
}

STOPPED: Final = frozenset({Life.SUSPENDED, Life.LOST, Life.REPLACED, Life.REVOKED})
"""Where a seal's certificate stands on its authority's revocation list."""


def next_life(life: Life, event: Event) -> Life:
    """Return where ``event`` takes a seal.

    Raises:
        RefusedError: ``exists``, ``unknown-object`` or ``wrong-state``.
    """
    after = TRANSITIONS.get((life, event))
    if after is not None:
        return after
    if event in {Event.ISSUE, Event.REQUEST}:
        raise RefusedError("a seal of this number exists", code="exists")
    if life is Life.NEW:
        raise RefusedError("no such seal is issued here", code="unknown-object")
    raise RefusedError(
        f"{event.value} does not fit a seal that is {life.value}", code="wrong-state"
    )


def life_of(own: Fact | None) -> Life:
    """Return where a seal stands by its newest row."""
    return Life.NEW if own is None else Life(own.state["st"])


def check_live(name: str, seal: Mapping[str, Any], *, time_s: int) -> None:
    """Check that a seal may be used at a time, by its newest row.

    Raises:
        RefusedError: ``seal-not-live``.
    """
    if not seal["live"] or seal["st"] != Life.LIVE:
        raise RefusedError(f"the seal is {seal['st']}: {name}", code="seal-not-live")
    if not seal["from"] <= time_s < seal["until"]:
        raise RefusedError(f"the seal is out of its term: {name}", code="seal-not-live")


def quota_object(name: str) -> str:
    """Return the object that counts the uses of a seal, or of a loan."""
    return f"{name[:6]}/quota/{sha256(name.encode()).hexdigest()[:32]}"


def check_quota(row: Mapping[str, Any], used: Fact | None, name: str) -> Change:
    """Check that one more use is left of ``row["max"]``, and return the count after it.

    Raises:
        RefusedError: ``quota-spent``.
    """
    count = 0 if used is None else used.state["n"]
    if count >= row["max"]:
        raise RefusedError(f"{name} was for {row['max']} uses", code="quota-spent")
    return Change(quota_object(name), {"n": count + 1})


# ---- how it comes into being --------------------------------------------------------------------


def request(acting: Acting) -> Judgement:
    """Judge ``seal.request``: a department asks for a seal of its own."""
    judge.check_own_region(acting)
    after = next_life(life_of(acting.own), Event.REQUEST)
    body = acting.act.body
    if acting.signer is not None and acting.signer.state.get("dept") != body["owner"]:
        raise RefusedError(f"only {body['owner']} asks for its seal", code="not-competent")
    row = {
        "live": False,
        "st": after.value,
        **_owned(body),
        **_trusted(body, two=body["approval"]),
        "ask": acting.statement.issuer,
    }
    return Judgement((Change(acting.statement.subject, row),))


def decline(acting: Acting) -> Judgement:
    """Judge ``seal.decline``: it is not made."""
    return _move(acting, Event.DECLINE)


def make(acting: Acting) -> Judgement:
    """Judge ``seal.make``: a maker has made what was asked for."""
    own, after = _next(acting, Event.MAKE)
    _check_maker(acting)
    _check_other(acting, own.state["ask"], "who asks for a seal does not make it")
    row = {
        **own.state,
        "st": after.value,
        "made": acting.statement.issuer,
        **_termed(acting.act.body),
    }
    return Judgement((Change(own.object, row),))


def file(acting: Acting) -> Judgement:
    """Judge ``seal.file``: it stands in the register of seals (公安机关备案)."""
    own, after = _next(acting, Event.FILE)
    _check_maker(acting)
    _check_other(acting, own.state["made"], "who made a seal does not file it")
    return Judgement((Change(own.object, {**own.state, "st": after.value}),))


def enable(acting: Acting) -> Judgement:
    """Judge ``seal.enable``: a keeper has taken it over, and it may be used from now on."""
    own, after = _next(acting, Event.ENABLE)
    if acting.statement.issuer not in own.state["keep"]:
        raise RefusedError(
            f"{acting.statement.issuer} is no keeper of this seal", code="not-keeper"
        )
    return Judgement((Change(own.object, {**own.state, "live": True, "st": after.value}),))


def issue(acting: Acting) -> Judgement:
    """Judge ``seal.issue``: a seal made and filed elsewhere comes in, and may be used at once."""
    judge.check_own_region(acting)
    after = next_life(life_of(acting.own), Event.ISSUE)
    _check_maker(acting)
    body = acting.act.body
    row = {
        "live": True,
        "st": after.value,
        **_owned(body),
        **_trusted(body, two=body["approval"]),
        **_termed(body),
    }
    return Judgement((Change(acting.statement.subject, row),))


def _owned(body: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"name": body["name"], "owner": body["owner"]}
    if "uses_max" in body:
        row["max"] = body["uses_max"]
    return row


def _trusted(body: Mapping[str, Any], *, two: bool) -> dict[str, Any]:
    """Return in whose hands a seal is."""
    if not body["keepers"]:
        raise MalformedError("a seal has a keeper", code="bad-field")
    approvers = body.get("approvers", [])
    if two and not approvers:
        raise MalformedError("a seal that wants approval has an approver", code="bad-field")
    return {"keep": body["keepers"], "appr": approvers, "two": two}


def _termed(body: Mapping[str, Any]) -> dict[str, Any]:
    if body["valid_from"] >= body["valid_until"]:
        raise MalformedError("valid_until comes after valid_from", code="bad-field")
    return {
        "from": body["valid_from"],
        "until": body["valid_until"],
        "cert": body["certificate"],
    }


# ---- what may happen to it ----------------------------------------------------------------------


def entrust(acting: Acting) -> Judgement:
    """Judge ``seal.entrust``: other keepers and approvers from now on (移交保管)."""
    own, _ = _next(acting, Event.ENTRUST)
    _check_maker(acting)
    row = {**own.state, **_trusted(acting.act.body, two=own.state["two"])}
    return Judgement((Change(own.object, row),))


def suspend(acting: Acting) -> Judgement:
    """Judge ``seal.suspend``: not to be used until it is resumed; a keeper may say so too."""
    return _move(acting, Event.SUSPEND, by_keeper=True)


def lose(acting: Acting) -> Judgement:
    """Judge ``seal.lose``: a keeper misses it, and it stops at once (挂失)."""
    return _move(acting, Event.LOSE, by_keeper=True)


def resume(acting: Acting) -> Judgement:
    """Judge ``seal.resume``: back in use; a loss is not taken back by whoever reported it."""
    own, after = _next(acting, Event.RESUME)
    _check_maker(acting)
    if life_of(own) is Life.LOST:
        _check_other(acting, own.state["by"], "who reported a loss does not take it back")
    row = {**own.state, "live": True, "st": after.value}
    for name in ("stop", "by"):
        row.pop(name, None)
    return Judgement((Change(own.object, row),))


def replace_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    """Return the seal that takes the place, to be cited as it stands."""
    return (Need("successor", draft.body["successor"], cite=True),)


def replace(acting: Acting) -> Judgement:
    """Judge ``seal.replace``: another seal of the same owner takes its place (更换)."""
    own, after = _next(acting, Event.REPLACE)
    _check_maker(acting)
    successor = acting.facts["successor"]
    if successor is None:
        raise RefusedError(
            f"no such seal is issued here: {acting.act.body['successor']}", code="unknown-object"
        )
    if successor.object == own.object:
        raise RefusedError("a seal does not take its own place", code="wrong-state")
    check_live(successor.object, successor.state, time_s=acting.statement.time_s)
    if successor.state["owner"] != own.state["owner"]:
        raise RefusedError(f"{successor.object} is another owner's", code="not-competent")
    row = {**_stopped(acting, own, after), "next": successor.object}
    return Judgement((Change(own.object, row),))


def revoke(acting: Acting) -> Judgement:
    """Judge ``seal.revoke``: it has ended."""
    return _move(acting, Event.REVOKE)


def _next(acting: Acting, event: Event) -> tuple[Fact, Life]:
    own = acting.own
    after = next_life(life_of(own), event)
    assert own is not None  # the table has no way here from NEW
    return own, after


def _move(acting: Acting, event: Event, *, by_keeper: bool = False) -> Judgement:
    own, after = _next(acting, event)
    if not (by_keeper and acting.statement.issuer in own.state["keep"]):
        _check_maker(acting)
    return Judgement((Change(own.object, _stopped(acting, own, after)),))


def _stopped(acting: Acting, own: Fact, after: Life) -> dict[str, Any]:
    """Return the row of a seal that may not be used; a stop lasts from its first reason on."""
    row = {**own.state, "live": False, "st": after.value, "by": acting.statement.issuer}
    if after in STOPPED:
        row.setdefault("stop", acting.statement.time_s)
    return row


def _check_maker(acting: Acting) -> None:
    if acting.signer is not None and MAKER not in acting.signer.state.get("roles", ()):
        raise RefusedError(f"{acting.signer.object} does not make seals", code="not-entitled")


def _check_other(acting: Acting, party: str, why: str) -> None:
    if acting.statement.issuer == party:
        raise RefusedError(why, code="second-person")
