"""Somebody who is refused again and again, as fast as a few connections can, beside all the others.

Their token is good and what they want is well formed, so that each try goes all the way to the
rules, is refused there, and is noted until that party has had its share of notes for the day.
"""

import asyncio
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from loadtests.floors import Blast, blast, request_bytes
from loadtests.scene import Lent, Office, opening

CONNECTIONS: Final = 4
STOP_S_MAX: Final = 30.0
REFUSED: Final = 403


class Flooded(NamedTuple):
    """What came of a flood: how often it was refused, how often not, and how fast that was."""

    refused: int
    otherwise: int
    a_second: float
    p50_ms: float


class Flood:
    """Refused acts at one node, from ``start`` to ``stop``, in a thread of their own.

    Args:
        at: Whose node is asked, by its officer for grants, who may take no case in.
        lent: Of which grant the act speaks; a right one, so that it is the officer who is refused.
    """

    def __init__(self, at: Office, owner: Office, lent: Lent) -> None:
        self.party = at.party("officer", "manager")
        asked = {
            "kind": "case.open",
            "subject": at.party("case", "flooded"),
            "body": opening(owner, at, lent.grant),
            "officer": self.party,
        }
        self._request = request_bytes(
            "POST",
            "/v1/acts",
            token=at.tokens["manager"],
            body=json.dumps(asked).encode(),
            content_type="application/json",
        )
        self._port = int(at.url.rpartition(":")[2])
        self._stopped = threading.Event()
        self._found: Blast | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> Flooded:
        """End, and say what came of it.

        Raises:
            TimeoutError: An answer does not come.
        """
        self._stopped.set()
        self._thread.join(STOP_S_MAX)
        found = self._found
        if found is None:
            raise TimeoutError(f"the flood had no answer for {STOP_S_MAX:.0f} s")
        refused = found.statuses.get(REFUSED, 0)
        otherwise = sum(found.statuses.values()) - refused
        return Flooded(refused, otherwise, found.rate, found.quantile_ms(0.5))

    def _requests(self) -> Iterator[bytes]:
        while not self._stopped.is_set():
            yield self._request

    def _run(self) -> None:
        by_connection = [self._requests() for _ in range(CONNECTIONS)]
        self._found = asyncio.run(blast(self._port, by_connection))


def count_kept(data: Path, party: str) -> int:
    """Return how many refusals of a party a node's database holds."""
    database = f"file:{data / 'node.db'}?mode=ro"
    with closing(sqlite3.connect(database, uri=True)) as connection:
        query = "SELECT count(*) FROM refusals WHERE party = ?"
        [count] = connection.execute(query, (party,)).fetchone()
    return int(count)
