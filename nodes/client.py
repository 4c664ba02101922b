"""A region's node, as other systems use it: typed calls, patient retries, nothing lost too soon.

What was only accepted can die with its region (protocol.md section 1). So the client keeps every
statement with its receipt until its entry is replicated, in a folder where one is given. When the
region comes back in another log, ``settle`` salvages with these what the old one has lost.
"""

import asyncio
import base64
import binascii
import json
import os
import secrets
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import quote, urlencode

import aiohttp

from ledger import encoding
from ledger.commitment import check_opening
from ledger.errors import (
    ConflictError,
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UnverifiedError,
)
from ledger.hashing import hash_leaf
from ledger.keys import key_thumbprint
from ledger.names import region_of_origin
from ledger.receipt import (
    Receipt,
    check_inclusion_receipt,
    decode_transparent_statement,
    transparent_statement,
)
from ledger.roster import Roster
from ledger.roster_chain import RosterChain
from nodes.outbox import Outbox, Place

Word = Literal["accepted", "witnessed", "replicated"]

ANSWER_BYTES_MAX: Final = 64 << 20
UNKNOWN_OUTCOME: Final = "unknown-outcome"
"""As a code: it may have been done, and it may not."""

_CBOR: Final = "application/cbor"
_COSE: Final = "application/cose"
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one call is tried.

    Args:
        attempts_max: Times that it is sent.
        backoff_ms: Before the second attempt; doubled before each further one, half of it jitter.
        timeout_ms: Of one attempt, besides the time that it waits for finality.
    """

    attempts_max: int = 5
    backoff_ms: int = 100
    backoff_ms_max: int = 5_000
    timeout_ms: int = 15_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """An act that stands in the log.

    Args:
        leaf: Its leaf hash.
        size: Published size.
        entry: Its bytes.
        receipt: The log's word for it; empty while a roster change keeps the log from giving any.
    """

    origin: str
    index: int
    leaf: bytes
    finality: Word
    size: int
    entry: bytes
    receipt: bytes
    consistency: str = ""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one statement of a batch: its index, or the code and detail of its refusal.

    ``request`` is the number by which ``why`` tells more of a refusal; empty where there is none.
    """

    index: int | None
    code: str = ""
    detail: str = ""
    request: str = ""


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


class Client:
    """Calls to one node. Use it as an asynchronous context manager.

    Args:
        url: The node's public base URL.
        token: Of the caller; empty for what needs none.
        roster: If given, every receipt is checked with the region's key in it.
        region: The node's region; needed with ``roster``.
        keep: Folder for statements that are not replicated yet; None keeps them in memory alone.
        tls: For a node whose certificate no public authority signed.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        roster: Roster | None = None,
        region: str = "",
        keep: Path | None = None,
        patience: Patience | None = None,
        tls: ssl.SSLContext | None = None,
        connections_max: int = 64,
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._roster = roster
        self._region = region
        self._keys: Mapping[bytes, bytes] = {}
        if roster is not None:
            public = roster.member(region).keys.receipt
            self._keys = {key_thumbprint(public): public}
        self._keep = keep
        self._outbox = Outbox()
        self._unreceipted: set[Place] = set()
        self._patience = patience or Patience()
        self._tls = tls
        self._connections_max = connections_max
        self._session: aiohttp.ClientSession | None = None
        self.refused: dict[Place, LedgerError] = {}
        """Why acts that a closed log has lost could not be salvaged; they are kept all the same."""

    @property
    def outstanding(self) -> Mapping[Place, bytes]:
        """Statements with their receipts, by place, that are not known to be replicated yet."""
        return self._outbox.kept

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections_max),
            headers={"User-Agent": "shouxin-client", **self._headers},
        )
        self._outbox = Outbox.load(self._keep)
        kept = self._outbox.kept.items()
        self._unreceipted = {place for place, statement in kept if _without_receipt(statement)}
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    # ---- acts -----------------------------------------------------------------------------------

    async def act(
        self,
        kind: str,
        subject: str,
        body: Mapping[str, Any],
        *,
        officer: str | None = None,
        version: int = 1,
        wait: Word = "accepted",
        timeout_ms: int = 10_000,
        at_least: str = "",
    ) -> Acted:
        """Have the node compose and sign an act for an officer, or for the region without one.

        Bytes in ``body`` are sent as hexadecimal. The answer waits until the act is as safe as
        ``wait``, or ``timeout_ms`` are over; its ``finality`` says how far it came. With
        ``at_least`` the node first waits until it is as far as that word says.

        Raises:
            RefusedError: A rule forbids it; ``code`` names the rule.
            UnavailableError: ``unknown-outcome``: the connection broke after the request was sent,
                or the node ended while it worked on it. Look at the subject before you act again.
            LedgerError: As the node says.
        """
        asked: dict[str, Any] = {
            "kind": kind,
            "version": version,
            "subject": subject,
            "body": _plain(body),
        }
        if officer is not None:
            asked["officer"] = officer
        answer = await self._json(
            "POST",
            f"/v1/acts?wait={wait}&timeout_ms={timeout_ms}" + _also(at_least),
            json.dumps(asked).encode(),
            wait_ms=timeout_ms if wait != "accepted" or at_least else 0,
            repeatable=False,
        )
        acted = _acted(answer)
        await self._check_receipt(acted)
        place = Place(acted.origin, acted.index)
        if not acted.receipt:
            await self._put(place, acted.entry)
            self._unreceipted.add(place)
        elif acted.finality != "replicated":
            await self._put(place, transparent_statement(acted.entry, [acted.receipt]))
        is_owed = self._unreceipted - {place}
        if is_owed or any(it.origin != acted.origin for it in self.outstanding):
            await self.settle()
        return acted

    async def ingest(
        self, entries: Sequence[bytes], *, wait: Word = "accepted", timeout_ms: int = 10_000
    ) -> tuple[Fate, ...]:
        """Append statements that are signed already; each stands or falls alone.

        Sent again, the same bytes get the same index, so this is repeated until it is answered.
        Where the client keeps statements in a folder, it fetches the receipts of those that are not
        replicated yet.
        """
        answer = encoding.decode(
            await self._bytes(
                "POST",
                f"/v1/ingest?wait={wait}&timeout_ms={timeout_ms}",
                encoding.encode(list(entries)),
                _CBOR,
                wait_ms=timeout_ms if wait != "accepted" else 0,
            )
        )
        fates = []
        for result in answer["results"]:
            if result[0] == 0:
                fates.append(Fate(result[1]))
            else:
                fates.append(Fate(None, result[1], result[2], answer.get("request") or ""))
        if self._keep is not None:
            await self._keep_all(entries, fates)
        return tuple(fates)

    async def _keep_all(self, entries: Sequence[bytes], fates: Sequence[Fate]) -> None:
        status = await self.status()
        for entry, fate in zip(entries, fates, strict=True):
            if fate.index is not None and fate.index >= status["replicated_size"]:
                place = Place(status["origin"], fate.index)
                await self._put(place, entry)
                self._unreceipted.add(place)
                if fate.index < status["size"]:
                    await self._complete(place, entry)

    async def register(self, entry: bytes) -> bytes:
        """Register one signed statement as any SCITT client does, and return its receipt."""
        receipt = await self._bytes("POST", "/entries", entry, _COSE)
        if self._keys:
            checked = await self._receipt(receipt, hash_leaf(entry))
            place = Place(checked.origin, checked.index)
            await self._put(place, transparent_statement(entry, [receipt]))
        return receipt

    async def settle(self) -> Mapping[Place, bytes]:
        """Let go of what is replicated by now, and return what is still outstanding.

        What a log had accepted that was closed since is salvaged into the one that goes on, in its
        old order, and let go of once it is replicated there. What cannot be salvaged is kept, and
        ``refused`` says why.
        """
        status = await self.status()
        for place, statement in sorted(self.outstanding.items()):
            if place.origin == status["origin"]:
                if place.index < status["replicated_size"]:
                    await self._drop(place)
                elif place in self._unreceipted and place.index < status["size"]:
                    await self._complete(place, statement)
            elif region_of_origin(place.origin) == status["region"]:
                await self._settle_lost(place, statement)
        return dict(self.outstanding)

    async def _complete(self, place: Place, entry: bytes) -> None:
        """Fetch the receipt of a statement that came without one."""
        receipt = await self.receipt(place.index)
        if self._keys:
            found = await self._receipt(receipt, hash_leaf(entry))
            _check_place(found, place.origin, place.index)
        # First, since whoever settles while this is written must not take it for a bare statement.
        self._unreceipted.discard(place)
        await self._put(place, transparent_statement(entry, [receipt]))

    async def _settle_lost(self, place: Place, statement: bytes) -> None:
        try:
            acted = await self.salvage(statement)
        except UnavailableError:
            raise
        except LedgerError as error:
            if error.code == "not-lost":
                await self._drop(place)  # it stands below the cut, as the mirrors hold it
            else:
                self.refused[place] = error
            return
        self.refused.pop(place, None)
        if acted.finality == "replicated":
            await self._drop(place)

    async def salvage(self, statement: bytes) -> Acted:
        """Bring an act that a closed log had accepted and lost into the log that goes on.

        Brought again, it is where it is already.

        Args:
            statement: With the closed log's receipt, as ``outstanding`` keeps it.

        Raises:
            RefusedError: ``not-lost``, or the rule that forbids it by now.
            LedgerError: As the node says.
        """
        acted = _acted(json.loads(await self._bytes("POST", "/v1/salvage", statement, _COSE)))
        await self._check_receipt(acted)
        return acted

    # ---- questions ------------------------------------------------------------------------------

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
        path = f"/v1/check?timeout_ms={timeout_ms}{_also(at_least)}" if at_least else "/v1/check"
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

    # ---- administration -------------------------------------------------------------------------

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
            "POST", "/v1/roster/acts", encoding.encode([kind, body]), _CBOR, repeatable=False
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

    async def check_closings(self, roster: bytes) -> dict[str, Any]:
        """Return what a roster version closes, if the node's region may sign it.

        Raises:
            RefusedError: ``cut-below-mirror`` or ``cut-elsewhere``: it may not.
        """
        asked = json.dumps({"roster": base64.b64encode(roster).decode("ascii")}).encode()
        return await self._json("POST", "/v1/loss/check", asked)

    # ---- seals and papers -----------------------------------------------------------------------

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
        body = json.dumps(_plain(fields)).encode()
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

    # ---- the wire -------------------------------------------------------------------------------

    async def _json(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        wait_ms: int = 0,
        repeatable: bool = True,
    ) -> dict[str, Any]:
        data = await self._bytes(method, path, body, _JSON, wait_ms=wait_ms, repeatable=repeatable)
        try:
            value = json.loads(data)
        except ValueError as error:
            raise MalformedError("the node's answer is not JSON") from error
        if type(value) is not dict:
            raise MalformedError("the node's answer is not a JSON object")
        return value

    async def _bytes(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "",
        *,
        wait_ms: int = 0,
        repeatable: bool = True,
    ) -> bytes:
        """Send a request until it is answered, or patience ends.

        503 says that nothing was changed, and a connection that was refused carried nothing: both
        are always tried again. One that broke later is tried again only where that does no harm,
        and so is what the node itself does not know the outcome of.
        """
        patience = self._patience
        for attempt in range(1, patience.attempts_max + 1):
            try:
                async with asyncio.timeout((patience.timeout_ms + wait_ms) / 1000):
                    return await self._once(method, path, body, content_type)
            except (UnavailableError, aiohttp.ClientConnectorError) as error:
                is_unknown = isinstance(error, UnavailableError) and error.code == UNKNOWN_OUTCOME
                if (is_unknown and not repeatable) or attempt == patience.attempts_max:
                    raise _unavailable(error) from error
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                if not repeatable:
                    raise UnavailableError(
                        f"the connection broke: {_why(error)}", code=UNKNOWN_OUTCOME
                    ) from error
                if attempt == patience.attempts_max:
                    raise _unavailable(error) from error
            longest_ms = min(patience.backoff_ms << (attempt - 1), patience.backoff_ms_max)
            delay_ms = longest_ms // 2 + secrets.randbelow(longest_ms // 2 + 1)
            await asyncio.sleep(delay_ms / 1000)
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, method: str, path: str, body: bytes | None, content_type: str) -> bytes:
        assert self._session is not None, "use the client as a context manager"
        async with self._session.request(
            method,
            self._url + path,
            data=body,
            headers={"Content-Type": content_type} if body is not None else {},
            ssl=self._tls or True,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as response:
            data = await _read(response)
            if response.status >= 300:
                raise _error(response.status, response.content_type, data)
            return data

    async def _check_receipt(self, acted: Acted) -> None:
        if hash_leaf(acted.entry) != acted.leaf:
            raise UnverifiedError("the answer's leaf is not that of its entry", code="bad-proof")
        if not self._keys or not acted.receipt:
            return
        receipt = await self._receipt(acted.receipt, acted.leaf)
        _check_place(receipt, acted.origin, acted.index)

    async def _receipt(self, receipt: bytes, leaf: bytes) -> Receipt:
        """Check a receipt, by the keys of newer versions of the roster too."""
        try:
            return check_inclusion_receipt(receipt, leaf, self._keys)
        except UnverifiedError as error:
            if error.code != "unknown-key":
                raise
        await self._learn_roster()
        return check_inclusion_receipt(receipt, leaf, self._keys)

    async def _learn_roster(self) -> None:
        """Take the node's word for newer versions, as far as the one that we trust leads there."""
        assert self._roster is not None
        try:
            signed = [base64.b64decode(it) for it in (await self.roster())["signed"]]
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedError("the node's answer is not that to a roster") from error
        chain = RosterChain.check(signed)
        if all(roster.sha256 != self._roster.sha256 for roster in chain.rosters):
            raise UnverifiedError("the node's roster does not go on from ours")
        self._keys = {
            kid: public
            for roster in chain.rosters
            if self._region in roster.members
            for kid, public in chain.keys_of(roster.origin_of(self._region), "receipt").items()
        }

    async def _put(self, place: Place, statement: bytes) -> None:
        await asyncio.to_thread(self._outbox.put, place, statement)

    async def _drop(self, place: Place) -> None:
        self._unreceipted.discard(place)
        await asyncio.to_thread(self._outbox.drop, place)


_CLASSES: Final[Mapping[int, type[LedgerError]]] = {
    400: MalformedError,
    401: RefusedError,
    403: RefusedError,
    404: NotFoundError,
    405: MalformedError,
    413: MalformedError,
    422: UnverifiedError,
    503: UnavailableError,
}


def _error(status: int, content_type: str, data: bytes) -> LedgerError:
    """Return the error that problem details, of either form, say."""
    code, detail, request = "", data[:200].decode("utf-8", "replace"), ""
    try:
        if content_type == "application/problem+json":
            fields = json.loads(data)
            code, detail = str(fields.get("code", "")), str(fields.get("detail", ""))
            request = str(fields.get("request", ""))
        elif content_type == "application/concise-problem-details+cbor":
            fields = encoding.decode(data)
            code, _, detail = str(fields.get(-2, "")).partition(": ")
            request = str(fields.get(-3, "")).rpartition("/")[2]
    except (ValueError, AttributeError, MalformedError):
        # A proxy's words rather than the node's: the status has to do.
        pass
    error = _error_of(status, code or None, detail)
    error.request = request
    return error


def _error_of(status: int, code: str | None, detail: str) -> LedgerError:
    if status == 409:
        conflict = ConflictError(0, code=code)
        conflict.args = (detail,)
        return conflict
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in _CLASSES:
        # Only 503 is the node's word that it did nothing; a mistake, or a proxy's answer, is not.
        return UnavailableError(detail, code=UNKNOWN_OUTCOME)
    return _CLASSES.get(status, UnavailableError)(detail, code=code)


def _unavailable(error: Exception) -> UnavailableError:
    if isinstance(error, UnavailableError):
        return error
    return UnavailableError(f"the node does not answer: {_why(error)}", code="no-answer")


def _why(error: Exception) -> str:
    """Return what went wrong on the way, in words for a person."""
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, aiohttp.ClientConnectorError):
        # One address, or several at once; only the one has a number that says what it was.
        number = error.os_error.errno
        said = os.strerror(number).lower() if number else str(error.os_error)
        return f"{error.host} port {error.port}, {said}"
    return str(error) or type(error).__name__


async def _read(response: aiohttp.ClientResponse) -> bytes:
    parts, total = [], 0
    async for part in response.content.iter_any():
        total += len(part)
        if total > ANSWER_BYTES_MAX:
            raise MalformedError(f"the answer has more than {ANSWER_BYTES_MAX} bytes")
        parts.append(part)
    return b"".join(parts)


def _acted(answer: Mapping[str, Any]) -> Acted:
    try:
        return Acted(
            origin=answer["origin"],
            index=answer["index"],
            leaf=bytes.fromhex(answer["leaf"]),
            finality=answer["finality"],
            size=answer["size"],
            entry=base64.b64decode(answer["entry"], validate=True),
            receipt=base64.b64decode(answer["receipt"] or "", validate=True),
            consistency=answer.get("consistency", ""),
        )
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise MalformedError("the node's answer is not that to an act") from error


def _check_place(receipt: Receipt, origin: str, index: int) -> None:
    if (receipt.origin, receipt.index) != (origin, index):
        raise UnverifiedError("the receipt is for another entry", code="bad-proof")


def _without_receipt(kept: bytes) -> bool:
    try:
        decode_transparent_statement(kept)
    except LedgerError:
        return True
    return False


def _filed(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer about a paper with its file as bytes."""
    try:
        if "file" in answer:
            answer["file"] = base64.b64decode(answer["file"], validate=True)
    except (TypeError, ValueError) as error:
        raise MalformedError("the node's answer is not that to a paper") from error
    return answer


def _also(at_least: str) -> str:
    return f"&at_least={quote(at_least, safe='')}" if at_least else ""


def _plain(value: object) -> Any:  # noqa: ANN401 - what JSON knows
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value
