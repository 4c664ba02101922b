"""Was it live then, was it ended, are these all: told from a bundle, from nothing else."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256

import pytest

from authz.case_bundle import wanted
from authz.object_bundle import ObjectLife, judge_object
from ledger.bundle import VerifiedBundle, check_bundle
from ledger.bundle_file import Bundle, ProvenLog, ProvenMap
from ledger.errors import MalformedError, UnverifiedError
from ledger.map_tree import prove, rebuild
from ledger.views import Block, BlockLines, block_body
from tests import slow_map
from tests.authz.test_case_bundle import Reader, whole_case
from tests.authz.world import (
    CASE,
    GRANT,
    HEAD,
    ITEM,
    ITEM_BODY,
    KINDS,
    ROSTER,
    SICHUAN,
    SIGNED,
    TIBET,
    World,
)
from tests.vectors.own.network import TIME_S, Log, proven

NOTE_S = TIME_S + 100
"""What a quorum of mirrors says of the newest notes (``Log.lines``)."""
HERE, THERE = ROSTER.origin_of(SICHUAN), ROSTER.origin_of(TIBET)


def record(log: Log, lines_at: int | None = None, times: tuple[int, ...] = ()) -> int:
    """Append a block record with the right map, and the lines of an earlier size; its index."""
    size = len(log.statements)
    before = [it for it in log.statements if it.act.kind == "log.block"]
    lines: tuple[BlockLines, ...] = ()
    if lines_at is not None:
        regions = ROSTER.witnesses_of(log.origin)[: ROSTER.quorum(log.origin)]
        good = log.lines(regions, "mirror", times=times, size=lines_at)
        root = log.checkpoint(lines_at).root
        lines = (BlockLines(lines_at, root, tuple(it.line for it in good)),)
    block = Block(
        height=len(before) + 1,
        size=size,
        root=log.checkpoint(size).root,
        note=sha256(log.checkpoint(size).encode()).digest(),
        roster=1,
        rules=1,
        map_root=slow_map.root(slow_map.acts_of(log.entries)),
        lines=lines,
    )
    log.act("log.block", log.origin, block_body(block))
    return size


def with_map(
    log: Log, shown: ProvenLog, name: str, block: int, size: int | None = None
) -> ProvenLog:
    """A log's part of a bundle with the map of a size, said to be in the record at ``block``."""
    size = block if size is None else size
    acts = slow_map.acts_of(log.entries[:size])
    grown = rebuild(acts, size)
    nodes = grown.nodes()
    proof = prove(name, grown.root, nodes.get, lambda index: log.statements[index].leaf)
    return replace(shown, map=ProvenMap(block, proof))


def bundle_of(world: World, name: str, blocks: Mapping[str, int]) -> Bundle:
    by_origin: dict[str, set[int]] = {}
    for place in wanted(name, Reader(world), KINDS):
        by_origin.setdefault(place.origin, set()).add(place.index)
    logs = {}
    for origin, indexes in by_origin.items():
        log = world.logs[ROSTER.region_of_origin(origin)]
        records = {at for at, it in enumerate(log.statements) if it.act.kind == "log.block"}
        shown = proven(log, ROSTER, sorted(indexes | records))
        if origin in blocks:
            shown = with_map(log, shown, name, blocks[origin])
        logs[origin] = shown
    return Bundle(name, (SIGNED.encode(),), logs)


def ended(bundle: Bundle) -> ObjectLife:
    told: list[ObjectLife] = []

    def judge(verified: VerifiedBundle) -> None:
        told.append(judge_object(verified, KINDS))

    check_bundle(Bundle.decode(bundle.encode()), SIGNED, judge)
    return told[0]


def lent(*, revoked: bool = False, accepted: bool = True) -> World:
    world = World(real_views=True).enrol()
    if accepted:
        world.lend()
    else:
        whole = World(real_views=True).enrol().lend()
        world = whole.copy()
        world.logs[SICHUAN].statements = [
            it for it in whole.logs[SICHUAN].statements if it.act.kind != "grant.accept"
        ]
    if revoked:
        world.do("grant.revoke", HEAD, GRANT, {"reason": "到期收回"})
    return world


def recorded(world: World) -> dict[str, int]:
    """Close both logs: the lines of all their entries, and then the records that are proven."""
    found = {}
    for region in (SICHUAN, TIBET):
        log = world.logs[region]
        found[log.origin] = record(log, len(log.statements), (TIME_S + 60, TIME_S + 61))
    return found


# ---- the three proofs ---------------------------------------------------------------------------


def test_a_grant_is_proven_live_in_both_its_logs() -> None:
    world = lent()
    life = ended(bundle_of(world, GRANT, recorded(world)))
    assert {log.origin: log.live for log in life.logs} == {HERE: True, THERE: True}
    assert life.live_at(NOTE_S - 1) is True
    assert life.live_at(TIME_S) is False  # nothing shows that it existed by then
    assert life.live_at(NOTE_S + 10_000) is None  # what came later, nobody can know from here


def test_a_grant_is_proven_revoked_from_when_its_end_was_seen() -> None:
    world = lent()
    log = world.logs[TIBET]
    record(log, len(log.statements), (TIME_S + 20, TIME_S + 20))
    world.do("grant.revoke", HEAD, GRANT, {"reason": "到期收回"})
    blocks = recorded(world)
    life = ended(bundle_of(world, GRANT, blocks))
    there = next(log for log in life.logs if log.origin == THERE)
    assert [line.live for line in there.lines] == [True, False]
    assert there.live_at(TIME_S + 30) is True
    assert there.live_at(TIME_S + 70) is False
    assert life.live_at(TIME_S + 70) is False


def test_an_offer_that_nobody_accepted_is_not_live() -> None:
    world = lent(accepted=False)
    assert ended(bundle_of(world, GRANT, recorded(world))).live_at(NOTE_S - 1) is False


def test_without_maps_nothing_is_said_of_a_moment() -> None:
    world = lent()
    recorded(world)
    bundle = bundle_of(world, GRANT, {})
    assert b"shouxin/bundle/v1" in bundle.encode()
    life = ended(bundle)
    assert all(log.complete_size is None for log in life.logs)
    assert life.live_at(NOTE_S - 1) is None


def test_all_acts_of_a_case_are_shown_in_every_log_that_it_touched() -> None:
    world = whole_case()
    bundle = bundle_of(world, CASE, recorded(world))
    verified = check_bundle(Bundle.decode(bundle.encode()), SIGNED)
    for log in verified.logs.values():
        assert log.complete_size == log.checkpoint.size
        assert log.complete_at_s == NOTE_S


def test_a_busy_log_is_complete_as_of_the_map_and_until_what_its_records_say() -> None:
    world = lent()
    blocks = recorded(world)
    world.do("item.publish", HEAD, f"{TIBET}/item/000500000002", ITEM_BODY)
    verified = check_bundle(bundle_of(world, GRANT, blocks), SIGNED)
    there = verified.logs[THERE]
    assert there.complete_size == blocks[THERE] + 1 < there.checkpoint.size
    assert there.complete_at_s == TIME_S + 60  # two lines; the later one could be a liar's


# ---- attacks ------------------------------------------------------------------------------------


def failed(bundle: Bundle) -> tuple[str, str]:
    with pytest.raises(UnverifiedError) as caught:
        check_bundle(bundle, SIGNED)
    cause = caught.value.__cause__
    return caught.value.code, getattr(cause, "code", "")


def without(bundle: Bundle, origin: str, indexes: Iterable[int]) -> Bundle:
    left_out = set(indexes)
    log = bundle.logs[origin]
    kept = tuple(it for it in log.entries if it.index not in left_out)
    return replace(bundle, logs={**bundle.logs, origin: replace(log, entries=kept)})


def test_an_act_withheld_first_middle_or_last_fails_at_the_map() -> None:
    world = whole_case()
    bundle = bundle_of(world, CASE, recorded(world))
    for place in Reader(world).trail(CASE):
        broken = without(bundle, place.origin, [place.index])
        assert failed(broken) == ("map", "withheld-act"), place


def test_a_revocation_withheld_fails_at_the_map() -> None:
    world = lent(revoked=True)
    bundle = bundle_of(world, GRANT, recorded(world))
    last = max(it.index for it in Reader(world).trail(GRANT) if it.origin == THERE)
    assert failed(without(bundle, THERE, [last])) == ("map", "withheld-act")


def test_the_map_of_an_older_record_is_complete_as_of_that_and_no_further() -> None:
    world = lent()
    old = recorded(world)
    world.do("grant.revoke", HEAD, GRANT, {"reason": "到期收回"})
    recorded(world)
    bundle = bundle_of(world, GRANT, old)
    whole = check_bundle(bundle, SIGNED).logs[THERE]
    assert whole.complete_size == whole.checkpoint.size  # every entry past that map is here
    last = max(it.index for it in Reader(world).trail(GRANT) if it.origin == THERE)
    hidden = without(bundle, THERE, [last])
    there = check_bundle(hidden, SIGNED).logs[THERE]
    assert there.complete_size == old[THERE] + 1
    assert there.complete_at_s == TIME_S + 60
    assert ended(hidden).live_at(NOTE_S - 1) is None


def test_an_older_map_does_not_hold_under_a_newer_record() -> None:
    world = lent()
    old = recorded(world)
    world.do("grant.revoke", HEAD, GRANT, {"reason": "到期收回"})
    new = recorded(world)
    bundle = bundle_of(world, GRANT, new)
    log = with_map(world.logs[TIBET], bundle.logs[THERE], GRANT, new[THERE], old[THERE])
    broken = replace(bundle, logs={**bundle.logs, THERE: log})
    assert failed(broken) == ("map", "bad-map-proof")


def test_the_proof_of_another_object_is_not_taken() -> None:
    world = lent()
    blocks = recorded(world)
    bundle = bundle_of(world, GRANT, blocks)
    for other in (ITEM, HEAD):
        log = with_map(world.logs[TIBET], bundle.logs[THERE], other, blocks[THERE])
        broken = replace(bundle, logs={**bundle.logs, THERE: log})
        assert failed(broken) == ("map", "bad-map-proof")


@pytest.mark.parametrize("at", [0, 1, 10_000])
def test_a_root_is_taken_from_a_block_record_of_the_log_alone(at: int) -> None:
    world = lent()
    bundle = bundle_of(world, GRANT, recorded(world))
    shown = bundle.logs[THERE]
    assert shown.map is not None
    log = replace(shown, map=replace(shown.map, block=at))
    broken = replace(bundle, logs={**bundle.logs, THERE: log})
    assert failed(broken) == ("map", "bad-map-proof")


def test_a_bundle_of_the_second_format_has_a_map_and_one_of_the_first_has_none() -> None:
    world = lent()
    data = bundle_of(world, GRANT, recorded(world)).encode()
    with pytest.raises(MalformedError):
        Bundle.decode(data.replace(b"shouxin/bundle/v2", b"shouxin/bundle/v1"))
    data = bundle_of(world, GRANT, {}).encode()
    with pytest.raises(MalformedError):
        Bundle.decode(data.replace(b"shouxin/bundle/v1", b"shouxin/bundle/v2"))
