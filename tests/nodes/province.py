"""A case that went from one of five regions to another and back, for tests that ask about it."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ledger.errors import LedgerError
from nodes.client import Acted, Client
from tests.nodes.live import NOW_S, Live, live

SICHUAN, TIBET = "510000", "540000"
CIVIL, HALL, WINDOW = "510000/department/civil", "510000/hall/h1", "510000/window/w3"
CLERK, MANAGER = "510000/officer/w3-01", "510000/officer/m-01"
OWNER, DECIDER = "540000/department/civil", "540000/officer/d-01"
ITEM, BASIS, GRANT, CASE = (
    "540000/item/000120001000",
    "540000/basis/zangzhengban-21",
    "540000/grant/2026-000001",
    "510000/case/2026-000001",
)


class Province(NamedTuple):
    live: Live
    tokens: dict[str, str]

    async def act(
        self, officer: str, kind: str, subject: str, body: dict[str, Any], **options: Any
    ) -> Acted:
        async with self.live.client(officer[:6], self.tokens[officer]) as client:
            return await client.act(kind, subject, body, officer=officer, **options)

    async def patiently(self, officer: str, kind: str, subject: str, body: dict[str, Any]) -> Acted:
        """Act as soon as what it rests on is within sight of the officer's region."""
        async with asyncio.timeout(10):
            while True:
                try:
                    return await self.act(officer, kind, subject, body, wait="replicated")
                except LedgerError as error:
                    if error.code in {"bad-field", "unknown-kind", "not-entitled"}:
                        raise
                    await asyncio.sleep(0.05)


@contextlib.contextmanager
def carried(folder: Path) -> Iterator[Province]:
    """Five regions that serve, and one case that is closed in them."""
    with live(folder / "network", regions=5) as nodes:
        made = Province(nodes, {})
        nodes.run(enrol(made), 30)
        nodes.run(carry(made), 60)
        yield made


async def officer(made: Province, operator: Client, party: str, unit: str, *roles: str) -> None:
    key = await operator.make_officer_key(party)
    body = {"unit": unit, "key": key, "holder": "region", "roles": sorted(roles)}
    await operator.act("party.enrol", party, body)
    role = "window" if unit == WINDOW else "authority"
    made.tokens[party] = (await operator.issue_token(party, role))["token"]


async def enrol(made: Province) -> None:
    async with made.live.client(SICHUAN) as here, made.live.client(TIBET) as there:
        await here.act("party.enrol", CIVIL, {"name": "民政局"})
        await here.act("party.enrol", HALL, {"name": "政务大厅"})
        body = {"name": "三号窗口", "hall": HALL, "department": CIVIL}
        await here.act("party.enrol", WINDOW, body)
        await officer(made, here, CLERK, WINDOW, "receive")
        await officer(made, here, MANAGER, CIVIL, "grant", "manage")
        await there.act("party.enrol", OWNER, {"name": "民政厅"})
        await officer(made, there, DECIDER, OWNER, "decide", "receive", "grant", "manage")
    term = {"valid_from": NOW_S - 3_600, "valid_until": NOW_S + 864_000}
    await made.act(
        DECIDER,
        "item.publish",
        ITEM,
        {
            "version": 1,
            "title": "结婚登记",
            "code": "000120001000",
            "department": OWNER,
            "materials": ["hukou", "photo"],
            "days": 5,
        },
    )
    await made.act(
        DECIDER, "basis.publish", BASIS, {"title": "方案", "document": "藏政办发21", **term}
    )
    grant = {
        "item": ITEM,
        "item_version": 1,
        "window": WINDOW,
        "rights": ["deliver", "intake", "notice"],
        "staleness_s": 600,
        "basis": BASIS,
        "valid_from": NOW_S - 3_600,
        "valid_until": NOW_S + 86_400,
    }
    await made.act(DECIDER, "grant.offer", GRANT, grant)
    await made.patiently(MANAGER, "grant.accept", GRANT, {"window": WINDOW, "item": ITEM})


async def carry(made: Province) -> None:
    ground = {"grant": GRANT, "window": WINDOW}
    opened = {"item": ITEM, "item_version": 1, "department": OWNER, "mode": "agency", **ground}
    await made.patiently(CLERK, "case.open", CASE, opened)
    await made.act(CLERK, "handoff.offer", CASE, {"unit": OWNER})
    await made.patiently(DECIDER, "handoff.accept", CASE, {"holder": SICHUAN})
    decision = {"result": "granted", "basis": "婚姻登记条例", "document": bytes(32)}
    await made.patiently(DECIDER, "case.decide", CASE, decision)
    await made.act(DECIDER, "handoff.offer", CASE, {"unit": WINDOW})
    await made.patiently(CLERK, "handoff.accept", CASE, {"holder": TIBET})
    await made.patiently(CLERK, "case.deliver", CASE, {"mode": "counter", **ground})
    await made.patiently(CLERK, "case.close", CASE, {})
