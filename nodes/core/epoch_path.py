"""What the entries of a branch show of its epochs, where that branch is not ours.

Lines by the keys of a version count in a log only above both quorums on the note of its epoch.
Where that epoch stands above the place at which two branches part, the branch that has it must show
it. So its entries are read, below a head that is known. Of its writer, who has lied, nothing is
believed: what proves an epoch are lines of mirrors by the keys of the version before.

Source: protocol.md section 7; ADR 0026.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

from ledger.checkpoint import Checkpoint
from ledger.epochs import Epochs, begin_epoch, prove_epoch
from ledger.errors import LedgerError
from ledger.proofs import Reader as NodeReader
from ledger.proofs import root_at
from ledger.roster import Roster
from ledger.statement import UnverifiedStatement, decode_statement
from ledger.tiles import TILE_LEVELS, read_nodes
from ledger.views import BLOCK_KIND, EPOCH_KIND, decode_block
from nodes.core.fetching import Bundle, Need, fetch_path, fetch_tree


def fetch_epochs(
    tree: Checkpoint, common: Epochs, start: int, parted_size: int
) -> Generator[Need, Sequence[bytes], Epochs | None]:
    """Say what to fetch of a tree to know which of its epochs are proven in it; return those.

    1. An entry begins the version after the last proven one, as the rules of epochs have it. More
       than one may look so, since judging could find one of them void: each is kept until
    2. a block record holds lines on the tree that ends with one, which are a quorum by the version
       before and by the new one; and that tree is what this tree was then.
    3. Below where the two trees are known to have parted, judging might find it void; then the
       version before would still count above, on our own branch too. So there a quorum by any
       version that may be in force shares an honest mirror with one by any other, or nothing is
       known.

    Args:
        tree: Of the branch.
        common: The epochs where it is one with our copy, as far as that is judged.
        start: How far that is.
        parted_size: The smallest tree of the two branches that is known to differ.

    Returns:
        The epochs, the last of them proven; None where none is that can be relied on.
    """
    proven = None if common.items[-1].proven_at is None else common
    begun = [common] if proven is None else []
    possible = [_newest(common)]
    read = _entries(tree, start)
    given: Sequence[bytes] | None = None
    while True:
        try:
            item = next(read) if given is None else read.send(given)
        except StopIteration:
            return proven
        if isinstance(item, Need):
            given = yield item
            continue
        given = None
        index, made = item
        if made.act.kind == EPOCH_KIND and proven is not None:  # (1)
            more = _begun(proven, index, made)
            if more is proven:
                continue
            if index + 1 < parted_size:  # (3)
                if more is None or not _meets(more, possible):
                    return None
                possible.append(_newest(more))
            if more is None:
                continue
            if more.items[-1].proven_at is None:
                begun.append(more)
            else:
                proven, begun = more, []
        elif made.act.kind == BLOCK_KIND:  # (2)
            for shown, root in _shown(begun, index, made):
                size = shown.items[-1].start + 1
                tiles = yield from fetch_path(tree.size, tree.root, size)
                if root_at(size, _read(tiles)) == root:
                    proven, begun = shown, []
                    break


def _read(tiles: Mapping[tuple[int, int], bytes]) -> NodeReader:
    return read_nodes(lambda _wanted: tiles)


def _always(root: bytes) -> Callable[[int], bytes]:
    return lambda _start: root


def _entries(
    tree: Checkpoint, start: int
) -> Generator[Need | tuple[int, UnverifiedStatement], Sequence[bytes], None]:
    """Yield what to fetch of a tree, and its statements from an index on."""

    def is_wanted(level: int, index: int, _root: bytes) -> bool:
        return (index + 1) << (TILE_LEVELS * (level + 1)) > start

    plan = fetch_tree(tree.size, tree.root, is_wanted)
    given: Sequence[bytes] | None = None
    while True:
        try:
            item = next(plan) if given is None else plan.send(given)
        except StopIteration:
            return
        given = None
        if isinstance(item, Need):
            given = yield item
        elif isinstance(item, Bundle):
            for index, entry in enumerate(item.entries, item.start):
                try:
                    made = decode_statement(entry)
                except LedgerError:
                    continue  # it is void wherever it is judged
                if index >= start:
                    yield index, made


def _begun(proven: Epochs, index: int, made: UnverifiedStatement) -> Epochs | None:
    """Return the epochs with one that an entry begins, or as they are.

    None where it begins a version that is not known here.
    """
    try:
        return begin_epoch(proven, index, made)
    except LedgerError:
        return None


def _newest(epochs: Epochs) -> Roster:
    return epochs.rosters[epochs.items[-1].version - 1]


def _meets(epochs: Epochs, others: Iterable[Roster]) -> bool:
    """Say whether quorums by the last of the epochs and by another version share an honest mirror.

    An honest region signs a log along one tree, whichever of its keys it signs by.
    """
    origin, roster = epochs.origin, _newest(epochs)
    mirrors, quorum = set(roster.witnesses_of(origin)), roster.quorum(origin)
    faulty = roster.faulty_max(origin)
    return all(
        quorum + it.quorum(origin) - len(mirrors.union(it.witnesses_of(origin)))
        > max(faulty, it.faulty_max(origin))
        for it in others
    )


def _shown(
    begun: Sequence[Epochs], index: int, made: UnverifiedStatement
) -> Sequence[tuple[Epochs, bytes]]:
    """Return epochs that a block record proves if the tree was what it says, and what it says."""
    try:
        block = decode_block(made.act.body)
    except LedgerError:
        return ()
    roots = {item.size: item.root for item in block.lines}
    found: list[tuple[Epochs, bytes]] = []
    for epochs in begun:
        root = roots.get(epochs.items[-1].start + 1)
        if root is None:
            continue
        try:
            more = prove_epoch(epochs, index, made, _always(root))
        except LedgerError:
            continue  # it names another version: void
        if more is not epochs:
            found.append((more, root))
    return found
