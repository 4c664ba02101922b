"""A region that lies: the altered node of the story, a process with that region's real keys.

No node of ours can do this, so it has no part in their code: it opens a region's folder as the
region itself could, signs what no honest key signs, and sends it over the region's own connections.
Each step prints what came of it as one line of JSON.
"""

import argparse
import asyncio
import base64
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from ledger.checkpoint import Checkpoint
from ledger.cosignature import sign_line
from ledger.hashing import hash_leaf
from ledger.keys import SigningKey
from ledger.names import witness_name
from ledger.note import Note
from ledger.proofs import root_at
from ledger.roster import Roster
from ledger.roster_chain import RosterChain
from ledger.statement import Act, sign_statement
from ledger.tiles import Tile, extend_tiles, read_nodes
from nodes.adapters import tls
from nodes.adapters.clock import SystemClock
from nodes.adapters.keystore import KeyStore, Unlock
from nodes.adapters.peers_http import HTTPPeers
from nodes.adapters.random import randomness
from nodes.cli.audit import StoredLogs
from nodes.cli.caller import load_folder
from nodes.client import Client
from nodes.config import Config
from nodes.core.exchange import FINISHED, GivenRow
from nodes.core.notes import SignedHead, sign_head
from nodes.core.ready import PeerRequest
from nodes.core.submission import SendingLimits, Submission
from nodes.store.reader import StoreReader

TIMEOUT_MS: Final = 10_000
ANSWER_BYTES_MAX: Final = 1 << 20
REQUESTS_MAX: Final = 8
AHEAD_S: Final = 1
"""The lie is dated later than what the key signed before, and no later than others accept."""


@dataclass(frozen=True, slots=True)
class Means:
    """A region's keys and connections, in the hands of whoever has its folder.

    Args:
        config: Of the region's node.
        roster: The newest version.
    """

    config: Config
    roster: Roster
    keys: KeyStore
    peers: HTTPPeers

    @property
    def region(self) -> str:
        """Whose they are."""
        return self.config.node.region

    @property
    def origin(self) -> str:
        """The log that the region writes."""
        return self.roster.origin_of(self.region)

    def key(self, role: str) -> SigningKey:
        """Return one of the region's keys."""
        return self.keys.load(f"role/{role}")


@dataclass(frozen=True, slots=True)
class History:
    """One of the histories of a log, whole, as whoever sends it reads it."""

    origin: str
    entries_held: Sequence[bytes]
    tiles_held: Mapping[Tile, bytes]

    @classmethod
    def of(cls, origin: str, entries: Sequence[bytes]) -> "History":
        """Return the history that these entries make."""
        leaves = [hash_leaf(entry) for entry in entries]
        return cls(origin, entries, extend_tiles(0, (), leaves).tiles)

    def entries(self, _origin: str, start: int, end: int) -> Sequence[bytes]:
        """Return entries from ``start`` up to, but not including, ``end``."""
        return self.entries_held[start:end]

    def tiles(self, _origin: str, wanted: Iterable[Tile]) -> Mapping[Tile, bytes]:
        """Return those of the wanted tiles that there are."""
        return {tile: self.tiles_held[tile] for tile in wanted if tile in self.tiles_held}

    def given(self, *_: object, **__: object) -> Sequence[GivenRow]:
        """Return the lines that it gave as a witness, which this process leaves to others."""
        return ()

    def head(self, log: SigningKey) -> SignedHead:
        """Return the checkpoint of all of it, signed."""
        size = len(self.entries_held)
        read = read_nodes(lambda wanted: self.tiles(self.origin, wanted))
        return sign_head(Checkpoint(self.origin, size, root_at(size, read)), log, None)


async def fork(means: Means) -> None:
    """Show half of the others one history, half another, and then one of them both.

    A quorum is more than half, so neither history stands until somebody has cosigned both. After a
    line on standard input each is offered more of what it was shown.
    """
    with (
        StoredLogs(means.config.node.database) as logs,
        logs.engine.connect() as connection,
    ):
        entries = list(StoreReader(connection).entries(means.origin, 0, sys.maxsize >> 1))
    left, right = (_grown(means, entries, name) for name in ("left", "right"))
    others = means.roster.witnesses_of(means.origin)
    half = len(others) // 2
    shown = dict.fromkeys(others[:half], left) | dict.fromkeys(others[half:], right)
    first = [await _offer(means, region, it) for region, it in shown.items()]
    both = await _offer(means, others[-1], left)
    say({"size": len(entries), "shown": first, "both": both})
    await asyncio.to_thread(sys.stdin.readline)
    more = {
        region: _grown(means, history.entries_held, "more") for region, history in shown.items()
    }
    say({"refused": [await _offer(means, region, it) for region, it in more.items()]})


def _grown(means: Means, entries: Sequence[bytes], name: str) -> History:
    """Return a history with one act more, of the region's own."""
    act = Act("party.enrol", 1, None, (), {"name": "示例"})
    subject = f"{means.region}/department/{name}"
    made = sign_statement(means.key("issuer"), means.region, subject, _now_ms() // 1000, act)
    return History.of(means.origin, [*entries, made.entry])


_ids: Final = count(1)


async def _offer(means: Means, region: str, history: History) -> dict[str, Any]:
    """Offer a history to one region as a node would, until it has signed or refuses."""
    head = history.head(means.key("log"))
    sending = Submission(peer=region, mirror=True, limits=SendingLimits(), salt="")
    sending.believed = sending.next_entry = len(history.entries_held) - 1
    sending.aim(head)
    lines: list[str] = []
    status = 0
    for _ in range(REQUESTS_MAX):
        out = sending.request(means.origin, history)
        status, body = await _send(means, region, out.path, out.body)
        lines += [it.role for it in sending.answered(out, status, body, _now_ms())]
        if sending.stage == "done" or sending.failures:
            break
    return {
        "region": region,
        "root": head.checkpoint.root.hex(),
        "lines": lines,
        "status": status,
        "trouble": sending.trouble,
    }


async def swear(means: Means, old: bytes, to: str) -> None:
    """Sign as a witness, now, that a log has no more than it had long ago; tell one region."""
    note = Note.decode(old)
    head = Checkpoint.decode(note.text)
    name, time_s = witness_name(means.origin), _now_ms() // 1000 + AHEAD_S
    line = sign_line(name, means.key("witness"), head, time_s).to_signature(name)
    by_log = [it for it in note.signatures if it.name == head.origin]
    lie = Note(note.text, (*by_log, line)).encode()
    status, _ = await _send(means, to, FINISHED, lie)
    say({"log": head.origin, "size": head.size, "time_s": time_s, "to": to, "status": status})


async def _send(means: Means, to: str, path: str, body: bytes) -> tuple[int, bytes]:
    answer = await means.peers.send(PeerRequest(next(_ids), to, path, body, TIMEOUT_MS))
    return answer.status, answer.body


def say(fields: Mapping[str, Any]) -> None:
    """Print one line of JSON."""
    print(json.dumps(fields, ensure_ascii=False), flush=True)


def _now_ms() -> int:
    return SystemClock().now_ms()


async def _run(given: argparse.Namespace, old: bytes) -> None:
    config = load_folder(given.folder)
    async with Client(given.ask) as client:
        served = await client.roster()
    chain = RosterChain.check([base64.b64decode(it) for it in served["signed"]])
    unlock = Unlock(file=config.unlock.file)
    keys = KeyStore.open(config.node.keys, unlock.secret(os.environ), randomness)
    certificate, key = config.tls.certificate, config.tls.key
    assert certificate is not None
    assert key is not None
    pinned = tls.load_pinned(given.certificates, [chain.newest])
    peers = HTTPPeers(
        {region: member.peer for region, member in chain.newest.members.items()},
        {region: tls.peer_client(certificate, key, pem) for region, pem in pinned.items()},
        timeout_ms_max=TIMEOUT_MS,
        answer_bytes_max=ANSWER_BYTES_MAX,
    )
    means = Means(config, chain.newest, keys, peers)
    try:
        if given.lie == "fork":
            await fork(means)
        else:
            await swear(means, old, given.to)
    finally:
        await peers.close()


def main() -> None:
    """Lie as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    lies = parser.add_subparsers(dest="lie", required=True)
    forks = lies.add_parser("fork", help="show each half of the others another history")
    swears = lies.add_parser("swear", help="sign that a log is smaller than it was")
    swears.add_argument("--old", type=Path, required=True, help="note of that size")
    swears.add_argument("--to", required=True, help="region that is told")
    for made in (forks, swears):
        made.add_argument("folder", type=Path, help="of the region's node")
        made.add_argument("--ask", required=True, help="URL of a node that tells the roster")
        made.add_argument("--certificates", type=Path, required=True, help="of all members")
    given = parser.parse_args()
    asyncio.run(_run(given, given.old.read_bytes() if given.lie == "swear" else b""))


if __name__ == "__main__":
    main()
