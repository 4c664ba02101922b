"""A network of two regions that tests ask over HTTP, byte by byte."""

import contextlib
import hashlib
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from ledger.keys import SigningKey
from ledger.statement import Act, sign_statement
from nodes.adapters.clock import SystemClock
from tests.nodes.live import Live, live
from tests.nodes.stage import Answer, send

HERE, THERE = "510000", "500000"
OFFICER = "510000/officer/w3-01"
WINDOW = "510000/window/w3"
DEPARTMENT = "510000/department/civil"
ITEM = "510000/item/000120001000"
OWN_KEY = SigningKey(hashlib.sha256(b"an officer's own key").digest())
OWNER = "510000/officer/own"


class Town(NamedTuple):
    """Two regions; the first has an officer whose key it holds, and one with their own."""

    live: Live
    window_token: str
    auditor_token: str

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        token: str = "",
        region: str = HERE,
        **headers: str,
    ) -> Answer:
        base = urlsplit(self.live.founded.roster.members[region].url)
        connection = http.client.HTTPConnection(base.hostname or "", base.port, timeout=10)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            given["Authorization"] = f"Bearer {token}"
        return send(connection, method, path, body, given)

    def post(self, path: str, value: object, token: str = "") -> Answer:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.call("POST", path, body, token=token)

    @property
    def operator_token(self) -> str:
        return self.live.founded.tokens[HERE]

    @property
    def origin(self) -> str:
        return self.live.founded.roster.members[HERE].origin

    def size(self) -> int:
        return self.live.size(HERE)


@contextlib.contextmanager
def two_regions(folder: Path) -> Iterator[Town]:
    """Found and settle them, and have both serve."""
    with live(folder / "network", regions=2) as nodes:

        async def settle() -> tuple[str, str]:
            async with nodes.client(HERE) as operator:
                await operator.act("party.enrol", DEPARTMENT, {"name": "民政局"})
                await operator.act("party.enrol", "510000/hall/h1", {"name": "政务大厅"})
                body = {"name": "三号窗口", "hall": "510000/hall/h1", "department": DEPARTMENT}
                await operator.act("party.enrol", WINDOW, body)
                held = await operator.make_officer_key(OFFICER)
                for party, key, holder in (
                    (OFFICER, held, "region"),
                    (OWNER, OWN_KEY.public, "officer"),
                ):
                    body = {"unit": WINDOW, "key": key, "holder": holder, "roles": ["receive"]}
                    await operator.act("party.enrol", party, body)
                window = await operator.issue_token(OFFICER, "window", label="w3")
                auditor = await operator.issue_token("510000", "auditor")
                return window["token"], auditor["token"]

        yield Town(nodes, *nodes.run(settle()))


def enrolment(number: int, ahead_s: int = 0) -> bytes:
    """A statement signed by an enrolled officer; whether a rule allows it is another matter."""
    time_s = SystemClock().now_ms() // 1000 + ahead_s
    body = {"reason": f"because {number}"}
    act = Act("party.suspend", 1, None, (), body)
    return sign_statement(OWN_KEY, OWNER, f"510000/window/x{number}", time_s, act).entry


def scrapi(town: Town, entry: bytes) -> Answer:
    return town.call("POST", "/entries", entry, Content_Type="application/cose")
