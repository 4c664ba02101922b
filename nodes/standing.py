"""Whether a node's store may be relied on, and how one that was lost comes back."""

from ledger.checkpoint import Checkpoint
from ledger.hashing import EMPTY_ROOT
from ledger.note import checkpoint_of
from nodes.core.damage import check_all
from nodes.core.notes import second_note, sign_head
from nodes.core.ready import (
    PutMemory,
    PutNote,
)
from nodes.core.recovery import REBUILDING, decide_start
from nodes.loaded import Loaded
from nodes.ports import FenceMark
from nodes.snapshot import State
from nodes.store import notes
from nodes.store.reader import StoreReader


class Standing(Loaded):
    """A node that knows whether it may write.

    Invariant: in any state but ``serving`` nothing new is signed into the own log.
    """

    def _check_store(self, reader: StoreReader) -> None:
        """Hash every stored log again, up to the root that was signed for it.

        What is altered is found before anything is signed; ``shouxin fsck`` names every place.
        """
        heads = {
            origin: checkpoint_of(row.mirrored)
            for origin, row in self._network.rows.items()
            if row.mirrored
        }
        if self._published is not None:
            heads[self._own] = self._published.checkpoint
        for origin, turn in self._network.heads.turned.items():
            # What our mirror has signed for is laid aside, or will be before anything else.
            if not self._is_to_close:
                heads.pop(origin, None)
                if self._stored.get(origin, 0) >= turn.checkpoint.size:
                    heads[origin] = turn.checkpoint
        for origin, closing in self._rosters.newest.closed.items():
            if self._is_to_close:
                break  # a copy of another tree is there still
            # What was signed beyond the cut is void; what lacks below it is fetched like anything.
            heads.pop(origin, None)
            if self._stored.get(origin, 0) >= closing.size > 0:
                heads[origin] = Checkpoint(origin, closing.size, closing.root)
        for origin, head in heads.items():
            if (stored := self._stored.get(origin, 0)) < head.size:
                where = f"{stored} of {head.size} entries are there"
            else:
                where = self._damage(origin, head, reader)
                if not where:
                    continue
            self._halt("behind-fence", f"{origin}: {where}")
            return

    def _damage(self, origin: str, head: Checkpoint, reader: StoreReader) -> str:
        """Return what is altered in a stored log; empty where nothing is."""
        try:
            damage = next(check_all(origin, head.size, head.root, reader), None)
        except self._errors as error:
            return f"it cannot be read, {error}"
        return "" if damage is None else f"{damage} is not what was stored"

    def _check_fence(self, reader: StoreReader) -> None:
        """Compare the store with the mark outside it (protocol.md section 6)."""
        mark = self._ports.fence.load()
        size = self._stored.get(self._own, 0)
        is_gone = mark is not None and mark.size > 0 and not self._commit and not size
        if mark is not None and (is_gone or self._memory.get(REBUILDING)):
            self._halt("rebuilding", f"fetching {mark.size} entries back")
            self._is_own_ready = False
            self._network.begin_rebuild(mark, reader, size)
            return
        root = EMPTY_ROOT if self._published is None else self._published.checkpoint.root
        found = decide_start(mark, self._commit, self._own, size, root, reader)
        if found.state != "serving":
            self._halt(found.state, found.why)
        elif found.move_fence:
            self._ports.fence.store(self._mark())

    def _rebuild_again(self, reader: StoreReader) -> None:
        """Go on with a rebuild after its memory was thrown away, also one that had just ended.

        What was not committed did not happen, and the store says that the rebuild has not ended.
        """
        if self._state == "serving" and self._memory.get(REBUILDING):
            self._halt("rebuilding", "going on with what was fetched back")
        if self._state != "rebuilding":
            return
        mark = self._ports.fence.load()
        if mark is None:
            self._halt("behind-fence", "there is no fence")
            return
        self._is_own_ready = False
        self._network.begin_rebuild(mark, reader, self._stored.get(self._own, 0))

    def _halt(self, state: State, detail: str) -> None:
        self._state, self._detail = state, detail
        self._network.halt(state)

    def _mark(self) -> FenceMark:
        published = self._published
        if published is None:
            return FenceMark(self._commit, 0, EMPTY_ROOT)
        return FenceMark(self._commit, published.checkpoint.size, published.checkpoint.root)

    # ---- getting back what is lost --------------------------------------------------------------

    def _go_on_rebuilding(self, reader: StoreReader) -> None:
        """Remember that a rebuild is under way; end its first half once all entries are here."""
        if not self._memory.get(REBUILDING):
            self._memory = {**self._memory, REBUILDING: b"\x01"}
            self._write((PutMemory(REBUILDING, b"\x01"),))
        rebuild = self._network.rebuild
        if rebuild is None:
            return
        self._detail = rebuild.why
        if not rebuild.is_done:
            return
        # What others signed for is back; who was witnessed and mirrored here is forgotten, so these
        # two keys rest. The note is the one we gave before: the same text, signed alike.
        head = rebuild.target
        keys = self._means.keys_of(self._rosters.newest)
        self._published = signed = sign_head(head, keys.log, keys.log_pq)
        self._write(
            (
                PutNote(self._own, head.size, signed.note, finished=False),
                *second_note(signed),
                self._network.heads.rest("the database was lost"),
            )
        )
        self._network.rebuild = None
        self._network.heads.halted = ""
        self._network.publish(head, signed.note, signed.post_quantum)
        self._network.check_claim(reader, head.size)
        if self._network.halted:
            self._halt("behind-witnesses", "others hold a note of ours beyond what they gave back")
        else:
            self._detail = "judging the entries that came back"

    def _end_rebuilding(self, reader: StoreReader, now_ms: int) -> None:
        """Serve again, once all of our own log is judged."""
        if not self._is_own_ready:
            self._take_own(reader, now_ms)
        if not self._is_own_ready:
            return
        # Before that, nobody could say by which versions lines count on an epoch's note.
        self._network.candidate.is_waiting = False
        mark = self._ports.fence.load()
        self._state, self._detail = "serving", ""
        self._memory = {**self._memory, REBUILDING: b""}
        self._write((PutMemory(REBUILDING, b""),))
        if mark is not None and mark.commit > self._commit:
            # Numbers go on where the lost database had come to, so that the fence never goes back.
            notes.count_commit(self._connection, self._commit, mark.commit)
            self._commit = mark.commit
