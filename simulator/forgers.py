"""What a hostile go-between does to papers on their way: one thing is altered in each.

Whoever verifies must refuse every one. An alteration that finds nothing to alter returns None.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random  # noqa: TID251 - a stream of the world
from typing import Any, Final

from ledger import encoding
from ledger.bundle_file import Bundle, ProvenEntry, ProvenLog
from ledger.cose import INCLUSION, VDP

Forge = Callable[[bytes, Random], bytes | None]


def flipped(data: bytes, random: Random) -> bytes:
    """Return bytes with one bit of the last 32 turned over."""
    at = len(data) - 1 - random.randrange(min(32, len(data)))
    return data[:at] + bytes((data[at] ^ (1 << random.randrange(8)),)) + data[at + 1 :]


# ---- receipts -----------------------------------------------------------------------------------


def _proof_of(receipt: bytes) -> tuple[list[Any], list[Any]]:
    """Return a receipt's parts and the proof in it."""
    parts = encoding.decode_tagged(receipt)
    assert isinstance(parts, list)
    proof = encoding.decode(parts[1][VDP][INCLUSION][0])
    assert isinstance(proof, list)
    return parts, proof


def _with_proof(parts: Sequence[Any], proof: Sequence[Any]) -> bytes:
    header = {VDP: {INCLUSION: [encoding.encode(list(proof))]}}
    return encoding.encode_tagged([parts[0], header, *parts[2:]])


def _another_size(receipt: bytes, _random: Random) -> bytes | None:
    """Say that the tree is one larger: some proofs lead to the same root from there."""
    parts, (size, index, hashes) = _proof_of(receipt)
    return _with_proof(parts, (size + 1, index, hashes))


def _another_index(receipt: bytes, _random: Random) -> bytes | None:
    parts, (size, index, hashes) = _proof_of(receipt)
    return _with_proof(parts, (size, (index + 1) % size, hashes)) if size > 1 else None


def _another_path(receipt: bytes, random: Random) -> bytes | None:
    parts, (size, index, hashes) = _proof_of(receipt)
    if not hashes:
        return None
    return _with_proof(parts, (size, index, [*hashes[:-1], flipped(hashes[-1], random)]))


def _another_signature(receipt: bytes, random: Random) -> bytes | None:
    parts, proof = _proof_of(receipt)
    return _with_proof([*parts[:-1], flipped(parts[-1], random)], proof)


# ---- bundles ------------------------------------------------------------------------------------


def _in_a_log(
    alter: Callable[[ProvenLog, Random], ProvenLog | None],
) -> Forge:
    """Return what alters one log of a bundle that is proven by a note."""

    def forge(data: bytes, random: Random) -> bytes | None:
        bundle = Bundle.decode(data)
        logs = [it for it, log in bundle.logs.items() if isinstance(log, ProvenLog) and log.mirror]
        random.shuffle(logs)
        for origin in logs:
            log = bundle.logs[origin]
            assert isinstance(log, ProvenLog)
            altered = alter(log, random)
            if altered is not None:
                return replace(bundle, logs={**bundle.logs, origin: altered}).encode()
        return None

    return forge


def _false_witness(log: ProvenLog, random: Random) -> ProvenLog | None:
    return replace(log, witness=(*log.witness[:-1], flipped(log.witness[-1], random)))


def _one_witness(log: ProvenLog, _random: Random) -> ProvenLog | None:
    return replace(log, witness=log.witness[:1]) if len(log.witness) > 1 else None


def _one_mirror(log: ProvenLog, _random: Random) -> ProvenLog | None:
    return replace(log, mirror=log.mirror[:1]) if len(log.mirror) > 1 else None


def _false_mirror(log: ProvenLog, random: Random) -> ProvenLog | None:
    return replace(log, mirror=(*log.mirror[:-1], flipped(log.mirror[-1], random)))


def _false_note(log: ProvenLog, _random: Random) -> ProvenLog | None:
    """Change the root in the note."""
    lines = log.note.split(b"\n")
    lines[2] = (b"B" if lines[2][:1] == b"A" else b"A") + lines[2][1:]
    return replace(log, note=b"\n".join(lines))


def _false_entry(log: ProvenLog, random: Random) -> ProvenLog | None:
    """Change an entry where only its place in the tree, or its signature, can tell."""
    return _one_entry(log, random, lambda it: replace(it, entry=flipped(it.entry, random)))


def _false_path(log: ProvenLog, random: Random) -> ProvenLog | None:
    def alter(it: ProvenEntry) -> ProvenEntry:
        return replace(it, proof=(*it.proof[:-1], flipped(it.proof[-1], random)))

    return _one_entry(log, random, alter)


def _one_entry(
    log: ProvenLog, random: Random, alter: Callable[[ProvenEntry], ProvenEntry]
) -> ProvenLog | None:
    places = [at for at, it in enumerate(log.entries) if it.proof]
    if not places:
        return None
    at = random.choice(places)
    entries = (*log.entries[:at], alter(log.entries[at]), *log.entries[at + 1 :])
    return replace(log, entries=entries)


def _false_roster(data: bytes, random: Random) -> bytes | None:
    """Change the newest version of the roster."""
    bundle = Bundle.decode(data)
    *before, last = bundle.rosters
    return replace(bundle, rosters=(*before, flipped(last, random))).encode()


RECEIPTS: Final[Mapping[str, Forge]] = {
    "another tree size": _another_size,
    "another index": _another_index,
    "another path": _another_path,
    "another signature": _another_signature,
}

BUNDLES: Final[Mapping[str, Forge]] = {
    "a false witness line": _in_a_log(_false_witness),
    "too few witness lines": _in_a_log(_one_witness),
    "a false mirror line": _in_a_log(_false_mirror),
    "too few mirror lines": _in_a_log(_one_mirror),
    "another root in a note": _in_a_log(_false_note),
    "another entry": _in_a_log(_false_entry),
    "another path to an entry": _in_a_log(_false_path),
    "another roster": _false_roster,
}
