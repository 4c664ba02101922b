"""Whether a node may write after a start."""

import pytest

from ledger.hashing import EMPTY_ROOT
from nodes.core.recovery import Start, agrees, decide_start
from nodes.ports import FenceMark
from tests.nodes.neighbours import Log, LogReader, entries

LOG = "510000"
SIZES = (0, 1, 2, 255, 256, 257, 700)


@pytest.fixture(name="log", scope="module")
def make_log() -> Log:
    return Log(LOG, entries(700))


def mark(log: Log, size: int, commit: int = 7) -> FenceMark:
    return FenceMark(commit, size, log.checkpoint(size).root)


def decide(log: Log, fence: FenceMark | None, size: int, commit: int = 7) -> Start:
    root = log.checkpoint(size).root
    return decide_start(fence, commit, log.origin, size, root, LogReader(log))


@pytest.mark.parametrize("size", SIZES)
def test_a_store_at_its_fence_serves_and_the_fence_stays(log: Log, size: int) -> None:
    assert decide(log, mark(log, size), size) == Start("serving", move_fence=False, why="")


@pytest.mark.parametrize(("old", "new"), [(0, 1), (1, 700), (255, 256), (256, 257), (5, 5)])
def test_a_store_past_its_fence_moves_it_up(log: Log, old: int, new: int) -> None:
    assert decide(log, mark(log, old), new, commit=8) == Start("serving", move_fence=True, why="")


def test_a_missing_fence_counts_as_behind(log: Log) -> None:
    assert decide(log, None, 5).state == "behind-fence"
    assert decide(log, None, 0, commit=0).state == "behind-fence"


def test_a_new_node_has_a_fence_at_commit_0_and_serves(log: Log) -> None:
    assert decide(log, FenceMark(0, 0, EMPTY_ROOT), 0, commit=0).state == "serving"


def test_a_lower_commit_number_is_behind_even_where_the_tree_is_the_same(log: Log) -> None:
    found = decide(log, mark(log, 5, commit=8), 5, commit=7)
    assert found.state == "behind-fence"
    assert "commit 7" in found.why


def test_a_smaller_tree_is_behind_whatever_its_commit_number(log: Log) -> None:
    assert decide(log, mark(log, 6), 5, commit=99).state == "behind-fence"


@pytest.mark.parametrize("size", [5, 9])
def test_a_tree_that_does_not_extend_the_fences_head_is_behind(log: Log, size: int) -> None:
    fork = Log(LOG, entries(9, "fork"))
    assert decide(fork, mark(log, 5), size).state == "behind-fence"


def test_a_claim_agrees_iff_the_tree_went_through_it(log: Log) -> None:
    fork = Log(LOG, entries(9, "fork"))
    reader = LogReader(log)
    assert agrees(log.checkpoint(300), 700, reader)
    assert agrees(log.checkpoint(0), 0, reader)
    assert not agrees(log.checkpoint(300), 299, reader)
    assert not agrees(fork.checkpoint(9), 700, reader)
    missing = LogReader(log)
    missing.tiles = lambda _origin, _wanted: {}  # type: ignore[method-assign]
    assert not agrees(log.checkpoint(300), 700, missing)
