"""``aics-tlog`` and ``aics-witness``, against our notes, proofs, tiles and requests.

They need Python 3.12 or newer, so they live in an environment of their own, below ``build/``, whose
packages are pinned by hash in ``aics.txt``.
"""

import base64
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.cosignature import Line, check_line
from ledger.hashing import hash_leaf
from ledger.keys import SigningKey
from ledger.note import ED25519_COSIGNATURE, Note, Signature, VerifierKey, check_signed
from ledger.proofs import Reader, prove_consistency, prove_inclusion
from ledger.tiles import extend_tiles, read_nodes
from tests.foreign.environments import environment
from tests.foreign.sample_log import (
    ENTRIES,
    HEAD,
    KEYS,
    LOG_KEY,
    NOTE,
    ORIGIN,
    TIME_S,
    WITNESSES,
    Ask,
    asking,
    encoded,
    files_of,
    head_of,
    note_of,
    write_files,
)
from tests.strategies import flip

pytestmark = pytest.mark.foreign

HERE = Path(__file__).parent


def newer_python() -> str | None:
    """Return an interpreter of 3.12 or newer that runs; ``None`` when there is none."""
    names = ["python3.13", "python3.12", "python3.14"]
    homes = sorted(Path.home().glob(".pyenv/versions/3.1[2-9]*/bin/python"))
    found = [sys.executable, *filter(None, map(shutil.which, names)), *map(str, homes)]
    probe = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))"
    for command in found:
        # A shim may stand on the path and still refuse to run.
        if subprocess.run([command, "-c", probe], capture_output=True, check=False).returncode == 0:
            return command
    return None


def aics_environment() -> Path:
    """Return the interpreter of the two packages' environment."""
    python = newer_python()
    if python is None:
        pytest.skip("NOT CHECKED against aics-tlog and aics-witness: no Python 3.12 or newer")
    return environment("aics", "aics-tlog and aics-witness", python)


@pytest.fixture(scope="session")
def aics() -> Iterator[Ask]:
    """Give a function that puts one question to the two packages."""
    with asking(str(aics_environment()), str(HERE / "aics_verifier.py")) as ask:
        yield ask


def test_it_counts_the_cosignatures_of_our_notes(aics: Ask) -> None:
    answer = aics("note", note=NOTE.encode(), keys=KEYS, quorum=3)
    assert answer == {
        "origin": ORIGIN,
        "size": HEAD.size,
        "root": encoded(HEAD.root),
        "witnesses": list(WITNESSES),
        "times": [TIME_S, TIME_S + 1, TIME_S + 2],
    }
    assert "quorum" in aics("note", note=note_of(HEAD, 2).encode(), keys=KEYS, quorum=3)["error"]


def test_it_refuses_what_we_refuse(aics: Ask) -> None:
    twice = Note(NOTE.text, (*NOTE.signatures, NOTE.signatures[1]))
    assert "duplicate" in aics("note", note=twice.encode(), keys=KEYS, quorum=0)["error"]
    for at, line in enumerate(NOTE.signatures):
        lines = list(NOTE.signatures)
        lines[at] = Signature(line.name, line.key_id, flip(line.blob, 99))
        bad = Note(NOTE.text, tuple(lines)).encode()
        assert "failed" in aics("note", note=bad, keys=KEYS, quorum=0)["error"]


@pytest.mark.parametrize("size", [1, 2, 7, 256, 257, 600])
def test_it_verifies_our_proofs(aics: Ask, size: int) -> None:
    read = reader(size)
    root = head_of(ENTRIES[:size]).root
    for index in {0, size // 2, size - 1}:
        proof = [encoded(one) for one in prove_inclusion(index, size, read)]
        asked = {"index": index, "size": size, "root": root, "hashes": proof}
        assert aics("inclusion", entry=ENTRIES[index], **asked) == {"holds": True}
        assert aics("inclusion", entry=b"another", **asked) == {"holds": False}
    for old_size in {0, 1, size // 2, size}:
        proof = [encoded(one) for one in prove_consistency(old_size, size, read)]
        old_root = head_of(ENTRIES[:old_size]).root
        asked = {"old_size": old_size, "size": size, "root": root, "hashes": proof}
        assert aics("consistency", old_root=old_root, **asked) == {"holds": True}
        assert aics("consistency", old_root=bytes(32), **asked) == {"holds": False}


@pytest.mark.parametrize("size", [1, 256, 600])
def test_it_audits_our_tiles(aics: Ask, size: int, tmp_path: Path) -> None:
    files = files_of(ENTRIES[:size])
    write_files(tmp_path, files)
    asked = {
        "folder": str(tmp_path),
        "size": size,
        "root": head_of(ENTRIES[:size]).root,
    }
    report = aics("tiles", **asked)
    assert report["tiles"] + report["bundles"] == len(files)
    for path, data in files.items():
        (tmp_path / path).write_bytes(flip(data, 8 * len(data) - 1))
        assert "error" in aics("tiles", **asked), path
        (tmp_path / path).write_bytes(data)


def test_its_witness_follows_our_log_and_we_verify_its_lines(aics: Ask, tmp_path: Path) -> None:
    name, seed = "foreign.example/witness", b"f" * 32
    key = VerifierKey(name, ED25519_COSIGNATURE, SigningKey.from_seed(seed).public)
    started = aics(
        "witness", name=name, seed=seed.hex(), key=LOG_KEY.encode(), folder=str(tmp_path)
    )
    assert started == {"key": key.encode()}

    known = 0
    for size in (1, 2, 256, 257, 257, 600):
        note = note_of(head_of(ENTRIES[:size]), 0)
        answer = aics("add-checkpoint", name=name, body=request(known, size, note))
        line = Signature.decode(base64.b64decode(answer["lines"]))
        check_line(Line.from_signature(line), name, key.public, head_of(ENTRIES[:size]))
        assert len(check_signed(note.with_signatures(line), [LOG_KEY, key])) == 2
        known = size

    def status(old_size: int, body_note: Note) -> int:
        body = request(old_size, 600, body_note)
        refused: int = aics("add-checkpoint", name=name, body=body)["status"]
        return refused

    assert status(257, note_of(HEAD, 0)) == 409
    assert status(600, Note(NOTE.text, NOTE.signatures[1:])) == 403
    assert status(600, note_of(head_of([b"another"] * 600), 0)) == 422


def reader(size: int) -> Reader:
    tiles = extend_tiles(0, (), [hash_leaf(entry) for entry in ENTRIES[:size]]).tiles
    return read_nodes(lambda _: tiles)


def request(old_size: int, size: int, note: Note) -> bytes:
    """Return the body of add-checkpoint (C2SP tlog-witness)."""
    proof = [] if old_size == size else prove_consistency(old_size, size, reader(size))
    lines = [f"old {old_size}", *map(encoded, proof), "", ""]
    return "\n".join(lines).encode() + note.encode()
