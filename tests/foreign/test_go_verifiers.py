"""Go's note and tree libraries and torchwood, against ours, in both directions.

They are built once, from ``go/``, whose modules are pinned by hash.
"""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.hashing import hash_leaf
from ledger.note import Note, Signature, check_signed
from ledger.policy import Policy, PolicyGroup, minimal_quorums
from ledger.proofs import prove_consistency, prove_inclusion
from ledger.tiles import extend_tiles, read_nodes
from ledger.tlog_proof import TlogProof
from tests.foreign.sample_log import (
    ENTRIES,
    HEAD,
    KEYS,
    LOG,
    LOG_KEY,
    NOTE,
    ORIGIN,
    POLICY,
    TIME_S,
    WITNESS_KEYS,
    WITNESSES,
    Ask,
    asking,
    encoded,
    files_of,
    head_of,
    note_of,
    proof_of,
    write_files,
)
from tests.strategies import flip

pytestmark = pytest.mark.foreign

SOURCE = Path(__file__).parent / "go"
VECTORS = Path(__file__).parent.parent / "vectors" / "note"


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Give a function that puts one question to the Go program."""
    command = shutil.which("go")
    if command is None:
        pytest.skip("NOT CHECKED against the Go libraries: there is no go command here")
    environment = os.environ | {
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            arguments, cwd=SOURCE, env=environment, capture_output=True, text=True, check=False
        )

    fetched = run(command, "mod", "download")
    if fetched.returncode:
        pytest.skip(f"NOT CHECKED against the Go libraries: no modules: {fetched.stderr}")
    program = tmp_path_factory.mktemp("go") / "verifiers"
    built = run(command, "build", "-o", str(program), ".")
    assert built.returncode == 0, built.stderr

    with asking(str(program)) as ask:
        yield ask


def test_their_note_library_opens_our_notes(go: Ask) -> None:
    assert go("note", note=NOTE.encode(), keys=KEYS)["signed"] == [
        {"name": ORIGIN, "id": LOG_KEY.key_id.hex(), "time": 0},
        *(
            {"name": key.name, "id": key.key_id.hex(), "time": TIME_S + at}
            for at, key in enumerate(WITNESS_KEYS)
        ),
    ]


@pytest.mark.parametrize("vector", ["own.json", "peter-neumann.json"])
def test_they_open_the_notes_of_our_vectors(go: Ask, vector: str) -> None:
    read = json.loads((VECTORS / vector).read_text())
    if vector == "own.json":
        answer = go("note", note=read["note"].encode(), keys=read["keys"])
        assert len(answer["signed"]) == 2
    else:
        data = (read["text"] + "\n" + read["line"]).encode()
        assert "signed" in go("note", note=data, keys=[read["vkey"]])


@given(data=st.data())
def test_what_we_accept_they_accept(go: Ask, data: st.DataObject) -> None:
    """We are the stricter ones: a changed note that passes here must pass there, line for line."""
    note = bytearray(NOTE.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(note) - 1))
        kind = data.draw(st.sampled_from(("replace", "delete", "insert", "double")))
        octet = data.draw(st.sampled_from(b"\n \r\t+=A\xe2\x80\x94\xc2\xa0") | st.integers(0, 255))
        if kind == "replace":
            note[at] = octet
        elif kind == "delete":
            del note[at]
        elif kind == "insert":
            note.insert(at, octet)
        else:
            note[at:at] = note[at : at + data.draw(st.integers(1, 130))]
    theirs = go("note", note=bytes(note), keys=KEYS)
    try:
        ours = check_signed(Note.decode(bytes(note)), (LOG_KEY, *WITNESS_KEYS))
    except LedgerError:
        return
    assert [line.key.name for line in ours] == [line["name"] for line in theirs["signed"]]


def test_they_refuse_a_line_that_we_refuse(go: Ask) -> None:
    for at in range(len(NOTE.signatures)):
        lines = list(NOTE.signatures)
        lines[at] = Signature(lines[at].name, lines[at].key_id, flip(lines[at].blob, 99))
        assert "error" in go("note", note=Note(NOTE.text, tuple(lines)).encode(), keys=KEYS)


@pytest.mark.parametrize("cosigners", [0, 1, 2, 3])
def test_their_policy_reads_ours_and_judges_alike(go: Ask, cosigners: int) -> None:
    answer = go("checkpoint", note=note_of(HEAD, cosigners).encode(), policy=POLICY.encode())
    if cosigners < 2:
        assert "error" in answer
    else:
        assert (answer["origin"], answer["size"]) == (ORIGIN, HEAD.size)
        assert base64.b64decode(answer["root"]) == HEAD.root


def test_nested_groups_mean_the_same_to_them(go: Ask) -> None:
    inner = PolicyGroup("inner", 1, ("w1", "w2"))
    nested = Policy(
        POLICY.logs, POLICY.witnesses, (inner, PolicyGroup("outer", 2, ("inner", "w0"))), "outer"
    )
    quorums = minimal_quorums(nested)
    assert quorums == (frozenset(("w1", "w0")), frozenset(("w2", "w0")))
    for chosen in range(8):
        names = {f"w{at}" for at in range(3) if chosen >> at & 1}
        lines = [NOTE.signatures[0]]
        lines += [NOTE.signatures[at + 1] for at in range(3) if chosen >> at & 1]
        answer = go(
            "checkpoint", note=Note(HEAD.text(), tuple(lines)).encode(), policy=nested.encode()
        )
        assert ("error" not in answer) == any(quorum <= names for quorum in quorums)


@pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 2), (4, 7), (255, 256), (256, 257)])
def test_torchwood_verifies_our_proof_files(go: Ask, index: int, size: int) -> None:
    proof = proof_of(index, ENTRIES[:size])
    asked = {"policy": POLICY.encode(), "leaf": hash_leaf(ENTRIES[index])}
    assert go("proof", proof=proof.encode(), **asked) == {}
    beside = TlogProof(index, proof.hashes, proof.note, b"beside")
    assert go("proof", proof=beside.encode(), **asked) == {}

    other = asked | {"leaf": hash_leaf(b"another entry")}
    assert "error" in go("proof", proof=proof.encode(), **other)
    for cosigners in (0, 1):
        few = proof_of(index, ENTRIES[:size], cosigners)
        assert "error" in go("proof", proof=few.encode(), **asked)


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 600])
def test_their_tree_library_checks_our_proofs(go: Ask, size: int) -> None:
    hashes = [hash_leaf(entry) for entry in ENTRIES[:size]]
    tiles = extend_tiles(0, (), hashes).tiles
    read = read_nodes(lambda _: tiles)
    root = head_of(ENTRIES[:size]).root
    for index in {0, size // 3, size - 1}:
        proof = prove_inclusion(index, size, read)
        asked = {"index": index, "size": size, "root": root, "leaf": hashes[index]}
        assert go("inclusion", hashes=[encoded(one) for one in proof], **asked) == {}
        wrong = asked | {"leaf": hash_leaf(b"x")}
        assert "error" in go("inclusion", hashes=[encoded(one) for one in proof], **wrong)
    for old_size in {1, size // 2, size - 1, size} - {0}:
        proof = prove_consistency(old_size, size, read)
        asked = {
            "size": size,
            "old_size": old_size,
            "root": root,
            "old_root": head_of(ENTRIES[:old_size]).root,
        }
        assert go("consistency", hashes=[encoded(one) for one in proof], **asked) == {}
        wrong = asked | {"old_root": bytes(32)}
        assert "error" in go("consistency", hashes=[encoded(one) for one in proof], **wrong)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 600])
def test_their_client_reads_a_whole_log_from_our_tiles(go: Ask, size: int, tmp_path: Path) -> None:
    entries = ENTRIES[:size]
    files = files_of(entries)
    write_files(tmp_path, files)
    asked = {
        "note": note_of(head_of(entries), 2).encode(),
        "policy": POLICY.encode(),
        "folder": str(tmp_path),
    }
    read = go("tiles", **asked)
    assert [base64.b64decode(entry) for entry in read["entries"]] == entries

    for path, data in files.items():
        (tmp_path / path).write_bytes(flip(data, 8 * len(data) - 1))
        assert "error" in go("tiles", **asked), path
        (tmp_path / path).write_bytes(data)


@pytest.mark.parametrize("size", [1, 2, 7, 256, 257])
@pytest.mark.parametrize("extra", [b"", b"beside"])
def test_we_verify_what_they_make(go: Ask, size: int, extra: bytes) -> None:
    index = size // 2
    made = go(
        "make",
        log={"name": ORIGIN, "seed": LOG.seed()},
        witnesses=[{"name": name, "seed": key.seed()} for name, key in WITNESSES.items()],
        entries=[encoded(entry) for entry in ENTRIES[:size]],
        index=index,
        extra=extra,
    )
    assert made["keys"] == KEYS
    data = base64.b64decode(made["proof"])
    proof = TlogProof.decode(data)
    assert proof.encode() == data
    assert proof.extra == (extra or None)
    result = proof.check(hash_leaf(ENTRIES[index]), POLICY)
    assert result.checkpoint == head_of(ENTRIES[:size])
    assert result.witness_names == ("w0", "w1", "w2")
    assert proof.hashes == proof_of(index, ENTRIES[:size]).hashes
