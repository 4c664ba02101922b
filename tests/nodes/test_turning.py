"""Turning to the branch of a liar's log that a quorum of mirrors holds: when, and how far."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ledger.checkpoint import Checkpoint
from ledger.cosignature import sign_line
from ledger.encoding import decode
from ledger.epochs import Epoch, Epochs
from ledger.errors import RefusedError, UnverifiedError
from ledger.frozen import decode_frozen
from ledger.hashing import EMPTY_ROOT
from ledger.kind import ViewFact
from ledger.names import mirror_name, origin_for
from ledger.proofs import prove_consistency, prove_subtree_consistency
from ledger.roster_chain import RosterChain
from ledger.roster_fields import Closing, Pin
from ledger.views import Evidence
from nodes.api.loss import must_stay
from nodes.core.convictions import Convicted, unplaced
from nodes.core.copies import node_reader
from nodes.core.exchange import (
    ADD_CHECKPOINT,
    ADD_ENTRIES,
    MIRROR,
    Package,
    Upload,
    encode_add_checkpoint,
    origin_hash,
)
from nodes.core.log_state import LogState
from nodes.core.mirror import Mirror
from nodes.core.notes import Known
from nodes.core.ready import PeerCalled, PutMemory, Ready, Write
from nodes.core.rosters import Rosters
from nodes.core.turning import ASTRAY, TURNED, Offer, Shown, Turn, Turning, astray_in, turns_in
from nodes.store import closings
from nodes.store.entries import LogIDs
from nodes.store.notes import load_memory
from nodes.store.peers import load_row
from nodes.store.reader import StoreReader
from tests.nodes.late import LATE, LOG, fork, head_of, held, let_answers_pass, row_of, want
from tests.nodes.neighbours import (
    NETWORK,
    Log,
    LogReader,
    Neighbours,
    entries,
    key,
    make_roster,
    rosters_of,
)
from tests.vectors.own.network import following

OWN, LIAR, C, D, E = "500000", "510000", "520000", "530000", "540000"
HELD = Log(LIAR, entries(20))
"""What we hold; the others hold another from entry 12 on."""
OTHER = fork(18, 12)
ORIGIN = origin_for(NETWORK, LIAR)


def lines_on(checkpoint: Checkpoint, *regions: str, role: str = "mirror") -> tuple[bytes, ...]:
    return tuple(
        sign_line(
            mirror_name(origin_for(NETWORK, region)), key(region, role), checkpoint, 1_800_000_000
        ).encode()
        for region in regions
    )


def shown(log: Log, size: int, *regions: str, **more: str) -> Shown:
    return Shown(head_of(log, size), lines_on(log.checkpoint(size), *regions, **more))


def state(**changed: Any) -> LogState:
    fields = {"size": 20, "evidence": Evidence(3), "epochs": (Epoch(1, 0, None),), **changed}
    return LogState(ORIGIN, **fields)


def view_of(log: Log, size: int) -> LogState:
    found = LogState(origin_for(NETWORK, C), 50, Evidence(3), (Epoch(1, 0, None),))
    root = log.checkpoint(size).root
    found.views[ORIGIN] = ViewFact(7, bytes(32), ORIGIN, size, root, 1_800_000_000)
    return found


def offers(
    *found: Shown,
    rosters: Rosters | None = None,
    own: str = OWN,
    is_forked: bool = True,
    turned: Mapping[str, Turn] | None = None,
    states: Iterable[LogState] = (),
    known: Log | None = None,
    known_size: int = 0,
) -> Mapping[str, Offer]:
    best = {} if known is None else {ORIGIN: known_of(known, known_size)}
    turning = Turning(
        rosters_of(make_roster()) if rosters is None else rosters,
        origin_for(NETWORK, own),
        SimpleNamespace(has_forked=lambda _origin: is_forked),  # type: ignore[arg-type]
        {} if turned is None else turned,
        lambda _origin, size: HELD.checkpoint(size).root,
    )
    judged = {it.origin: it for it in (state(), *states)}
    return turning.offers(found, judged, {ORIGIN: 20}, best)


def known_of(log: Log, size: int) -> Known:
    return Known(size, log.checkpoint(size).root, 1_800_000_000, log.note(size), ())


GOOD = shown(OTHER, 16, OWN, C, D)
EPOCHS = Epochs(ORIGIN, (make_roster(),), (Epoch(1, 0, 0),))


def test_a_head_of_another_branch_with_a_quorum_of_a_convicted_log_is_offered() -> None:
    [offer] = offers(GOOD).values()
    assert offer == Offer(Turn(GOOD.head, GOOD.lines), None, None, EPOCHS, 20)
    assert offers() == {}


@pytest.mark.parametrize(
    "none",
    [
        pytest.param({"is_forked": False}, id="the log has shown one history as far as is known"),
        pytest.param({"own": LIAR}, id="it is our own log"),
        pytest.param({"turned": {ORIGIN: Turn(GOOD.head, GOOD.lines)}}, id="we turned before"),
        pytest.param({"states": [view_of(HELD, 16)]}, id="ours is viewed as far"),
        pytest.param({"states": [state(evidence=Evidence(3, 17))]}, id="ours has its own proof"),
        pytest.param({"known": HELD, "known_size": 18}, id="ours has a note with a quorum"),
    ],
)
def test_nothing_is_offered_where(none: dict[str, Any]) -> None:
    assert offers(GOOD, **none) == {}


def test_a_log_that_has_ended_or_left_is_not_turned_to() -> None:
    left = rosters_of(make_roster((OWN, C, D, E)))
    assert offers(GOOD, rosters=left) == {}


@pytest.mark.parametrize(
    "bad",
    [
        shown(OTHER, 16, OWN, C),
        shown(OTHER, 16, OWN, C, C),
        shown(OTHER, 16, OWN, C, LIAR),
        shown(OTHER, 16, OWN, C, D, role="witness"),
        Shown(GOOD.head, lines_on(OTHER.checkpoint(15), OWN, C, D)),
        shown(HELD, 16, OWN, C, D),
    ],
    ids=["too few", "one twice", "its writer", "witness keys", "another tree", "our own branch"],
)
def test_no_head_without_a_quorum_of_mirrors_on_that_very_tree_is_offered(bad: Shown) -> None:
    assert offers(bad) == {}
    assert list(offers(bad, GOOD)) == [ORIGIN]  # and it keeps nobody from a better one


def test_what_stands_here_is_the_largest_tree_of_ours_that_a_quorum_holds() -> None:
    def standing(**known: Any) -> int:
        [offer] = offers(GOOD, **known).values()
        assert offer.standing is not None
        assert offer.standing == HELD.checkpoint(offer.standing.size)
        return offer.standing.size

    assert standing(states=[view_of(HELD, 9)]) == 9
    assert standing(states=[state(evidence=Evidence(3, 11)), view_of(HELD, 9)]) == 11
    assert standing(known=HELD, known_size=12, states=[view_of(HELD, 9)]) == 12
    first, second = make_roster(), versions().newest
    pins = {origin: Pin(0, EMPTY_ROOT) for origin in first.origins}
    pinned = replace(second, pins={**pins, ORIGIN: Pin(5, HELD.checkpoint(5).root)})
    chain = RosterChain((b"", b""), (first, pinned))
    assert standing(rosters=Rosters(chain)) == 5


def test_a_note_that_our_copy_does_not_go_through_is_compared_as_well() -> None:
    [offer] = offers(GOOD, known=OTHER, known_size=18).values()
    assert offer.known == OTHER.checkpoint(18)
    longer = Log(LIAR, [*OTHER.entries, *entries(9, "more")])
    [offer] = offers(GOOD, known=longer, known_size=25).values()
    assert offer.known == longer.checkpoint(25)
    assert offer.standing is None


def test_a_head_beyond_our_copy_is_offered_and_may_yet_be_of_our_tree() -> None:
    longer = Log(LIAR, [*HELD.entries, *entries(9, "more")])
    [offer] = offers(shown(longer, 25, OWN, C, D)).values()
    assert offer.turn.checkpoint == longer.checkpoint(25)


def versions() -> Rosters:
    """Under version 2 all mirrors have other keys."""
    first = make_roster()
    members = {
        region: replace(member, keys=replace(member.keys, mirror=key(region, "other").public))
        for region, member in first.members.items()
    }
    second = replace(first, version=2, previous=first.sha256, members=members)
    return Rosters(RosterChain((b"", b""), (first, second)))


@pytest.mark.parametrize(
    ("epochs", "by_old", "by_new"),
    [
        ((), True, False),
        ((Epoch(2, 5, 7),), False, True),
        # The proof lies above what stands, so it may be of our branch alone: theirs must show it.
        ((Epoch(2, 5, 12),), False, False),
        ((Epoch(2, 5, None),), False, False),
        ((Epoch(2, 9, 12),), True, False),
    ],
)
def test_lines_count_by_what_is_in_force_where_the_branches_are_one(
    epochs: tuple[Epoch, ...],
    by_old: bool,  # noqa: FBT001 - a parameter of the test
    by_new: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    judged = [state(epochs=(Epoch(1, 0, None), *epochs)), view_of(HELD, 9)]
    old, new = GOOD, shown(OTHER, 16, OWN, C, D, role="other")
    both = Shown(GOOD.head, (*old.lines, *new.lines))

    def counts(it: Shown) -> bool:
        [offer] = offers(it, rosters=versions(), states=judged).values()
        return offer.is_counted(offer.common(9))

    assert [counts(it) for it in (old, new, both)] == [by_old, by_new, by_old or by_new]


def test_what_our_own_copy_has_above_the_place_where_the_branches_part_says_nothing() -> None:
    judged = state(epochs=(Epoch(1, 0, 0), Epoch(2, 5, 7), Epoch(3, 9, 12)))
    [offer] = offers(GOOD, states=[judged]).values()
    known = [offer.common(size).items[1:] for size in (5, 6, 7, 8, 9, 10, 13)]
    assert known == [
        (),
        (Epoch(2, 5, None),),
        (Epoch(2, 5, None),),
        (Epoch(2, 5, 7),),
        (Epoch(2, 5, 7),),
        (Epoch(2, 5, 7), Epoch(3, 9, None)),
        (Epoch(2, 5, 7), Epoch(3, 9, 12)),
    ]


# ---- what is pulled to compare, and what is decided ---------------------------------------------

LARGE, LARGE_FORK = entries(300), fork(310, 270)


def serve(world: Neighbours, log: Log) -> None:
    """Let every other node serve this log in place of whatever it holds."""
    for region, host in world.hosts.items():
        if region != LATE:
            mirror = host.network.mirror

            def read(event: PeerCalled, _reader: object, mirror: Mirror = mirror) -> Ready:
                return Mirror.read(mirror, event, LogReader(log))

            mirror.read = read  # type: ignore[method-assign]


def two_branches() -> Neighbours:
    """The late node holds one branch, and knows of the other, which everybody else serves."""
    world = Neighbours()
    world.append(LOG, *LARGE)
    let_answers_pass(world)
    serve(world, LARGE_FORK)
    want(world, head_of(LARGE_FORK))
    assert world.hosts[LATE].network.heads.convictions.has_forked(LARGE_FORK.origin)
    return world


def offered(size: int, standing: int = 260, **changed: Any) -> Offer:
    checkpoint = LARGE_FORK.checkpoint(size)
    turn = Turn(head_of(LARGE_FORK, size), lines_on(checkpoint, OWN, C, D))
    below = Log(LOG, LARGE).checkpoint(standing) if standing else None
    return replace(Offer(turn, below, None, EPOCHS, 300), **changed)


def weigh(world: Neighbours, offer: Offer, steps: int = 4) -> list[Write]:
    """Let the late node compare an offer, and return what it decides at last."""
    host = world.hosts[LATE]
    writes: list[Write] = []

    def also(_connection: object, reader: StoreReader) -> Ready:
        found = host.network.catch_up({}, reader, {LARGE_FORK.origin: offer})
        writes[:] = found
        return Ready(writes=found)

    for _ in range(steps):
        world.deliver(LATE, host.step((), world.now_ms, also=also).requests)
    return writes


def test_a_branch_that_begins_with_all_that_stands_is_turned_to_and_no_other() -> None:
    world = two_branches()
    for size, standing in ((290, 270), (310, 0), (310, 256)):
        offer = offered(size, standing)
        writes = weigh(world, offer)
        memory = {it.name: it.value for it in writes if isinstance(it, PutMemory)}
        assert turns_in(memory) == {LARGE_FORK.origin: offer.turn}
        # All that the two trees share stays: our mirror has said that it holds it.
        assert astray_in(memory) == {LARGE_FORK.origin: 270}
        assert len(writes) == len(memory) == 2
    for size, standing in ((290, 271), (310, 271), (310, 290)):
        assert weigh(world, offered(size, standing)) == []


@pytest.mark.parametrize("known", [Log(LOG, LARGE).checkpoint(295), fork(320, 285).checkpoint()])
def test_where_two_branches_have_a_quorum_people_decide(known: Checkpoint) -> None:
    world = two_branches()
    if known.size > 310:
        serve(world, fork(320, 285))
    assert weigh(world, offered(310, known=known)) == []


def test_a_larger_note_of_the_offered_tree_does_no_harm() -> None:
    world = two_branches()
    smaller = offered(290, known=LARGE_FORK.checkpoint(310))
    assert len(weigh(world, smaller)) == 2
    larger = offered(310, known=LARGE_FORK.checkpoint(305))
    assert len(weigh(world, larger)) == 2


def test_an_offer_that_is_of_our_own_tree_changes_nothing() -> None:
    world = Neighbours()
    world.append(LOG, *LARGE_FORK.entries[:300])
    let_answers_pass(world)
    serve(world, LARGE_FORK)
    assert weigh(world, offered(310, 0)) == []


def test_a_copy_that_is_of_the_offered_tree_stays_though_our_word_was_on_another() -> None:
    """Its writer has shown us a note of which nobody has given us an entry."""
    world = Neighbours()
    world.isolate(LATE)
    world.append(LOG, *LARGE_FORK.entries)
    world.run(3_000)
    call = PeerCalled(1, "/c2sp/add-checkpoint", b"old 0\n\n" + Log(LOG, LARGE).note(), LOG)
    world.hosts[LATE].step([call], world.now_ms)
    let_answers_pass(world)
    writes = weigh(world, offered(310, 0))
    assert [it.name for it in writes if isinstance(it, PutMemory)] == [TURNED + LARGE_FORK.origin]


def test_nothing_is_decided_by_what_was_compared_before_something_else_stood_here() -> None:
    world = two_branches()
    assert len(weigh(world, offered(310))) == 2
    assert weigh(world, offered(310, 290)) == []
    assert weigh(world, offered(310, 290), steps=1) == []


def bring(world: Neighbours, log: Log, start: int, end: int) -> None:
    """Let the log's writer bring the late node entries up to what it has shown."""
    host, origin = world.hosts[LATE], log.origin
    row = host.network.heads.row(origin)
    assert row is not None
    proof = prove_subtree_consistency(
        start - start % 256, end, row.witnessed_size, node_reader(LogReader(log), origin)
    )
    package = Package(start, tuple(log.entries[start:end]), tuple(proof))
    upload = Upload(
        origin=origin, start=start, end=row.witnessed_size, packages=(package,)
    ).encode()
    host.step([PeerCalled(1, ADD_ENTRIES, upload, LOG)], world.now_ms)
    assert held(host, origin)[start:end] == log.entries[start:end]


def shown_a_note(theirs: Log, have: int) -> Neighbours:
    """The late node has the beginning that all have, and a note of the liar's other branch."""
    world = Neighbours()
    world.append(LOG, *theirs.entries[:have])
    world.run(3_000)
    world.isolate(LATE)
    world.append(LOG, *theirs.entries[have:])
    world.run(3_000)
    other, host = Log(LOG, LARGE), world.hosts[LATE]
    proof = prove_consistency(have, 300, node_reader(LogReader(other), other.origin))
    body = encode_add_checkpoint(have, proof, other.note())
    host.step([PeerCalled(1, ADD_CHECKPOINT, body, LOG)], world.now_ms)
    row = host.network.heads.row(other.origin)
    assert row is not None
    assert row.witnessed_size == 300
    let_answers_pass(world)
    assert len(held(host, other.origin)) == have
    return world


def test_entries_that_come_while_the_trees_are_compared_do_not_stay() -> None:
    """Else a node would have turned, and yet hold what nothing can be pulled beside."""
    world = shown_a_note(LARGE_FORK, 256)
    offer = offered(310, 200)
    assert weigh(world, offer, 1) == []  # asked, and answered
    bring(world, Log(LOG, LARGE), 256, 300)
    memory = {it.name: it.value for it in weigh(world, offer, 1) if isinstance(it, PutMemory)}
    assert turns_in(memory) == {LARGE_FORK.origin: offer.turn}
    assert astray_in(memory) == {LARGE_FORK.origin: 256}


def test_a_copy_that_grows_on_another_tree_is_compared_again() -> None:
    theirs = fork(310, 230)
    world = shown_a_note(theirs, 200)
    head = head_of(theirs, 290)
    offer = Offer(Turn(head, lines_on(head.checkpoint, OWN, C, D)), None, None, EPOCHS, 256)
    # Our word is on more than is offered, and our copy on less: neither is known to differ.
    assert weigh(world, offer) == []
    bring(world, Log(LOG, LARGE), 200, 256)
    memory = {it.name: it.value for it in weigh(world, offer) if isinstance(it, PutMemory)}
    assert astray_in(memory) == {LARGE_FORK.origin: 230}


def test_a_copy_of_a_closed_log_that_is_of_another_tree_than_the_cut_is_laid_aside() -> None:
    """It is shorter than the cut, so that only what is pulled tells."""
    world = Neighbours()
    world.append(LOG, *LARGE)
    let_answers_pass(world)
    serve(world, LARGE_FORK)
    host = world.hosts[LATE]
    origin, cut = LARGE_FORK.origin, LARGE_FORK.checkpoint(310)
    host.network.heads.closed = {origin: Closing(cut.size, cut.root, None)}
    want(world, head_of(LARGE_FORK))
    with host.engine.begin() as connection:
        assert astray_in(load_memory(connection)) == {origin: 270}


# ---- after the turn -----------------------------------------------------------------------------


def turned(kept: int | None = None) -> Neighbours:
    """The late node has turned, laid its copy aside but for what is shared, and started again."""
    world = two_branches()
    weigh(world, offered(310))
    host = world.hosts[LATE]
    with host.engine.begin() as connection:
        memory = load_memory(connection)
        stays = {it: size if kept is None else kept for it, size in astray_in(memory).items()}
        closings.close(connection, LogIDs(), {}, stays)
    host.load()
    return world


def test_what_was_turned_to_is_pulled_and_our_word_on_the_other_stays() -> None:
    world = turned()
    host = world.hosts[LATE]
    assert held(host, LARGE_FORK.origin) == LARGE[:270]
    before = row_of(host, LARGE_FORK.origin)
    [target] = host.network.pinned().values()
    want(world, target)
    assert held(host, LARGE_FORK.origin) == LARGE_FORK.entries
    assert host.network.pinned() == {}
    assert row_of(host, LARGE_FORK.origin) == before
    assert before is not None
    assert (before.witnessed_size, before.mirrored_size) == (300, 300)
    host.load()
    with host.engine.begin() as connection:
        assert load_row(connection, LARGE_FORK.origin) == before


def test_a_smaller_head_is_pulled_with_what_was_turned_to_and_a_larger_one_must_begin_with_it() -> (
    None
):
    world = turned()
    want(world, head_of(LARGE_FORK, 280))
    assert held(world.hosts[LATE], LARGE_FORK.origin) == LARGE_FORK.entries
    world = turned()
    other = fork(330, 288)
    serve(world, other)
    want(world, head_of(other))
    assert held(world.hosts[LATE], LARGE_FORK.origin) == LARGE[:270]
    longer = Log(LOG, [*LARGE_FORK.entries, *entries(50, "more")])
    serve(world, longer)
    want(world, head_of(longer))
    assert held(world.hosts[LATE], LARGE_FORK.origin) == longer.entries


def test_nothing_is_signed_any_more_and_no_package_of_the_other_branch_is_taken() -> None:
    world = turned(256)  # a package that begins a tile proves itself beside whatever we hold
    host = world.hosts[LATE]
    heads, origin = host.network.heads, LARGE_FORK.origin
    row = heads.row(origin)
    assert row is not None
    with pytest.raises(RefusedError) as refused:
        heads.sign("mirror", row, Log(LOG, LARGE).checkpoint(300), world.now_ms)
    assert refused.value.code == "turned"
    log = Log(LOG, LARGE)
    proof = prove_subtree_consistency(256, 300, 300, node_reader(LogReader(log), origin))
    package = Package(256, tuple(LARGE[256:300]), tuple(proof))
    upload = Upload(origin=origin, start=256, end=300, packages=(package,)).encode()
    ready = host.step([PeerCalled(1, ADD_ENTRIES, upload, LOG)], world.now_ms)
    [reply] = ready.replies
    assert reply.value.status == 403  # type: ignore[union-attr]
    assert held(host, origin) == LARGE[:256]
    path = f"{MIRROR}{origin_hash(origin)}/checkpoint"
    [reply] = host.step([PeerCalled(2, path, b"", LOG)], world.now_ms).replies
    assert reply.value.status == 404  # type: ignore[union-attr]


def test_a_freeze_after_the_turn_reports_what_is_held_and_that_none_of_it_is_signed() -> None:
    world = turned()
    report, _ = world.hosts[LATE].network.heads.freeze(LARGE_FORK.origin, world.now_ms)
    assert report.mirrored is None
    assert report.witnessed is not None
    assert report.witnessed.checkpoint == LARGE_FORK.checkpoint()
    assert report.witnessed.line is None


def test_a_freeze_after_the_turn_is_read_also_where_the_log_has_another_key_since() -> None:
    world = turned()
    heads, origin = world.hosts[LATE].network.heads, LARGE_FORK.origin
    first = heads.roster
    member = first.members[LIAR]
    anew = replace(member, keys=replace(member.keys, log=key(LIAR, "new").public))
    second = following(first, members={**first.members, LIAR: anew})
    chain = RosterChain((b"", b""), (first, second))
    heads.rosters = Rosters(chain, {heads.own: 2})
    report, _ = heads.freeze(origin, world.now_ms)
    assert decode_frozen(report.to_body(), LATE, chain.rosters) == report
    assert report.witnessed is not None
    assert report.witnessed.checkpoint == LARGE_FORK.checkpoint()
    with pytest.raises(UnverifiedError):  # the key that it was signed by is no other log's
        decode_frozen(report.to_body(), LATE, (second,))


def test_what_was_turned_to_is_what_nobody_may_cut_off() -> None:
    world = turned()
    with world.hosts[LATE].engine.begin() as connection:
        assert must_stay(connection, LARGE_FORK.origin) == LARGE_FORK.checkpoint(310)
    with world.hosts[C].engine.begin() as connection:
        assert must_stay(connection, LARGE_FORK.origin) == Log(LOG, LARGE).checkpoint(300)
        assert must_stay(connection, world.hosts[C].origin) is None


def test_who_has_turned_goes_on_with_a_log_that_nobody_brings_and_asks_by_what_it_holds() -> None:
    """It has another key since, say, and our own log relies on it."""
    world = turned()
    network, origin = world.hosts[LATE].network, LARGE_FORK.origin
    longer = Log(LOG, [*LARGE_FORK.entries, *entries(50, "more")])
    network.finished._known[origin] = known_of(longer, 360)
    assert network.followed() == {}
    network.follow(origin)
    assert network.followed() == {origin: head_of(longer)}
    network.finished._known[origin] = known_of(LARGE_FORK, 290)
    network.want_fresh(origin, 1_800_000_001)
    network.freshen.poll(world.now_ms, LogReader())
    assert network.freshen._wants[origin].head == head_of(LARGE_FORK, 290)


def test_what_is_stored_of_a_turn_is_read_again() -> None:
    turn = Turn(GOOD.head, GOOD.lines)
    memory = {it.name: it.value for it in turn.writes(7)}
    assert turns_in(memory) == {ORIGIN: turn}
    assert astray_in(memory) == {ORIGIN: 7}
    assert decode(memory[ASTRAY + ORIGIN]) == 7
    gone = dict.fromkeys(memory, b"")
    assert not turns_in(gone)
    assert not astray_in(gone)
    assert not astray_in({it.name: it.value for it in turn.writes(None)})


def test_evidence_whose_place_is_no_more_is_to_be_recorded_anew() -> None:
    convictions = two_branches().hosts[LATE].network.heads.convictions
    [found] = convictions.found.values()
    [stored] = convictions.record(found.evidence, found.conviction, (ORIGIN, 280))
    memory = {stored.name: stored.value, "other": b""}  # type: ignore[union-attr]
    [anew] = unplaced(memory, {ORIGIN: 280})
    assert Convicted.decode(anew.value) == replace(found, place=None)
    assert unplaced(memory, {ORIGIN: 281, origin_for(NETWORK, C): 0}) == ()
