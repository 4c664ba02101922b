"""Whole nodes, one of which was shown another history of a log than all the others."""

import sqlite3
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from ledger.errors import UnavailableError
from ledger.proofs import root_at
from ledger.roster_fields import Closing
from ledger.tiles import read_nodes
from nodes.core.ready import Event
from nodes.core.turning import astray_in, turns_in
from nodes.node import Limits, Outbox, Settings
from nodes.store.copies import load_aside_entries, load_asides
from nodes.store.engine import open_sqlite
from nodes.store.entries import LogIDs, load_tiles, stored_size
from nodes.store.notes import load_memory
from nodes.store.peers import load_row
from nodes.store.reader import StoreReader
from tests.nodes import town as stage
from tests.nodes.town import Town, furnish, lend

A, B, C, D, LIAR = "500000", "510000", "520000", "530000", "540000"


class DecidedError(Exception):
    """D has decided to turn, and has done nothing about it yet."""


class Watched(Town):
    """A town that stands still at that moment."""

    def step(self, region: str, *events: Event) -> Outbox:
        outbox = super().step(region, *events)
        if region == D and astray_in(memory(self, D)):
            raise DecidedError
        return outbox


def decide(town: Town) -> None:
    """Let D see what the others rely on, and end its process as soon as it has decided."""
    with pytest.raises(DecidedError):
        town.tick(100, by=0.5)
    town.kill(D)


def forked(folder: Path) -> Town:
    """A, B and C hold one history of the liar's log, which A relies on; D holds another."""
    town = Watched(A, B, C, D, LIAR, folder=folder)
    town.start()
    for region in (LIAR, A, D):
        furnish(town, region)
    town.rounds()
    lend(town, LIAR, D, "g0")
    town.settle()
    town.rounds()
    mark = town.houses[LIAR].fence.mark
    with (
        sqlite3.connect(folder / f"{LIAR}.sqlite") as now,
        sqlite3.connect(folder / "kept") as kept,
    ):
        now.backup(kept)
    town.cut = {D}
    grant = lend(town, LIAR, A)
    town.rounds()
    town.kill(LIAR)
    town.houses[LIAR].engine = open_sqlite(folder / "kept")
    town.houses[LIAR].fence.mark = mark
    town.cut = {A, B, C}
    town.begin(LIAR)
    town.settle()
    town.tick(3, by=1)
    for number in range(3):
        town.act(LIAR, "party.enrol", f"{LIAR}/hall/other{number}", {"name": "大厅"})
    town.settle()
    town.kill(LIAR)
    town.cut = set()
    assert town.fact(D, town.origin(LIAR), f"{LIAR}/hall/other0") is not None
    assert town.fact(A, town.origin(LIAR), grant) is not None
    return town


def memory(town: Town, region: str) -> dict[str, bytes]:
    with town.houses[region].engine.connect() as connection:
        return dict(load_memory(connection))


def judged(town: Town, region: str, of: str) -> tuple[int, int]:
    status = town.node(region).snapshot.logs[town.origin(of)]
    return status.judged_size, status.stored_size


def test_the_other_branch_is_turned_to_and_what_relies_on_it_is_judged(tmp_path: Path) -> None:
    town = forked(tmp_path)
    origin = town.origin(LIAR)
    with town.houses[D].engine.connect() as connection:
        row = load_row(connection, origin)
        before = StoreReader(connection).entries(origin, 0, 1_000)
    decide(town)
    town.begin(D)
    assert town.node(D).snapshot.state == "serving"
    town.settle()
    assert turns_in(memory(town, D))
    assert not astray_in(memory(town, D))
    for _ in range(50):
        town.clock.ms += 500
        town.rounds(1)
    assert judged(town, D, LIAR) == judged(town, B, LIAR)
    town.tick(5, by=1)
    for region in (A, B, C):
        assert judged(town, D, region) == judged(town, B, region)
    assert sorted(town.findings(D)) == sorted(town.findings(B))
    assert not town.node(D)._withheld.is_waiting
    for name in (f"{LIAR}/grant/g1", f"{LIAR}/hall/other0", f"{LIAR}/hall/h"):
        assert town.fact(D, origin, name) == town.fact(B, origin, name)
    with town.houses[D].engine.connect() as connection:
        ids = LogIDs()
        assert load_row(connection, origin) == row
        [aside] = load_asides(connection, ids, origin)
        rest = load_aside_entries(connection, ids, origin, 0, 0, 1_000)
        held = StoreReader(connection).entries(origin, 0, 1_000)
        assert aside.size == len(before)
        assert [*held[: aside.kept_size], *rest] == list(before)
        assert stored_size(connection, origin) == len(held)
    # It serves what it holds now, and starts again with it.
    town.kill(D)
    town.begin(D)
    town.settle()
    assert town.node(D).snapshot.state == "serving"
    assert judged(town, D, LIAR) == judged(town, B, LIAR)
    town.act(D, "party.enrol", f"{D}/hall/more", {"name": "大厅"})


def test_no_act_is_taken_before_what_it_may_rely_on_is_judged_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of what a view shows would be a grant without its end."""
    town = forked(tmp_path)
    decide(town)
    slow = Limits(judged_entries_max=3, judged_chunk_entries_max=3)
    with monkeypatch.context() as patch:
        patch.setattr(stage, "Settings", partial(Settings, limits=slow))
        node = town.begin(D)
    node._asking_until_ms = None  # its witnesses' word on its own log has come
    origin = town.origin(LIAR)
    viewed = node._sequencer.state.views[origin].size
    assert viewed > 9
    subject, body = f"{D}/hall/now", {"name": "大厅"}
    for _ in range(2):
        with pytest.raises(UnavailableError) as refused:
            town.act(D, "party.enrol", subject, body)
        assert refused.value.code == "judging-again"
        assert judged(town, D, LIAR)[0] < viewed
        assert origin not in town.node(D).snapshot.views
    for _ in range(viewed):
        town.step(D)
    assert judged(town, D, LIAR)[0] >= viewed
    assert town.node(D).snapshot.views[origin].size == viewed
    town.act(D, "party.enrol", subject, body)


def test_of_a_copy_that_was_closed_elsewhere_all_that_is_known_to_be_replicated_stays(
    tmp_path: Path,
) -> None:
    """Else our own log, which has viewed it, would wait for other regions to bring it again."""
    town = forked(tmp_path)
    origin, node = town.origin(LIAR), town.node(D)
    with town.houses[A].engine.connect() as connection:
        ids = LogIDs()
        size = stored_size(connection, origin)
        read = read_nodes(lambda wanted: load_tiles(connection, ids, origin, wanted))
        stands = Closing(size - 1, root_at(size - 1, read), None)
        before = StoreReader(connection).entries(origin, 0, size)
    known = node._network.known[origin]
    with town.houses[D].engine.connect() as connection:
        held = StoreReader(connection).entries(origin, 0, size)
        for closing, kept in (
            (stands, {origin: known.size}),
            (Closing(known.size, known.root, None), {}),
            (Closing(known.size, bytes(32), None), {origin: 0}),
        ):
            newest = SimpleNamespace(closed={origin: closing})
            node._rosters = SimpleNamespace(newest=newest)  # type: ignore[assignment]
            assert node._elsewhere(connection) == kept
    assert 0 < known.size < size
    assert held[: known.size] == before[: known.size]
    assert held != before
