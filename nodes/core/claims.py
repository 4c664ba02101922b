"""Our own log as others know it: what they hold of it beyond our store is a claim on us.

A node that was set back to an old state, or wrote another history, would sign what contradicts its
own word. So its witnesses are asked at the start, and a note of ours with which our store does not
agree stops everything until the log is whole again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ledger.errors import LedgerError
from nodes.core.copies import LogReader
from nodes.core.exchange import NEWEST, origin_hash
from nodes.core.heads import Heads
from nodes.core.notes import SignedHead, open_head
from nodes.core.ready import PutMemory, Write
from nodes.core.recovery import BEHIND_WITNESSES, agrees

CLAIM: Final = "claim"
"""Memory under this name: a note of our own log that our store does not agree with."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A question about our own log, at the start."""


class Claims:
    """Who has been asked about our own log, and what was said that we do not remember.

    Args:
        heads: Rows and keys; halted here where a claim stands against us.
        own_size: Returns the size of our own newest note.
        witnesses: Whom to ask.
        memory: Small values of the core's own, by name.
    """

    def __init__(
        self,
        heads: Heads,
        own_size: Callable[[], int],
        witnesses: Iterable[str],
        memory: Mapping[str, bytes],
    ) -> None:
        self._heads = heads
        self._own_size = own_size
        self._claim = memory.get(CLAIM, b"")
        self._unasked = set(witnesses)
        self._unheard = set(self._unasked)
        self.path: Final = NEWEST + origin_hash(heads.own)
        """Under which each node serves the newest note of our log."""

    @property
    def is_heard(self) -> bool:
        """Whether each witness has been asked once: it answered, or failed."""
        return not self._unheard

    def is_to_ask(self, peer: str) -> bool:
        """Say whether a witness has not answered yet."""
        return peer in self._unasked

    def lost(self, peer: str) -> None:
        """Take note that a question got no answer; it is asked again, and nobody waits for it."""
        self._unheard.discard(peer)

    def answered(self, peer: str, status: int, body: bytes, reader: LogReader) -> tuple[Write, ...]:
        """Take a witness's newest note of our own log, or that it has none (404)."""
        self._unheard.discard(peer)
        if status not in {200, 404}:
            return ()
        self._unasked.discard(peer)
        if status == 404:
            return ()
        try:
            return self.compare(body, reader)
        except LedgerError:
            return ()

    def compare(self, note: bytes, reader: LogReader) -> tuple[Write, ...]:
        """Halt if a note that we once signed is beyond what we remember, or contradicts it.

        Raises:
            LedgerError: It is no note that its log has signed.
        """
        head, _ = open_head(note, self._heads.rosters)
        return self._compare(head, self._own_size(), reader)

    def check(self, reader: LogReader, own_size: int) -> None:
        """Compare our store with the note that once showed us to be behind, if there was one.

        Args:
            reader: Of our store.
            own_size: How much of our own log it holds.
        """
        if self._claim and not self._heads.halted:
            head, _ = open_head(self._claim, self._heads.rosters, is_ours=True)
            self._compare(head, own_size, reader)

    def _compare(self, head: SignedHead, size: int, reader: LogReader) -> tuple[Write, ...]:
        if head.checkpoint.origin != self._heads.own:
            return ()
        if agrees(head.checkpoint, size, reader):
            return ()
        if not self._heads.halted:
            self._heads.halted = BEHIND_WITNESSES
        self._claim = head.note
        return (PutMemory(CLAIM, head.note),)
