"""Keys that evidence has convicted of two histories, and where that evidence is recorded.

Whoever finds evidence has it in their own log with the same commit; whoever judges such an entry of
another log holds it as well, so that it outlives its finder. What follows is one thing: nobody
honest cosigns a log whose present key is convicted. A convicted witness or mirror is one of the f,
and its lines count as before (protocol.md section 8).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from ledger.encoding import decode, encode
from ledger.equivocation import (
    Conviction,
    Equivocation,
    check_evidence,
    convicted_by,
    decode_evidence,
    evidence_body,
)
from ledger.errors import UnverifiedError
from ledger.roster import Roster
from nodes.core.ready import PutMemory, Write
from nodes.core.rosters import Rosters

CONVICTED: Final = "equivocation/"
"""Memory under this name and an object that stands for a key holds what convicts it."""


@dataclass(frozen=True, slots=True)
class Convicted:
    """A key, what it is convicted of and by, and the first entry known here that records it.

    Args:
        place: Origin and index; None while no log records it yet.
    """

    conviction: Conviction
    evidence: Equivocation
    place: tuple[str, int] | None = None

    def encode(self) -> bytes:
        """Return what is stored."""
        place = None if self.place is None else list(self.place)
        conviction = self.conviction
        return encode([evidence_body(self.evidence), conviction.public, conviction.shown, place])

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read what ``encode`` wrote; it was checked before it was stored."""
        body, public, shown, place = decode(value)
        evidence = decode_evidence(body)
        conviction = convicted_by(evidence, public, shown)
        return cls(conviction, evidence, None if place is None else (place[0], place[1]))


class Convictions:
    """All convicted keys that this node knows of.

    Invariant: each evidence in here was checked, and stands in the store's memory.

    Args:
        rosters: Say which key a log has now.
        memory: Small values of the core's own, by name.
    """

    def __init__(self, rosters: Rosters, memory: Mapping[str, bytes]) -> None:
        self._known = rosters
        self._found: dict[str, Convicted] = {}
        self._logs: dict[str, set[bytes]] = {}
        for name, value in memory.items():
            if name.startswith(CONVICTED):
                self._keep(Convicted.decode(value))

    @property
    def _rosters(self) -> Mapping[int, Roster]:
        return {roster.version: roster for roster in self._known.chain.rosters}

    @property
    def found(self) -> Mapping[str, Convicted]:
        """By the object that stands for the key."""
        return self._found

    @property
    def unrecorded(self) -> tuple[tuple[Equivocation, Conviction], ...]:
        """What was found here and stands in no log yet."""
        return tuple(
            (it.evidence, it.conviction) for it in self._found.values() if it.place is None
        )

    def is_log(self, origin: str) -> bool:
        """Say whether the key that a log has now is convicted: then nobody honest cosigns it.

        A roster version settles it by giving the log another key, or by closing it.
        """
        keys, newest = self._logs.get(origin), self._known.newest
        return (
            keys is not None and origin in newest.origins and newest.log_key(origin).public in keys
        )

    def has_forked(self, origin: str) -> bool:
        """Say whether any key that a log ever had is convicted of two histories of it."""
        return origin in self._logs

    @property
    def logs(self) -> frozenset[str]:
        """The logs of which ``is_log`` holds."""
        return frozenset(origin for origin in self._logs if self.is_log(origin))

    def take(self, evidence: Equivocation) -> tuple[Write, ...]:
        """Take what was found here, if it convicts a key that is not convicted yet.

        What does not convict is forgotten: it proves nothing.
        """
        try:
            conviction = check_evidence(evidence, self._rosters)
        except UnverifiedError:
            return ()
        if conviction.subject in self._found:
            return ()
        return self._keep(Convicted(conviction, evidence))

    def record(
        self, evidence: Equivocation, conviction: Conviction, place: tuple[str, int]
    ) -> tuple[Write, ...]:
        """Take note of an entry, judged to hold, that records evidence."""
        known = self._found.get(conviction.subject)
        if known is None:
            return self._keep(Convicted(conviction, evidence, place))
        if known.place is None:
            return self._keep(replace(known, evidence=evidence, place=place))
        return ()

    def _keep(self, convicted: Convicted) -> tuple[Write, ...]:
        conviction = convicted.conviction
        self._found[conviction.subject] = convicted
        if conviction.against == "log":
            self._logs.setdefault(conviction.origin, set()).add(conviction.public)
        return (PutMemory(CONVICTED + conviction.subject, convicted.encode()),)


def unplaced(memory: Mapping[str, bytes], kept: Mapping[str, int]) -> tuple[PutMemory, ...]:
    """Return what lets evidence be recorded anew whose place in a log is no more.

    Args:
        memory: Small values of the core's own, by name.
        kept: By origin of the logs that are judged again: how many entries are what they were.
    """
    writes: list[PutMemory] = []
    for name, value in memory.items():
        if name.startswith(CONVICTED):
            convicted = Convicted.decode(value)
            place = convicted.place
            if place is not None and place[0] in kept and place[1] >= kept[place[0]]:
                writes.append(PutMemory(name, replace(convicted, place=None).encode()))
    return tuple(writes)
