"""Questions to a node: what may be done, what happened, what broke a rule."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

from nodes.client.wire import Wire, also


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckAnswer:
    """May it be done: ``yes``, ``open`` or ``no``, why, and on what that rests.

    ``nearest`` is the grant that came nearest where none sufficed; ``request`` the number by which
    ``why`` tells of a no later. ``consistency`` says how far the logs were read; a later question
    may ask for at least that.
    """

    allowed: str
    code: str
    reason_zh: str
    reason_en: str
    detail: str
    grant: str | None
    item_version: int | None
    as_of: int
    relied: tuple[Mapping[str, Any], ...]
    nearest: str | None = None
    consistency: str = ""
    request: str | None = None


class Questions(Wire):
    """What a node answers; nothing is changed by asking."""

    async def check(
        self,
        window: str,
        right: str,
        item: str,
        *,
        officer: str | None = None,
        device: str | None = None,
        scenario: str | None = None,
        at_least: str = "",
        timeout_ms: int = 10_000,
    ) -> CheckAnswer:
        """Ask whether a window may use a right over an item now."""
        asked = {"window": window, "right": right, "item": item}
        more = {"officer": officer, "device": device, "scenario": scenario}
        asked |= {name: value for name, value in more.items() if value is not None}
        path = f"/v1/check?timeout_ms={timeout_ms}{also(at_least)}" if at_least else "/v1/check"
        wait_ms = timeout_ms if at_least else 0
        answer = await self._json("POST", path, json.dumps(asked).encode(), wait_ms=wait_ms)
        relied = tuple(answer.pop("relied"))
        return CheckAnswer(**answer, relied=relied)

    async def case(
        self, name: str, *, proofs: bool = False, at_least: str = "", timeout_ms: int = 10_000
    ) -> dict[str, Any]:
        """Return the timeline of a case; with ``proofs`` each line brings its own."""
        asked = {"proofs": "all"} if proofs else {}
        asked |= {"timeout_ms": str(timeout_ms), "at_least": at_least} if at_least else {}
        wait_ms = timeout_ms if at_least else 0
        query = f"?{urlencode(asked)}" if asked else ""
        return await self._json("GET", f"/v1/cases/{quote(name)}{query}", wait_ms=wait_ms)

    async def followed(
        self,
        name: str,
        *,
        after: str = "",
        rows: int = 100,
        from_s: int = 0,
        until_s: int | None = None,
        proofs: bool = False,
    ) -> dict[str, Any]:
        """Return what followed from an officer, window, grant, seal or incident, a page of it.

        Args:
            name: Of the object.
            after: What the page before gave as ``next``.
            rows: Of a page.
            from_s: The first declared time that is asked for.
            until_s: Past the last one; None for no end.
            proofs: Whether each line brings its proof.
        """
        asked: dict[str, str | int] = {"rows": rows, "from_s": from_s}
        asked |= {"after": after} if after else {}
        asked |= {} if until_s is None else {"until_s": until_s}
        asked |= {"proofs": "all"} if proofs else {}
        return await self._json("GET", f"/v1/traces/{quote(name)}?{urlencode(asked)}")

    async def windows(
        self, item: str, right: str, *, after: str = "", rows: int = 100
    ) -> dict[str, Any]:
        """Return which windows may use a right over an item now, a page of them."""
        asked = {"item": item, "right": right, "rows": rows} | ({"after": after} if after else {})
        return await self._json("GET", f"/v1/windows?{urlencode(asked)}")

    async def lapsing(
        self, days: int, *, region: str = "", after: str = "", rows: int = 100
    ) -> dict[str, Any]:
        """Return which grants lapse within some days, the soonest first, a page of them."""
        asked: dict[str, str | int] = {"days": days, "rows": rows}
        asked |= {"region": region} if region else {}
        asked |= {"after": after} if after else {}
        return await self._json("GET", f"/v1/lapsing?{urlencode(asked)}")

    async def ungranted(self, region: str, *, after: str = "", rows: int = 100) -> dict[str, Any]:
        """Return which items of a region no live grant covers, a page of them."""
        asked = {"region": region, "rows": rows} | ({"after": after} if after else {})
        return await self._json("GET", f"/v1/ungranted?{urlencode(asked)}")

    async def records(
        self,
        type_: str,
        region: str,
        which: Mapping[str, str | int] = MappingProxyType({}),
        *,
        after: str = "",
        rows: int = 100,
    ) -> dict[str, Any]:
        """Return a region's records of a type as they stand, a page of them.

        Args:
            type_: Of the records.
            region: That has numbered them.
            which: ``state``, ``about``, ``overdue`` (1), ``older`` (days) and ``at`` (seconds).
            after: What the page before gave as ``next``.
            rows: Looked at for a page.
        """
        asked = {"region": region, "rows": rows, **which} | ({"after": after} if after else {})
        return await self._json("GET", f"/v1/records/{quote(type_)}?{urlencode(asked)}")

    async def gaps(
        self, what: str, region: str, *, days: int = 0, after: str = "", rows: int = 100
    ) -> dict[str, Any]:
        """Return what a region lacks in one respect, a page of it."""
        asked: dict[str, str | int] = {"region": region, "rows": rows}
        asked |= {"days": days} if days else {}
        asked |= {"after": after} if after else {}
        return await self._json("GET", f"/v1/gaps/{quote(what)}?{urlencode(asked)}")

    async def milestones(self, region: str) -> dict[str, Any]:
        """Return a region's milestones, each with its count and the acts that show it."""
        return await self._json("GET", f"/v1/milestones?{urlencode({'region': region})}")

    async def work_ledger(
        self, month: str, *, unit: str = "", as_of: str = "", known: str = ""
    ) -> dict[str, Any]:
        """Return the figures of a month; ``known`` is ``origin:size,…`` of an earlier answer."""
        asked = {"month": month, "unit": unit, "as_of": as_of, "known": known}
        asked = {name: value for name, value in asked.items() if value}
        return await self._json("GET", f"/v1/workledger?{urlencode(asked)}")

    async def bundle(self, name: str) -> bytes:
        """Return the evidence bundle of a case."""
        return await self._bytes("GET", f"/v1/bundles/{quote(name)}")

    async def object(self, name: str) -> dict[str, Any]:
        """Return how an object stands in each log."""
        return await self._json("GET", f"/v1/objects/{quote(name)}")

    async def object_proof(self, name: str) -> bytes:
        """Return the evidence bundle of any object."""
        return await self._bytes("GET", f"/v1/objects/{quote(name)}/proof")

    async def findings(self, *, origin: str = "", rows: int = 100) -> list[dict[str, Any]]:
        """Return what broke a rule, the newest first."""
        answer = await self.found(origin=origin, rows=rows)
        found: list[dict[str, Any]] = answer["findings"]
        return found

    async def found(self, *, origin: str = "", rows: int = 100) -> dict[str, Any]:
        """Return findings, the keys that stand convicted, and up to which sizes that is known."""
        query = f"rows={rows}" + (f"&origin={quote(origin, safe='')}" if origin else "")
        return await self._json("GET", f"/v1/findings?{query}")

    async def evidence(self, name: str) -> bytes:
        """Return the file that convicts the key for which an object stands."""
        return await self._bytes("GET", f"/v1/evidence/{quote(name)}")

    async def status(self) -> dict[str, Any]:
        """Return the state of the node and of every log as it sees them."""
        return await self._json("GET", "/v1/status")

    async def why(self, request: str) -> dict[str, Any]:
        """Return why an attempt was refused, by the number that the refusal gave."""
        return await self._json("GET", f"/v1/why/{quote(request)}")

    async def refusals(
        self, *, party: str = "", after: str = "", rows: int = 100
    ) -> dict[str, Any]:
        """Return refused attempts, the latest first, a page of them; everyone's to auditors."""
        asked: dict[str, str | int] = {"rows": rows}
        asked |= {"party": party} if party else {}
        asked |= {"after": after} if after else {}
        return await self._json("GET", f"/v1/refusals?{urlencode(asked)}")

    async def readers(self, case: str, *, rows: int = 100) -> dict[str, Any]:
        """Return who looked at a case at this node, the latest days first."""
        return await self._json("GET", f"/v1/cases/{quote(case)}/readers?rows={rows}")

    async def roster(self) -> dict[str, Any]:
        """Return the roster in force."""
        return await self._json("GET", "/v1/roster")

    async def proof(self, index: int, *, origin: str = "") -> bytes:
        """Return the proof file of an entry (C2SP tlog-proof), of the node's own log or another."""
        query = f"?{urlencode({'origin': origin})}" if origin else ""
        return await self._bytes("GET", f"/v1/entries/{index}/proof{query}")

    async def receipt(self, index: int) -> bytes:
        """Return the receipt of an entry, over the newest published size."""
        return await self._bytes("GET", f"/entries/{index}")

    async def fetch(self, path: str) -> bytes:
        """Return what is at a path of a log: a checkpoint, a tile, an entry bundle."""
        return await self._bytes("GET", path)
