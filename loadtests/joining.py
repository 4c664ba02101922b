"""How fast a region that joins can take in the logs that it is to mirror.

What is pulled is hashed up to a root that a quorum of mirrors signed, and stored a page at a time:
with that it may be mirrored. Its signatures and rules are checked by the judging that follows,
entry by entry, as far as ``shouxin status`` shows under ``judged_size``.
"""

import statistics
import tempfile
from collections.abc import Iterator
from hashlib import shake_128
from pathlib import Path
from typing import Final

from ledger.hashing import hash_leaf
from ledger.keys import SigningKey, key_thumbprint
from ledger.statement import (
    Act,
    Citation,
    decode_statement,
    sign_statement,
    verify_statement,
)
from ledger.tiles import extend_tiles
from ledger.tree import Frontier
from loadtests.figure import Figure
from loadtests.floors import cpu_us, verification_us
from nodes.core.ready import AppendEntries
from nodes.core.submission import SendingLimits
from nodes.store.apply import apply
from nodes.store.engine import create_schema, open_store
from nodes.store.entries import LogIDs

TIME_S: Final = 1_793_000_000
STATEMENTS: Final = 1_024
OFFICERS: Final = 16

ENTRIES: Final = 131_072
ENTRY_BYTES: Final = 600
ORIGIN: Final = "joined.example/510000"


def joining() -> Iterator[Figure]:
    """Hash a log up to its root and store it, as a joiner does with what it pulls."""
    page = SendingLimits().upload_entries_max
    entries = [shake_128(b"%d" % at).digest(ENTRY_BYTES) for at in range(ENTRIES)]
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "node.db")
        try:
            create_schema(store.writing)
            ids = LogIDs()

            def take_in() -> None:
                edge: tuple[bytes, ...] = ()
                frontier = Frontier.empty()
                for start in range(0, ENTRIES, page):
                    part = tuple(entries[start : start + page])
                    leaves = tuple(hash_leaf(entry) for entry in part)
                    update = extend_tiles(start, edge, leaves)
                    edge, frontier = update.edge, frontier.extend(leaves)
                    frontier.root()
                    appended = AppendEntries(ORIGIN, start, part, leaves, update.tiles)
                    with store.writing.begin() as connection:
                        apply(connection, ids, (appended,))

            spent_us = cpu_us(take_in, rounds=1, repeats=1) / ENTRIES
        finally:
            store.close()
    yield Figure(
        "joining: entries hashed and stored, a second a core",
        1e6 / spent_us,
        "/s",
        10_000,
        least=True,
    )
    yield from checked()


def checked() -> Iterator[Figure]:
    """Hash the entries of a log up to its root, and check every signature in it.

    The rules, and the rows that acts leave, come on top: as they do for whoever follows a log.
    """
    keys = [SigningKey.from_seed(bytes([at]) * 32) for at in range(OFFICERS)]
    public = {key_thumbprint(key.public): key.public for key in keys}
    entries = [_statement(keys[at % OFFICERS], at) for at in range(STATEMENTS)]

    def take_in() -> None:
        edge: tuple[bytes, ...] = ()
        frontier = Frontier.empty()
        page = SendingLimits().upload_entries_max
        for start in range(0, STATEMENTS, page):
            part = entries[start : start + page]
            leaves = tuple(hash_leaf(entry) for entry in part)
            edge = extend_tiles(start, edge, leaves).edge
            frontier = frontier.extend(leaves)
            frontier.root()
            for entry in part:
                made = decode_statement(entry)
                verify_statement(made, public[made.kid])

    turns = [
        (cpu_us(take_in, rounds=1, repeats=1) / STATEMENTS, verification_us(400, 1))
        for _ in range(7)
    ]
    spent_us, v_us = (statistics.median(values) for values in zip(*turns, strict=True))
    yield Figure("joining: every signature checked, a statement", spent_us / v_us, "V", 1.7)


def _statement(key: SigningKey, number: int) -> bytes:
    region = ORIGIN[-6:]
    body = {"remark": "材料已核验，按约定转交", "reference": f"{number:064d}"}
    case = f"{region}/case/2026-{number:06d}"
    views = tuple(
        Citation(role, ORIGIN, at, bytes(32)) for role, at in (("view", number), ("grant", 1))
    )
    act = Act("case.note", 1, bytes(32), views, body)
    return sign_statement(key, f"{region}/officer/w3-01", case, TIME_S, act).entry
