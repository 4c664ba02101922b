"""Ask aics-tlog and aics-witness, in their own environment, what they think of our bytes.

Run by ``test_aics.py``: one JSON request a line, one JSON answer a line. Needs Python 3.12.
"""

import base64
import json
import sys
from pathlib import Path
from typing import Any

import aics_tlog
from aics_tlog.hashing import leaf_hash
from aics_witness.config import LogConfig
from aics_witness.service import Witness, WitnessError
from aics_witness.store import WitnessStore, parse_seed_hex

witnesses: dict[str, Witness] = {}


def note(asked: dict[str, Any]) -> dict[str, Any]:
    log, *cosigners = map(aics_tlog.parse_vkey, asked["keys"])
    result = aics_tlog.verify_checkpoint(
        aics_tlog.parse_note(raw(asked["note"])), log, cosigners, quorum=asked["quorum"]
    )
    if not result.ok:
        return {"error": result.error}
    return {
        "origin": result.origin,
        "size": result.size,
        "root": text(result.root),
        "witnesses": result.witnesses,
        "times": [result.timestamps[name] for name in result.witnesses],
    }


def inclusion(asked: dict[str, Any]) -> dict[str, Any]:
    hashes = [raw(one) for one in asked["hashes"]]
    leaf = leaf_hash(raw(asked["entry"]))
    return {
        "holds": aics_tlog.verify_inclusion(
            leaf, asked["index"], asked["size"], hashes, raw(asked["root"])
        )
    }


def consistency(asked: dict[str, Any]) -> dict[str, Any]:
    hashes = [raw(one) for one in asked["hashes"]]
    sizes = asked["old_size"], asked["size"]
    return {
        "holds": aics_tlog.verify_consistency(
            *sizes, raw(asked["old_root"]), raw(asked["root"]), hashes
        )
    }


def tiles(asked: dict[str, Any]) -> dict[str, Any]:
    reader = aics_tlog.FileSystemTileReader(Path(asked["folder"]))
    report = aics_tlog.audit_tiles(reader, asked["size"], raw(asked["root"]))
    return {"tiles": report.tiles, "bundles": report.bundles}


def witness(asked: dict[str, Any]) -> dict[str, Any]:
    """Start a witness of that name, in a folder, for one log."""
    log = aics_tlog.parse_vkey(asked["key"])
    made = Witness(
        asked["name"],
        parse_seed_hex(asked["seed"]),
        WitnessStore(Path(asked["folder"]) / "witness.db", create=True),
        [LogConfig(log.name, (log,))],
    )
    witnesses[asked["name"]] = made
    return {"key": made.vkey_text}


def add_checkpoint(asked: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"lines": text(witnesses[asked["name"]].add_checkpoint(raw(asked["body"])))}
    except WitnessError as error:
        return {"error": error.message, "status": error.status}


def raw(encoded: str) -> bytes:
    return base64.b64decode(encoded, validate=True)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


OPERATIONS = {
    "note": note,
    "inclusion": inclusion,
    "consistency": consistency,
    "tiles": tiles,
    "witness": witness,
    "add-checkpoint": add_checkpoint,
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = OPERATIONS[request["op"]](request)
    except (ValueError, OSError) as refusal:
        answer = {"error": str(refusal)}
    print(json.dumps(answer), flush=True)  # noqa: T201 - the answer
