"""Whether a node may write again after a start.

A node that has forgotten something writes nothing and cosigns nothing (protocol.md section 6). What
has changed in its store, ``damage`` finds; how it gets back what is lost, ``rebuild`` says.
"""

from dataclasses import dataclass
from typing import Final, Literal

from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError
from ledger.proofs import root_at
from nodes.core.copies import LogReader, node_reader
from nodes.ports import FenceMark

BEHIND_WITNESSES: Final = "behind-witnesses"
REBUILDING: Final = "rebuilding"


@dataclass(frozen=True, slots=True)
class Start:
    """What a start finds: whether the node may write, and why not."""

    state: Literal["serving", "behind-fence"]
    move_fence: bool
    """Whether the store is past the fence, which is to be moved up first."""
    why: str


def decide_start(  # noqa: PLR0917 - the fence, then the store
    mark: FenceMark | None, commit: int, origin: str, size: int, root: bytes, reader: LogReader
) -> Start:
    """Compare the store with the fence.

    The store may serve iff its commit number is not smaller than the fence's and its tree extends
    the fence's head. A new node is told from one that lost its store by its fence, which says
    commit 0.

    Args:
        mark: The fence; None where it is missing, which counts as behind.
        commit: Number of the store's last commit.
        origin: Of our own log.
        size: How many entries the store has.
        root: Root of its tree.
        reader: Reads its tiles.
    """
    if mark is None:
        return _behind("there is no fence")
    if commit < mark.commit:
        return _behind(f"the store is at commit {commit}, the fence at {mark.commit}")
    if size < mark.size:
        return _behind(f"the store has {size} entries, the fence {mark.size}")
    if not agrees(Checkpoint(origin, mark.size, mark.root), size, reader):
        return _behind(f"the store's tree does not have the fence's root at {mark.size}")
    past = (commit, size, root) != (mark.commit, mark.size, mark.root)
    return Start("serving", move_fence=past, why="")


def _behind(why: str) -> Start:
    return Start("behind-fence", move_fence=False, why=why)


def agrees(claim: Checkpoint, size: int, reader: LogReader) -> bool:
    """Say whether our store of ``size`` entries has gone through this head of our own log."""
    if claim.size > size:
        return False
    try:
        return root_at(claim.size, node_reader(reader, claim.origin)) == claim.root
    except LedgerError:
        return False  # tiles are missing or short
