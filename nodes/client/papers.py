"""Seals, sealed papers and the vault, as callers use them."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ledger.commitment import check_opening
from ledger.errors import MalformedError
from nodes.client.wire import Wire, plain


class Papers(Wire):
    """What stands beside the ledger: keys of seals, sealed papers, and the vault's papers."""

    async def make_seal(self, seal: str, name: str) -> dict[str, Any]:
        """Have the node make a seal for trials; ``certificate`` is what ``seal.issue`` asks for."""
        asked = json.dumps({"seal": seal, "name": name}).encode()
        return await self._json("POST", "/v1/seals", asked, repeatable=False)

    async def seal_count(self, seal: str) -> dict[str, Any]:
        """Return how often a seal's key has signed."""
        return await self._json("GET", f"/v1/seals/{quote(seal)}")

    async def seals(self) -> list[dict[str, Any]]:
        """Return the seals whose keys the node holds, with where each stands on the ledger."""
        found: list[dict[str, Any]] = (await self._json("GET", "/v1/seals"))["seals"]
        return found

    async def papers(self) -> list[dict[str, Any]]:
        """Return the caller's papers that the node keeps."""
        found: list[dict[str, Any]] = (await self._json("GET", "/v1/papers"))["papers"]
        return found

    async def paper_record(self, short: str, document: bytes) -> dict[str, Any]:
        """Return what the code on a paper leads to, and whether a file of this SHA-256 is it."""
        return await self._json("GET", f"/p/{quote(short)}?document={document.hex()}")

    async def seal_trust(self) -> bytes:
        """Return the roots and the revocation lists of the node's seals, as PEM."""
        return await self._bytes("GET", "/v1/seals/trust")

    async def draw_paper(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Have a paper drawn: the sealed one (``file``), or what is to be approved first.

        It is not repeated where the outcome is unknown: another would be another paper.
        """
        body = json.dumps(plain(fields)).encode()
        return _filed(await self._json("POST", "/v1/papers", body, repeatable=False))

    async def show_draft(self, digest: bytes) -> bytes:
        """Return a draft as an unsealed PDF, for whoever approves it."""
        return await self._bytes("GET", f"/v1/papers/{digest.hex()}")

    async def seal_paper(self, digest: bytes) -> dict[str, Any]:
        """Have an approved draft sealed; asked again, the node gives the same file."""
        return _filed(await self._json("POST", f"/v1/papers/{digest.hex()}", b""))

    # ---- the vault ------------------------------------------------------------------------------

    async def put_in_vault(
        self,
        case: str,
        name: str,
        content: bytes,
        *,
        officer: str | None = None,
        salt: bytes | None = None,
    ) -> dict[str, Any]:
        """Have a paper of a case sealed and recorded.

        It is not repeated where the outcome is unknown: another would be another paper.

        Args:
            case: That it belongs to.
            name: For people.
            content: The paper.
            officer: In whose name; None for the region itself.
            salt: Of a commitment that was made to it before.
        """
        asked = {"case": case, "name": name, "content": base64.b64encode(content).decode("ascii")}
        asked |= {} if officer is None else {"officer": officer}
        asked |= {} if salt is None else {"salt": salt.hex()}
        body = json.dumps(asked).encode()
        return await self._json("POST", "/v1/vault/papers", body, repeatable=False)

    async def papers_in_vault(self, case: str) -> dict[str, Any]:
        """Return which papers of a case the ledger tells of, and every region's tombstone."""
        return await self._json("GET", f"/v1/vault/cases/{quote(case)}")

    async def read_from_vault(self, paper: str) -> dict[str, Any]:
        """Return a paper, with its ``name``, ``content`` and ``salt``, wherever it lies.

        Raises:
            UnverifiedError: ``wrong-opening``: it is not what the ledger holds a commitment to.
        """
        found = await self._json("GET", f"/v1/vault/papers/{quote(paper)}")
        found["content"] = base64.b64decode(found["content"])
        salt, commitment = bytes.fromhex(found["salt"]), bytes.fromhex(found["commitment"])
        check_opening(commitment, salt, found["content"])
        return found

    async def shred(
        self,
        case: str,
        *,
        basis: str,
        reason: str,
        officer: str | None = None,
        tombstone: str | None = None,
    ) -> dict[str, Any]:
        """Have the region's keys of a case destroyed for good; asked again, it is done already.

        Args:
            case: Whose.
            basis: In law.
            reason: Of this very case.
            officer: In whose name; None for the region itself.
            tombstone: Of another region, which this answers.
        """
        asked = {"case": case, "basis": basis, "reason": reason}
        asked |= {} if officer is None else {"officer": officer}
        asked |= {} if tombstone is None else {"tombstone": tombstone}
        return await self._json("POST", "/v1/vault/shreds", json.dumps(asked).encode())

    async def rotate_vault(self) -> dict[str, Any]:
        """Have the vault's next key published, and the old private key destroyed."""
        return await self._json("POST", "/v1/vault/keys", b"{}", repeatable=False)

    async def vault(self) -> dict[str, Any]:
        """Return how full the vault is, and which tombstones of others wait for an answer."""
        return await self._json("GET", "/v1/vault")


def _filed(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer about a paper with its file as bytes."""
    try:
        if "file" in answer:
            answer["file"] = base64.b64decode(answer["file"], validate=True)
    except (TypeError, ValueError) as error:
        raise MalformedError("the node's answer is not that to a paper") from error
    return answer
