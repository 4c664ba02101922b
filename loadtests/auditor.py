"""A process that holds the genesis roster and nothing else, and says when an act is safe.

It is told of sampled acts on its standard input, asks their nodes how far they are, and takes
nobody's word for it in the end: it fetches the proof and checks it against the quorums that the
roster asks for. All of it is dated from when the act was meant to start.
"""

import argparse
import http.client
import json
import queue
import sys
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ledger.errors import LedgerError
from ledger.policy import Policy
from ledger.roster import Roster
from ledger.roster_policy import tlog_policy
from ledger.signed_roster import SignedRoster, check_genesis
from ledger.tlog_proof import TlogProof

POLL_S: Final = 0.05
"""How often a node is asked how far it is, while something waits: what the middle two levels are
measured to."""


@dataclass(slots=True)
class Sample:
    """An act that is followed, by its place; ``began_s`` is when it was meant to start."""

    stage: int
    index: int
    leaf: bytes
    began_s: float
    is_witnessed: bool = False


class Follower(threading.Thread):
    """Follows the acts of one region's log."""

    def __init__(self, region: str, roster: Roster, lock: threading.Lock) -> None:
        super().__init__(daemon=True)
        member = roster.member(region)
        origin = member.origin
        parts = urlsplit(member.url)
        self.incoming: queue.Queue[Sample] = queue.Queue()
        self._lock = lock
        self._host, self._port = parts.hostname or "", parts.port
        self._connection: http.client.HTTPConnection | None = None
        self._is_alone = not roster.witnesses_of(origin)
        faulty_max = 0 if self._is_alone else roster.faulty_max(origin)
        # Both quorums: that the tree is one, and that others hold the bytes.
        self._policies = [
            Policy.decode(
                tlog_policy(roster, origin, role).encode(),
                faulty_max=faulty_max,
                insecure=self._is_alone,
            )
            for role in ("witness", "mirror")
        ]

    def run(self) -> None:
        """Follow until the process ends."""
        waiting: list[Sample] = []
        while True:
            if not waiting:
                waiting.append(self.incoming.get())
            while not self.incoming.empty():
                waiting.append(self.incoming.get())
            try:
                waiting = self._look(waiting)
            except (OSError, ValueError, http.client.HTTPException):
                # A node that does not answer now is asked again; the acts go on waiting.
                self._connection = None
            time.sleep(POLL_S)

    def _look(self, waiting: list[Sample]) -> list[Sample]:
        status = json.loads(self._get("/v1/status"))
        now_s = time.monotonic()
        left = []
        for sample in waiting:
            if self._is_alone:
                self._prove(sample)
                continue
            if not sample.is_witnessed and sample.index < status["witnessed_size"]:
                sample.is_witnessed = True
                self._tell(sample, "witnessed", now_s)
            if sample.is_witnessed and sample.index < status["replicated_size"]:
                self._tell(sample, "replicated", now_s)
                self._prove(sample)
            else:
                left.append(sample)
        return left

    def _prove(self, sample: Sample) -> None:
        try:
            proof = TlogProof.decode(self._get(f"/v1/entries/{sample.index}/proof"))
            if proof.index != sample.index:
                self._tell(sample, "failed wrong-index", time.monotonic())
                return
            for policy in self._policies:
                proof.check(sample.leaf, policy)
        except LedgerError as error:
            self._tell(sample, f"failed {error.code}", time.monotonic())
            return
        self._tell(sample, "proven", time.monotonic())

    def _tell(self, sample: Sample, level: str, now_s: float) -> None:
        with self._lock:
            print(json.dumps([sample.stage, level, now_s - sample.began_s]), flush=True)  # noqa: T201 - its answer

    def _get(self, path: str) -> bytes:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._host, self._port, timeout=10)
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        data = answer.read()
        if answer.status != HTTPStatus.OK:
            raise http.client.HTTPException(f"{path}: {answer.status}")
        return data


def main() -> None:
    """Follow what is asked for, until the input ends."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.auditor", description=__doc__)
    parser.add_argument("roster", type=Path, help="the genesis roster")
    given = parser.parse_args()
    roster = check_genesis(SignedRoster.decode(given.roster.read_bytes()))
    lock = threading.Lock()
    followers = {region: Follower(region, roster, lock) for region in roster.members}
    for follower in followers.values():
        follower.start()
    for line in sys.stdin:
        stage, region, index, leaf, began_s = json.loads(line)
        followers[region].incoming.put(Sample(stage, index, bytes.fromhex(leaf), began_s))


if __name__ == "__main__":
    main()
