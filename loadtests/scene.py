"""Who is there when the load comes: halls, windows, officers, items and grants, in every region.

What workers need to know of it is one file, which is all that a worker on another machine gets.
"""

import base64
import http.client
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from ledger.keys import SigningKey
from ledger.statement import Citation, decode_statement
from loadtests.stage import YEAR_S, Stage, StageError

LENDS_TO_MAX: Final = 2
PATIENCE_S: Final = 30
MATERIALS: Final = ("application-form", "identity-proof", "photo")
OF_SCENE: Final = "scene-"
"""What the names of cases begin with that are no load: they are opened to learn what to cite."""
CASE_RIGHTS: Final = ("deliver", "intake", "notice", "verify")


@lru_cache(maxsize=1_024)
def clerk_key(region: str) -> SigningKey:
    """Return the key that a window's clerk signs with; it never leaves the clerk's own system."""
    return SigningKey.from_seed(sha256(f"load {region}".encode()).digest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """One region as its callers know it.

    Args:
        url: Of its node.
        receipt_key: Hexadecimal; receipts must be signed with it.
        tokens: By officer: ``desk`` (window), ``decider`` (authority), ``auditor``, ``platform``.
    """

    region: str
    origin: str
    url: str
    receipt_key: str
    tokens: Mapping[str, str]

    def party(self, kind: str, local: str) -> str:
        """Return the name of one of its parties."""
        return f"{self.region}/{kind}/{local}"

    @property
    def department(self) -> str:
        """Who decides."""
        return self.party("department", "d1")

    @property
    def window(self) -> str:
        """Where people come."""
        return self.party("window", "w1")

    @property
    def item(self) -> str:
        """What it decides for people elsewhere."""
        return self.party("item", "i1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """A grant that a window may act on, and what a statement cites that does."""

    owner: str
    to: str
    grant: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """All of it."""

    roster: Path
    offices: Mapping[str, Office]
    lent: Sequence[Lent]

    def write(self, path: Path) -> None:
        """Write it as a file; a roster without an absolute path lies beside it."""
        lent = [
            {
                "owner": it.owner,
                "to": it.to,
                "grant": it.grant,
                "citations": [
                    [one.role, one.origin, one.index, one.leaf.hex()] for one in it.citations
                ],
            }
            for it in self.lent
        ]
        value = {
            "roster": str(self.roster),
            "offices": [asdict(it) for it in self.offices.values()],
            "lent": lent,
        }
        path.write_text(json.dumps(value, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what ``write`` wrote."""
        value = json.loads(path.read_text())
        offices = {it["region"]: Office(**it) for it in value["offices"]}
        lent = [
            Lent(
                owner=it["owner"],
                to=it["to"],
                grant=it["grant"],
                citations=tuple(
                    Citation(role, origin, index, bytes.fromhex(leaf))
                    for role, origin, index, leaf in it["citations"]
                ),
            )
            for it in value["lent"]
        ]
        return cls(path.parent / value["roster"], offices, lent)


def set_scene(stage: Stage) -> Scene:
    """Enrol everybody, publish an item in each region, and let each lend to the next few.

    Raises:
        StageError: A node does not do what it should.
    """
    offices = {region: _open_office(stage, region) for region in stage.regions}
    order = list(offices.values())
    pairs = [
        (owner, order[(at + step) % len(order)])
        for at, owner in enumerate(order)
        for step in range(1, 1 + max(1, min(LENDS_TO_MAX, len(order) - 1)))
    ]
    for owner, to in pairs:
        _offer(stage, owner, to)
    lent = [_accept(stage, owner, to) for owner, to in pairs]
    return Scene(stage.folder / "genesis.roster", offices, lent)


def _open_office(stage: Stage, region: str) -> Office:
    member = stage.call(region, "GET", "/v1/roster")["members"][region]
    tokens: dict[str, str] = {"operator": stage.tokens[region]}
    office = Office(
        region=region,
        origin=member["origin"],
        url=f"http://127.0.0.1:{stage.port(region)}",
        receipt_key=member["keys"]["receipt"],
        tokens=tokens,
    )
    enrol = "party.enrol"
    hall = office.party("hall", "h1")
    stage.act(region, enrol, office.department, {"name": "审批局"})
    stage.act(region, enrol, hall, {"name": "政务大厅"})
    place = {"name": "跨省通办窗口", "hall": hall, "department": office.department}
    stage.act(region, enrol, office.window, place)
    stage.act(
        region,
        enrol,
        office.party("officer", "clerk"),
        {
            "unit": office.window,
            "key": clerk_key(region).public.hex(),
            "holder": "officer",
            "roles": ["receive"],
        },
    )
    for name, unit, roles, role in (
        ("desk", office.window, ["grant", "receive"], "window"),
        ("decider", office.department, ["decide", "receive"], "authority"),
        ("manager", office.department, ["grant", "manage"], "authority"),
    ):
        officer = office.party("officer", name)
        made = stage.call(region, "POST", "/v1/officers", {"party": officer})
        fields = {"unit": unit, "key": made["key"], "holder": "region", "roles": roles}
        stage.act(region, enrol, officer, fields)
        tokens[name] = _token(stage, region, officer, role)
    tokens["auditor"] = _token(stage, region, office.party("officer", "auditor"), "auditor")
    stage.act(
        region,
        "item.publish",
        office.item,
        {
            "version": 1,
            "title": "基本养老保险关系转移接续",
            "code": "000000000001",
            "department": office.department,
            "materials": list(MATERIALS),
            "days": 5,
        },
        officer=office.party("officer", "manager"),
        token=tokens["manager"],
    )
    return office


def _token(stage: Stage, region: str, party: str, role: str) -> str:
    asked = {"party": party, "role": role}
    text: str = stage.call(region, "POST", "/v1/tokens", asked)["token"]
    return text


def _grant(owner: Office, to: Office) -> str:
    return owner.party("grant", f"{to.region}-1")


def _offer(stage: Stage, owner: Office, to: Office) -> None:
    now_s = int(time.time())  # noqa: TID251 - the load comes from outside, on the world's own clock
    stage.act(
        owner.region,
        "grant.offer",
        _grant(owner, to),
        {
            "item": owner.item,
            "item_version": 1,
            "window": to.window,
            "rights": list(CASE_RIGHTS),
            "valid_from": now_s - 60,
            "valid_until": now_s + YEAR_S,
            "staleness_s": 600,
        },
        officer=owner.party("officer", "manager"),
        token=owner.tokens["manager"],
    )


def _accept(stage: Stage, owner: Office, to: Office) -> Lent:
    """Accept a grant as soon as its offer is seen there."""
    grant = _grant(owner, to)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            stage.act(
                to.region,
                "grant.accept",
                grant,
                {"window": to.window, "item": owner.item},
                officer=to.party("officer", "desk"),
                token=to.tokens["desk"],
            )
            break
        except StageError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    return Lent(owner=owner.region, to=to.region, grant=grant, citations=cite(owner, to))


def opening(owner: Office, to: Office, grant: str, mode: str = "agency") -> dict[str, Any]:
    """Return the fields of a case's first act."""
    return {
        "item": owner.item,
        "item_version": 1,
        "department": owner.department,
        "mode": mode,
        "grant": grant,
        "window": to.window,
    }


def cite(owner: Office, to: Office) -> tuple[Citation, ...]:
    """Return what an act on the grant cites now: a node says so in the first one it composes.

    Raises:
        StageError: The node does not take it.
    """
    case = f"{to.region}/case/{OF_SCENE}{time.monotonic_ns()}"
    asked = {
        "kind": "case.open",
        "subject": case,
        "body": opening(owner, to, _grant(owner, to)),
        "officer": to.party("officer", "desk"),
    }
    parts = urlsplit(to.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    headers = {
        "Authorization": f"Bearer {to.tokens['desk']}",
        "Content-Type": "application/json",
    }
    try:
        connection.request("POST", "/v1/acts", json.dumps(asked).encode(), headers)
        answer = connection.getresponse()
        data = answer.read()
    finally:
        connection.close()
    if answer.status != http.client.CREATED:
        raise StageError(f"case.open at {to.region}: {answer.status} {data[:400]!r}")
    return decode_statement(base64.b64decode(json.loads(data)["entry"])).act.citations
