"""What witnesses hold of our own log at the start, and what it means for us."""

from collections.abc import Mapping

import pytest

from ledger.errors import LedgerError
from nodes.core.claims import CLAIM, Claims
from nodes.core.ready import PutMemory
from nodes.core.recovery import BEHIND_WITNESSES
from tests.nodes.neighbours import REGIONS, Host, Log, LogReader, make_roster

ME, *OTHERS = REGIONS
LOG = Log(ME, [b"genesis", b"one", b"two"])
FORK = Log(ME, [b"genesis", b"another"])


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
    other = Log(OTHERS[0], [b"genesis", b"one", b"two"])
    assert not ours.claims.answered(OTHERS[1], 200, other.note(), ours.reader)
    assert not ours.heads.halted
    with pytest.raises(LedgerError):
        ours.claims.compare(b"nonsense", ours.reader)


@pytest.mark.parametrize(("size", "halted"), [(2, BEHIND_WITNESSES), (3, "")])
def test_a_claim_is_remembered_until_the_store_has_gone_through_it(size: int, halted: str) -> None:
    ours = Ours(size, {CLAIM: LOG.note(3)})
    ours.claims.check(ours.reader, size)
    assert ours.heads.halted == halted
