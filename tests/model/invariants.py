"""What must hold, stated once. Every model of this folder is checked against lines of this table.

n witnesses of a log, f of them may lie, q = (n + f) // 2 + 1. A line is one dated cosignature.
"""

from enum import Enum


class Invariant(Enum):
    """A promise of the protocol: the section that makes it, and its words."""

    ONE_HISTORY = (
        "1, 7",
        (
            "Two inconsistent heads are never both final, nor both under a valid view: to rewrite "
            "what is witnessed, the writer and more than f witnesses must lie."
        ),
    )
    ONE_BRANCH = (
        "0, 8",
        (
            "Evidence convicts by its bytes alone, and nobody honest: no honest key signs two "
            "branches, or goes back in size as time goes on."
        ),
    )
    EXISTED = ("0", "Entry i existed by seen_by(i), give or take a clock.")
    FRESH = (
        "0, 7",
        (
            "No quorum had seen more before fresh_at(note): no view that lacks an end is fresher "
            "than that end's seen_by."
        ),
    )
    BINDS = (
        "4",
        (
            "A revocation binds everywhere from its own seen_by + S: no use that was seen later is "
            "confirmed, at once or late."
        ),
    )
    ONE_HOLDER = ("5", "There is never a second holder.")
    REPLICATED_STAYS = (
        "6",
        "Everything ever replicated is below the cut of a log that is closed.",
    )
    NOTHING_LOST = (
        "1, 6",
        "What a caller has let go of is not lost with its region: it is below the cut.",
    )
    SIGNS_ONCE = ("6", "A region never signs the same sizes again with other entries.")
    ONE_VERSION = ("7", "No two rosters of one version are both signed by q_m members.")
    NEVER_WEDGED = (
        "7",
        "With all honest members reachable, a version can always still be completed.",
    )
    CANDIDATE = (
        "0, 2",
        (
            "The candidate of a log that its witnesses hear gets a quorum on its one tree, as soon "
            "as every honest one has answered."
        ),
    )

    @property
    def section(self) -> str:
        return self.value[0]

    @property
    def words(self) -> str:
        return self.value[1]


def quorum(n: int, f: int) -> int:
    """Return q: so many that two quorums share more than f."""
    q = (n + f) // 2 + 1
    assert 2 * q - n > f
    return q
