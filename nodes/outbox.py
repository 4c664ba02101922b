"""What a caller keeps of its acts until they are replicated: each statement with its receipt.

What was only accepted can die with its region; with these two it can be salvaged into the log that
goes on (protocol.md sections 1 and 6). In a folder they outlive the caller's own crash.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote, unquote

from ledger.errors import MalformedError
from nodes.files import sync_folder, write_durably

SUFFIX: Final = ".cose"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an act was accepted."""

    origin: str
    index: int


class Outbox:
    """Transparent statements by place, ascending; in memory, and in a folder where one is given.

    Invariant: what is in memory is in the folder, each in a file of its own.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self.kept: dict[Place, bytes] = {}

    @classmethod
    def load(cls, folder: Path | None) -> Self:
        """Read what a folder holds, which is made if it is not there.

        Raises:
            MalformedError: ``no-file``: a file in it is none of an outbox.
        """
        made = cls(folder)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            found = {_place(path): path for path in folder.glob(f"*{SUFFIX}")}
            made.kept = {place: found[place].read_bytes() for place in sorted(found)}
        return made

    def put(self, place: Place, statement: bytes) -> None:
        """Keep a transparent statement; it is durable when this returns."""
        if self._folder is not None:
            write_durably(self._folder / _name(place), statement)
        self.kept[place] = statement

    def drop(self, place: Place) -> None:
        """Let go of one that is safe."""
        if self.kept.pop(place, None) is not None and self._folder is not None:
            (self._folder / _name(place)).unlink(missing_ok=True)
            sync_folder(self._folder)


def _name(place: Place) -> str:
    return f"{quote(place.origin, safe='')}@{place.index}{SUFFIX}"


def _place(path: Path) -> Place:
    origin, _, index = path.name.removesuffix(SUFFIX).rpartition("@")
    if not origin or not index.isdecimal():
        raise MalformedError(f"not a kept statement: {path}", code="no-file")
    return Place(unquote(origin), int(index))
