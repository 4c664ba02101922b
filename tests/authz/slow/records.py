"""Records with a life: by whom each step may be taken, in which order, and what more is wanted.

Source: domain.md section 3, and its rules 5, 6, 10, 11 and 13.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.authz.slow.cases import (
    come,
    custody,
    holds_here,
    is_known,
    is_working,
    may_beside,
    opening,
    papers_to_come,
)
from tests.authz.slow.lives import LIVES, OUTCOME
from tests.authz.slow.past import Act, Past, names, type_of
from tests.authz.slow.words import begins_a_word

# ---- who ----------------------------------------------------------------------------------------

REGION_ALONE: Final = frozenset(
    names(
        "login.record counts.tell counts.answer counts.explain evaluation.rate"
        " evaluation.feedback vault.key vault.share exception.end"
    )
)
"""No officer writes these, so that none can shape them."""

OFFICER_ALONE: Final = frozenset(
    names(
        "representative.appoint representative.dismiss scenario.publish scenario.withdraw"
        " claim.make claim.release procedures.publish exclusion.publish exclusion.end"
        " consultation.record charge.record device.enrol review.form identity.check contact.first"
        " channel.choose share.use paper.ask challenge.raise challenge.answer video.start"
        " video.end assist.consent assist.file assist.withdraw agent.engage agent.end consent.use"
        " consent.spend part.ask part.answer part.join part.withdraw bundle.open bundle.add"
        " bundle.close tolerance.accept tolerance.settle tolerance.lapse procedure.start"
        " procedure.end commitment.make commitment.check commitment.revoke commitment.push"
        " parcel.send parcel.receive parcel.lose print.record print.void blanks.receive"
        " blanks.count blanks.close evaluation.rectify incident.find incident.remedy"
        " incident.close"
    )
)
"""A person answers for these in their own name."""

_DESK: Final = ("decide", "receive")
_ANY: Final = ("decide", "manage", "receive")
_COMPETENT: Final = ("grant", "manage")


def _roles() -> Mapping[str, tuple[str, ...]]:
    """Which role a step asks of an officer; of the rest: to manage."""
    by_roles: Mapping[tuple[str, ...], str] = {
        ("grant",): "representative.appoint representative.dismiss",
        ("decide",): (
            "procedure.start procedure.end commitment.check commitment.revoke certificate.issue"
            " certificate.revoke"
        ),
        ("receive",): "print.record print.void",
        ("manage", "receive"): "blanks.receive blanks.count blanks.close",
        ("decide", "manage"): "commitment.push credit.push credit.repair",
        ("archive",): "vault.shred vault.keep",
        ("decide", "grant", "manage"): "intermediaries.publish intermediaries.withdraw",
        _COMPETENT: (
            "scenario.publish scenario.withdraw proposal.submit proposal.publish claim.make"
            " claim.release procedures.publish exclusion.publish exclusion.end agreement.propose"
            " agreement.sign agreement.decline agreement.withdraw agreement.end recognition.propose"
            " recognition.sign recognition.decline recognition.end template.withdraw"
            " process.publish process.withdraw guide.publish guide.withdraw fee-policy.withdraw"
            " item-list.publish item-list.withdraw"
        ),
        _DESK: (
            "review.form identity.check channel.choose share.use paper.ask challenge.raise"
            " challenge.answer video.start video.end assist.consent assist.file assist.withdraw"
            " consent.give consent.use consent.spend consent.withdraw part.ask part.answer"
            " part.join part.withdraw bundle.open bundle.add bundle.close tolerance.accept"
            " tolerance.settle tolerance.lapse commitment.make parcel.send parcel.receive"
            " parcel.lose vault.put"
        ),
        _ANY: (
            "consultation.record charge.record payment.record payment.refund signature.record"
            " data.request data.provide data.refuse data.use data.end device.session contact.first"
            " agent.engage agent.end certificate.archive push.send push.receipt push.resend"
            " evaluation.rectify supervision.reply incident.report grievance.file grievance.answer"
            " grievance.reopen grievance.close"
        ),
    }
    return {kind: roles for roles, kinds in by_roles.items() for kind in kinds.split()}


ROLES: Final = _roles()
SEATED: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        names(
            "hours.publish hours.withdraw device.enrol device.update device.suspend device.resume"
            " device.retire"
        ),
        ("hall",),
    ),
    **dict.fromkeys(
        names("representative.appoint representative.dismiss exception.apply claim.make"),
        ("department",),
    ),
    "blanks.receive": ("hall", "window"),
}
"""Where an officer sits who takes the step; of the rest: anywhere."""

BY_ADDRESSEE: Final = frozenset(
    names(
        "exception.answer public-service.supervise proposal.review proposal.confirm"
        " agreement.sign agreement.decline recognition.sign recognition.decline counts.answer"
        " data.provide data.refuse challenge.answer part.answer parcel.receive certificate.archive"
        " push.receipt credit.receipt evaluation.rectify supervision.reply grievance.answer"
        " task.report assessment.appeal issue.settle oversight.accept"
    )
)
BY_EITHER: Final = frozenset(
    names(
        "exception.end agreement.end recognition.end counts.explain commitment.check"
        " commitment.revoke commitment.push credit.repair"
    )
)


def _is(past: Past, act: Act, name: str) -> bool:
    if act.is_region:
        return act.region == name[:6]
    return name in {act.region, past.unit(act.who), act.who}


def may_sign(past: Past, act: Act) -> bool:
    """Whether who signs a step is one that may: the region, or an officer with role and seat."""
    if act.is_region:
        return act.kind not in OFFICER_ALONE
    seats = SEATED.get(act.kind, ("department", "hall", "window"))
    if act.kind in REGION_ALONE or type_of(past.unit(act.who)) not in seats:
        return False
    return past.has_role(act.who, *ROLES.get(act.kind, ("manage",)))


def opener(past: Past, name: str) -> str:
    return past.unit(past.of(name)[0].who)


def addressee(past: Past, name: str) -> str:
    """To whom a record is addressed by the last word on it."""
    if type_of(name) == "commitment":
        case = opening(past, past.of(name)[0].body["case"])
        assert case is not None
        return str(case.body["department"])
    return next((str(it.body["to"]) for it in reversed(past.of(name)) if "to" in it.body), "")


def is_its_turn(past: Past, act: Act) -> bool:
    if not past.of(act.name):
        return act.name[:6] == act.region
    if act.kind in BY_EITHER:
        return act.region in {opener(past, act.name)[:6], addressee(past, act.name)[:6]}
    side = addressee if act.kind in BY_ADDRESSEE else opener
    return _is(past, act, side(past, act.name))


def is_whose(past: Past, act: Act) -> bool:
    """Whether a step is one of who would take it, whatever it says."""
    return may_sign(past, act) and is_its_turn(past, act)


# ---- what a step rests on -----------------------------------------------------------------------

HELD: Final[Mapping[str, str]] = {
    "review.form": "intake",
    "identity.check": "verify",
    "share.use": "intake",
    "paper.ask": "notice",
    "tolerance.accept": "intake",
    "commitment.make": "intake",
    "challenge.raise": "",
    "part.ask": "",
    "procedure.start": "",
    "vault.put": "",
}
"""Steps of who holds the case, and the right that they rest on where the case is another's."""

KNOWN: Final = frozenset(
    names(
        "charge.record payment.record signature.record login.record channel.choose video.start"
        " assist.file consent.use consent.spend bundle.add parcel.send certificate.issue"
        " evaluation.rate vault.share vault.shred vault.keep"
    )
)
ONCE: Final[Mapping[str, tuple[str, ...]]] = {
    "claim.make": ("code",),
    "payment.record": ("case", "receipt_number"),
    "channel.choose": ("case",),
    "share.use": ("case", "material"),
    "paper.ask": ("case", "material"),
    "bundle.add": ("case",),
    "commitment.make": ("case",),
    "print.record": ("blank",),
    "evaluation.rate": ("case", "visit"),
    "vault.shred": ("case",),
    "vault.keep": ("tombstone",),
}
GROUNDS: Final[Mapping[str, str]] = {
    "consultation.record": "guide",
    "charge.record": "policy",
    "device.session": "device",
    "bulletin.publish": "method",
    "assessment.publish": "method",
    "issue.raise": "meeting",
    "vault.shred": "tombstone",
    "vault.keep": "tombstone",
}
OVER: Final = frozenset(
    names("guide.withdraw fee-policy.withdraw method.withdraw device.suspend device.retire")
)
"""Steps after which a ground is none any more."""


def is_held(past: Past, act: Act) -> bool:
    case = act.body["case"]
    opened = opening(past, case)
    if opened is None or not holds_here(past, act.who, case):
        return False
    right = HELD[act.kind]
    return not right or may_beside(past, act, opened.body, right)


def is_first(past: Past, act: Act) -> bool:
    names = ONCE[act.kind]
    released = {it.name for it in past.said("claim.release")}
    return all(
        it.region != act.region
        or it.name in released
        or any(it.body.get(name) != act.body.get(name) for name in names)
        for it in past.said(act.kind)
    )


def has_ground(past: Past, act: Act) -> bool:
    name = GROUNDS[act.kind]
    if name not in act.body:
        return True
    told = past.of(act.body[name])
    version = act.body.get(f"{name}_version", 1)
    return bool(told) and told[-1].kind not in OVER and 0 < version <= len(told)


def is_step(past: Past, act: Act) -> bool:
    """Whether a step on a record is legal."""
    told = [_event(it) for it in past.of(act.name)]
    life, body = LIVES[type_of(act.name)], act.body
    legal = (
        is_whose(past, act)
        and begins_a_word(life, [*told, _event(act)])
        and ("version" not in body or body["version"] == len(told) + 1)
        and (act.kind not in HELD or is_held(past, act))
        and (act.kind not in KNOWN or is_known(past, body["case"], act.region))
        and (act.kind not in ONCE or is_first(past, act))
        and (act.kind not in GROUNDS or has_ground(past, act))
        and ("to" not in body or body["to"][:6] in {"500000", "510000", "540000"})
    )
    return legal and WANTED.get(act.kind, _nothing_more)(past, act)


def _event(act: Act) -> str:
    field = OUTCOME.get(act.kind)
    return act.kind if field is None else f"{act.kind}:{act.body[field]}"


def _nothing_more(_past: Past, _act: Act) -> bool:
    return True


# ---- what more is wanted of single steps --------------------------------------------------------


def _first(past: Past, act: Act) -> Mapping[str, Any]:
    return past.of(act.name)[0].body


def _last_with(past: Past, act: Act, field: str) -> Any:
    return next(it.body[field] for it in reversed(past.of(act.name)) if field in it.body)


def _same(field: str, before: str = "") -> Callable[[Past, Act], bool]:
    return lambda past, act: act.body[field] == _last_with(past, act, before or field)


def _is_span(_past: Past, act: Act) -> bool:
    return bool(act.body["valid_from"] < act.body["valid_until"])


def _is_own_window(past: Past, act: Act, window: str) -> bool:
    enrolled = past.enrolled(window)
    if type_of(window) != "window" or enrolled is None or window[:6] != act.region:
        return False
    speaks = act.is_region or past.unit(act.who) in {window, enrolled["hall"]}
    return past.is_live(window) and speaks


def _of_one_window(past: Past, act: Act) -> bool:
    window, told = act.body["window"], past.of(act.name)
    known = {it.body["window"] for it in told if "window" in it.body}
    return known <= {window} and _is_own_window(past, act, window)


def _appoints(past: Past, act: Act) -> bool:
    named = [act.body[it] for it in ("officer", "deputy") if it in act.body]
    own = all(
        past.is_live(it) and past.dept(it) == past.unit(act.who) and type_of(it) == "officer"
        for it in named
    )
    return own and len(set(named)) == len(named) and bool(act.body["valid_until"] > act.time_s)


def _is_officer_here(past: Past, act: Act) -> bool:
    officer = act.body["officer"]
    return type_of(officer) == "officer" and officer[:6] == act.region and past.is_live(officer)


def _is_own_item(past: Past, act: Act) -> bool:
    item = act.body["item"]
    return item[:6] == act.region and past.dept(act.who) == past.item_dept(item) is not None


def _is_beside(past: Past, act: Act) -> bool:
    numbered = act.name.split("/")[2] == act.body["item"].split("/")[2]
    return numbered and act.name[:6] == act.body["item"][:6] and _is_own_item(past, act)


def _is_scenario(past: Past, act: Act) -> bool:
    version = past.version(act.body["item"], act.body["item_version"])
    listed = version is not None and set(act.body["materials"]) <= set(version["materials"])
    return listed and _is_own_item(past, act)


def _has_two_places(past: Past, act: Act) -> bool:
    return act.body["to"][:6] != act.region and _is_span(past, act)


def _asks_for_listed(past: Past, act: Act) -> bool:
    body = act.body
    version = past.version(body["item"], body["item_version"])
    listed = version is not None and body["material"] in version["materials"]
    new = body["material"] not in come(past, body["case"], act.region)
    return listed and new and _is_pinned(past, act)


def _is_pinned(past: Past, act: Act) -> bool:
    case = opening(past, act.body["case"])
    names = ("item", "item_version")
    return case is not None and all(case.body[name] == act.body[name] for name in names)


def _is_undecided(past: Past, act: Act) -> bool:
    case = act.body["case"]
    return is_working(past, case) and custody(past, case).is_free


def _tolerates(past: Past, act: Act) -> bool:
    body = act.body
    version = past.version(body["item"], body["item_version"])
    excluded = [it for it in past.said("exclusion.publish") if it.body["item"] == body["item"]]
    ended = past.of(excluded[-1].name)[-1].kind == "exclusion.end" if excluded else True
    listed = version is not None and set(body["missing"]) <= set(version.get("tolerable", ()))
    pinned = _is_pinned(past, act) and _is_undecided(past, act)
    return pinned and ended and listed and bool(body["missing"])


def _stops(past: Past, act: Act) -> bool:
    body = act.body
    lists = [it for it in past.said("procedures.publish") if it.body["item"] == body["item"]]
    listed = bool(lists) and body["procedure"] in lists[-1].body["procedures"]
    own = _is_pinned(past, act) and _is_own_item(past, act)
    return own and listed and is_working(past, body["case"])


def _is_decider(past: Past, act: Act) -> bool:
    return past.dept(act.who) == addressee(past, act.name)


def _challenges(past: Past, act: Act) -> bool:
    """Whether it names the very check of another unit on this case."""
    body = act.body
    named = [body[it] for it in ("review", "identity") if it in body]
    if len(named) > 1 or past.unit(act.who) == body["to"]:
        return False
    made = past.of(named[0]) if named else past.of(body["case"], "case.verify")
    of = [it for it in made if body["case"] in {it.name, it.body.get("case")}]
    return any(it.leaf == body["check"] and past.unit(it.who) == body["to"] for it in of)


def _can_see(past: Past, act: Act) -> bool:
    parties = act.body["parties"]
    own = [it for it in parties if it[:6] == act.region and type_of(it) == "window"]
    return past.unit(act.who) in parties and all(_has_video(past, it) for it in own)


def _has_video(past: Past, window: str) -> bool:
    ready = False
    for it in past.said("readiness.attest", "readiness.withdraw"):
        if past.of(it.name)[0].body["window"] == window:
            ready = bool(it.body.get("video", False))
    return ready and past.is_live(window)


def _agreed(past: Past, act: Act) -> bool:
    case = opening(past, act.body["case"])
    return case is not None and case.body["item"] == _first(past, act)["item"]


def _uses(past: Past, act: Act) -> bool:
    given = _first(past, act)
    spends = act.kind == "consent.spend"
    return (
        given["delegate"] in {act.region, past.unit(act.who), act.who}
        and _agreed(past, act)
        and bool(act.time_s < given["valid_until"])
        and act.body["purpose"] == given["purpose"]
        and (given["uses"] == "once") == spends
    )


def _prints(past: Past, act: Act) -> bool:
    body, case = act.body, opening(past, act.body["case"])
    decisions = past.of(body["case"], "case.decide")
    if case is None or not decisions or decisions[0].region != body["decided_in"]:
        return False
    it = custody(past, body["case"])
    brought = not it.came_from or it.came_from == body["decided_in"]
    granted = decisions[0].body["result"] != "refused"
    mine = it.holder == past.unit(act.who) and brought
    whole = not papers_to_come(past, body["case"])
    may = granted and mine and whole and may_beside(past, act, case.body, "deliver")
    return may and ("stock" not in body or _is_in_stock(past, act))


def _is_in_stock(past: Past, act: Act) -> bool:
    told = past.here(act.body["stock"], act.region)
    if not told or told[-1].kind == "blanks.close":
        return False
    stock = told[0].body
    return bool(stock["first"] <= act.body["blank"] <= stock["last"])


def _counts_blanks(past: Past, act: Act) -> bool:
    stock = _first(past, act)
    number = int(stock["last"][2:]) - int(stock["first"][2:]) + 1
    used = [it for it in past.said("print.record") if it.body.get("stock") == act.name]
    return bool(act.body["left"] <= number - len(used))


def _certifies(past: Past, act: Act) -> bool:
    case = opening(past, act.body["case"])
    assert case is not None
    own = case.body["item"][:6] == act.region
    by = act.is_region or past.dept(act.who) == case.body["department"]
    # In the deciding region's log the case is as it decided on it.
    decided = past.of(act.body["case"], "case.decide")
    return own and by and bool(decided) and decided[0].body["result"] != "refused"


def _is_equal(past: Past, act: Act) -> bool:
    told = _first(past, act)
    equal = (told["sent"], told["received"]) == (act.body["received"], act.body["sent"])
    return equal == (act.body["outcome"] == "equal")


def _serves(_past: Past, act: Act) -> bool:
    body = act.body
    in_order = body["started"] <= body["ended"]
    return in_order and (not body["outside_hours"] or body["right"] == "self-service")


def _is_shredded(past: Past, case: str, region: str) -> bool:
    return any(it.region == region and it.body["case"] == case for it in past.said("vault.shred"))


def _is_kept(past: Past, act: Act) -> bool:
    return not _is_shredded(past, act.body["case"], act.region)


def _follows_another(past: Past, act: Act) -> bool:
    if "tombstone" not in act.body:
        return True
    of = past.of(act.body["tombstone"])[0]
    return of.body["case"] == act.body["case"] and of.region != act.region


def _is_handed_on(_past: Past, act: Act) -> bool:
    return (act.body["verdict"] == "passed") == ("to" in act.body)


WANTED: Final[Mapping[str, Callable[[Past, Act], bool]]] = {
    "representative.appoint": _appoints,
    "responsible.assign": _is_officer_here,
    "contact.publish": _of_one_window,
    "readiness.attest": _of_one_window,
    "hours.publish": lambda past, act: all(
        _is_own_window(past, act, it) for it in act.body["windows"]
    ),
    "device.enrol": lambda past, act: _is_own_window(past, act, act.body["window"]),
    "device.session": _serves,
    "scenario.publish": _is_scenario,
    "procedures.publish": _is_beside,
    "exclusion.publish": _is_beside,
    "proposal.review": _is_handed_on,
    "proposal.confirm": lambda _past, act: act.region == f"{act.name[:2]}0000",
    "proposal.publish": _same("digest"),
    "agreement.propose": _has_two_places,
    "agreement.sign": _same("digest"),
    "recognition.propose": _has_two_places,
    "recognition.sign": _same("digest"),
    "template.publish": _is_span,
    "item-list.publish": lambda _past, act: act.body["share"] <= 100,
    "charge.record": lambda past, act: (
        past.of(act.body["policy"])[-1].body["bearer"] == act.body["payer"]
    ),
    "counts.answer": _is_equal,
    "data.use": _same("purpose"),
    "paper.ask": _asks_for_listed,
    "challenge.raise": _challenges,
    "video.start": _can_see,
    "video.end": lambda past, act: act.body["ended"] >= _first(past, act)["started"],
    "assist.file": _agreed,
    "agent.engage": lambda _past, act: act.body["fee_fen"] == 0,
    "consent.use": _uses,
    "consent.spend": _uses,
    "part.ask": _is_undecided,
    "tolerance.accept": _tolerates,
    "tolerance.settle": lambda past, act: (
        set(_first(past, act)["missing"]) <= set(act.body["received"])
    ),
    "tolerance.lapse": lambda past, act: act.time_s > _first(past, act)["due"],
    "procedure.start": _stops,
    "commitment.make": lambda past, act: is_working(past, act.body["case"]),
    "commitment.check": _is_decider,
    "commitment.revoke": _is_decider,
    "parcel.receive": lambda past, act: (
        act.body["state"] == "damaged" or act.body["contents"] == _first(past, act)["contents"]
    ),
    "print.record": _prints,
    "blanks.count": _counts_blanks,
    "certificate.issue": _certifies,
    "certificate.archive": _same("digest"),
    "push.receipt": _same("digest"),
    "credit.receipt": _same("digest"),
    "evaluation.rate": lambda _past, act: act.body["case"][:6] == act.region,
    "milestone.reach": lambda past, act: act.body["count"] >= _first(past, act)["target"],
    "oversight.assign": lambda past, act: (
        not past.of(act.name) or _first(past, act)["item"] == act.body["item"]
    ),
    "vault.put": _is_kept,
    "vault.share": lambda past, act: act.body["to"] != act.region and _is_kept(past, act),
    "vault.shred": _follows_another,
    "vault.keep": _follows_another,
}
