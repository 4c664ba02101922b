"""The judge and the slow model side by side, on a walk that seeks what it has seldom done."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Final

from authz.tables import LIVES
from ledger.errors import LedgerError
from nodes.core.lives import LIVES as HEART
from tests.authz.slow import cases, offices, records, seals
from tests.authz.slow.past import Act, Past, type_of
from tests.authz.slow.steps import (
    CLERK_T,
    HALL_T,
    HEAD_CQ,
    KINDS,
    MAKER,
    WINDOW_T,
    Draws,
)
from tests.authz.world import (
    CHIEF,
    CLERK,
    DECIDE_BODY,
    DECIDER,
    FROM_S,
    GRANT,
    GRANT_BODY,
    HEAD,
    HRSS,
    HRSS_CQ,
    ITEM,
    ITEM_BODY,
    OPEN_BODY,
    SICHUAN,
    TIBET,
    UNTIL_S,
    WINDOW,
    World,
    officer,
)

DEVICE_BODY: Final[dict[str, Any]] = {
    "window": WINDOW,
    "host": "大厅",
    "certificate": bytes(32),
    "firmware": bytes(32),
    "items": [ITEM.split("/")[2]],
}
SEAL_BODY: Final[dict[str, Any]] = {
    "name": "审批专用章",
    "owner": HRSS,
    "keepers": [HEAD, DECIDER],
    "approvers": [HEAD],
    "certificate": bytes(32),
    "valid_from": FROM_S,
    "valid_until": UNTIL_S,
}

Reached = Counter[tuple[str, str, str]]
"""How often which step of which table was taken: table, before, event."""

RULES: Final[Mapping[str, Callable[[Past, Act], bool]]] = {
    **offices.RULES,
    **cases.RULES,
    **seals.RULES,
}
_KIND_NAMES: Final = sorted(KINDS)


def is_legal(past: Past, act: Act) -> bool:
    stopped = not act.is_region and past.is_stopped(act.who)
    if not past.may_sign(act) or (stopped and not cases.goes_on_while_stopped(past, act)):
        return False
    rule = RULES.get(act.kind, records.is_step)
    return rule(past, act)


class Both:
    """The judge and the model after the same past."""

    def __init__(self, reached: Reached | None = None) -> None:
        world, past, _ = START
        self.world, self.past = world.copy(), past.copy()
        self.reached = Counter() if reached is None else reached

    def agree(self, act: Act) -> bool:
        """Take a step on both sides, and say whether they agree on whether it stands."""
        legal = is_legal(self.past, act)
        corrects = None
        if act.kind == "act.correct":
            corrects = min(act.body["index"], len(self.world.logs[act.region].statements) - 1)
        steps = steps_of(self.past, self.world, act) if legal else ()
        try:
            self.world.do(act.kind, act.who, act.name, act.body, corrects=corrects)
        except LedgerError as error:
            self.said = f"{error.code}: {error}"
            # What a node composes cites what it should; which act it corrects, its author says.
            is_known = error.code != "void-citation" or corrects is not None
            return not legal and is_known
        self.said = "stands"
        if legal:
            log = self.world.logs[act.region].statements
            self.past.take(replace(act, leaf=log[-1].leaf, index=len(log) - 1))
            self.reached.update(steps)
            self.reached["kinds", act.kind, ""] += 1
        return legal


# ---- which step of which table an act is --------------------------------------------------------


def steps_of(past: Past, world: World, act: Act) -> Iterable[tuple[str, str, str]]:
    type_ = type_of(act.name)
    if act.kind == "act.correct":
        return ()
    if type_ in {life.subject for life in LIVES}:
        return (_record_step(world, act),)
    if type_ in {"case", "branch"}:
        return tuple(_case_steps(past, world, act))
    own = world.newest(act.region, act.name)
    state = {} if own is None else own.state
    if type_ == "grant":
        answers = act.kind in {"grant.accept", "grant.decline"}
        at = state.get("ans", "unanswered") if answers else state.get("st", "new")
        return (("Grants 授信", at, act.kind),)
    if act.kind.startswith("party."):
        life = "new" if own is None else "active" if own.live else "suspended"
        return (("Parties 主体", life, act.kind),)
    return tuple(
        (table, state.get("st", "new"), act.kind)
        for table, (_, steps) in HEART.items()
        if act.kind.startswith("seal.") and any(event == act.kind for _, event in steps)
    )


def _record_step(world: World, act: Act) -> tuple[str, str, str]:
    rows = [it.state for region in world.logs if (it := world.newest(region, act.name))]
    state = max(rows, key=lambda row: row["n"])["st"] if rows else "new"
    field = records.OUTCOME.get(act.kind)
    event = act.kind if field is None else f"{act.kind}:{act.body[field]}"
    return (type_of(act.name), state, event)


def _case_steps(past: Past, world: World, act: Act) -> Iterable[tuple[str, str, str]]:
    own = world.newest(act.region, act.name)
    at = "new" if own is None else own.state["at"]
    told = {
        "case.open": "open",
        "branch.open": "open",
        "case.close": "close",
        "branch.join": "close",
        "branch.drop": "close",
    }
    event = act.kind if act.kind.startswith("handoff.") else told.get(act.kind, "act")
    if at == "answered" and event not in {"handoff.accept", "handoff.decline"}:
        yield ("Custody 持有", at, "arrive")
        at = "held"
    yield ("Custody 持有", at, event)
    if act.kind.startswith("case."):
        yield ("Cases 办件", cases.stage(past, act.name) or "new", act.kind)
    if act.kind.startswith("branch."):
        reported = "reported" if past.of(act.name, "branch.report") else "open"
        yield ("Branches 联办分支", reported if past.of(act.name) else "new", act.kind)


def all_steps() -> set[tuple[str, str, str]]:
    """Every step of every table, and every kind."""
    of_records = {(life.subject, *step) for life in LIVES for step in life.steps}
    of_heart = {(name, *step) for name, (_, steps) in HEART.items() for step in steps}
    return of_records | of_heart | {("kinds", kind, "") for kind in KINDS}


def _start() -> tuple[World, Past, Reached]:
    """Everybody enrolled, an item, grants and cases, and what other acts rest on."""
    world = World().enrol()
    department = {"name": "窗口", "hall": HALL_T, "department": HRSS}
    world.do("party.enrol", TIBET, HALL_T, {"name": "大厅"})
    world.do("party.enrol", TIBET, WINDOW_T, department)
    roles = ["decide", "manage", "receive"]
    world.do("party.enrol", TIBET, CLERK_T, officer(WINDOW_T, CLERK_T, roles))
    world.do("party.enrol", TIBET, MAKER, officer(HRSS, MAKER, ["maker"]))
    everything = ["decide", "grant", "manage", "receive"]
    world.do("party.enrol", HEAD_CQ[:6], HEAD_CQ, officer(HRSS_CQ, HEAD_CQ, everything))
    past = Past()
    for log in world.logs.values():
        for at, it in enumerate(log.statements):
            if not it.act.kind.startswith("log."):
                body, time_s = it.act.body, it.time_s
                past.take(Act(it.act.kind, it.issuer, it.subject, body, time_s, it.leaf, at))

    reached: Reached = Counter()

    def take(kind: str, who: str, name: str, body: Mapping[str, Any]) -> None:
        act = Act(kind, who, name, body, world.now_s)
        assert is_legal(past, act), act
        reached.update([*steps_of(past, world, act), ("kinds", kind, "")])
        world.do(kind, who, name, body)
        past.take(replace(act, index=len(world.logs[act.region].statements) - 1))

    take("item.publish", HEAD, ITEM, ITEM_BODY)
    take("grant.offer", HEAD, GRANT, GRANT_BODY)
    take("grant.accept", CHIEF, GRANT, {"window": WINDOW, "item": ITEM})
    for number in range(1, 4):
        take("case.open", CLERK, f"{SICHUAN}/case/{number}", OPEN_BODY)
    within = f"{TIBET}/grant/within"
    take("grant.offer", HEAD, within, GRANT_BODY | {"window": WINDOW_T})
    take("grant.accept", HEAD, within, {"window": WINDOW_T, "item": ITEM})
    for name, decided in ((f"{SICHUAN}/case/2", True), (f"{SICHUAN}/case/3", False)):
        take("handoff.offer", CLERK, name, {"unit": HRSS})
        take("handoff.accept", HEAD, name, {"holder": SICHUAN})
        take("handoff.release", SICHUAN, name, {})
        take("case.note", HEAD, name, {"remark": "已收到"})
        if decided:
            take("case.decide", DECIDER, name, DECIDE_BODY)
            take("handoff.offer", HEAD, name, {"unit": WINDOW})
            take("handoff.accept", CLERK, name, {"holder": TIBET})
            take("handoff.release", TIBET, name, {})
    text: dict[str, Any] = {"version": 1, "title": "办法", "digest": bytes(32)}
    for region, manager in ((SICHUAN, CHIEF), (TIBET, HEAD)):
        take("guide.publish", manager, f"{region}/guide/1", text)
        take("method.publish", manager, f"{region}/assessment-method/1", text)
        take("fee-policy.publish", manager, f"{region}/fee-policy/1", text | {"bearer": "hall"})
    number = ITEM.split("/")[2]
    listed = {"version": 1, "item": ITEM, "procedures": ["hearing"], "basis": "听证"}
    take("procedures.publish", HEAD, f"{TIBET}/procedure-list/{number}", listed)
    ready = {"version": 1, "window": WINDOW, "evidence": bytes(32)}
    ready |= dict.fromkeys(("staff", "video", "scan", "print"), True)
    take("readiness.attest", CHIEF, f"{SICHUAN}/readiness/1", ready)
    for seal, approved in (("1", True), ("2", False)):
        take("seal.issue", TIBET, f"{TIBET}/seal/{seal}", SEAL_BODY | {"approval": approved})
    take("device.enrol", CHIEF, f"{SICHUAN}/device/1", DEVICE_BODY)
    take(
        "meeting.record",
        TIBET,
        f"{TIBET}/meeting/1",
        {"parties": [HRSS], "digest": bytes(32), "held": world.now_s},
    )
    for region in (SICHUAN, TIBET):
        public = {"version": 1, "key": bytes(32)}
        take("vault.key", region, f"{region}/vault-key/x25519", public)
    erased = {"case": f"{SICHUAN}/case/3", "basis": "第四十七条", "reason": "到期"}
    take("vault.shred", SICHUAN, f"{SICHUAN}/tombstone/1", erased)
    return world, past, reached


START: Final = _start()


# ---- the walk -----------------------------------------------------------------------------------


class DisagreementError(AssertionError):
    """The judge and the model do not say the same."""


def themes() -> tuple[tuple[str, ...], ...]:
    """Kinds that belong together, so that a short walk among them gets far."""
    of_case = [it for it in KINDS if it.startswith(("case.", "handoff."))]
    of_heart = (
        of_case,
        [*of_case, *(it for it in KINDS if it.startswith("branch."))],
        [*of_case, "review.form", "identity.check", "challenge.raise", "challenge.answer"],
        [it for it in KINDS if it.startswith("seal.")],
        [it for it in KINDS if it.startswith(("seal.use", "seal.a", "seal.re", "seal.is"))],
        [it for it in KINDS if it.startswith(("party.", "training.", "token.", "act."))],
        [it for it in KINDS if it.startswith(("grant.", "item.", "basis.", "calendar."))],
    )
    lives = [[it for it in KINDS if KINDS[it].subject == life.subject] for life in LIVES]
    return tuple(tuple(it) for it in (*of_heart * 4, *lives))


THEMES: Final = themes()


def begun() -> Reached:
    """What the start has taken already."""
    return Counter(START[2])


def walk(
    seed: int,
    *,
    acts: int,
    reached: Reached,
    wanted: Collection[tuple[str, str, str]] | None = None,
    near: bool = False,
) -> None:
    """Take so many acts in each theme, from the start each time; the more, the more kinds it has.

    Where it is said which steps are wanted, themes that have none of them are left out.

    Raises:
        DisagreementError: With the act, and what the judge said.
    """
    for at, theme in enumerate(THEMES):
        if wanted is not None and not _kinds_of(wanted) & set(theme):
            continue
        random = Random(f"slow/{seed}/{at}")  # noqa: S311 - a walk, no secret
        both = Both(reached)
        for _ in range(acts + acts * len(theme) // 6):
            step(both, random, theme, near=near)


def _kinds_of(steps: Collection[tuple[str, str, str]]) -> set[str]:
    """The kinds of acts that take these steps; custody has words of its own for some."""
    named = {word.split(":")[0] for _, kind, event in steps for word in (kind, event)}
    return named | {"case.note"} if named & {"act", "arrive", "open", "close"} else named


def step(
    both: Both, random: Random, theme: Sequence[str] = _KIND_NAMES, *, near: bool = True
) -> None:
    """Take a legal act, one that was seldom taken; before it, ask for another.

    With ``near``, for some that differ from it in one thing.
    """
    both.world.now_s += random.choice((0, 1, 1, 5, 300))
    draws = Draws(both.past, random, both.world.now_s, careful=True)
    among = theme if random.randrange(100) < 95 else _KIND_NAMES
    kinds = [it for it in random.sample(among, min(8, len(among))) if draws.is_thinkable(it)][:5]
    if not kinds:
        return
    careless = Draws(both.past, random, both.world.now_s, careful=False)
    legal = [act for kind in kinds if (act := _legal(both.past, draws, kind)) is not None]
    if not legal:
        _ask(both, careless.act(kinds[0]))
        return
    act = min(legal, key=lambda it: _how_often(both, it))
    for other in careless.near(act) if near else [careless.act(kinds[0])]:
        _ask(both, other)
    _ask(both, act)


def _legal(past: Past, draws: Draws, kind: str) -> Act | None:
    return next((it for it in draws.acts(kind) if is_legal(past, it)), None)


def _how_often(both: Both, act: Act) -> int:
    """How often the step that an act is was taken; of several, the rarest."""
    steps = [*steps_of(both.past, both.world, act), ("kinds", act.kind, "")]
    return min(both.reached[it] for it in steps)


def _ask(both: Both, act: Act) -> None:
    if not both.agree(act):
        legal = is_legal(both.past, act)
        raise DisagreementError(f"{act} judge: {both.said}, model: {legal}")
