"""One small log of ours, for other people's programs to check, and the way to ask them."""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledger.checkpoint import Checkpoint
from ledger.cosignature import sign_line
from ledger.hashing import hash_leaf
from ledger.keys import SigningKey
from ledger.note import ED25519, ED25519_COSIGNATURE, Note, VerifierKey, sign_ed25519
from ledger.policy import Policy, PolicyGroup, PolicyLog, PolicyWitness
from ledger.proofs import prove_inclusion
from ledger.tiles import (
    encode_entry_bundle,
    entries_path,
    extend_tiles,
    frontier_from_edge,
    read_nodes,
    tile_path,
)
from ledger.tlog_proof import TlogProof

ORIGIN = "log.example/510000"
LOG = SigningKey.from_seed(b"l" * 32)
LOG_KEY = VerifierKey(ORIGIN, ED25519, LOG.public)
WITNESSES = {
    name: SigningKey.from_seed(name[:1].encode() * 32)
    for name in ("a.example/witness", "b.example/witness", "c.example/授信")
}
WITNESS_KEYS = [
    VerifierKey(name, ED25519_COSIGNATURE, key.public) for name, key in WITNESSES.items()
]
POLICY = Policy(
    (PolicyLog(LOG_KEY, "https://log.example/"),),
    tuple(PolicyWitness(f"w{at}", key) for at, key in enumerate(WITNESS_KEYS)),
    (PolicyGroup("g", 2, ("w0", "w1", "w2")),),
    "g",
)
TIME_S = 1_700_000_000
ENTRIES = [b"entry %d" % at for at in range(600)]

Ask = Callable[..., dict[str, Any]]


@contextmanager
def asking(*command: str) -> Iterator[Ask]:
    """Run a program that answers one line of JSON with another; bytes go in as base64."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        asked, answers = process.stdin, process.stdout
        assert asked is not None
        assert answers is not None

        def ask(op: str, **fields: Any) -> dict[str, Any]:
            asked.write(json.dumps({"op": op} | fields, default=encoded) + "\n")
            asked.flush()
            answer: dict[str, Any] = json.loads(answers.readline())
            return answer

        yield ask
        asked.close()


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def head_of(entries: list[bytes]) -> Checkpoint:
    update = extend_tiles(0, (), [hash_leaf(entry) for entry in entries])
    return Checkpoint(ORIGIN, update.size, frontier_from_edge(update.size, update.edge).root())


def note_of(head: Checkpoint, cosigners: int) -> Note:
    lines = [sign_ed25519(ORIGIN, LOG, head.text())]
    for at, (name, key) in enumerate(list(WITNESSES.items())[:cosigners]):
        lines.append(sign_line(name, key, head, TIME_S + at).to_signature(name))
    return Note(head.text(), tuple(lines))


def proof_of(index: int, entries: list[bytes], cosigners: int = 2) -> TlogProof:
    tiles = extend_tiles(0, (), [hash_leaf(entry) for entry in entries]).tiles
    hashes = prove_inclusion(index, len(entries), read_nodes(lambda _: tiles))
    return TlogProof(index, tuple(hashes), note_of(head_of(entries), cosigners))


def files_of(entries: list[bytes]) -> dict[str, bytes]:
    """Return all tiles and entry bundles of a log, by their paths."""
    update = extend_tiles(0, (), [hash_leaf(entry) for entry in entries])
    files = {
        tile_path(level, index, len(hashes) // 32): hashes
        for (level, index), hashes in update.tiles.items()
    }
    for start in range(0, len(entries), 256):
        bundle = entries[start : start + 256]
        files[entries_path(start // 256, len(bundle))] = encode_entry_bundle(bundle)
    return files


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


KEYS = [key.encode() for key in (LOG_KEY, *WITNESS_KEYS)]
HEAD = head_of(ENTRIES)
NOTE = note_of(HEAD, 3)
