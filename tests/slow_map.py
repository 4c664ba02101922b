"""The object map as own.md section 11 defines it: by recursion over all names."""

from collections.abc import Iterable
from hashlib import sha256

from ledger.errors import LedgerError
from ledger.hashing import hash_leaf
from ledger.object_map import is_object
from ledger.statement import decode_statement

Acts = Iterable[tuple[str, int, bytes]]


def root(acts: Acts) -> bytes:
    digests: dict[bytes, tuple[int, bytes]] = {}
    for name, index, leaf in acts:
        key = name.encode() + b"\x00"
        count, digest = digests.get(key, (0, bytes(32)))
        place = (count + 1).to_bytes(8) + index.to_bytes(8)
        head = b"\x02" + bytes([len(key)]) + key
        digests[key] = (count + 1, sha256(head + place + leaf + digest).digest())
    return _hash({key: digest for key, (_, digest) in digests.items()})


def _hash(digests: dict[bytes, bytes]) -> bytes:
    if not digests:
        return bytes(32)
    if len(digests) == 1:
        (digest,) = digests.values()
        return digest
    low, high = min(digests), max(digests)
    at = next(at for at in range(len(low)) if low[at] != high[at])
    prefix = low[:at]
    node = b"\x03" + bytes([at]) + prefix
    for byte in sorted({key[at] for key in digests}):
        below = {key: digest for key, digest in digests.items() if key[at] == byte}
        node += bytes([byte]) + _hash(below)
    return sha256(node).digest()


def acts_of(entries: Iterable[bytes]) -> list[tuple[str, int, bytes]]:
    """The acts that a log's entries hold: whatever decodes and names an object."""
    found = []
    for index, entry in enumerate(entries):
        try:
            made = decode_statement(entry)
        except LedgerError:
            continue
        if is_object(made.subject):
            found.append((made.subject, index, hash_leaf(entry)))
    return found
