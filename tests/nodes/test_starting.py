"""A node that has just started signs nothing into its log before its witnesses have had a word."""

import asyncio
import socket
import sqlite3
from pathlib import Path

import pytest
from aiohttp import web

from ledger.errors import UnavailableError
from nodes.api.protocol import listen
from nodes.core.ready import Compose, PeerAnswered, PeerRequest, RegisterReply
from nodes.node import ASKING_MS_MAX, Outbox
from tests.nodes.town import Town

A, B, C, D = "500000", "510000", "520000", "530000"


def enrolment(name: str, request_id: int = 7) -> Compose:
    return Compose(
        request_id=request_id,
        kind="party.enrol",
        issuer=A,
        subject=f"{A}/department/{name}",
        body={"name": "部门"},
    )


def said(outbox: Outbox) -> list[object]:
    """For each act that is answered, that it is done, or the code of its refusal."""
    found: list[object] = []
    for reply in outbox.replies:
        if isinstance(reply.value, RegisterReply):
            found += ["done" for it in reply.value.results if it.index is not None]
        else:
            found.append(getattr(reply.value, "code", None))
    return found


def asking(town: Town) -> list[PeerRequest]:
    """The questions of A that nobody has answered yet."""
    found = [request for region, request in town._queue if region == A]
    town._queue.clear()
    return [it for it in found if it.path.startswith("/peer/newest/")]


def restored(folder: Path) -> Town:
    """A network of four, whose first region was put back to a backup together with its fence."""
    town = Town(A, B, C, D, folder=folder)
    town.start()
    town.act(A, "party.enrol", f"{A}/department/d", {"name": "部门"})
    town.rounds()
    house = town.houses[A]
    town.kill(A)
    house.engine.dispose()
    old, old_mark = (folder / f"{A}.sqlite").read_bytes(), house.fence.mark
    town.start(A)
    town.act(A, "party.enrol", f"{A}/department/e", {"name": "部门"})
    town.rounds()
    town.kill(A)
    house.engine.dispose()
    for left in folder.glob(f"{A}.sqlite*"):
        left.unlink()
    (folder / f"{A}.sqlite").write_bytes(old)
    house.fence.mark = old_mark
    return town


def test_a_node_restored_with_its_fence_signs_no_second_entry_where_one_stood(
    tmp_path: Path,
) -> None:
    town = restored(tmp_path)
    node = town.begin(A)
    size = node.snapshot.size
    assert said(town.step(A, enrolment("f"))) == []
    assert node.snapshot.size == size
    # The first witness that remembers more ends it.
    first = asking(town)[0]
    town._queue.append((A, first))
    town.settle()
    assert node.snapshot.state == "behind-witnesses"
    assert node.snapshot.size == size
    assert said(town.step(A, enrolment("g"))) == ["behind-witnesses"]


def test_acts_that_came_meanwhile_are_done_with_the_last_witnesss_answer() -> None:
    town = Town(A, B, C, D)
    town.start()
    town.act(A, "party.enrol", f"{A}/department/d", {"name": "部门"})
    town.rounds()
    town.kill(A)
    town.begin(A)
    assert said(town.step(A, enrolment("e", 7))) == []
    assert said(town.step(A, enrolment("f", 8))) == []
    *before, last = asking(town)
    assert len(before) == 2
    for request in before:
        answered = town.step(A, PeerAnswered(request.request_id, 404, b""))
        assert said(answered) == []
    # An answer is an answer, also that there is none; no time has passed.
    done = town.step(A, PeerAnswered(last.request_id, 0, b"refused"))
    assert said(done) == ["done", "done"]
    assert [reply.request_id for reply in done.replies] == [7, 8]


def test_a_region_that_is_cut_off_is_not_kept_waiting() -> None:
    town = Town(A, B, C, D)
    town.begin(A)
    outbox = town.step(A, enrolment("d"))
    assert said(outbox) == []
    assert outbox.wake_at_ms == town.clock.ms + ASKING_MS_MAX
    town.clock.ms += ASKING_MS_MAX - 1
    assert said(town.step(A)) == []
    town.clock.ms += 1
    assert said(town.step(A)) == ["done"]
    # And never again, though still nobody has answered.
    assert said(town.step(A, enrolment("e"))) == ["done"]


def test_a_clock_that_is_set_back_ends_the_waiting() -> None:
    town = Town(A, B, C, D)
    town.begin(A)
    town.clock.ms -= 60_000
    assert said(town.step(A, enrolment("d"))) == ["done"]


def test_a_single_region_starts_at_once() -> None:
    town = Town(A)
    town.begin(A)
    assert said(town.step(A, enrolment("d"))) == ["done"]


def test_acts_beyond_what_can_wait_are_told_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nodes.node.HELD_MAX", 1)
    town = Town(A, B, C, D)
    town.begin(A)
    assert said(town.step(A, enrolment("d"), enrolment("e", 8))) == ["busy"]
    town.clock.ms += ASKING_MS_MAX
    assert said(town.step(A)) == ["done"]


def test_acts_that_wait_are_told_when_the_database_gives_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    town = Town(A, B, C, D)
    node = town.begin(A)
    assert said(town.step(A, enrolment("d"))) == []

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(node, "_commit_now", full)
        outbox = town.step(A, enrolment("e", 8))
    assert said(outbox) == ["disk", "disk"]
    assert [reply.request_id for reply in outbox.replies] == [7, 8]
    # Nothing of it was done, and nothing is done later.
    town.clock.ms += ASKING_MS_MAX
    assert said(town.step(A)) == []
    assert said(town.step(A, enrolment("d"))) == ["done"]


def test_an_address_that_another_process_has_is_told_with_its_port() -> None:
    async def start(port: int) -> None:
        runner = web.AppRunner(web.Application())
        await runner.setup()
        try:
            await listen(runner, "127.0.0.1", port, None)
        finally:
            await runner.cleanup()

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=str(port)) as caught:
            asyncio.run(start(port))
    assert caught.value.code == "no-listener"
