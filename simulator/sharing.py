"""What goes to many nodes alike, found out once for them, and again in a sample.

In a network in which everybody witnesses everybody, the same request comes to all, and so does the
finished note. What such bytes say, whether a signature or a proof in them holds, and what a copy
comes to that grows by them, are pure questions: where nodes share what they judge
(``simulator.judging``), the answer to one is kept for the others. One in ``SAMPLE`` of those that
were kept is found out again, and any difference is a broken promise. Elsewhere each node finds out
all of it by itself, as in service.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from ledger.checkpoint import TIME_S_MAX, Checkpoint
from ledger.note import VerifierKey
from ledger.roster import Role, Roster
from ledger.tiles import TileEdge
from ledger.tree import Frontier
from ledger.views import GoodLine
from nodes.core import extension, mirror, notes, witness
from nodes.core.exchange import Upload
from nodes.core.notes import OpenNote
from simulator.judging import SAMPLE
from simulator.world import BrokenError

_ROLES: Final[tuple[Role, ...]] = ("witness", "mirror")

KEPT_MAX: Final = 1_024
"""Answers kept to each question; the oldest are forgotten."""

_Key = tuple[object, ...]


def _versions(rosters: tuple[Roster, ...]) -> _Key:
    return tuple(roster.sha256 for roster in rosters)


def _of_note(data: bytes, rosters: tuple[Roster, ...], keys: tuple[VerifierKey, ...]) -> _Key:
    return (data, _versions(rosters), keys)


def _of_lines(origin: str, rosters: tuple[Roster, ...], *lines: tuple[GoodLine, ...]) -> _Key:
    return (origin, _versions(rosters), lines)


def _of_spelling(
    note: bytes, origin: str, rosters: tuple[Roster, ...], *lines: tuple[GoodLine, ...]
) -> _Key:
    return (note, origin, _versions(rosters), lines)


def _of_upload(
    start: int, edge: TileEdge, frontier: Frontier, upload: Upload, pending: Checkpoint
) -> _Key:
    packages = tuple((it.start, it.entries, it.proof) for it in upload.packages)
    copy = (start, edge, frontier.peaks)
    return (upload.origin, packages, copy, pending.size, pending.root)


def _as_given(*given: object) -> _Key:
    return given


QUESTIONS: Final[tuple[tuple[Any, str, Callable[..., _Key]], ...]] = (
    (notes, "open_note", _of_note),
    (notes, "merged", _of_lines),
    (notes, "spelled", _of_spelling),
    (extension, "decode_extension", _as_given),
    (witness, "read_submitted", _as_given),
    (witness, "check_consistency", _as_given),
    (mirror, "grow", _of_upload),
)
"""Where each is asked, by which name, and what its answer follows from."""


class _Shared:
    """A question whose answers are kept; an error is none, and is found again by each."""

    def __init__(self, ask: Callable[..., object], key: Callable[..., _Key]) -> None:
        self._ask = ask
        self._key = key
        self._kept: dict[_Key, object] = {}
        self._reused = 0

    def __call__(self, *given: object) -> object:
        key = self._key(*given)
        if key not in self._kept:
            made = self._ask(*given)
            if len(self._kept) >= KEPT_MAX:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = made
            return made
        kept = self._kept[key]
        self._reused += 1
        if self._reused % SAMPLE == 0 and not _is_same(kept, self._ask(*given)):
            raise BrokenError(f"nodes answer {self._ask.__qualname__} in two ways")
        return kept


def _is_same(kept: object, made: object) -> bool:
    """Say whether an answer is found again, with all that it is asked for later."""
    if isinstance(kept, OpenNote) and isinstance(made, OpenNote):
        return kept == made and all(
            kept.lines(role, TIME_S_MAX) == made.lines(role, TIME_S_MAX) for role in _ROLES
        )
    return kept == made


@contextmanager
def sharing(judging: str) -> Iterator[None]:
    """Keep answers for all nodes inside the block, where these share what they judge.

    Args:
        judging: As in the plan.
    """
    with ExitStack() as stack:
        if judging == "shared":
            for where, name, key in QUESTIONS:
                ask = getattr(where, name)
                stack.callback(setattr, where, name, ask)
                setattr(where, name, _Shared(ask, key))
        yield
