"""Rare states that a run may reach: whoever reads a report wants to know whether it did."""

from collections.abc import Mapping
from typing import Final

SOMETIMES: Final[Mapping[str, str]] = {
    "finality advanced": "a log's entries became witnessed or replicated",
    "went on after a failed commit": "a commit failed for certain, and the node went on",
    "stopped by itself": "a node did not know what was on its disk, and stopped",
    "answered 503": "a peer was told to come again",
    "message queued for a second": "a link was so narrow that messages queued",
    "two nodes compared in full": "two nodes had judged the same, and had the same findings",
    "a version of the roster was signed": "the roster changed",
    "a round of signing was stalled": "members turned to the next proposer of a roster",
    "a proposal that some had signed was repeated": "the next proposer repeated what some signed",
    "a forbidden word on the roster was found": (
        "a keeper lied, and every node near that log has the finding"
    ),
    "a keeper read what nobody wanted": "a keeper who lies proposed what nobody else wants",
    "a keeper read what was wanted": "a keeper who lies proposed what others want, wrongly pinned",
    "word roster.approve: pin-not-replicated": "a node did not sign what pins another tree",
    "a stall was left out that says what nobody wants": (
        "a round was opened without the stall of one who had signed what nobody wants"
    ),
    "finding breach: other-proposal": "somebody repeated not what was signed, or stalled untruly",
    "a version was told that too few had signed": "a liar told a version too early",
    "a retired key was refused": "a region that returned was not let in with its old keys",
    "a receipt was verified": "a receipt was verified by a stranger",
    "a bundle was verified from the genesis": "a bundle was verified from the genesis roster alone",
    "a node that lives was told that its log is closed": "a log was closed that was not lost",
    "a line by new keys after a loss": "a region that had lost its memory witnessed again",
    "salvage: accepted": "an act that a lost log had accepted was brought into its successor",
    "use confirmed": "a use of a lent right was confirmed",
    "use confirmed-late": "a use was confirmed by a later view only",
    "use unauthorised": "a right was used after it had ended",
    "a careless act was refused": "an officer tried what the rules forbid",
    "taken over late": "a case lay before it was taken over",
    "rated badly": "a citizen was not satisfied, and it was put right",
    "gave up waiting": "a person gave up after many tries",
    "a forbidden act was recorded": "a lawless node recorded what the rules forbid",
    "a forbidden act was found by another node": "every other node found that out",
    "a withheld release was found": "a holder kept a case, and everybody has the finding",
    "a withheld release was found through a successor": (
        "a holder kept a case that a log had accepted which has ended since"
    ),
    "two histories were found out": "a region showed two histories, and everybody has the finding",
    "who was shown a second history convicted its log": (
        "a node that held one history was shown the other, and convicted the log"
    ),
    "cosigned what a witness must refuse": "a lying witness signed what others refused",
    "an old request was sent again": "a liar sent an old request again",
    "a line was dated otherwise": "a lying witness dated a line as it liked",
    "lines that contradict each other were seen": "a node took two lines that no honest key gives",
    "a lying witness was convicted by who saw its lines": "and knows whom they convict",
    "told another size": "a liar told another size than it has",
    "requests of a flood": "a liar flooded the others",
    "a node turned to the branch of the quorum": (
        "a node held another history of a liar's log than a quorum, and turned to theirs"
    ),
}


def reached(counts: Mapping[str, int]) -> dict[str, int]:
    """Return how often each rare state was reached; 0 for those that were not."""
    return {name: counts.get(name, 0) for name in SOMETIMES}
