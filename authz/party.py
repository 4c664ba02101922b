"""Parties: departments, halls, windows and officers of a region, and their lives.

Rows: department and hall ``{live}``; window ``{live, hall, dept, outlet}``; officer ``{live, unit,
dept, hall, roles, training, key, holder}``, where ``key`` is the object name of the key in force.
``outlet`` is there where the window is one that is no public body, ``device`` where the key is a
machine's; ``ready`` and ``hours`` are what was attested and published of a window, ``rep`` that an
officer decides on site (``authz.representative``).
``off`` lists the masters that have suspended a window or officer, ``ended`` says it is retired.
A key is an object of its own, ``<region>/key/<32 hex digits of its thumbprint>``, so that a log's
reader finds who signed from the ``kid`` alone. Its row is ``{live, party, key}``, and ``suite`` for
a key that is not Ed25519.

Source: domain.md rules 11 and 3; mechanisms 6, 12, 13, 39, 69, 70, 71.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from ledger import judge
from ledger.errors import MalformedError, RefusedError, UnverifiedError
from ledger.keys import key_thumbprint
from ledger.kind import Acting, Change, Draft, Fact, Judgement, Need
from ledger.suites import SM2_PUBLIC_BYTES, SM2_SM3, check_point

RECEIVE: Final = "receive"
DECIDE: Final = "decide"
KEEPER: Final = "keeper"
APPROVER: Final = "approver"
GRANT: Final = "grant"
MANAGE: Final = "manage"
MAKER: Final = "maker"
ARCHIVE: Final = "archive"
"""Answers for what is kept of papers, and for how long (档案)."""
ROLES: Final = (APPROVER, ARCHIVE, DECIDE, GRANT, KEEPER, MAKER, MANAGE, RECEIVE)


class Life(StrEnum):
    """Where a party stands."""

    NEW = "new"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    RETIRED = "retired"


class Event(StrEnum):
    """What happens to a party; the value is the act's kind."""

    ENROL = "party.enrol"
    REKEY = "party.rekey"
    SUSPEND = "party.suspend"
    RESUME = "party.resume"
    RETIRE = "party.retire"


# The whole life of a party. What is not in this table is refused.
TRANSITIONS: Final[Mapping[tuple[Life, Event], Life]] = {
    (Life.NEW, Event.ENROL): Life.ACTIVE,
    (Life.ACTIVE, Event.REKEY): Life.ACTIVE,
    (Life.ACTIVE, Event.SUSPEND): Life.SUSPENDED,
    (Life.SUSPENDED, Event.SUSPEND): Life.SUSPENDED,  # by the other of its two masters
    (Life.SUSPENDED, Event.RESUME): Life.ACTIVE,  # once no master holds it back any more
    (Life.ACTIVE, Event.RETIRE): Life.RETIRED,
    (Life.SUSPENDED, Event.RETIRE): Life.RETIRED,
}

# Which fields of ``party.enrol`` each type of party must have, and may have.
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "department": ("name",),
    "hall": ("name",),
    "window": ("name", "hall", "department"),
    "officer": ("unit", "key", "holder", "roles"),
}
PARTY_TYPES: Final = frozenset(_REQUIRED)
_OPTIONAL: Final[Mapping[str, tuple[str, ...]]] = {
    "department": (),
    "hall": (),
    "window": ("outlet", "video", "scan"),
    "officer": ("training", "suite", "device"),
}


def type_of(name: str) -> str:
    """Return the type in the name of a party or object that is already checked."""
    return name.split("/", 2)[1]


def type_of_unit(name: str) -> str | None:
    """Return ``department`` or ``window``, or None for a party that can hold no case."""
    _, slash, rest = name.partition("/")
    kind_of_unit = rest.partition("/")[0] if slash else ""
    return kind_of_unit if kind_of_unit in {"department", "window"} else None


def life_of(own: Fact | None) -> Life:
    """Return where the party stands by its newest row."""
    if own is None:
        return Life.NEW
    if own.state.get("ended"):
        return Life.RETIRED
    return Life.ACTIVE if own.live else Life.SUSPENDED


def next_life(life: Life, event: Event) -> Life:
    """Return where ``event`` takes a party.

    Raises:
        RefusedError: ``exists`` for a second enrolment, ``unknown-object`` before the first, else
            ``wrong-state``.
    """
    after = TRANSITIONS.get((life, event))
    if after is not None:
        return after
    if event is Event.ENROL:
        raise RefusedError("the party is enrolled already", code="exists")
    if life is Life.NEW:
        raise RefusedError("no such party is enrolled here", code="unknown-object")
    raise RefusedError(
        f"{event.value} does not fit a party that is {life.value}", code="wrong-state"
    )


def key_object(region: str, public: bytes) -> str:
    """Return the name of the object that says whose key this is."""
    return key_object_of_kid(region, key_thumbprint(public))


def key_object_of_kid(region: str, kid: bytes) -> str:
    """Return the name of the key object for a ``kid``, as a statement carries it."""
    return f"{region}/key/{kid.hex()[:32]}"


def check_role(signer: Fact, *roles: str) -> None:
    """Check that the officer holds one of these roles.

    Raises:
        RefusedError: ``not-entitled``.
    """
    held = signer.state["roles"]
    for role in roles:
        if role in held:
            return
    raise RefusedError(
        f"{signer.object} has not the role {' or '.join(roles)}", code="not-entitled"
    )


def check_trained(officer: Fact, training: str | None) -> None:
    """Check that the officer has the training that an item or a grant asks for.

    Raises:
        RefusedError: ``not-entitled``.
    """
    if training is not None and training not in officer.state.get("training", ()):
        raise RefusedError(
            f"the item or the grant asks for the training {training}", code="not-entitled"
        )


def check_equipped(window: Mapping[str, Any], equipment: list[str] | None) -> None:
    """Check that a window is attested to have what a grant asks for.

    Raises:
        RefusedError: ``not-equipped``.
    """
    for it in equipment or ():
        if it not in window.get("ready", ()):
            raise RefusedError(f"the window is not attested to have {it}", code="not-equipped")


def person(acting: Acting) -> Fact:
    """Return the officer who signs an act that only a person may sign."""
    # The judge has refused the region's own key before the rule of such a kind is asked.
    assert acting.signer is not None
    return acting.signer


# ---- party.enrol --------------------------------------------------------------------------------


def enrol_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    """Return the units that the party is to belong to, and whether its key is taken."""
    body = draft.body
    needs = [Need(name, body[name]) for name in ("hall", "department", "unit") if name in body]
    if "key" in body:
        needs.append(Need("key", key_object(draft.issuer[:6], body["key"])))
    if "device" in body:
        needs.append(Need("device", body["device"]))
    return tuple(needs)


def enrol(acting: Acting) -> Judgement:
    """Judge ``party.enrol``: a region says who belongs to it, and by which key an officer signs."""
    _check_by_region(acting)
    judge.check_own_region(acting)
    subject, body = acting.statement.subject, acting.act.body
    next_life(life_of(acting.own), Event.ENROL)
    kind_of_party = type_of(subject)
    _check_fields(kind_of_party, body)
    if kind_of_party in {"department", "hall"}:
        return Judgement((Change(subject, {"live": True}),))
    if kind_of_party == "window":
        hall = _unit(acting, "hall", ("hall",))
        department = _unit(acting, "department", ("department",))
        row = {"live": True, "hall": hall.object, "dept": department.object}
        if body.get("outlet"):
            row["outlet"] = True
        return Judgement((Change(subject, row),))
    return _enrol_officer(acting)


def _check_by_region(acting: Acting) -> None:
    if not acting.by_region:
        raise RefusedError("only the region says whose key is whose", code="not-entitled")


def _enrol_officer(acting: Acting) -> Judgement:
    subject, body = acting.statement.subject, acting.act.body
    unit = _unit(acting, "unit", ("department", "window", "hall"))
    public = body["key"]
    row: dict[str, Any] = {"live": True, "unit": unit.object, "roles": body["roles"]}
    match type_of(unit.object):
        case "department":
            row["dept"] = unit.object
        case "hall":
            row["hall"] = unit.object
        case _:
            row["dept"], row["hall"] = unit.state["dept"], unit.state["hall"]
            if unit.state.get("outlet"):
                row["outlet"] = True
    if "device" in body:
        row["device"] = _machine(acting, unit)
    if "training" in body:
        row["training"] = body["training"]
    row["holder"], row["key"] = body["holder"], key_object(acting.region, public)
    return Judgement((Change(subject, row), _new_key(acting, row["key"], public)))


def _machine(acting: Acting, unit: Fact) -> str:
    """Return the machine whose key is enrolled: it stands where it is enrolled, and only receives.

    Raises:
        MalformedError: ``bad-field``.
        RefusedError: ``unknown-object``.
    """
    body, device = acting.act.body, acting.facts["device"]
    if body["roles"] != [RECEIVE]:
        raise MalformedError("a machine only receives", code="bad-field")
    if device is None or device.state.get("window") != unit.object:
        raise RefusedError(
            f"no such machine stands at {unit.object}: {body['device']}", code="unknown-object"
        )
    return device.object


def _check_suite(acting: Acting, public: bytes) -> None:
    """Check that the act says what the officer's key is, and that such keys may sign here."""
    named = acting.act.body.get("suite")
    if (named == SM2_SM3) != (len(public) == SM2_PUBLIC_BYTES):
        raise MalformedError(f"the key is not one of the suite {named}", code="bad-field")
    if named is None:
        return
    if named not in acting.roster.suites:
        raise RefusedError(f"the roster does not name the suite {named}", code="suite-not-named")
    try:
        check_point(public)
    except UnverifiedError as error:
        raise MalformedError(f"the key of the officer: {error}", code="bad-key") from error


def _new_key(acting: Acting, name: str, public: bytes) -> Change:
    _check_suite(acting, public)
    if acting.facts["key"] is not None:
        # One key for two people would leave open who acted.
        raise RefusedError("this key has been enrolled before", code="exists")
    row = {"live": True, "party": acting.statement.subject, "key": public}
    if "suite" in acting.act.body:
        row["suite"] = acting.act.body["suite"]
    return Change(name, row)


def _check_fields(kind_of_party: str, body: Mapping[str, Any]) -> None:
    required, optional = _REQUIRED[kind_of_party], _OPTIONAL[kind_of_party]
    for name in required:
        if name not in body:
            raise MalformedError(
                f"to enrol the {kind_of_party}, the field {name} is needed", code="bad-field"
            )
    for name in body:
        if name not in required and name not in optional:
            raise MalformedError(f"a {kind_of_party} has no field: {name}", code="bad-field")


def _unit(acting: Acting, name: str, types: tuple[str, ...]) -> Fact:
    unit = acting.facts[name]
    if unit is None or type_of(unit.object) not in types:
        raise RefusedError(
            f"no such {' or '.join(types)} is enrolled here: {acting.act.body[name]}",
            code="unknown-object",
        )
    if not unit.live:
        raise RefusedError(f"the {name} is not live: {unit.object}", code="window-not-live")
    return unit


# ---- the rest of the life -----------------------------------------------------------------------


def rekey_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return whether the new key is taken, and the old key's row."""
    return (Need("key", key_object(draft.issuer[:6], draft.body["key"])), *retire_needs(draft, own))


def retire_needs(_draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return the row of the key in force."""
    if own is None or "key" not in own.state:
        return ()
    return (Need("old-key", own.state["key"]),)


def _end_key(acting: Acting) -> Change:
    old = acting.facts["old-key"]
    assert old is not None
    return Change(old.object, {**old.state, "live": False})


def rekey(acting: Acting) -> Judgement:
    """Judge ``party.rekey``: an officer signs by another key from here on; the old one ends."""
    _check_by_region(acting)
    next_life(life_of(acting.own), Event.REKEY)
    own = acting.own
    assert own is not None
    body = acting.act.body
    name = key_object(acting.region, body["key"])
    row = {**own.state, "holder": body["holder"], "key": name}
    return Judgement(
        (
            Change(own.object, row),
            _end_key(acting),
            _new_key(acting, name, body["key"]),
        )
    )


def suspend(acting: Acting) -> Judgement:
    """Judge ``party.suspend``: either of two masters stops an officer or a window (双重管理)."""
    next_life(life_of(acting.own), Event.SUSPEND)
    own, master = _mastered(acting)
    off = own.state.get("off", [])
    if master in off:
        raise RefusedError(f"{master} has suspended it already", code="wrong-state")
    return Judgement((Change(own.object, {**own.state, "live": False, "off": [*off, master]}),))


def resume(acting: Acting) -> Judgement:
    """Judge ``party.resume``: a master takes its own suspension back; the other's stands."""
    next_life(life_of(acting.own), Event.RESUME)
    own, master = _mastered(acting)
    off = [other for other in own.state["off"] if other != master]
    if len(off) == len(own.state["off"]):
        raise RefusedError(f"{master} has not suspended it", code="wrong-state")
    row = {key: value for key, value in own.state.items() if key != "off"}
    if off:
        row["off"] = off
    row["live"] = not off
    return Judgement((Change(own.object, row),))


def retire(acting: Acting) -> Judgement:
    """Judge ``party.retire``: it has left for good; neither name nor key is given out again."""
    next_life(life_of(acting.own), Event.RETIRE)
    own, _ = _mastered(acting)
    changes = [Change(own.object, {**own.state, "live": False, "ended": True})]
    if "key" in own.state:
        changes.append(_end_key(acting))
    return Judgement(tuple(changes))


def _mastered(acting: Acting) -> tuple[Fact, str]:
    """Return the party's row and the master who acts: the region, its department, or its hall."""
    own = acting.own
    assert own is not None
    if acting.signer is None:
        return own, acting.region
    check_role(acting.signer, MANAGE)
    unit: str = acting.signer.state["unit"]
    if unit not in {own.state.get("dept"), own.state.get("hall")}:
        raise RefusedError(f"{unit} is no master of {own.object}", code="not-entitled")
    return own, unit
