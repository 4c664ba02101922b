"""The newest rows of objects: what the open transaction made counts, however little is kept."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from ledger.kind import Fact
from nodes.core.sight import Sight

if TYPE_CHECKING:
    from nodes.ports import Reader

LOG = "network.example/510000"


class _Rows:
    """A store that knows one row of each object, and notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def facts(self, wanted: Sequence[tuple[str, str, int]]) -> list[Fact | None]:
        self.asked += [name for _, name, _ in wanted]
        return [_row(name, 0) for _, name, _ in wanted]


def _row(name: str, index: int) -> Fact:
    return Fact(LOG, name, index, bytes(32), {"n": index})


def test_a_row_of_the_open_transaction_is_the_newest_though_memory_has_room_for_two() -> None:
    store, sight = _Rows(), Sight(2)
    reader = cast("Reader", store)
    names = [f"510000/case/{at}" for at in range(9)]
    sight.prefetch(reader, [(LOG, name) for name in names])
    store.asked.clear()
    sight.add([_row(name, at) for at, name in enumerate(names, 1)])
    sight.add([_row(names[0], 20)])
    found = [sight.newest(reader, LOG, name) for name in names]
    assert [it.index for it in found if it is not None] == [20, *range(2, 10)]
    assert not store.asked  # it does not know them yet


def test_what_was_kept_before_gives_way_to_a_row_that_is_made() -> None:
    store, sight = _Rows(), Sight(100)
    reader = cast("Reader", store)
    name = "510000/case/1"
    assert sight.newest(reader, LOG, name) == _row(name, 0)
    sight.add([_row(name, 3)])
    assert sight.newest(reader, LOG, name) == _row(name, 3)
    assert sight.below(reader, LOG, name, 4) == _row(name, 3)
    sight.settle()
    assert sight.newest(reader, LOG, name) == _row(name, 3)
    assert store.asked == [name]


def test_a_committed_row_that_memory_has_forgotten_is_asked_of_the_store() -> None:
    store, sight = _Rows(), Sight(2)
    reader = cast("Reader", store)
    names = [f"510000/case/{at}" for at in range(5)]
    sight.add([_row(name, 7) for name in names])
    sight.settle()
    assert sight.newest(reader, LOG, names[0]) == _row(names[0], 0)
    assert store.asked == [names[0]]
