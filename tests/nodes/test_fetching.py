"""What is fetched of a log is all of it, in order, and nothing that does not hash right."""

import pytest

from ledger.errors import LedgerError
from ledger.tiles import encode_entry_bundle
from nodes.core.fetching import Bundle, Need, Tile, fetch_tree
from tests.nodes.neighbours import Log, LogReader, entries
from tests.strategies import flip

LOG = "510000"
SIZES = (0, 1, 2, 255, 256, 257, 700)


@pytest.fixture(name="log", scope="module")
def make_log() -> Log:
    return Log(LOG, entries(700))


def files(log: Log, need: Need) -> list[bytes]:
    reader = LogReader(log)
    found = []
    for path in need.paths:
        kind, _, rest = path.removeprefix("tile/").partition("/")
        index, _, width = rest.partition(".p/")
        at = int(index.replace("x", "").replace("/", ""))
        if kind == "entries":
            found.append(encode_entry_bundle(log.entries[at * 256 : at * 256 + int(width or 256)]))
        else:
            place = (int(kind), at)
            found.append(reader.tiles(log.origin, [place])[place][: 32 * int(width or 256)])
    return found


@pytest.mark.parametrize("size", SIZES)
def test_what_is_fetched_is_the_whole_log_from_left_to_right(log: Log, size: int) -> None:
    plan = fetch_tree(size, log.checkpoint(size).root, lambda *_: True)
    held: list[bytes] = []
    tiles: dict[tuple[int, int], bytes] = {}
    given_: object = None
    while True:
        try:
            item = plan.send(given_)  # type: ignore[arg-type]
        except StopIteration:
            break
        match item:
            case Need():
                given_ = item.check(files(log, item))
            case Bundle():
                assert item.start == len(held)
                held += item.entries
            case Tile():
                tiles[item.level, item.index] = item.hashes
    assert held == log.entries[:size]
    assert tiles == Log(LOG, log.entries[:size]).tiles()


def test_nothing_that_does_not_hash_right_is_believed(log: Log) -> None:
    fork = Log(LOG, entries(700, "fork"))
    plan = fetch_tree(700, log.checkpoint().root, lambda *_: True)
    item = next(plan)
    needs = 0
    while True:
        if isinstance(item, Need):
            needs += 1
            good = files(log, item)
            for wrong in (
                files(fork, item),
                [b""] * len(good),
                [data[:-1] for data in good],
                [data + b"x" for data in good],
                [flip(data, 8 * len(data) - 1) for data in good],
            ):
                with pytest.raises(LedgerError):
                    item.check(wrong)
            answer = item.check(files(log, item))
        else:
            answer = ()
        try:
            item = plan.send(answer)
        except StopIteration:
            break
    assert needs == 1 + 2 + 3  # the edge, two full tiles, three bundles
