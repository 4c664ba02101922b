"""Where a lost log is cut off: what all that its frozen members report comes to.

Everything ever replicated is below the cut, since any two quorums share an honest mirror.

Source: protocol.md section 6.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ledger.checkpoint import Checkpoint
from ledger.errors import RefusedError, UnavailableError, UnverifiedError
from ledger.frozen import Frozen
from ledger.hashing import EMPTY_ROOT
from ledger.roster import Roster


@dataclass(frozen=True, slots=True)
class Branch:
    """One history of the log whose bytes are held.

    Args:
        size: How many entries of it are held.
        root_at: Root of its first entries; asked for no more than ``size``.
    """

    size: int
    root_at: Callable[[int], bytes]

    def holds(self, head: Checkpoint) -> bool:
        """Say whether the branch has gone through a head."""
        return head.size <= self.size and self.root_at(head.size) == head.root

    def contradicts(self, head: Checkpoint) -> bool:
        """Say whether the branch has another root at the head's size."""
        return head.size <= self.size and self.root_at(head.size) != head.root


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the log is closed.

    Args:
        lacking: Regions that report a tree whose bytes are not held here; to be fetched first.
        reasons: For people, a sentence each.
        is_forked: Whether the reports show two histories, which convicts the log's writer.
    """

    size: int
    root: bytes
    lacking: tuple[str, ...]
    reasons: tuple[str, ...]
    is_forked: bool


def decide_cut(
    roster: Roster,
    origin: str,
    reports: Mapping[str, Frozen],
    branches: Sequence[Branch],
    proven: Sequence[Checkpoint] = (),
) -> Cut:
    """Return where a log is to be closed.

    1. A quorum of its witnesses has frozen it; who is no witness does not count.
    2. Where no report contradicts another: the largest size reported whose bytes are held.
    3. Where two do, that is fork evidence: the branch that a quorum of mirrors signed stands, up to
       the largest size reported on it.
    4. Where neither has a quorum: the last size on which all agree.

    Args:
        roster: In force.
        origin: Of the lost log.
        reports: By region, each checked.
        branches: Histories whose bytes are held, by whomever. One that is a prefix of another may
            stand beside it.
        proven: Heads that carry a quorum of mirror lines, from views or notes.

    Raises:
        UnavailableError: ``too-few-frozen`` (1); ``bytes-missing``: the reports contradict each
            other, and the bytes that would tell which stands are not held here.
        UnverifiedError: ``two-quorums``: two branches have one, so more than f lied.
    """
    quorum = roster.quorum(origin)
    witnesses = roster.witnesses_of(origin)
    counted = {region: reports[region] for region in witnesses if region in reports}
    if len(counted) < quorum:  # (1)
        raise UnavailableError(
            f"{len(counted)} of the {quorum} witnesses needed have frozen {origin}",
            code="too-few-frozen",
        )
    branches = _longest(branches)
    heads = [head for report in counted.values() for head in _heads(report)]
    told = [_tell(region, report) for region, report in counted.items()]
    rest = len(witnesses) - len(counted)
    if rest:
        told.append(f"{rest} of {len(witnesses)} witnesses have not frozen it; {quorum} are enough")
    if not _contradict([*heads, *proven], branches):  # (2)
        best = max(branches, key=lambda branch: _largest(heads, branch), default=None)
        size = 0 if best is None else _largest(heads, best)
        root = EMPTY_ROOT if best is None or not size else best.root_at(size)
        told.append(f"no two reports differ; the largest tree whose bytes are held has {size}")
        return Cut(size, root, _lacking(counted, branches), tuple(told), is_forked=False)
    told.append("the reports show two histories: the log's writer has forked it")
    standing = _standing(counted, quorum, [*heads, *proven], branches, proven)
    if standing is not None:  # (3)
        size = max(
            [head.size for head in (*heads, *proven) if standing.holds(head)],
            default=0,
        )
        told.append(f"one branch has a quorum of {quorum} mirrors; it is held up to {size}")
        lacking = _lacking(counted, [standing])
        return Cut(size, standing.root_at(size), lacking, tuple(told), is_forked=True)
    size = _common(branches)  # (4)
    told.append(f"neither branch has a quorum of mirrors; both agree up to {size}")
    root = branches[0].root_at(size) if size else EMPTY_ROOT
    return Cut(size, root, (), tuple(told), is_forked=True)


def check_closing(head: Checkpoint, mirrored: Checkpoint | None, branch: Branch) -> None:
    """Check that a member may sign a version which closes a log at ``head``.

    1. The cut is not below what the member's own mirror has signed for.
    2. The cut lies on the branch that the member has signed for.

    Args:
        head: Where the version closes the log.
        mirrored: The largest tree for which the member's mirror key has signed.
        branch: What the member holds of the log.

    Raises:
        RefusedError: ``cut-below-mirror`` (1), ``cut-elsewhere`` (2).
    """
    if mirrored is None:
        return
    if head.size < mirrored.size:  # (1)
        raise RefusedError(
            f"the cut is at {head.size}, and this member mirrors {mirrored.size} entries",
            code="cut-below-mirror",
        )
    same = head.size == mirrored.size and head.root != mirrored.root
    if same or branch.contradicts(head):  # (2)
        raise RefusedError(
            f"the cut at {head.size} is not on the tree that this member mirrors",
            code="cut-elsewhere",
        )


def _longest(branches: Sequence[Branch]) -> list[Branch]:
    """Return the branches that are no beginning of another one."""
    kept: list[Branch] = []
    for branch in sorted(branches, key=lambda branch: -branch.size):
        root = branch.root_at(branch.size)
        if not any(other.root_at(branch.size) == root for other in kept):
            kept.append(branch)
    return kept


def _heads(report: Frozen) -> list[Checkpoint]:
    held = (report.witnessed, report.mirrored)
    return [item.checkpoint for item in held if item is not None]


def _largest(heads: Sequence[Checkpoint], branch: Branch) -> int:
    return max((head.size for head in heads if branch.holds(head)), default=0)


def _lacking(reports: Mapping[str, Frozen], branches: Sequence[Branch]) -> tuple[str, ...]:
    """Return who mirrors more than anything that is held here."""
    most = max((branch.size for branch in branches), default=0)
    return tuple(region for region, report in reports.items() if report.mirrored_size > most)


def _contradict(heads: Sequence[Checkpoint], branches: Sequence[Branch]) -> bool:
    """Say whether two of these heads cannot lie on one tree, as far as bytes tell."""
    roots: dict[int, bytes] = {}
    if any(roots.setdefault(head.size, head.root) != head.root for head in heads):
        return True
    return any(branch.contradicts(head) for branch in branches for head in heads)


def _standing(
    reports: Mapping[str, Frozen],
    quorum: int,
    heads: Sequence[Checkpoint],
    branches: Sequence[Branch],
    proven: Sequence[Checkpoint],
) -> Branch | None:
    """Return the branch that has a quorum beyond what all branches share; None where none has.

    Raises:
        UnavailableError: ``bytes-missing``.
        UnverifiedError: ``two-quorums``.
    """
    reached = [_reached(reports, quorum, branch, proven) for branch in branches]
    foreign = [head for head in heads if not any(branch.holds(head) for branch in branches)]
    if foreign:
        # A branch whose bytes nobody has shown. It parts from ours below the smallest such head, so
        # a quorum from there on needs no more to be known.
        parts_at = min(head.size for head in foreign)
        standing = [it for it, size in zip(branches, reached, strict=True) if size >= parts_at]
        if len(standing) != 1:
            raise UnavailableError(
                f"the bytes of another branch are needed, with the tree of {parts_at}",
                code="bytes-missing",
            )
        return standing[0]
    common = _common(branches)
    standing = [it for it, size in zip(branches, reached, strict=True) if size > common]
    if len(standing) > 1:
        raise UnverifiedError(
            "two branches have a quorum of mirrors: more than f of them lied", code="two-quorums"
        )
    return standing[0] if standing else None


def _reached(
    reports: Mapping[str, Frozen], quorum: int, branch: Branch, proven: Sequence[Checkpoint]
) -> int:
    """Return the largest tree of a branch for which a quorum of mirrors has signed."""
    sizes = sorted(
        (
            report.mirrored_size
            for report in reports.values()
            if report.mirrored is not None and branch.holds(report.mirrored.checkpoint)
        ),
        reverse=True,
    )
    by_reports = sizes[quorum - 1] if len(sizes) >= quorum else 0
    return max([by_reports, *(head.size for head in proven if branch.holds(head))])


def _common(branches: Sequence[Branch]) -> int:
    """Return the largest size at which all branches have one root."""
    low, high = 0, min(branch.size for branch in branches)
    while low < high:
        middle = (low + high + 1) // 2
        if len({branch.root_at(middle) for branch in branches}) == 1:
            low = middle
        else:
            high = middle - 1
    return low


def _tell(region: str, report: Frozen) -> str:
    size = 0 if report.witnessed is None else report.witnessed.checkpoint.size
    return f"{region} has seen {size} entries and mirrors {report.mirrored_size}"
