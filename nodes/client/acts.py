"""Acts over the wire, and what is kept of them until they are replicated.

What was only accepted can die with its region (protocol.md section 1). So the client keeps every
statement with its receipt until its entry is replicated, in a folder where one is given. When the
region comes back in another log, ``settle`` salvages with these what the old one has lost.
"""

import asyncio
import base64
import binascii
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from ledger import encoding
from ledger.errors import LedgerError, MalformedError, UnavailableError, UnverifiedError
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
from nodes.client.questions import Questions
from nodes.client.wire import CBOR, COSE, Patience, also, plain
from nodes.outbox import Outbox, Place

Word = Literal["accepted", "witnessed", "replicated"]


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


class Acts(Questions):
    """What is recorded at a node, and checked and kept here.

    Args:
        url: The node's public base URL.
        token: Of the caller; empty for what needs none.
        roster: If given, every receipt is checked with the region's key in it.
        region: The node's region; needed with ``roster``.
        keep: Folder for statements that are not replicated yet; None keeps them in memory alone.
        patience: None for the usual one.
        tls: For a node whose certificate no public authority signed.
        connections_max: At once.
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
        super().__init__(url, token, patience=patience, tls=tls, connections_max=connections_max)
        self._roster = roster
        self._region = region
        self._keys: Mapping[bytes, bytes] = {}
        if roster is not None:
            public = roster.member(region).keys.receipt
            self._keys = {key_thumbprint(public): public}
        self._keep = keep
        self._outbox = Outbox()
        self._unreceipted: set[Place] = set()
        self.refused: dict[Place, LedgerError] = {}
        """Why acts that a closed log has lost could not be salvaged; they are kept all the same."""

    @property
    def outstanding(self) -> Mapping[Place, bytes]:
        """Statements with their receipts, by place, that are not known to be replicated yet."""
        return self._outbox.kept

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._outbox = Outbox.load(self._keep)
        kept = self._outbox.kept.items()
        self._unreceipted = {place for place, statement in kept if _without_receipt(statement)}
        return self

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
            "body": plain(body),
        }
        if officer is not None:
            asked["officer"] = officer
        answer = await self._json(
            "POST",
            f"/v1/acts?wait={wait}&timeout_ms={timeout_ms}" + also(at_least),
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
                CBOR,
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
        receipt = await self._bytes("POST", "/entries", entry, COSE)
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
        acted = _acted(json.loads(await self._bytes("POST", "/v1/salvage", statement, COSE)))
        await self._check_receipt(acted)
        return acted

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
