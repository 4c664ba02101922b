"""Whole nodes: what survives a crash, when one refuses to write, and how it comes back."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger.errors import FatalError, MalformedError, UnavailableError
from ledger.hashing import EMPTY_ROOT
from ledger.statement import Act, decode_statement, sign_statement
from nodes.core.ready import Compose, Register, RegisterReply
from nodes.node import Node, Ports, RoleKeys, Settings, build
from nodes.ports import FenceMark
from nodes.store.engine import WRITER
from nodes.verifier import Verifier
from tests.nodes import neighbours
from tests.nodes.town import Town, furnish, lend, officer_key, open_case

A, B, C, D, E = "500000", "510000", "520000", "530000", "540000"


def enrol(town: Town, region: str, name: str) -> int:
    return town.act(region, "party.enrol", f"{region}/department/{name}", {"name": "部门"})


def restart(town: Town, region: str) -> Node:
    """Kill a node without warning, and start another over what it left."""
    town.kill(region)
    town.start(region)
    return town.node(region)


def test_a_log_begins_with_its_genesis_and_is_replicated(tmp_path: Path) -> None:
    town = Town(A, B, C, D, folder=tmp_path)
    town.start()
    town.rounds()
    for region in town.houses:
        snapshot = town.node(region).snapshot
        assert (snapshot.state, snapshot.size) == ("serving", 1)
        assert (snapshot.witnessed_size, snapshot.replicated_size) == (1, 1)
        assert all(log.judged_size == 1 for log in snapshot.logs.values())


def test_a_node_restarts_where_it_was_with_every_acknowledged_act(tmp_path: Path) -> None:
    town = Town(A, B, C, D, folder=tmp_path)
    town.start()
    for number in range(300):
        enrol(town, A, f"d{number}")
    town.rounds()
    before = town.node(A).snapshot
    after = restart(town, A).snapshot
    assert (after.size, after.root, after.note) == (before.size, before.root, before.note)
    assert after.replicated_size == before.replicated_size
    index = enrol(town, A, "one-more")
    assert index == before.size + 1  # the block record stands before it
    town.rounds()
    assert town.node(B).snapshot.logs[town.origin(A)].judged_size == index + 1
    assert town.findings(B) == []


def test_two_runs_of_the_same_acts_give_the_same_bytes() -> None:
    roots = []
    for _ in range(2):
        town = Town(A, B, C, D)
        town.start()
        furnish(town, A)
        town.tick(90)
        roots.append([house.running.snapshot.root for house in town.houses.values()])
    assert roots[0] == roots[1]


def test_nothing_leaves_before_the_fence_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town(A)
    town.start()
    house = town.houses[A]

    def broken(_mark: FenceMark) -> None:
        raise FatalError("the fence cannot be written")

    monkeypatch.setattr(house.fence, "store", broken)
    shown = house.running.snapshot
    with pytest.raises(FatalError):
        enrol(town, A, "d")
    assert house.running.snapshot is shown


def test_a_store_past_its_fence_moves_the_fence_up(tmp_path: Path) -> None:
    """A crash between the commit and the fence."""
    town = Town(A, folder=tmp_path)
    town.start()
    house = town.houses[A]
    early = house.fence.mark
    enrol(town, A, "d")
    late = house.fence.mark
    house.fence.mark = early
    assert restart(town, A).snapshot.state == "serving"
    assert house.fence.mark == late


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _mark: None,
        lambda mark: FenceMark(mark.commit + 1, mark.size, mark.root),
        lambda mark: FenceMark(mark.commit, mark.size + 1, mark.root),
        lambda mark: FenceMark(mark.commit, mark.size, bytes(32)),
    ],
    ids=["missing", "commit", "size", "root"],
)
def test_a_node_behind_its_fence_serves_reads_and_writes_nothing(
    tmp_path: Path, spoil: Callable[[FenceMark], FenceMark | None]
) -> None:
    town = Town(A, B, C, D, folder=tmp_path)
    town.start()
    enrol(town, A, "d")
    house = town.houses[A]
    assert house.fence.mark is not None
    house.fence.mark = spoiled = spoil(house.fence.mark)
    town.calls.clear()
    node = restart(town, A)
    assert node.snapshot.state == "behind-fence"
    size = node.snapshot.size
    assert size > 0
    with pytest.raises(UnavailableError) as refused:
        enrol(town, A, "e")
    assert refused.value.code == "behind-fence"
    enrol(town, B, "d")
    town.rounds()
    assert town.node(A).snapshot.size == size
    assert town.node(A).snapshot.commit == node.snapshot.commit
    assert house.fence.mark == spoiled
    assert not any(call[0] == A and "c2sp" in call[2] for call in town.calls)


def test_an_altered_entry_is_found_at_the_start_and_nothing_is_signed(tmp_path: Path) -> None:
    town = Town(A, B, C, D, folder=tmp_path)
    town.start()
    for number in range(20):
        enrol(town, A, f"d{number}")
    town.kill(A)
    with town.houses[A].engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE entries SET entry = CAST(substr(entry, 1, 99) || x'00' AS BLOB)"
                " WHERE (key & 1023) = 7"
            )
        )
    node = restart(town, A)
    assert node.snapshot.state == "behind-fence"
    assert "entry 7" in node.snapshot.detail
    with pytest.raises(UnavailableError):
        enrol(town, A, "e")


def test_an_older_copy_of_the_database_is_behind_the_witnesses_even_with_its_old_fence(
    tmp_path: Path,
) -> None:
    town = Town(A, B, C, D, folder=tmp_path)
    town.start()
    enrol(town, A, "d")
    town.rounds()
    house = town.houses[A]
    town.kill(A)
    house.engine.dispose()
    old, old_mark = (tmp_path / f"{A}.sqlite").read_bytes(), house.fence.mark
    town.start(A)
    enrol(town, A, "e")
    town.rounds()
    town.kill(A)
    house.engine.dispose()
    for left in tmp_path.glob(f"{A}.sqlite*"):
        left.unlink()
    (tmp_path / f"{A}.sqlite").write_bytes(old)
    house.fence.mark = old_mark
    node = restart(town, A)
    town.rounds()
    assert node.snapshot.state == "behind-witnesses"
    with pytest.raises(UnavailableError):
        enrol(town, A, "f")
    # It remembers that over a restart, though nobody tells it again.
    town.cut.add(A)
    assert restart(town, A).snapshot.state == "behind-witnesses"


def test_a_lost_database_is_fetched_back_judged_and_the_node_goes_on(tmp_path: Path) -> None:
    town = Town(A, B, C, D, E, folder=tmp_path, staleness_s=180, refresh_s=30)
    town.start()
    furnish(town, B)
    furnish(town, E)
    grant = lend(town, E, B)
    open_case(town, B, E, grant, "1")
    town.tick(60)
    house = town.houses[B]
    before, mark = town.node(B).snapshot, house.fence.mark
    assert before.replicated_size == before.size
    town.kill(B)
    house.engine.dispose()
    for left in tmp_path.glob(f"{B}.sqlite*"):
        left.unlink()
    node = restart(town, B)
    assert node.snapshot.size <= before.size
    town.tick(90)
    after = town.node(B).snapshot
    assert (after.state, after.resting) == ("serving", True)
    assert after.commit > before.commit
    assert mark is not None
    assert house.fence.mark is not None
    assert house.fence.mark.commit > mark.commit
    open_case(town, B, E, grant, "2")
    town.tick(60)
    for region in town.houses:
        assert town.findings(region) == []
        logs = town.node(region).snapshot.logs
        assert logs[town.origin(B)].judged_size == town.node(B).snapshot.size
    resting = restart(town, B).snapshot
    assert (resting.state, resting.resting) == ("serving", True)


def test_a_locked_database_refuses_and_recovers(tmp_path: Path) -> None:
    town = Town(A, folder=tmp_path)
    town.start()
    enrol(town, A, "d")
    size = town.node(A).snapshot.size
    other = sqlite3.connect(tmp_path / f"{A}.sqlite")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError) as refused:
        enrol(town, A, "e")
    assert refused.value.code == "busy"
    other.rollback()
    other.close()
    assert town.node(A).snapshot.size == size
    enrol(town, A, "e")
    assert town.node(A).snapshot.size == size + 2


def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    town = Town(A, folder=tmp_path)
    town.start()
    enrol(town, A, "d")
    house = town.houses[A]
    _limit_pages(town, 0)
    mark = house.fence.mark
    refused: UnavailableError | None = None
    for number in range(100):
        try:
            enrol(town, A, f"f{number}")
        except UnavailableError as error:
            refused = error
            break
        mark = house.fence.mark
    assert refused is not None
    assert refused.code == "disk"
    assert house.fence.mark == mark
    _limit_pages(town, 1_000_000)
    size = town.node(A).snapshot.size
    enrol(town, A, "e")
    assert town.node(A).snapshot.size == size + 2


def _limit_pages(town: Town, pages: int) -> None:
    """Let the database grow no further than it is, or to so many pages."""
    engine = town.houses[A].engine
    engine.dispose()
    # The pool has one connection, so it is the one that the node gets next.
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        (present,) = raw.execute("PRAGMA page_count").fetchone()
        raw.execute(f"PRAGMA max_page_count = {pages or present}")


def test_a_failed_step_leaves_no_trace_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = Town(A, folder=tmp_path)
    town.start()
    enrol(town, A, "d")
    before = town.node(A).snapshot

    def failing(*_args: object, **_named: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("nodes.store.notes.count_commit", failing)
        with pytest.raises(UnavailableError) as refused:
            enrol(town, A, "e")
    assert refused.value.code == "disk"
    index = enrol(town, A, "e")
    assert index == before.size + 1
    town.rounds()
    assert town.node(A).snapshot.size == before.size + 2
    assert restart(town, A).snapshot.size == before.size + 2


def test_another_writer_on_the_same_store_is_fatal(tmp_path: Path) -> None:
    town = Town(A, folder=tmp_path)
    town.start()
    with town.houses[A].engine.connect() as connection:
        connection.execution_options(**{WRITER: True}).execute(
            text("UPDATE commits SET number = number + 1")
        )
        connection.commit()
    with pytest.raises(FatalError):
        enrol(town, A, "d")


def test_a_region_alone_claims_no_finality_and_records_no_views() -> None:
    town = Town(A)
    town.start()
    furnish(town, A)
    town.tick(1_000, by=100)
    snapshot = town.node(A).snapshot
    assert (snapshot.witnessed_size, snapshot.replicated_size) == (0, 0)
    assert not snapshot.views
    assert snapshot.size == 1 + 2 * 6
    assert town.calls == []


def test_a_key_that_is_not_the_rosters_is_refused() -> None:
    town = Town(A)
    keys = {role: neighbours.key(A, role) for role in ("log", "witness", "mirror", "receipt")}
    ports = Ports(
        clock=town.clock,
        fence=town.houses[A].fence,
        keys=RoleKeys(**keys, issuer=neighbours.key(B, "issuer")),
        officers=town.houses[A].officers,
        engine=town.houses[A].engine,
    )
    with pytest.raises(MalformedError):
        build(Settings(region=A), town.chain, ports)


def test_a_missing_fence_on_an_empty_store_counts_as_behind() -> None:
    town = Town(A)
    town.houses[A].fence.mark = None
    town.start()
    snapshot = town.node(A).snapshot
    assert (snapshot.state, snapshot.size, snapshot.root) == ("behind-fence", 0, EMPTY_ROOT)


def test_a_release_that_is_owed_survives_a_crash_before_it_can_be_done(tmp_path: Path) -> None:
    town = Town(A, B, C, D, E, folder=tmp_path, staleness_s=180, refresh_s=30)
    town.start()
    furnish(town, B)
    furnish(town, E)
    grant = lend(town, E, B)
    open_case(town, B, E, grant, "1")
    case = f"{B}/case/1"
    town.act(B, "handoff.offer", case, {"unit": f"{E}/department/d"}, f"{B}/officer/clerk")
    town.rounds()
    # B hears of nobody from here on, and then of all at once, with crashes in between.
    town.cut.add(B)
    town.act(E, "handoff.accept", case, {"holder": B}, f"{E}/officer/decider")
    town.rounds()
    restart(town, B)
    assert town.fact(B, town.origin(B), case).state["at"] == "offered"
    town.cut.clear()
    town.tick(60)
    assert town.fact(B, town.origin(B), case).state["at"] == "away"
    size = town.node(B).snapshot.size
    restart(town, B)
    town.tick(15)
    assert town.node(B).snapshot.size <= size + 1  # a closing block at most


def test_a_decline_is_answered_with_a_cancel() -> None:
    town = Town(A, B, C, D, E)
    town.start()
    furnish(town, B)
    furnish(town, E)
    grant = lend(town, E, B)
    open_case(town, B, E, grant, "1")
    case = f"{B}/case/1"
    town.act(B, "handoff.offer", case, {"unit": f"{E}/department/d"}, f"{B}/officer/clerk")
    town.rounds()
    body = {"holder": B, "reason": "材料不全"}
    town.act(E, "handoff.decline", case, body, f"{E}/officer/decider")
    town.rounds()
    assert town.fact(B, town.origin(B), case).state["at"] == "held"
    town.rounds()
    assert all(town.findings(region) == [] for region in town.houses)


def test_inside_one_region_the_release_stands_in_the_same_batch_as_the_accept() -> None:
    town = Town(A)
    town.start()
    furnish(town, A)
    item = f"{A}/item/i"
    body = {
        "version": 1,
        "title": "事项",
        "code": "000131127004",
        "department": f"{A}/department/d",
        "materials": ["form"],
        "days": 20,
    }
    town.act(A, "item.publish", item, body, f"{A}/officer/manager")
    case, decider = f"{A}/case/1", f"{A}/officer/decider"
    opened = {
        "item": item,
        "item_version": 1,
        "department": f"{A}/department/d",
        "mode": "agency",
    }
    town.act(A, "case.open", case, opened, decider)
    town.act(A, "handoff.offer", case, {"unit": f"{A}/window/w"}, decider)
    index = town.act(A, "handoff.accept", case, {"holder": A}, f"{A}/officer/clerk")
    assert town.node(A).snapshot.size == index + 2
    assert town.fact(A, town.origin(A), case).state["unit"] == f"{A}/window/w"


def test_a_verifier_takes_good_signatures_and_says_what_is_wrong_with_others() -> None:
    town = Town(A)
    town.start()
    furnish(town, A)
    officer = f"{A}/officer/clerk"
    act = Act("case.note", 1, None, (), {"remark": "x"})
    good = sign_statement(officer_key(officer), officer, f"{A}/case/1", 1_800_000_000, act)
    stranger = sign_statement(officer_key("x"), officer, f"{A}/case/1", 1_800_000_000, act)
    own = sign_statement(neighbours.key(A, "issuer"), A, f"{A}/case/1", 1_800_000_000, act)
    broken = good.entry[:-1] + bytes((good.entry[-1] ^ 1,))
    verifier = Verifier(lambda: town.roster, town.origin(A))
    for _ in range(2):
        with town.houses[A].engine.connect() as connection:
            results = verifier.verify(
                connection, [good.entry, stranger.entry, own.entry, broken, b"x"]
            )
        codes = [getattr(result, "code", "good") for result in results]
        assert codes == ["good", "unknown-key", "good", "bad-signature", "wrong-tag"]


def test_every_asker_of_a_step_gets_one_answer() -> None:
    town = Town(A)
    town.start()
    events = [
        Compose(
            request_id=1, kind="party.enrol", issuer=A, subject=f"{A}/hall/h", body={"name": "厅"}
        ),
        Register(2, ()),
        Compose(request_id=3, kind="no.such", issuer=A, subject=f"{A}/hall/h", body={}),
    ]
    outbox = town.step(A, *events)
    assert [reply.request_id for reply in outbox.replies] == [1, 2, 3]
    values = [reply.value for reply in outbox.replies]
    assert all(isinstance(value, RegisterReply) for value in values)
    assert [len(value.results) for value in values if isinstance(value, RegisterReply)] == [1, 0, 1]
    entry = values[0].results[0].entry if isinstance(values[0], RegisterReply) else b""
    assert decode_statement(entry).subject == f"{A}/hall/h"


def test_a_table_of_kinds_can_be_replaced() -> None:
    town = Town(A, kinds={})
    town.start()
    result = town.try_act(A, "party.enrol", f"{A}/hall/h", {"name": "厅"})
    assert result.error is not None
    assert result.error.code == "unknown-kind"
