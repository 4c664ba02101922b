"""What our own log takes and what it refuses, block records, and the closing block."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import pytest

from ledger.checkpoint import Checkpoint
from ledger.cosignature import Line
from ledger.note import Note
from ledger.proofs import root_at
from ledger.statement import Act, Citation, Statement, decode_statement, sign_statement
from ledger.tiles import read_nodes
from ledger.views import Block, decode_block, decode_view
from nodes.core.ready import Compose, Registered
from nodes.store.reader import StoreReader
from tests import slow_map
from tests.nodes import neighbours
from tests.nodes.town import START_MS, Town, furnish, lend, officer_key, open_case

A, B, C, D, E = "500000", "510000", "520000", "530000", "540000"
NOW_S = START_MS // 1000


@pytest.fixture
def alone() -> Town:
    """A region without neighbours, with its officers."""
    town = Town(A)
    town.start()
    furnish(town, A)
    town.act(A, "basis.publish", f"{A}/basis/b", basis("依据"))
    return town


def basis(title: str) -> dict[str, Any]:
    return {"title": title, "document": "1号", "valid_from": 0, "valid_until": 2**33}


def statement(
    subject: str,
    body: Mapping[str, Any],
    *,
    kind: str = "basis.publish",
    time_s: int = NOW_S,
    previous: bytes | None = None,
    citations: tuple[Citation, ...] = (),
    region: str = A,
) -> Statement:
    """A basis that the region itself publishes, unless told otherwise."""
    act = Act(kind, 1, previous, citations, body)
    return sign_statement(neighbours.key(region, "issuer"), region, subject, time_s, act)


def entries(town: Town, region: str) -> list[bytes]:
    with town.houses[region].engine.connect() as connection:
        return list(StoreReader(connection).entries(town.origin(region), 0, 10_000))


def code(result: Registered) -> str:
    assert result.error is not None
    return result.error.code


def blocks(town: Town, region: str) -> list[tuple[int, Block]]:
    found = []
    for index, entry in enumerate(entries(town, region)):
        act = decode_statement(entry).act
        if act.kind == "log.block":
            found.append((index, decode_block(act.body)))
    return found


# ---- registering --------------------------------------------------------------------------------


def test_statements_stand_each_on_their_own_and_in_their_order(alone: Town) -> None:
    made = [statement(f"{A}/basis/n{number}", basis("依据")) for number in range(5)]
    wrong = statement(f"{A}/basis/x", {"title": "x"})
    first, bad, *rest = alone.register(A, made[0], wrong, *made[1:])
    assert code(bad) == "bad-field"
    indices = [result.index for result in (first, *rest)]
    assert indices == list(range(indices[0] or 0, (indices[0] or 0) + 5))
    stored = entries(alone, A)
    assert [stored[index or 0] for index in indices] == [it.entry for it in made]


def test_the_same_bytes_get_the_same_index_whatever_has_changed_since(alone: Town) -> None:
    made = statement(f"{A}/basis/n", basis("依据"))
    first, again = alone.register(A, made, made)
    assert first.index == again.index
    size = alone.node(A).snapshot.size
    alone.clock.ms += 10**9
    (late,) = alone.register(A, made)
    assert (late.index, late.error) == (first.index, None)
    assert alone.node(A).snapshot.size == size


def test_the_grants_that_a_batch_names_are_read_in_one_call(
    alone: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = [f"{A}/grant/1", f"{A}/grant/2", "999999/grant/3"]
    asked: list[list[str]] = []
    facts = StoreReader.facts

    def watched(self: StoreReader, wanted: Sequence[tuple[str, str, int]]) -> Any:
        asked.append([name for _, name, _ in wanted])
        return facts(self, wanted)

    monkeypatch.setattr(StoreReader, "facts", watched)
    bodies = [{"grant": it} for it in (*named, "no name\0", 5)]
    alone.register(A, *(statement(f"{A}/basis/{at}", it) for at, it in enumerate(bodies)))
    assert [it for it in asked[0] if "/grant/" in it] == named
    assert sum("/quota/" in it for it in asked[0]) == len(named)
    assert not any(it in call for call in asked[1:] for it in named)


@pytest.mark.parametrize(("ahead_s", "expected"), [(5, None), (6, "future-time")])
def test_a_time_beyond_our_clock_and_its_tolerance_is_refused(
    alone: Town, ahead_s: int, expected: str | None
) -> None:
    (result,) = alone.register(A, statement(f"{A}/basis/n", basis("x"), time_s=NOW_S + ahead_s))
    assert (result.error and result.error.code) == expected


def test_a_time_before_what_the_log_knew_of_is_refused() -> None:
    town = Town(A, B, C, D)
    town.start()
    town.act(A, "basis.publish", f"{A}/basis/b", basis("依据"))
    town.tick(130)  # a closing block by now, and mirror lines that the next block will record
    candidates = [item for _, block in blocks(town, A) for item in block.lines]
    candidates += town.node(A)._network.unrecorded()
    # Of three witnesses two make a quorum, and so the earlier of two lines is the q-th largest.
    base_s = max(min(int.from_bytes(line[4:12]) for line in item.lines) for item in candidates)
    early = statement(f"{A}/basis/n", basis("x"), time_s=base_s - 6)
    (result,) = town.register(A, early)
    assert code(result) == "stale-time"
    (result,) = town.register(A, statement(f"{A}/basis/n", basis("x"), time_s=base_s - 5))
    assert result.error is None


def test_another_previous_is_a_conflict(alone: Town) -> None:
    wrong = statement(f"{A}/basis/b", basis("x"), previous=bytes(32))
    (result,) = alone.register(A, wrong)
    assert code(result) == "wrong-previous"


@pytest.mark.parametrize("kind", ["log.view", "log.block", "log.genesis"])
def test_nobody_but_the_log_writes_its_own_entries(alone: Town, kind: str) -> None:
    (result,) = alone.register(A, statement(f"{A}/basis/b", {}, kind=kind))
    assert code(result) == "not-entitled"


def test_a_key_that_was_replaced_signs_no_more(alone: Town) -> None:
    officer = f"{A}/officer/manager"
    body = {
        "version": 1,
        "title": "事项",
        "code": "1",
        "department": f"{A}/department/d",
        "materials": [],
        "days": 1,
    }
    act = Act("item.publish", 1, None, (), body)
    made = sign_statement(officer_key(officer), officer, f"{A}/item/i", NOW_S, act)
    rekey = {"key": officer_key("new").public, "holder": "officer", "reason": "更换"}
    alone.act(A, "party.rekey", officer, rekey)
    (result,) = alone.register(A, made)
    assert code(result) == "unknown-key"
    renewed = sign_statement(officer_key("new"), officer, f"{A}/item/i", NOW_S, act)
    (result,) = alone.register(A, renewed)
    assert result.error is None


def test_a_citation_that_no_view_covers_is_refused_at_once() -> None:
    town = Town(A, B, C, D)
    town.start()
    town.rounds()
    foreign = Citation("offer", town.origin(B), 0, bytes(32))
    (result,) = town.register(A, statement(f"{A}/basis/n", basis("x"), citations=(foreign,)))
    assert code(result) == "void-citation"
    unseen = Citation("view", town.origin(B), 0, bytes(32))
    (result,) = town.register(A, statement(f"{A}/basis/n", basis("x"), citations=(unseen,)))
    assert code(result) == "void-citation"


def test_a_citation_with_another_leaf_is_refused(alone: Town) -> None:
    for index, expected in ((0, "void-citation"), (10**6, "void-citation")):
        cited = Citation("corrects", alone.origin(A), index, bytes(32))
        (result,) = alone.register(A, statement(f"{A}/basis/n", basis("x"), citations=(cited,)))
        assert code(result) == expected


# ---- composing ----------------------------------------------------------------------------------


def test_the_node_does_not_sign_for_an_officer_who_holds_the_key(alone: Town) -> None:
    officer = f"{A}/officer/manager"
    body = {"key": officer_key("own").public, "holder": "officer", "reason": "更换"}
    alone.act(A, "party.rekey", officer, body)
    result = alone.try_act(A, "item.withdraw", f"{A}/item/i", {"reason": "x"}, officer)
    assert code(result) == "not-entitled"
    result = alone.try_act(A, "item.withdraw", f"{A}/item/i", {"reason": "x"}, f"{A}/officer/x")
    assert code(result) == "not-entitled"


def test_a_composed_act_cites_its_view_and_what_its_kind_wants() -> None:
    town = Town(A, B, C, D)
    town.start()
    furnish(town, A)
    furnish(town, B)
    index = open_case(town, A, B, lend(town, B, A), "1")
    stored = entries(town, A)
    act = decode_statement(stored[index]).act
    roles = {citation.role: citation for citation in act.citations}
    assert {"view", "grant", "acceptance"} <= set(roles)
    view = decode_statement(stored[roles["view"].index])
    assert view.leaf == roles["view"].leaf
    assert decode_view(view.act.body, town.roster).origin == town.origin(B) == roles["view"].origin
    assert roles["acceptance"].origin == town.origin(A)


def test_a_correction_cites_the_entry_that_it_corrects(alone: Town) -> None:
    index = alone.act(A, "basis.publish", f"{A}/basis/c", basis("错"))
    body = {"index": index, "reason": "笔误", "remark": "对"}
    alone.act(A, "act.correct", f"{A}/basis/c", body)
    act = decode_statement(entries(alone, A)[-1]).act
    assert [(one.role, one.index) for one in act.citations] == [("corrects", index)]


def test_what_another_region_governs_cannot_be_relied_on_before_it_is_seen() -> None:
    town = Town(A, B, C, D)
    town.start()
    furnish(town, A)
    town.cut.add(B)
    body = {"window": f"{A}/window/w", "item": f"{B}/item/i"}
    result = town.try_act(A, "grant.accept", f"{B}/grant/g", body, f"{A}/officer/manager")
    assert result.error is not None


# ---- blocks -------------------------------------------------------------------------------------


def test_each_block_record_names_the_checkpoint_before_it(alone: Town) -> None:
    origin = alone.origin(A)
    with alone.houses[A].engine.connect() as connection:
        reader = StoreReader(connection)
        nodes = read_nodes(lambda wanted: reader.tiles(origin, wanted))
        found = blocks(alone, A)
        assert len(found) > 3
        for height, (index, block) in enumerate(found, 1):
            assert (block.height, block.size) == (height, index)
            assert block.root == root_at(index, nodes)
            text = Checkpoint(origin, index, block.root).text()
            assert block.note == sha256(text).digest()
            acts = slow_map.acts_of(entries(alone, A)[:index])
            assert block.map_root == slow_map.root(acts)
            assert (block.roster, block.rules) == (1, 1)


def test_a_batch_has_one_block_record_and_a_refused_batch_leaves_none(alone: Town) -> None:
    size = alone.node(A).snapshot.size
    made = [statement(f"{A}/basis/n{number}", basis("依据")) for number in range(50)]
    alone.register(A, *made)
    assert alone.node(A).snapshot.size == size + 51
    alone.register(A, statement(f"{A}/basis/b", {"title": "x"}))
    assert alone.node(A).snapshot.size == size + 51


def test_a_block_records_the_first_quorum_of_mirror_lines_of_a_candidate() -> None:
    town = Town(A, B, C, D, E)
    town.start()
    town.rounds()
    town.act(A, "basis.publish", f"{A}/basis/b", basis("x"))
    ((_, block),) = blocks(town, A)
    (item,) = block.lines
    assert item.size == 1
    assert len(item.lines) == town.roster.quorum(town.origin(A)) == 3
    for line in item.lines:
        assert Line.decode(line).time_s == NOW_S


def test_a_quiet_log_closes_with_one_block_record_and_then_none() -> None:
    town = Town(A, B, C, D)
    town.start()
    town.act(A, "basis.publish", f"{A}/basis/b", basis("x"))
    town.rounds()
    town.tick(55)
    assert town.node(A).snapshot.size == 3
    town.tick(30)
    assert town.node(A).snapshot.size == 4
    town.tick(600, by=30)
    assert town.node(A).snapshot.size == 4
    with town.houses[B].engine.connect() as connection:
        reader = StoreReader(connection)
        assert reader.seen_by(town.origin(A), 2) == (NOW_S, 3)
        assert reader.seen_by(town.origin(A), 3) is None


def test_a_closing_block_waits_for_evidence_that_there_is_none_of_yet() -> None:
    town = Town(A, B, C, D)
    town.start()
    town.rounds()
    town.cut.add(A)
    town.act(A, "basis.publish", f"{A}/basis/b", basis("x"))
    town.tick(300, by=30)
    assert town.node(A).snapshot.size == 3
    town.cut.clear()
    town.tick(90)
    assert town.node(A).snapshot.size == 4


def test_an_act_after_a_long_silence_stands_behind_a_fresh_view() -> None:
    town = Town(A, B, C, D)
    town.start()
    town.act(A, "basis.publish", f"{A}/basis/b", basis("x"))
    town.tick(700, by=30)
    index = town.act(A, "basis.publish", f"{A}/basis/c", basis("x"))
    before = decode_statement(entries(town, A)[index - 1])
    assert before.act.kind == "log.view"
    fresh_at_s = decode_view(before.act.body, town.roster).fresh_at_s
    assert town.clock.ms // 1000 - fresh_at_s <= 60


def test_the_published_note_is_the_logs_own_and_covers_everything(alone: Town) -> None:
    snapshot = alone.node(A).snapshot
    note = Note.decode(snapshot.note)
    assert len(note.signatures) == 1
    assert Checkpoint.decode(note.text) == Checkpoint(alone.origin(A), snapshot.size, snapshot.root)


def test_an_unknown_kind_is_refused_and_answered(alone: Town) -> None:
    event = Compose(request_id=7, kind="no.such", issuer=A, subject=f"{A}/basis/b", body={})
    (result,) = alone.ask(A, event)
    assert code(result) == "unknown-kind"
