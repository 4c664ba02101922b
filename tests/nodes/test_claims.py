"""What witnesses hold of our own log at the start, and what it means for us."""

from collections.abc import Mapping

import pytest

from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError
from ledger.note import Note, sign_ed25519
from nodes.core.claims import CLAIM, Claims
from nodes.core.exchange import FINISHED, NEWEST, origin_hash
from nodes.core.ready import PeerCalled, PutMemory
from nodes.core.recovery import BEHIND_WITNESSES
from nodes.store.engine import open_sqlite
from nodes.store.notes import load_memory
from nodes.store.reader import StoreReader
from tests.nodes.neighbours import (
    REGIONS,
    Host,
    Log,
    LogReader,
    Neighbours,
    entries,
    key,
    make_roster,
)

ME, *OTHERS = REGIONS
LOG, FORK = Log(ME, entries(3)), Log(ME, entries(2, "fork"))


class Ours:
    """Our own log at a size, and what others say of it."""

    def __init__(self, size: int, memory: Mapping[str, bytes] | None = None) -> None:
        self.size = size
        self.heads = Host(make_roster(), ME).network.heads
        self.reader = LogReader(Log(ME, LOG.entries[:size]))
        self.claims = Claims(self.heads, lambda: self.size, OTHERS, memory or {})


def test_each_witness_is_asked_until_it_answers_and_none_is_waited_for_twice() -> None:
    ours = Ours(3)
    first, second, *rest = OTHERS
    assert all(ours.claims.is_to_ask(peer) for peer in OTHERS)
    assert not ours.claims.answered(first, 404, b"", ours.reader)
    assert not ours.claims.answered(second, 500, b"", ours.reader)
    assert [ours.claims.is_to_ask(peer) for peer in (first, second)] == [False, True]
    for peer in rest:
        assert not ours.claims.is_heard
        ours.claims.lost(peer)
        assert ours.claims.is_to_ask(peer)
    assert ours.claims.is_heard


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_note_that_our_store_has_gone_through_is_no_news(size: int) -> None:
    ours = Ours(3)
    assert not ours.claims.answered(OTHERS[0], 200, LOG.note(size), ours.reader)
    assert not ours.heads.halted


@pytest.mark.parametrize("note", [LOG.note(3), FORK.note(2)], ids=["beyond", "another branch"])
def test_a_note_that_we_do_not_remember_halts_us_and_is_kept(note: bytes) -> None:
    ours = Ours(2)
    assert ours.claims.answered(OTHERS[0], 200, note, ours.reader) == (PutMemory(CLAIM, note),)
    assert ours.heads.halted == BEHIND_WITNESSES


def test_who_is_halted_already_stays_so_for_its_first_reason() -> None:
    ours = Ours(2)
    ours.heads.halted = "behind-fence"
    assert ours.claims.answered(OTHERS[0], 200, LOG.note(3), ours.reader)
    assert ours.heads.halted == "behind-fence"


def test_nonsense_is_no_claim() -> None:
    ours = Ours(2)
    assert not ours.claims.answered(OTHERS[0], 200, b"nonsense", ours.reader)
    other = Log(OTHERS[0], entries(3))
    assert not ours.claims.answered(OTHERS[1], 200, other.note(), ours.reader)
    assert not ours.heads.halted
    with pytest.raises(LedgerError):
        ours.claims.compare(b"nonsense", ours.reader)


@pytest.mark.parametrize(("size", "halted"), [(2, BEHIND_WITNESSES), (3, "")])
def test_a_claim_is_remembered_until_the_store_has_gone_through_it(size: int, halted: str) -> None:
    ours = Ours(size, {CLAIM: LOG.note(3)})
    ours.claims.check(ours.reader, size)
    assert ours.heads.halted == halted


# ---- in a network ------------------------------------------------------------------------------


def test_a_node_that_starts_asks_its_witnesses_and_agrees_with_them() -> None:
    world = Neighbours()
    world.append(ME, *entries(5))
    world.hosts[ME].load()
    before = len(world.sent)
    world.tick()
    path = NEWEST + origin_hash(world.hosts[ME].origin)
    asked = [item.to for caller, item in world.sent[before:] if (caller, item.path) == (ME, path)]
    assert sorted(asked) == OTHERS
    assert world.hosts[ME].network.halted == ""


def forget(world: Neighbours, size: int, branch: str = "") -> Host:
    """Put a store in place that is an old or another one, as a restored backup is."""
    host = Host(world.roster, ME, engine=open_sqlite(None))
    host.append(entries(size, branch), world.now_ms)
    host.load()
    world.hosts[ME] = host
    return host


@pytest.mark.parametrize(("size", "branch"), [(3, ""), (5, "fork"), (9, "fork")])
def test_a_note_of_ours_that_the_store_does_not_agree_with_halts_the_node(
    size: int, branch: str
) -> None:
    world = Neighbours()
    world.append(ME, *entries(5))
    host = forget(world, size, branch)
    world.tick()
    assert host.network.halted == "behind-witnesses"
    with host.engine.begin() as connection:
        assert (
            load_memory(connection)[CLAIM]
            == world.hosts[OTHERS[0]].network.rows[host.origin].pending
        )


def test_the_note_that_halted_it_is_remembered_when_nobody_can_be_asked() -> None:
    world = Neighbours()
    world.append(ME, *entries(5))
    host = forget(world, 3)
    world.tick()
    world.isolate(ME)
    host.load()
    assert host.network.halted == ""
    with host.engine.begin() as connection:
        host.network.check_claim(StoreReader(connection), 3)
    assert host.network.halted == "behind-witnesses"


def test_a_finished_note_of_ours_from_anybody_has_the_same_effect() -> None:
    world = Neighbours()
    world.append(ME, *entries(5))
    host = forget(world, 3)
    note = Log(ME, entries(5)).note()
    host.step([PeerCalled(1, FINISHED, note, OTHERS[0])], world.now_ms)
    assert host.network.halted == "behind-witnesses"


def test_what_our_key_did_not_sign_halts_nobody() -> None:
    world = Neighbours()
    world.append(ME, *entries(5))
    host = world.hosts[ME]
    text = Checkpoint(host.origin, 9, b"r" * 32).text()
    signature = sign_ed25519(host.origin, key(OTHERS[0], "log"), text)
    forged = Note(text, (signature,)).encode()
    host.step([PeerCalled(1, FINISHED, forged, OTHERS[0])], world.now_ms)
    assert host.network.halted == ""
