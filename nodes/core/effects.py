"""What judging entries leads to: rows to be written, and what other parts of the core act upon."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from authz.tally import Tally
from ledger.checkpoint import Checkpoint
from ledger.equivocation import Conviction, Equivocation
from ledger.kind import Fact, ViewFact
from ledger.statement import Statement, UnverifiedStatement
from ledger.views import GoodLine
from nodes.core.log_state import LogState
from nodes.core.notes import SignedHead
from nodes.core.ready import (
    AdvanceProjection,
    FindingRow,
    PutEvidence,
    PutFacts,
    PutFindings,
    PutMap,
    PutTallies,
    PutUses,
    TallyRow,
    Write,
)
from nodes.ports import UseRow


def map_writes(state: LogState) -> Iterator[PutMap]:
    """Give the write of what the object map of a log has grown by since this was last asked."""
    grown = state.objects.take()
    if grown is not None:
        yield PutMap(state.origin, grown)


@dataclass(slots=True)
class Effects:
    """What judging a few entries of one log came to, to be written and acted upon."""

    facts: list[Fact] = field(default_factory=list)
    mentions: list[tuple[str, str, int]] = field(default_factory=list)
    voids: list[tuple[str, str, int]] = field(default_factory=list)
    ties: list[tuple[str, str, int, int]] = field(default_factory=list)
    findings: list[FindingRow] = field(default_factory=list)
    uses: list[UseRow] = field(default_factory=list)
    tallies: dict[tuple[int, str, int, str, str], list[int]] = field(default_factory=dict)
    """By block, figure, day, unit and detail: first index, number and total."""
    evidence: list[PutEvidence] = field(default_factory=list)
    views: list[ViewFact] = field(default_factory=list)
    """Views recorded, in order; ``settlement`` looks at the uses they may settle."""
    convictions: list[tuple[Equivocation, Conviction, int]] = field(default_factory=list)
    """Evidence that holds, what it proves, and the index of the entry that records it."""
    lines: list[tuple[Checkpoint, tuple[GoodLine, ...]]] = field(default_factory=list)
    """Mirror lines inside entries that hold, and what each of them signs."""
    shown: list[tuple[SignedHead, tuple[GoodLine, ...]]] = field(default_factory=list)
    """Notes of other logs that views show, with lines that hold."""
    noticed: list[tuple[int, Statement | UnverifiedStatement]] = field(default_factory=list)
    """Answers to offers, which duties may follow from."""
    is_on_roster: bool = False
    """Whether one of these entries proposes, approves or stalls the next version of the roster."""
    is_epoch: bool = False
    """Whether another version of the roster is in force from one of these entries on."""

    def tally(self, block: int, index: int, found: Iterable[Tally]) -> None:
        """Add what an act counts for to the sums of its block."""
        for it in found:
            key = (block, it.figure, it.day, it.unit, it.detail)
            summed = self.tallies.get(key)
            if summed is None:
                self.tallies[key] = [index, it.number, it.total]
            else:
                summed[1] += it.number
                summed[2] += it.total

    def writes(self, state: LogState) -> tuple[Write, ...]:
        """Return the writes, with the log's new state."""
        written: list[Write] = []
        if self.facts or self.mentions or self.voids or self.ties:
            written.append(
                PutFacts(
                    tuple(self.facts), tuple(self.mentions), tuple(self.voids), tuple(self.ties)
                )
            )
        if self.findings:
            written.append(PutFindings(tuple(self.findings)))
        if self.uses:
            written.append(PutUses(tuple(self.uses)))
        written += self.tallied(state.origin)
        written += self.evidence
        written += map_writes(state)
        written.append(AdvanceProjection(state.origin, state.size, state.encode()))
        return tuple(written)

    def tallied(self, origin: str) -> Iterator[PutTallies]:
        """Give the write of what was counted, where anything was."""
        rows = tuple(
            # Text and no member of an enumeration: drivers tell the two apart.
            TallyRow(at, str(figure), day, unit, detail, number, total)
            for (_, figure, day, unit, detail), (at, number, total) in self.tallies.items()
            if number or total
        )
        if rows:
            yield PutTallies(origin, rows)
