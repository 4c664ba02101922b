"""The vectors made from the story: ``python -m tests.vectors.own.generate`` writes them again."""

import json
from pathlib import Path
from typing import Any

from ledger.equivocation import encode_file
from ledger.receipt import transparent_statement
from ledger.roster_policy import tlog_policy
from tests.vectors.own.example import Example
from tests.vectors.own.network import CASE, GRANT, OFFICER, SICHUAN, TIBET, TIME_S, key, signed
from tests.vectors.own.vault import vault_vector


def vectors(example: Example) -> dict[str, dict[str, Any]]:
    """The vectors of a story, by file name."""
    turned = example.turned()
    head = example.sichuan.checkpoint()
    case = example.case
    chain = example.chain()
    return {
        "names": {
            "parties": ["510000", OFFICER],
            "objects": [CASE, GRANT],
            "origins": [SICHUAN, f"{SICHUAN}/2"],
            "no_parties": [
                "51000",
                "510000/",
                "510000/officer",
                "510000/officer/",
                "５１００００",
            ],
            "no_objects": [
                "510000",
                "510000/case/a b",
                "510000/Case/1",
                f"510000/case/{'1' * 65}",
            ],
            "no_origins": ["510000", f"{SICHUAN}/", f"{SICHUAN}/1", "https://a.example/510000"],
        },
        "statement": {
            "entry": case.entry.hex(),
            "leaf": case.leaf.hex(),
            "public": key(OFFICER).public.hex(),
            "kid": case.kid.hex(),
            "issuer": case.issuer,
            "subject": case.subject,
            "time_s": case.time_s,
            "kind": case.act.kind,
            "signed": case.signed.hex(),
        },
        "genesis": {"entry": example.sichuan.statements[0].entry.hex()},
        "view": {
            "entry": example.view.entry.hex(),
            "origin": TIBET,
            "size": 2,
            "root": example.tibet.checkpoint().root.hex(),
            "fresh_at_s": TIME_S + 100,
        },
        "block": {"entry": example.block.entry.hex(), "height": 1, "size": 1},
        "map": {
            "acts": [[name, index, leaf.hex()] for name, index, leaf in example.map_acts],
            "root": example.map_root.hex(),
            "held": example.map_proofs[0].encode().hex(),
            "absent": {
                "510000/case/2026-000030": example.map_proofs[1].encode().hex(),
                "540000/grant/1": example.map_proofs[2].encode().hex(),
            },
            "object": CASE,
        },
        "receipt": {
            "receipt": example.receipt.hex(),
            "transparent": transparent_statement(case.entry, [example.receipt]).hex(),
            "entry": case.entry.hex(),
            "public": key("510000", "receipt").public.hex(),
            "origin": SICHUAN,
            "size": 4,
            "index": 3,
            "root": head.root.hex(),
            "consistency": example.consistency.hex(),
            "old_size": 3,
            "old_root": example.sichuan.checkpoint(3).root.hex(),
        },
        "roster": {
            "signed": example.signed.encode().hex(),
            "sha256": example.roster.sha256.hex(),
            "policy": tlog_policy(example.roster, SICHUAN, "witness"),
        },
        "roster-chain": {
            "signed": [signed(made).encode().hex() for made in chain],
            "sha256": [made.sha256.hex() for made in chain],
            "origins": [list(made.origins) for made in chain],
            "closed": {origin: item.successor for origin, item in chain[-1].closed.items()},
        },
        "evidence": {
            "entry": example.recorded.entry.hex(),
            "file": encode_file([example.signed.encode()], example.evidence).hex(),
            "genesis": example.roster.sha256.hex(),
            "subject": example.conviction.subject,
            "shown": example.conviction.shown,
            "sizes": list(example.conviction.sizes),
        },
        "epoch": {
            "entry": turned.epoch.entry.hex(),
            "record": turned.record.entry.hex(),
            "view": turned.view.entry.hex(),
            "start": 4,
            "proven_at": 5,
            "seen_by_s": turned.floor_s,
            "bundle": turned.bundle().encode().hex(),
            "genesis": example.roster.sha256.hex(),
        },
        "key-proof": example.proven_key(),
        "roster-change": example.change(),
        "roster-acts": example.steps(),
        "loss": example.loss(),
        "vault": vault_vector(),
        "closed": {
            "bundle": example.crossed().encode().hex(),
            "genesis": example.roster.sha256.hex(),
            "origin": SICHUAN,
            "size": head.size,
            "root": head.root.hex(),
        },
        "bundle": {
            "bundle": example.bundle.encode().hex(),
            "genesis": example.roster.sha256.hex(),
            "subject": CASE,
        },
    }


def main() -> None:
    """Write every vector beside this file."""
    for name, vector in vectors(Example()).items():
        sourced = {"source": "this project; see README.md"} | vector
        text = json.dumps(sourced, ensure_ascii=False, indent=2)
        (Path(__file__).parent / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
