"""How far one log is judged, and what of it is kept in memory to judge on."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ledger import encoding
from ledger.epochs import Counting, Epoch, counting
from ledger.kind import ViewFact
from ledger.map_tree import ObjectMap
from ledger.object_map import is_object
from ledger.views import Cover, Evidence


@dataclass(slots=True)
class LogState:
    """What a projection remembers of one log; small, and a function of the judged prefix.

    Invariant: ``evidence.size <= published_size <= size``; ``epochs`` is never empty, and only the
    last of them may lack its proof.
    """

    origin: str
    size: int
    evidence: Evidence
    epochs: tuple[Epoch, ...]
    """Ascending; the first is the version that the log begins under."""
    height: int = 0
    published_size: int = 0
    """Of the checkpoint that the last block record names."""
    others_size: int = 0
    """Past the last entry that is no block record."""
    base_s: int = 0
    """b: the latest ``fresh_at`` among views and block records so far (protocol.md section 4)."""
    views: dict[str, ViewFact] = field(default_factory=dict)
    """The newest view of each other log."""
    times: list[tuple[int, int]] = field(default_factory=list)
    """(first index, declared time) of runs of entries whose ``seen_by`` is not fixed yet."""
    unjudged: int = 0
    """How many entries are not judged here, since they rest on logs that are not followed."""
    objects: ObjectMap = field(default_factory=ObjectMap)
    """The object map as of the last block record, and the acts since; stored by itself."""

    @property
    def version(self) -> int:
        """The version in force at the end of the judged prefix."""
        return self.epochs[-1].version

    def proven_version(self, replicated_size: int) -> int:
        """Return the newest version whose epoch's note has both quorums, in the log or beside it.

        Args:
            replicated_size: Of the log, counted by both versions on the note of an epoch.
        """
        opened = self.open_epoch
        is_proven = opened is None or replicated_size > opened.start
        return self.epochs[-1 if is_proven else -2].version

    @property
    def open_epoch(self) -> Epoch | None:
        """The last epoch, while both quorums on its note do not stand in the log."""
        last = self.epochs[-1]
        return last if last.proven_at is None else None

    def counting(self, size: int, proven: Iterable[int] = ()) -> Counting | None:
        """Return by which versions lines on the tree of a size count; None: by none.

        Nothing above the note of an epoch counts before both quorums on that note stand in the
        tree. Of what is not judged here, nothing is known.

        Args:
            size: Of the tree, up to our own ``size``.
            proven: Versions whose note has its quorums in the entry that is being judged.
        """
        return counting(self.epochs, size, proven)

    def prove(self, index: int) -> None:
        """Take note that the entry at ``index`` holds both quorums on the last epoch's note."""
        self.epochs = (*self.epochs[:-1], self.epochs[-1]._replace(proven_at=index))

    def copy(self) -> "LogState":
        """Return a state that is the same and grows by itself."""
        return replace(
            self, views=dict(self.views), times=list(self.times), objects=self.objects.copy()
        )

    def encode(self) -> bytes:
        """Return what is stored; views and times are found again in the log itself."""
        evidence = self.evidence
        return encoding.encode(
            [
                self.height,
                self.published_size,
                self.others_size,
                self.base_s,
                [evidence.quorum, evidence.size, evidence.floor_s],
                [list(cover) for cover in evidence.covers],
                [list(epoch) for epoch in self.epochs],
                # A state stored before there were such entries ends here.
                *([self.unjudged] if self.unjudged else []),
            ]
        )

    @classmethod
    def decode(cls, origin: str, size: int, state: bytes) -> "LogState":
        """Read what ``encode`` wrote."""
        height, published_size, others_size, base_s, settled, covers, epochs, *unjudged = (
            encoding.decode(state)
        )
        quorum, settled_size, floor_s = settled
        evidence = Evidence(quorum, settled_size, tuple(Cover(*cover) for cover in covers), floor_s)
        return cls(
            origin,
            size,
            evidence,
            tuple(Epoch(*epoch) for epoch in epochs),
            height,
            published_size,
            others_size,
            base_s,
            unjudged=sum(unjudged),
        )

    def grow(self, time_s: int, *, is_block: bool) -> None:
        """Count one more entry, declared at ``time_s``."""
        self.note_time(self.size, time_s)
        self.size += 1
        if not is_block:
            self.others_size = self.size

    def note_act(self, subject: str, leaf: bytes) -> None:
        """Count the next entry in the object map, if it names an object; void or not."""
        if is_object(subject):
            self.objects.note(subject, self.size, leaf)

    def note_time(self, index: int, time_s: int) -> None:
        """Remember a declared time until its entry is seen; once for a run of equal times."""
        if not self.times or self.times[-1][1] != time_s:
            self.times.append((index, time_s))
