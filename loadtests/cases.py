"""The lives of cases, as steps that a worker sends: signed beforehand, or composed by the node.

A window's clerk signs with a key of their own. Each of these acts names the leaf of the one before
it, and all that they cite is known, so the whole stretch at the counter is signed before the clock
starts. What follows rests on what another region does, so its node composes it.
"""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random  # noqa: TID251 - load is drawn from a seed
from typing import Any, Final

from ledger.hashing import hash_leaf
from ledger.statement import Act, sign_statement
from loadtests.scene import Lent, Office, Scene, clerk_key, opening

HELD_BACK_CODES: Final = frozenset({"unknown-object", "wrong-state", "not-holder"})
"""What a node says of an act that rests on one in another region that it has not seen yet."""
VERIFIED: Final = 0.5
NOTICED: Final = 0.3
REFUSED: Final = 0.06
"""Shares of the cases; assumptions of the workload, as in the simulator's."""
MODES: Final = {"online": 0.7, "agency": 0.2, "joint": 0.08, "counter": 0.02}
"""How cases come and how often, as in the simulator's: an assumption of the domain page. Its 2 % by
machines (一体机) come in at the counter here."""
COMPOSED_ACTS: Final = 6
"""Of each case, after the counter: twice accepted, decided, offered back, delivered, closed."""
KINDS: Final = frozenset(
    {
        *("case.open", "case.verify", "case.notice", "case.supplement", "case.decide"),
        *("case.deliver", "case.close", "handoff.offer", "handoff.accept"),
    }
)
"""Of all acts of a case; what else a log has of it, nodes wrote by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One act, ready to be sent.

    Args:
        entry: Signed by the clerk; empty where the node composes the act from ``body``.
        token: Of the officer for whom it composes.
        rests: Whether it rests on what another region must have done first.
        act: What the clerk signed; None where the node composes it.
    """

    kind: str
    region: str
    subject: str
    entry: bytes = b""
    body: bytes = b""
    token: str = ""
    rests: bool = False
    act: Act | None = None


@dataclass(slots=True)
class Case:
    """One case on its way.

    Args:
        not_before_s: When its next step may be tried, by the worker's clock; of one that is not
            held back, since when it can be.
        tries: How often the next step was held back.
        signed_s: Unix time with which its clerk dated it; a log takes no date that lies before
            what it has recorded, so a case is not signed long before it comes.
    """

    name: str
    steps: deque[Step]
    not_before_s: float = 0.0
    tries: int = 0
    signed_s: int = 0


class Cases:
    """Makes cases, each with a name that no other worker gives.

    Args:
        scene: Who is there, and what the next cases cite.
        stamp: Part of every name: the worker and the stage.
        now_s: Unix time with which the statements are dated.
    """

    def __init__(self, scene: Scene, stamp: str, now_s: int) -> None:
        self.scene = scene
        self._stamp = stamp
        self._now_s = now_s
        self._random = Random(stamp)
        self._made = 0

    def make(self) -> Case:
        """Return a new case, with all its steps."""
        lent = self._random.choice(self.scene.lent)
        return self._case(lent)

    def date(self, now_s: int) -> None:
        """Date what is signed from now on."""
        self._now_s = now_s

    def sign_anew(self, case: Case) -> None:
        """Let the clerk sign what is left of a case at the counter again, with the present date."""
        steps = list(case.steps)
        previous = steps[0].act.previous if steps[0].act is not None else None
        for at, step in enumerate(steps):
            if step.act is None:
                break
            act = step.act._replace(previous=previous)
            clerk = f"{step.region}/officer/clerk"
            made = sign_statement(clerk_key(step.region), clerk, step.subject, self._now_s, act)
            previous = made.leaf
            steps[at] = replace(step, entry=made.entry, act=act)
        case.steps = deque(steps)
        case.signed_s = self._now_s

    def _case(self, lent: Lent) -> Case:
        self._made += 1
        owner, to = self.scene.offices[lent.owner], self.scene.offices[lent.to]
        name = f"{to.region}/case/{self._stamp}-{self._made:06}"
        rests = {"grant": lent.grant, "window": to.window}
        (mode,) = self._random.choices(list(MODES), list(MODES.values()))
        steps = deque(self._at_counter(name, lent, mode, rests))
        steps.extend(self._decided(name, owner, to))
        steps.extend(_finished(name, owner, to, mode, rests))
        return Case(name, steps, signed_s=self._now_s)

    def _at_counter(
        self, name: str, lent: Lent, mode: str, rests: Mapping[str, str]
    ) -> Iterator[Step]:
        owner, to = self.scene.offices[lent.owner], self.scene.offices[lent.to]
        key, clerk = clerk_key(to.region), to.party("officer", "clerk")
        previous: bytes | None = None
        acts: list[tuple[str, Mapping[str, Any]]] = [
            ("case.open", opening(owner, to, lent.grant, mode)),
        ]
        if self._random.random() < VERIFIED:
            how = "shared-data" if mode == "online" else "original"
            seen = {"documents": ["identity-proof"], "result": "match", "method": how}
            acts.append(("case.verify", {**seen, **rests}))
        if self._random.random() < NOTICED:
            acts += [
                ("case.notice", {"missing": ["photo"], **rests}),
                ("case.supplement", {"received": ["photo"], **rests}),
            ]
        acts.append(("handoff.offer", {"unit": owner.department}))
        for kind, body in acts:
            cited = () if kind == "handoff.offer" else lent.citations
            act = Act(kind, 1, previous, cited, body)
            made = sign_statement(key, clerk, name, self._now_s, act)
            previous = made.leaf
            yield Step(kind=kind, region=to.region, subject=name, entry=made.entry, act=act)

    def _decided(self, name: str, owner: Office, to: Office) -> Iterator[Step]:
        yield _composed(owner, "decider", "handoff.accept", name, {"holder": to.region})
        result = "refused" if self._random.random() < REFUSED else "granted"
        document = hash_leaf(name.encode()).hex()
        decision = {"result": result, "basis": "行政许可法", "document": document}
        yield _composed(owner, "decider", "case.decide", name, decision)
        back = {"unit": to.window}
        yield _composed(owner, "decider", "handoff.offer", name, back, rests=False)


def _finished(
    name: str, owner: Office, to: Office, mode: str, rests: Mapping[str, str]
) -> Iterator[Step]:
    yield _composed(to, "desk", "handoff.accept", name, {"holder": owner.region})
    served = {"mode": "online" if mode == "online" else "counter", **rests}
    yield _composed(to, "desk", "case.deliver", name, served)
    yield _composed(to, "desk", "case.close", name, {}, rests=False)


def _composed(
    office: Office,
    officer: str,
    kind: str,
    subject: str,
    body: Mapping[str, Any],
    *,
    rests: bool = True,
) -> Step:
    asked = {
        "kind": kind,
        "subject": subject,
        "body": body,
        "officer": office.party("officer", officer),
    }
    return Step(
        kind=kind,
        region=office.region,
        subject=subject,
        body=json.dumps(asked).encode(),
        token=office.tokens[officer],
        rests=rests,
    )
