"""What a node does while nobody waits, so that the next act need not wait for it."""

from pathlib import Path

from ledger.statement import Statement, decode_statement
from ledger.views import BLOCK_KIND, decode_block
from nodes.core.extension import EXTEND
from nodes.core.ready import Compose
from nodes.store.maps import load_newest
from nodes.store.reader import StoreReader
from tests.nodes.town import Driven, Town

A, B, C, D = "500000", "510000", "520000", "530000"


def asked(number: int) -> Compose:
    return Compose(
        request_id=number,
        kind="party.enrol",
        issuer=A,
        subject=f"{A}/hall/h{number}",
        body={"name": "厅"},
    )


def enrol(town: Town, number: int) -> int:
    return town.act(A, "party.enrol", f"{A}/hall/h{number}", {"name": "厅"})


def own(town: Town, index: int) -> Statement:
    with town.houses[A].engine.connect() as connection:
        (entry,) = StoreReader(connection).entries(town.origin(A), index, index + 1)
    return Statement(*decode_statement(entry))


def block_before(town: Town, index: int) -> Statement:
    block = own(town, index - 1)
    assert block.act.kind == BLOCK_KIND
    return block


def test_answers_may_leave_before_requests_which_then_wait_one_step_and_no_more() -> None:
    town = Town(A, B)
    town.start()
    town.rounds()
    outboxes = [
        town.node(A).step([asked(number)], town.clock.ms, answers_first=True)
        for number in range(1, 5)
    ]
    assert [[reply.request_id for reply in it.replies] for it in outboxes] == [[1], [2], [3], [4]]
    first, second, third, _ = outboxes
    assert (first.requests, first.wake_at_ms) == ((), town.clock.ms)
    assert [(it.to, it.path) for it in second.requests] == [(B, EXTEND)]
    assert (third.requests, third.wake_at_ms) == ((), town.clock.ms)


def test_a_step_without_askers_sends_what_the_one_before_has_left() -> None:
    town = Town(A, B)
    town.start()
    town.rounds()
    assert not town.node(A).step([asked(1)], town.clock.ms, answers_first=True).requests
    left = town.node(A).step((), town.clock.ms, answers_first=True).requests
    assert [(it.to, it.path) for it in left] == [(B, EXTEND)]


def test_the_next_block_record_is_signed_as_soon_as_all_its_lines_are_there() -> None:
    town = Driven(A, B, C, D)
    town.start()
    town.rounds()
    enrol(town, 1)
    town.settle()
    at_s = town.clock.ms // 1000
    town.clock.ms += 2_000
    index = enrol(town, 2)
    block = block_before(town, index)
    assert (block.time_s, own(town, index).time_s) == (at_s, at_s + 2)
    assert len(decode_block(block.act.body).lines) == 1
    town.settle()
    assert [town.findings(region) for region in (A, B, C, D)] == [[], [], [], []]
    assert town.node(A).snapshot.replicated_size == index + 1


def test_a_block_record_that_was_signed_long_ago_is_signed_anew() -> None:
    town = Driven(A, B, C, D)
    town.start()
    town.rounds()
    enrol(town, 1)
    town.settle()
    town.clock.ms += town.roster.constants.delta_s * 1000 + 1_000
    index = enrol(town, 2)
    assert block_before(town, index).time_s == town.clock.ms // 1000


def test_a_clock_that_was_set_back_makes_the_block_record_anew() -> None:
    town = Driven(A, B, C, D)
    town.start()
    town.rounds()
    enrol(town, 1)
    town.settle()
    town.clock.ms -= 2_000
    assert block_before(town, enrol(town, 2)).time_s == town.clock.ms // 1000


def test_a_block_record_of_before_more_entries_is_not_used() -> None:
    town = Driven(A, B, C, D)
    town.start()
    town.rounds()
    town.cut = {B, C, D}
    first = enrol(town, 1)
    second = enrol(town, 2)
    sizes = [decode_block(block_before(town, it).act.body).size for it in (first, second)]
    assert sizes == [first - 1, second - 1]
    town.cut = set()
    town.tick(60)
    assert [town.findings(region) for region in (A, B, C, D)] == [[], [], [], []]


def test_a_map_that_was_written_before_its_block_record_outlives_a_crash(tmp_path: Path) -> None:
    town = Driven(A, B, C, D, folder=tmp_path)
    town.start()
    town.rounds()
    enrol(town, 1)
    town.settle()
    size = town.node(A).snapshot.size
    with town.houses[A].engine.connect() as connection:
        assert load_newest(connection, StoreReader(connection).ids, town.origin(A)).size == size
    town.kill(A)
    town.start(A)
    index = enrol(town, 2)
    assert decode_block(block_before(town, index).act.body).size == size == index - 1
    town.settle()
    town.rounds()
    assert town.node(B).snapshot.logs[town.origin(A)].judged_size == index + 1
    assert [town.findings(region) for region in (A, B, C, D)] == [[], [], [], []]
