"""How fast a region that joins can take in the logs that it is to mirror.

What is pulled is hashed up to a root that a quorum of mirrors signed, and stored a page at a time:
with that it may be mirrored. Its signatures and rules are checked by the judging that follows,
entry by entry, as far as ``shouxin status`` shows under ``judged_size``.
"""

import tempfile
from collections.abc import Iterator
from hashlib import shake_128
from pathlib import Path
from typing import Final

from ledger.hashing import hash_leaf
from ledger.tiles import extend_tiles
from ledger.tree import Frontier
from loadtests.figure import Figure
from loadtests.floors import cpu_us
from nodes.core.ready import AppendEntries
from nodes.core.submission import SendingLimits
from nodes.store.apply import apply
from nodes.store.engine import create_schema, open_store
from nodes.store.entries import LogIDs

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
