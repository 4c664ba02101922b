"""The vector of commitments, sealed payloads and wrapped keys."""

from collections.abc import Callable
from hashlib import sha256
from itertools import count
from typing import Any

from ledger.commitment import commit
from ledger.payload import (
    KEY_BYTES,
    Holder,
    Payload,
    Place,
    make_case_key,
    seal_payload,
    wrap_key,
)
from ledger.sealed_box import BoxKey, seal_box

CASE, PAYLOAD = "510000/case/2026-000017", "510000/payload/1"
CONTENT = "户口簿第一页".encode()
HOLDER = Holder(region="540000", suite="x25519", version=1)


def drawn(seed: str) -> Callable[[int], bytes]:
    """Bytes that look random and are the same each time; at most 32 at once."""
    numbers = count(1)

    def draw(size: int) -> bytes:
        return sha256(f"shouxin vector {seed} {next(numbers)}".encode()).digest()[:size]

    return draw


def _box(public: bytes, draw: Callable[[int], bytes], inside: bytes) -> bytes:
    return seal_box(public, inside, draw)


def vault_vector() -> dict[str, Any]:
    """A paper of a case, sealed by each cipher, and the key wrapped for Tibet."""
    salt = drawn("salt")(32)
    vault = BoxKey(drawn("vault")(32))
    place = Place(payload=PAYLOAD, case=CASE, commitment=commit(salt, CONTENT))
    paper = Payload(name="户口簿.txt", salt=salt, content=CONTENT)
    made: dict[str, Any] = {
        "case": CASE,
        "payload": PAYLOAD,
        "name": paper.name,
        "salt": salt.hex(),
        "content": CONTENT.hex(),
        "commitment": place.commitment.hex(),
        "vault_secret": vault.seed().hex(),
        "vault_public": vault.public.hex(),
        "vault_version": HOLDER.version,
    }
    for cipher in KEY_BYTES:
        key = make_case_key(CASE, "510000", cipher, drawn(f"{cipher} key"))
        draw = drawn(f"{cipher} box")
        wrapped = wrap_key(
            key, HOLDER, lambda inside, draw=draw: seal_box(vault.public, inside, draw)
        )
        made[cipher] = {
            "key": key.secret.hex(),
            "sealed": seal_payload(key, place, paper, drawn(f"{cipher} nonce")).hex(),
            "wrapped": wrapped.hex(),
        }
    return made
