"""The life of one case between two regions, step by step, each by the officer whose step it is."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ledger.commitment import SALT_BYTES, commit
from nodes.cli.demo.cast import MATERIALS, Home
from nodes.cli.demo.office import Office


@dataclass(frozen=True, slots=True)
class Plan:
    """A case to be carried: taken in at ``window``, decided by ``owner``.

    Args:
        name: Of the case.
        noticed: Whether papers are missing at first, and brought later.
        result: Of the decision.
        number: Catalogue number of the item; None for the owner's first.
    """

    name: str
    window: Office
    owner: Office
    noticed: bool = False
    result: str = "granted"
    number: str | None = None

    @property
    def item(self) -> str:
        """The item it is about."""
        return self.owner.home.item(self.number)

    @property
    def grant(self) -> str:
        """The grant that the window acts on."""
        return self.owner.home.grant(self.window.home, self.number)

    @property
    def lent(self) -> dict[str, str]:
        """The fields of an act that is done for another place."""
        return {"grant": self.grant, "window": self.window.home.window}


def case_name(home: Home, number: int, life: str = "") -> str:
    """Return the name of a region's case of this number, given out in its log's ``life``."""
    return f"{home.code}/case/{life}2026-{number:06}"


def commitment(what: str) -> bytes:
    """Return a commitment to a paper: salted, so that nobody can find out by trying."""
    return commit(secrets.token_bytes(SALT_BYTES), what.encode())


def opening(plan: Plan) -> dict[str, Any]:
    """Return the fields of the case's first act."""
    return {
        "item": plan.item,
        "item_version": 1,
        "department": plan.owner.home.department,
        "mode": "counter",
        "materials": [commitment(name) for name in MATERIALS[:2]],
        **plan.lent,
    }


async def receive(plan: Plan) -> None:
    """The window takes the papers in, says once what is missing, and sees the originals."""
    window, officer = plan.window, plan.window.home.receiver
    await window.act("case.open", plan.name, opening(plan), officer=officer)
    if plan.noticed:
        missing = {"missing": ["proof-of-residence"], **plan.lent}
        await window.act("case.notice", plan.name, missing, officer=officer)
        received = {"received": ["proof-of-residence"], "materials": [commitment("proof")]}
        await window.act("case.supplement", plan.name, {**received, **plan.lent}, officer=officer)
    seen = {"documents": ["id-card"], "result": "match", "method": "original", **plan.lent}
    await window.act("case.verify", plan.name, seen, officer=officer)


async def hand_over(
    case: str, giver: Office, taker: Office, *, by: str, to: str, taken_by: str
) -> None:
    """Custody moves: offer, accept, and the giver's node releases by itself."""
    offered = await giver.act("handoff.offer", case, {"unit": to}, officer=by)
    await taker.sees(giver.origin, offered.index)
    await taker.act("handoff.accept", case, {"holder": giver.code}, officer=taken_by)

    def released(row: Mapping[str, Any]) -> bool:
        return row.get("at") == "away" and row.get("to") == to

    await taker.row(case, giver.origin, released)


async def decide(plan: Plan) -> None:
    """The owning department seals and decides: a second person approves, the keeper seals."""
    owner, home = plan.owner, plan.owner.home
    document = sha256(f"{plan.name} {plan.result}".encode()).digest()
    use = f"{home.code}/seal-use/{owner.life}{plan.name.replace('/', '-')}"
    sealed = {"seal": home.seal, "document": document, "case": plan.name, "purpose": "审批决定书"}
    await owner.act("seal.approve", use, sealed, officer=home.approver)
    await owner.act("seal.use", use, sealed, officer=home.keeper)
    decision = {
        "result": plan.result,
        "basis": "国办发〔2020〕35号",
        "document": document,
        "seal_use": use,
    }
    await owner.act("case.decide", plan.name, decision, officer=home.decider)


async def finish(plan: Plan) -> None:
    """The window hands the result over, and closes the case."""
    window, officer = plan.window, plan.window.home.receiver
    served = {"mode": "counter", "evidence": commitment("delivered"), **plan.lent}
    await window.act("case.deliver", plan.name, served, officer=officer)
    await window.act("case.close", plan.name, {}, officer=officer)


async def carry_on(plan: Plan) -> None:
    """Carry a case that was taken in to its end."""
    window, owner = plan.window, plan.owner
    there, here = owner.home, window.home
    await hand_over(
        plan.name, window, owner, by=here.receiver, to=there.department, taken_by=there.decider
    )
    await decide(plan)
    await hand_over(
        plan.name, owner, window, by=there.decider, to=here.window, taken_by=here.receiver
    )
    await finish(plan)


async def whole_life(plan: Plan) -> None:
    """Carry a case from the counter and back to it."""
    await receive(plan)
    await carry_on(plan)
