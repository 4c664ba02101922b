"""An office of one region that draws papers, has them approved and seals them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ledger.errors import (
    LedgerError,
)
from nodes.adapters.clock import SystemClock
from nodes.adapters.seal_store import SealStore
from nodes.adapters.sm2_libcrypto import LibcryptoSM2
from nodes.adapters.trust_files import load_trust
from nodes.cli.seal import check
from nodes.client import Patience
from seals.report import Verdict
from tests.nodes.live import NOW_S, Live, live

HERE = "510000"
DEPARTMENT, HALL, WINDOW = f"{HERE}/department/civil", f"{HERE}/hall/h1", f"{HERE}/window/w3"
CLERK, KEEPER, HEAD = (f"{HERE}/officer/{it}" for it in ("w3-01", "seal-01", "head-01"))
ITEM, CASE = f"{HERE}/item/000120001000", f"{HERE}/case/2026-000001"
SEAL, OTHER = f"{HERE}/seal/civil-1", f"{HERE}/seal/civil-2"
MATERIALS = [{"name": "居民身份证", "note": "已核验原件"}, {"name": "申请表", "count": 2}]
ASKED = {
    "case": CASE,
    "kind": "receipt",
    "format": "pdf",
    "seal": SEAL,
    "officer": KEEPER,
    "applicant": "张*",
    "materials": MATERIALS,
}
SM2 = LibcryptoSM2()
ONCE = Patience(attempts_max=1)


class Office(NamedTuple):
    live: Live
    tokens: dict[str, str]
    trust: Path

    def draw(self, by: str = KEEPER, **changes: Any) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            async with self.live.client(HERE, self.tokens[by], patience=ONCE) as client:
                return await client.draw_paper(ASKED | changes)

        return self.live.run(ask())

    def seal(self, draft: str, officer: str = KEEPER) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            async with self.live.client(HERE, self.tokens[officer], patience=ONCE) as client:
                return await client.seal_paper(bytes.fromhex(draft))

        return self.live.run(ask())

    def act(self, officer: str, kind: str, subject: str, body: dict[str, Any]) -> int:
        async def ask() -> int:
            async with self.live.client(HERE, self.tokens.get(officer)) as client:
                acted = await client.act(kind, subject, body, officer=officer or None)
                return acted.index

        return self.live.run(ask())

    def looked_at(self) -> set[str]:
        """What of the case somebody has looked at."""

        async def ask() -> set[str]:
            async with self.live.client(HERE) as operator:
                token = (await operator.issue_token(HERE, "auditor"))["token"]
            async with self.live.client(HERE, token) as auditor:
                return {it["what"] for it in (await auditor.readers(ASKED["case"]))["readers"]}

        return self.live.run(ask())

    def approve(self, told: dict[str, Any], **changes: Any) -> None:
        self.act(HEAD, "seal.approve", told["subject"], told["approve"] | changes)

    def counted(self, seal: str = SEAL) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            async with self.live.client(HERE) as client:
                return await client.seal_count(seal)

        return self.live.run(ask())

    def uses(self, seal: str = SEAL) -> int:
        """How many uses of a seal stand on the ledger."""

        async def ask() -> int:
            async with self.live.client(HERE) as client:
                lines = (await client.case(CASE))["lines"]
                return sum(it["kind"] == "seal.use" and it["seal"] == seal for it in lines)

        return self.live.run(ask())

    def use(self, subject: str) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            async with self.live.client(HERE) as client:
                [fact] = (await client.object(subject))["facts"]
                state: dict[str, Any] = fact["state"]
                return state

        return self.live.run(ask())

    @property
    def store(self) -> SealStore:
        return self.live.nodes[HERE].service.desk.seals


@contextlib.contextmanager
def one_office(folder: Path) -> Iterator[Office]:
    """Found the region, enrol its people and issue its seals."""
    with live(folder / "network", regions=1) as nodes:
        made = Office(nodes, {}, folder / "trust.pem")
        nodes.run(settle(made), 30)
        yield made


async def settle(made: Office) -> None:
    async with made.live.client(HERE) as here:
        await here.act("party.enrol", DEPARTMENT, {"name": "四川省民政厅"})
        await here.act("party.enrol", HALL, {"name": "政务大厅"})
        body = {"name": "三号窗口", "hall": HALL, "department": DEPARTMENT}
        await here.act("party.enrol", WINDOW, body)
        for party, unit, roles in (
            (CLERK, WINDOW, ["receive"]),
            (KEEPER, DEPARTMENT, ["keeper"]),
            (HEAD, DEPARTMENT, ["decide", "grant", "manage"]),
        ):
            key = await here.make_officer_key(party)
            body = {"unit": unit, "key": key, "holder": "region", "roles": sorted(roles)}
            await here.act("party.enrol", party, body)
            made.tokens[party] = (await here.issue_token(party, "authority"))["token"]
        for seal, two in ((SEAL, True), (OTHER, False)):
            held = await here.make_seal(seal, "四川省民政厅")
            issued = {
                "name": "四川省民政厅",
                "owner": DEPARTMENT,
                "keepers": [HEAD, KEEPER],
                "approval": two,
                "approvers": [HEAD] if two else [],
                "certificate": bytes.fromhex(held["certificate"]),
                "valid_from": NOW_S - 60,
                "valid_until": NOW_S + 864_000,
            }
            await here.act("seal.issue", seal, issued)
        made.trust.write_bytes(await here.seal_trust())
    async with made.live.client(HERE, made.tokens[HEAD]) as head:
        published = {
            "version": 1,
            "title": "结婚登记",
            "code": "000120001000",
            "department": DEPARTMENT,
            "materials": ["hukou", "photo"],
            "days": 5,
        }
        await head.act("item.publish", ITEM, published, officer=HEAD)
    async with made.live.client(HERE, made.tokens[CLERK]) as clerk:
        opened = {
            "item": ITEM,
            "item_version": 1,
            "department": DEPARTMENT,
            "mode": "counter",
            "window": WINDOW,
        }
        await clerk.act("case.open", CASE, opened, officer=CLERK)


def verdicts(office: Office, file: bytes) -> list[Verdict]:
    # Asked now: in a long run, what is read when the file is loaded is long past by then.
    now_s = SystemClock().now_ms() // 1000
    reports = check(file, sm2=SM2, trust=load_trust([office.trust]), at_s=now_s + 30)
    return [it.verdict for it in reports]


def refusal(office: Office, code: str, *, seal: str = SEAL, **changes: Any) -> None:
    signed = office.counted(seal)["signatures"]
    with pytest.raises(LedgerError) as caught:
        office.draw(seal=seal, **changes)
    assert caught.value.code == code
    assert office.counted(seal)["signatures"] == signed == office.uses(seal)
