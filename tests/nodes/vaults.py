"""Two real regions with vaults, and what tests ask of them."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ledger.encoding import encode
from ledger.errors import LedgerError, NotFoundError
from nodes.client import Acted, Client, Patience
from nodes.core.exchange import VAULT
from nodes.core.ready import PeerAnswered, PeerRequest
from nodes.store import vault as store
from tests.nodes.live import Live, live

GIVER, TAKER = "510000", "500000"
PAPER = "户口簿第一页".encode() * 400
WHY = {"basis": "个人信息保护法第四十七条", "reason": "当事人申请删除"}


def officer_of(region: str, name: str) -> str:
    return f"{region}/officer/{name}"


HEAD, OUTSIDER = officer_of(GIVER, "head"), officer_of(GIVER, "outsider")
THEIR_HEAD = officer_of(TAKER, "head")


class Town(NamedTuple):
    live: Live
    tokens: dict[str, str]

    def client(self, party: str, **more: Any) -> Client:
        """A client of an officer, or of the operator of a region."""
        token = self.tokens.get(party)
        return self.live.client(party[:6], token, patience=Patience(attempts_max=1), **more)

    def ask(self, party: str, method: str, *args: Any, **more: Any) -> Any:
        async def asked() -> Any:
            async with self.client(party) as client:
                return await getattr(client, method)(*args, **more)

        return self.live.run(asked(), 30)

    def act(self, party: str, kind: str, subject: str, body: dict[str, Any]) -> Acted:
        officer = party if "/" in party else None
        acted: Acted = self.ask(party, "act", kind, subject, body, officer=officer)
        return acted

    def patiently(self, party: str, kind: str, subject: str, body: dict[str, Any]) -> None:
        """Act as soon as what it rests on is within sight."""

        async def acted() -> None:
            async with self.client(party) as client, asyncio.timeout(10):
                while True:
                    try:
                        await client.act(kind, subject, body, officer=party)
                    except LedgerError as error:
                        if error.code in {"bad-field", "not-entitled"}:
                            raise
                        await asyncio.sleep(0.05)
                    else:
                        return

        self.live.run(acted())

    def open(self, number: str, region: str = GIVER) -> str:
        """A case, opened by the department that decides it."""
        case = f"{region}/case/{number}"
        body = {
            "item": f"{region}/item/1",
            "item_version": 1,
            "department": f"{region}/department/d",
            "mode": "counter",
        }
        self.act(officer_of(region, "head"), "case.open", case, body)
        return case

    def hand_over(self, case: str, giver: str = GIVER, taker: str = TAKER) -> None:
        self.act(
            officer_of(giver, "head"), "handoff.offer", case, {"unit": f"{taker}/department/d"}
        )
        taking = officer_of(taker, "head")
        self.patiently(taking, "handoff.accept", case, {"holder": giver})
        self.patiently(taking, "case.note", case, {"remark": "收到"})
        self.brought(case, taker)

    def brought(self, case: str, taker: str) -> None:
        """Wait until the papers of a case have come along with it."""

        async def look() -> None:
            async with self.client(taker) as client, asyncio.timeout(10):
                while True:
                    papers = (await client.papers_in_vault(case))["papers"]
                    if all(it["here"] for it in papers):
                        return
                    await asyncio.sleep(0.05)

        self.live.run(look())

    def hand_back(self, case: str) -> None:
        self.hand_over(case, TAKER, GIVER)

    def put(self, case: str, party: str = officer_of(GIVER, "head"), **more: Any) -> dict[str, Any]:
        officer = party if "/" in party else None
        kept: dict[str, Any] = self.ask(
            party, "put_in_vault", case, "户口簿.pdf", PAPER, officer=officer, **more
        )
        return kept

    def seen(self, region: str, name: str) -> None:
        """Wait until a region's node knows of an object."""

        async def look() -> None:
            async with self.client(region) as client, asyncio.timeout(10):
                while True:
                    with suppress(NotFoundError):
                        if (await client.object(name))["facts"]:
                            return
                    await asyncio.sleep(0.05)

        self.live.run(look())

    def room(self, region: str) -> Any:
        return self.live.nodes[region].service.vault

    def files(self, region: str) -> bytes:
        """All that lies in a vault's files."""
        folder = self.room(region).path.parent
        return b"".join(it.read_bytes() for it in sorted(folder.glob("vault.db*")))

    def refused(self, code: str, party: str, method: str, *args: Any, **more: Any) -> LedgerError:
        with pytest.raises(LedgerError) as caught:
            self.ask(party, method, *args, **more)
        assert caught.value.code == code, str(caught.value)
        return caught.value


def furnish(town: Town, region: str) -> None:
    """A department with a head and a colleague, a second one with an outsider, and an item."""
    for name in ("d", "other"):
        town.act(region, "party.enrol", f"{region}/department/{name}", {"name": "部门"})
    for name, unit, roles in (
        ("head", "d", ["archive", "decide", "grant", "manage", "receive"]),
        ("outsider", "other", ["decide", "receive"]),
    ):
        party = officer_of(region, name)
        key = town.ask(region, "make_officer_key", party)
        body = {"unit": f"{region}/department/{unit}", "key": key, "holder": "region"}
        town.act(region, "party.enrol", party, body | {"roles": roles})
        town.tokens[party] = town.ask(region, "issue_token", party, "authority")["token"]
    item = {
        "version": 1,
        "title": "户口迁移",
        "code": "000120001000",
        "department": f"{region}/department/d",
        "materials": ["hukou"],
        "days": 5,
    }
    town.act(officer_of(region, "head"), "item.publish", f"{region}/item/1", item)


@contextmanager
def two_vaults(folder: Path) -> Iterator[Town]:
    """Two regions with a department, officers and an item each."""
    with live(folder / "network", regions=2) as nodes:
        assert set(nodes.nodes) == {GIVER, TAKER}
        made = Town(nodes, {})
        for region in (GIVER, TAKER):
            furnish(made, region)
        yield made


def given_papers(town: Town) -> list[str]:
    """Three papers of a case that went over."""
    case = town.open("given")
    papers = [town.put(case)["paper"] for _ in range(3)]
    town.hand_over(case)
    return papers


def forget(town: Town, paper: str) -> None:
    """Have the taker's vault know nothing of a paper's case, as before it ever asked."""
    case = town.ask(TAKER, "object", paper)["facts"][0]["state"]["case"]
    room = town.room(TAKER)
    town.live.run(room.run(store.destroy, case))
    town.live.run(room.run(store.put_state, case, ""))


def asked(town: Town, asker: str, giver: str, *question: Any) -> PeerAnswered:
    """What one vault answers another."""
    request = PeerRequest(0, giver, VAULT, encode(list(question)), 5_000)
    answer: PeerAnswered = town.live.run(town.room(asker).peers.send(request))
    return answer


def code_of(answer: PeerAnswered) -> str:
    return str(json.loads(answer.body)["code"])


async def own_sealed(town: Town, paper: str) -> bytes:
    """The stored bytes of a paper of the giver."""
    row = await town.room(GIVER).run(store.load_payload, paper)
    sealed: bytes = row.sealed
    return sealed
