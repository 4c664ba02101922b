"""Where papers lie while they are made: drafts, the locks of seals, and the thread that draws."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Final, TypeVar

from nodes.adapters.draft_store import DraftStore, Origin
from nodes.adapters.seal_store import SealStore
from nodes.adapters.timestamp_http import Stamping

if TYPE_CHECKING:
    from seals.sheets import LaidOut

DRAFTS_MAX: Final = 64
"""Held in memory, drawn; the others lie on disk, and are laid out again when they are asked for."""

_T = TypeVar("_T")


@dataclass(slots=True, kw_only=True)
class Draft:
    """A paper on its way.

    Args:
        digest: What the seal will sign.
        origin: What it is drawn from.
        paper: Laid out; None where nobody has wanted it since the node started.
        finished: The sealed file, as soon as it was signed; not to leave before ``index`` is set.
        index: Where its use stands on the ledger.
    """

    digest: bytes
    origin: Origin
    paper: "LaidOut | None" = None
    finished: bytes | None = None
    index: int | None = None

    @property
    def seal(self) -> str:
        """The seal it is to bear."""
        return self.origin.seal

    @property
    def subject(self) -> str:
        """The object on the ledger that is this one use."""
        return self.origin.subject

    @property
    def officer(self) -> str:
        """Who seals."""
        return self.origin.officer

    def body(self, document: bytes) -> dict[str, object]:
        """Return the fields of the act that records its use."""
        return {
            "seal": self.origin.seal,
            "document": document,
            "case": self.origin.case,
            "purpose": self.origin.purpose,
            "draft": self.digest,
            **self.origin.grounds,
        }


@dataclass(slots=True)
class Desk:
    """Where papers are made: seals, drafts, and the one thread that draws."""

    seals: SealStore
    store: DraftStore
    trial: bool
    link: str
    stamping: Stamping = field(default_factory=Stamping)
    drafts: OrderedDict[bytes, Draft] = field(default_factory=OrderedDict)
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "press"))

    async def run(self, work: Callable[[], _T]) -> _T:
        """Do work in the drawing thread."""
        return await asyncio.get_running_loop().run_in_executor(self.thread, work)

    def warm(self) -> None:
        """Get ready to draw, in the drawing thread, where this node has a seal to draw with."""
        if not self.seals.held():
            return

        def work() -> None:
            with suppress(ImportError):  # without the optional part no paper comes
                import_module("nodes.adapters.press").warm()

        self.thread.submit(work)

    async def keep(self, draft: Draft, now_s: int) -> None:
        """Keep a draft, on disk and at hand."""

        def save() -> None:
            self.store.prune(now_s, self.seals.unrecorded())
            self.store.save(draft.digest, draft.origin)

        await self.run(save)
        self._hold(draft)

    async def forget(self, case: str) -> None:
        """Let go the papers of a case for good, but for one whose use is not recorded yet."""
        for digest in await self.run(lambda: self.store.forget(case, self.seals.unrecorded())):
            self.drafts.pop(digest, None)

    async def find(self, digest: bytes) -> Draft | None:
        """Return a draft, from memory or from disk; None where there is none."""
        draft = self.drafts.get(digest)
        if draft is not None:
            return draft

        def load() -> Draft | None:
            origin = self.store.load(digest)
            if origin is None:
                return None
            return Draft(digest=digest, origin=origin, finished=self.store.load_file(digest))

        found = await self.run(load)
        # Another caller may have brought it meanwhile; there is one of each, since it is changed.
        return None if found is None else self.drafts.get(digest) or self._hold(found)

    def _hold(self, draft: Draft) -> Draft:
        while len(self.drafts) >= DRAFTS_MAX:
            self.drafts.popitem(last=False)
        self.drafts[draft.digest] = draft
        return draft

    def close(self) -> None:
        """Wait for what is being drawn."""
        self.thread.shutdown()
