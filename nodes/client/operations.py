"""What operators and governing bodies ask of a node: keys, tokens, rosters, lost regions."""

import base64
import json
from typing import Any
from urllib.parse import quote

from ledger import encoding
from ledger.tiles import decode_entry_bundle
from nodes.client.wire import CBOR, Wire


class Operations(Wire):
    """Administration of a node."""

    async def make_officer_key(self, party: str, suite: str | None = None) -> bytes:
        """Have the region's key store make a key for an officer, and return the public one."""
        named = {} if suite is None else {"suite": suite}
        asked = json.dumps({"party": party} | named).encode()
        answer = await self._json("POST", "/v1/officers", asked)
        return bytes.fromhex(answer["key"])

    async def issue_token(
        self, party: str, role: str, *, label: str = "", days: int = 90
    ) -> dict[str, Any]:
        """Make a token for a party; its text is under ``token``, its name under ``id``."""
        asked = {"party": party, "role": role, "label": label, "days": days}
        return await self._json("POST", "/v1/tokens", json.dumps(asked).encode(), repeatable=False)

    async def revoke_token(self, name: str) -> dict[str, Any]:
        """End the token of this ``id``."""
        return await self._json("DELETE", f"/v1/tokens/{name}", repeatable=False)

    # ---- the next roster version ----------------------------------------------------------------

    async def next_roster(self) -> dict[str, Any]:
        """Return what is proposed, approved and stalled of the next version, and its pins."""
        return await self._json("GET", "/v1/roster/next")

    async def say_on_roster(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Have the node record a proposal, an approval or a stall."""
        data = await self._bytes(
            "POST", "/v1/roster/acts", encoding.encode([kind, body]), CBOR, repeatable=False
        )
        answer: dict[str, Any] = json.loads(data)
        return answer

    # ---- a region that is lost ------------------------------------------------------------------

    async def freeze(self, origin: str) -> dict[str, Any]:
        """Have the node cosign a log no more, and record what it holds of it."""
        asked = json.dumps({"origin": origin}).encode()
        return await self._json("POST", "/v1/loss/freeze", asked, repeatable=False)

    async def cut(self, origin: str) -> dict[str, Any]:
        """Return where a log would be closed by what is reported of it, or why not yet."""
        return await self._json("GET", f"/v1/loss/cut?origin={quote(origin, safe='')}")

    async def asides(self, origin: str) -> dict[str, Any]:
        """Return which copies of a log the node has laid aside, and what it has turned to."""
        return await self._json("GET", f"/v1/loss/asides?origin={quote(origin, safe='')}")

    async def aside_entries(self, origin: str, number: int, first: int, count: int) -> list[bytes]:
        """Return entries that were laid aside of a copy, from ``first`` on; no more than 256."""
        where = f"/v1/loss/asides/{number}/entries?origin={quote(origin, safe='')}&first={first}"
        return list(decode_entry_bundle(await self._bytes("GET", where), count))

    async def check_closings(self, roster: bytes) -> dict[str, Any]:
        """Return what a roster version closes, if the node's region may sign it.

        Raises:
            RefusedError: ``cut-below-mirror`` or ``cut-elsewhere``: it may not.
        """
        asked = json.dumps({"roster": base64.b64encode(roster).decode("ascii")}).encode()
        return await self._json("POST", "/v1/loss/check", asked)
