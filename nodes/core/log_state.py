"""How far one log is judged, and what of it is kept in memory to judge on."""

from dataclasses import dataclass, field

from ledger import encoding
from ledger.kind import ViewFact
from ledger.map_tree import ObjectMap
from ledger.object_map import is_object
from ledger.views import Cover, Evidence


@dataclass(slots=True)
class LogState:
    """What a projection remembers of one log; small, and a function of the judged prefix.

    Invariant: ``evidence.size <= published_size <= size``.
    """

    origin: str
    size: int
    evidence: Evidence
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
    objects: ObjectMap = field(default_factory=ObjectMap)
    """The object map as of the last block record, and the acts since; stored by itself."""

    def encode(self) -> bytes:
        """Return what is stored; views and times are found again in the log itself."""
        covers = [list(cover) for cover in self.evidence.covers]
        return encoding.encode(
            [
                self.height,
                self.published_size,
                self.others_size,
                self.base_s,
                self.evidence.size,
                covers,
            ]
        )

    @classmethod
    def decode(cls, origin: str, size: int, quorum: int, state: bytes) -> "LogState":
        """Read what ``encode`` wrote."""
        height, published_size, others_size, base_s, settled, covers = encoding.decode(state)
        evidence = Evidence(quorum, settled, tuple(Cover(*cover) for cover in covers))
        return cls(origin, size, evidence, height, published_size, others_size, base_s)

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
