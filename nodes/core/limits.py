"""What bounds a node's work and memory, and which region it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one node. Rows and entries are counts.

    Args:
        judged_entries_max: Entries of other logs that one commit judges; the rest wait.
        judged_bytes_max: Bytes of other logs' entries that one commit judges; what costs time in an
            entry are its signatures and lines, so its length bounds them.
        judged_chunk_entries_max: Entries of one log read at a time.
        facts_cached_max: Rows kept in memory over all logs.
        keys_cached_max: Signature keys that a verifier keeps.
        block_candidates_max: Candidates whose lines one block record takes.
        duties_max: Acts of the region's own that may wait to be done.
        pace_ms: How long after its last entries a node may wait before it records what it owes
            without being asked, so that one checkpoint covers more; 0: not at all. Who asks for an
            act never waits for this, and what is owed goes along with it.
    """

    judged_entries_max: int = 1_024
    judged_bytes_max: int = 512 * 1024
    judged_chunk_entries_max: int = 256
    facts_cached_max: int = 16_384
    keys_cached_max: int = 8_192
    block_candidates_max: int = 64
    duties_max: int = 10_000
    pace_ms: int = 0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < (0 if name == "pace_ms" else 1):
                raise ValueError(f"{name} is at least {0 if name == 'pace_ms' else 1}")
        if self.judged_chunk_entries_max > self.judged_entries_max:
            raise ValueError("a chunk is no more than judged_entries_max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Which node this is.

    Args:
        region: Whose log it writes.
        foreign_witnesses: Verifier keys (vkey) of witnesses outside the roster, by name; their
            lines are collected and served, and never counted.
    """

    region: str
    limits: Limits = Limits()
    foreign_witnesses: Mapping[str, str] = field(default_factory=dict)
