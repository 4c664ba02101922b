"""Whole nodes that lost their database or their links come back to what all others hold."""

import heapq
import sqlite3
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import UnavailableError
from ledger.statement import Act, sign_statement
from nodes.core.ready import (
    PeerAnswered,
    PeerCalled,
    PeerReply,
)
from nodes.core.recovery import REBUILDING
from nodes.node import Node
from nodes.store.notes import load_memory
from nodes.verifier import Verifier
from tests.nodes.late import A, B, C, D, E
from tests.nodes.town import Town, furnish, lend, officer_key, open_case

HOP_MS = 100


class Slow(Town):
    """A town where each message takes ``HOP_MS``; nothing moves but in ``run``."""

    def __init__(self, *regions: str, **options: Any) -> None:
        self.heap: list[tuple[int, int, Callable[[], None]]] = []
        self.tickets = count()
        super().__init__(*regions, **options)

    def settle(self) -> None:
        while self._queue:
            region, request = self._queue.popleft()
            self._after(lambda region=region, request=request: self._arrive(region, request))

    def _after(self, action: Callable[[], None]) -> None:
        heapq.heappush(self.heap, (self.clock.ms + HOP_MS, next(self.tickets), action))

    def _arrive(self, region: str, request: Any) -> None:
        self.calls.append((region, request.to, request.path))
        status, body = 0, b"no way"
        target = self.houses[request.to]
        if target.node is not None and not self.cut & {region, request.to}:
            request_id = next(target.ids) + 1_000_000
            called = PeerCalled(request_id, request.path, request.body, region)
            outbox = self.step(request.to, called)
            (reply,) = [it.value for it in outbox.replies if it.request_id == request_id]
            assert isinstance(reply, PeerReply | UnavailableError)
            if isinstance(reply, PeerReply):
                status, body = reply.status, reply.body
        node, answer = self.houses[region].node, PeerAnswered(request.request_id, status, body)

        def back() -> None:
            if node is not None and self.houses[region].node is node:
                self.step(region, answer)

        self._after(back)

    def run(self, for_ms: int, until: Callable[[], bool] = lambda: False) -> int:
        """Let time pass, or until something holds; return how long it took."""
        started_ms = self.clock.ms
        end_ms = started_ms + for_ms
        tick_ms = started_ms
        while self.clock.ms < end_ms and not until():
            self.settle()
            due_ms = self.heap[0][0] if self.heap else tick_ms + 1
            if due_ms > tick_ms:
                self.clock.ms = tick_ms
                tick_ms += 250
                for region, house in self.houses.items():
                    if house.node is not None:
                        self.step(region)
                continue
            self.clock.ms = max(self.clock.ms, due_ms)
            heapq.heappop(self.heap)[2]()
        return self.clock.ms - started_ms

    def tick(self, seconds: float, *, by: float = 15) -> None:
        del by
        self.run(int(seconds * 1000))

    def rounds(self, times: int = 3) -> None:
        self.run(times * 1_000)


def live(town: Town) -> None:
    """Let a few things happen, so that every log relies on others."""
    town.start()
    town.rounds()
    for region in town.houses:
        furnish(town, region)
    town.rounds()
    for owner, window in ((E, B), (B, A), (C, B), (D, C)):
        grant = lend(town, owner, window, f"g{window}")
        open_case(town, window, owner, grant, owner)
    town.rounds()


def wipe(town: Town, folder: Path, region: str) -> None:
    town.kill(region)
    house = town.houses[region]
    house.engine.dispose()
    for left in folder.glob(f"{region}.sqlite*"):
        left.unlink()
    house.engine = town.engine(region)


def test_on_a_quiet_network_a_lost_database_is_back_within_three_seconds(tmp_path: Path) -> None:
    town = Slow(A, B, C, D, E, folder=tmp_path)
    live(town)
    town.tick(130)  # the closing block is out, and everyone has sent its note again
    before = town.node(B).snapshot
    sizes = {region: town.node(region).snapshot.size for region in town.houses}
    town.kill(B)
    wipe(town, tmp_path, B)
    town.heap.clear()
    calls = len(town.calls)
    town.start(B)
    took_ms = town.run(10_000, lambda: town.node(B).snapshot.state == "serving")
    assert took_ms <= 3_000
    after = town.node(B).snapshot
    assert (after.state, after.resting, after.size) == ("serving", True, before.size)
    # The others had nothing to say meanwhile.
    assert not [call for call in town.calls[calls:] if call[0] != B and "c2sp" in call[2]]
    assert {town.node(region).snapshot.size for region in town.houses} == set(sizes.values())
    open_case(town, B, E, f"{E}/grant/g{B}", "again")
    town.tick(70)
    for region in town.houses:
        assert town.findings(region) == []
        logs = town.node(region).snapshot.logs
        assert logs[town.origin(B)].judged_size == town.node(B).snapshot.size


def test_a_node_that_was_cut_off_judges_a_log_whose_writer_it_cannot_hear(tmp_path: Path) -> None:
    """E is away while D and C act, D relies on C, then C falls silent: D's entries need C's."""
    town = Town(A, B, C, D, E, folder=tmp_path)
    town.start()
    furnish(town, C)
    furnish(town, D)
    town.tick(60)
    town.cut.add(E)
    grant = lend(town, C, D)
    town.tick(30)
    town.cut = {C}
    open_case(town, D, C, grant, "1")
    town.tick(15)
    snapshot = town.node(E).snapshot
    assert snapshot.logs[town.origin(D)].judged_size == town.node(D).snapshot.size
    assert snapshot.logs[town.origin(C)].stored_size == town.node(C).snapshot.size


@pytest.mark.parametrize("at", range(1, 20, 4))
def test_a_crash_at_any_step_of_coming_back_only_delays_it(tmp_path: Path, at: int) -> None:
    town = Town(A, B, E, folder=tmp_path, gathers=False)
    town.start()
    furnish(town, B)
    furnish(town, E)
    grant = lend(town, E, B)
    open_case(town, B, E, grant, "1")
    town.tick(60)
    size = town.node(B).snapshot.size
    wipe(town, tmp_path, B)
    steps, honest = count(), town.step

    class DiedError(Exception):
        pass

    def step(region: str, *events: Any) -> Any:
        outbox = honest(region, *events)
        if region == B and next(steps) == at:
            raise DiedError
        return outbox

    town.step = step  # type: ignore[method-assign]
    try:
        town.start(B)
        town.tick(3, by=0.25)
    except DiedError:
        town.kill(B)
        town.start(B)
        town.tick(3, by=0.25)
    snapshot = town.node(B).snapshot
    assert (snapshot.state, snapshot.size, snapshot.resting) == ("serving", size, True)


@pytest.mark.parametrize("at", range(6))
def test_a_commit_that_fails_while_coming_back_only_delays_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    town = Town(A, B, E, folder=tmp_path, gathers=False)
    town.start()
    furnish(town, B)
    furnish(town, E)
    grant = lend(town, E, B)
    open_case(town, B, E, grant, "1")
    town.tick(60)
    before, mark = town.node(B).snapshot, town.houses[B].fence.mark
    assert mark is not None
    wipe(town, tmp_path, B)

    commits, honest = count(), Node._commit_now
    failed = []

    def commit(self: Node, connection: Any, transaction: Any) -> None:
        if self is town.houses[B].node and self._wrote and next(commits) == at:
            failed.append(at)
            transaction.rollback()
            raise sqlite3.OperationalError("database or disk is full")
        honest(self, connection, transaction)

    monkeypatch.setattr(Node, "_commit_now", commit)
    town.start(B)
    town.tick(8, by=0.25)
    snapshot = town.node(B).snapshot
    assert (snapshot.state, snapshot.size) == ("serving", before.size)
    assert snapshot.commit >= mark.commit
    assert snapshot.resting
    assert failed
    monkeypatch.setattr(Node, "_commit_now", honest)
    open_case(town, B, E, grant, "2")
    assert town.node(B).snapshot.commit > mark.commit
    with town.houses[B].engine.connect() as connection:
        assert not load_memory(connection).get(REBUILDING)


# ---- replays ------------------------------------------------------------------------------------


def test_the_same_bytes_get_the_same_index_after_their_key_was_replaced() -> None:
    town = Town(A)
    town.start()
    furnish(town, A)
    officer = f"{A}/officer/manager"
    key = officer_key(officer)
    body = {
        "version": 1,
        "title": "事项",
        "code": "000131127004",
        "department": f"{A}/department/d",
        "materials": ["form"],
        "days": 20,
    }
    now_s = town.clock.ms // 1000
    act = Act("item.publish", 1, None, (), body)
    statement = sign_statement(key, officer, f"{A}/item/i", now_s, act)
    origin = town.origin(A)

    def verify(entry: bytes) -> Any:
        with town.houses[A].engine.connect() as connection:
            return Verifier(lambda: town.roster, origin).verify(connection, [entry])[0]

    (first,) = town.register(A, verify(statement.entry))
    assert first.error is None
    new_key = officer_key("another key")
    body = {"key": new_key.public, "holder": "region", "reason": "遗失"}
    town.act(A, "party.rekey", officer, body)
    (again,) = town.register(A, verify(statement.entry))
    assert (again.error, again.index) == (None, first.index)
    # What the old key signs now is refused, and so is another signature on the same words.
    late = sign_statement(key, officer, f"{A}/item/j", now_s, act)
    assert verify(late.entry).code == "unknown-key"
    broken = statement.entry[:-1] + bytes((statement.entry[-1] ^ 1,))
    assert verify(broken).code == "unknown-key"
