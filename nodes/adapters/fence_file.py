"""The fence as one small file beside the keys, outside the database (protocol.md section 6).

The file has two slots, each on a block of the disk of its own, and each mark goes over the older
one. So a write that was cut short spoils that slot alone, its checksum says so, and the other slot
holds the mark before it. Overwriting in place costs one ``fdatasync``; writing a new file and
renaming it would cost two syncs and a change of the folder at every commit.
"""

import fcntl
import hashlib
import os
from pathlib import Path
from typing import Final, Self

from ledger.errors import FatalError, UnavailableError
from nodes.files import sync_folder
from nodes.ports import FenceMark

_MAGIC: Final = b"shouxin-fence/1\n"
_SLOT_BYTES: Final = 4096
_CHECKSUM_BYTES: Final = 32
_RECORD_BYTES: Final = len(_MAGIC) + 8 + 8 + 32 + _CHECKSUM_BYTES


class FileFence:
    """The fence in ``path``. Holds a lock on the file, so that no two nodes share it.

    Invariant: the newest good slot is the last mark whose ``store`` returned, or, after a crash
    inside ``store``, the one before it or the new one.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        slots = [self._read(slot) for slot in (0, 1)]
        marks = [mark for mark in slots if mark is not None]
        self._last = max(marks, key=lambda mark: mark.commit, default=None)
        # Next goes where the newest mark is not.
        self._next = 0 if self._last is None else 1 - slots.index(self._last)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file; where there is none, ``load`` answers None until the first ``store``.

        Raises:
            UnavailableError: ``fence-in-use`` when another process holds it; ``disk`` when there
                is no room for it.
        """
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise UnavailableError(
                f"another process holds the fence {path}", code="fence-in-use"
            ) from error
        try:
            # With room on disk for both slots, so that a full disk stops no later write.
            os.posix_fallocate(descriptor, 0, 2 * _SLOT_BYTES)
        except OSError as error:
            os.close(descriptor)
            raise UnavailableError(f"no room for the fence {path}, {error}", code="disk") from error
        if is_new:
            os.fsync(descriptor)
            sync_folder(path.parent)
        return cls(descriptor)

    def load(self) -> FenceMark | None:
        """Return the newest mark; None where there is no good one, which counts as behind."""
        return self._last

    def store(self, mark: FenceMark) -> None:
        """Make ``mark`` durable before returning.

        Raises:
            FatalError: The disk failed, or the mark goes back: what is kept is then unknown.
        """
        if self._last is not None and mark.commit < self._last.commit:
            raise FatalError(f"the fence is at {self._last.commit}, never again at {mark.commit}")
        body = b"%b%b%b%b" % (_MAGIC, mark.commit.to_bytes(8), mark.size.to_bytes(8), mark.root)
        record = body + hashlib.sha256(body).digest()
        try:
            written = os.pwrite(self._descriptor, record, self._next * _SLOT_BYTES)
            os.fdatasync(self._descriptor)
        except OSError as error:
            # The slot may hold the old record, the new one or a part of it.
            raise FatalError(f"the fence cannot be written, {error}") from error
        if written != len(record):
            raise FatalError(f"the fence took {written} of {len(record)} bytes")
        self._last = mark
        self._next = 1 - self._next

    def close(self) -> None:
        """Let go of the file and its lock."""
        os.close(self._descriptor)

    def _read(self, slot: int) -> FenceMark | None:
        record = os.pread(self._descriptor, _RECORD_BYTES, slot * _SLOT_BYTES)
        body, checksum = record[:-_CHECKSUM_BYTES], record[-_CHECKSUM_BYTES:]
        if len(record) != _RECORD_BYTES or hashlib.sha256(body).digest() != checksum:
            return None
        if not body.startswith(_MAGIC):
            return None
        at = len(_MAGIC)
        commit, size = int.from_bytes(body[at : at + 8]), int.from_bytes(body[at + 8 : at + 16])
        return FenceMark(commit, size, body[at + 16 :])


class SharedFence:
    """The fence in a file that several processes of one region see, of whom one writes.

    Whoever has the right to write holds it, and reads it anew when they take it: what a process
    that stood by remembered of it would be old.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: FileFence | None = None

    def hold(self) -> None:
        """Take the file.

        Raises:
            UnavailableError: As ``FileFence.open``.
        """
        if self._held is None:
            self._held = FileFence.open(self._path)

    def let_go(self) -> None:
        """Leave the file to others, if it was held."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def load(self) -> FenceMark | None:
        """Return the newest mark; None where there is no good one, which counts as behind.

        Raises:
            FatalError: It is not held.
        """
        return self._file().load()

    def store(self, mark: FenceMark) -> None:
        """Make ``mark`` durable before returning.

        Raises:
            FatalError: It is not held, or as ``FileFence.store``.
        """
        self._file().store(mark)

    def _file(self) -> FileFence:
        if self._held is None:
            raise FatalError("the fence is not ours: another process may write now")
        return self._held
