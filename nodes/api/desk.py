"""Where papers lie while they are made: drafts, the locks of seals, and the thread that draws."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from nodes.adapters.seal_store import SealStore

if TYPE_CHECKING:
    from seals.documents import LaidOut

DRAFTS_MAX: Final = 64
"""Kept until they are sealed; the oldest goes first, and is drawn anew when it is asked for."""

_T = TypeVar("_T")


@dataclass(slots=True, kw_only=True)
class Draft:
    """A paper on its way.

    Args:
        digest: What the seal will sign.
        subject: The object on the ledger that is this one use.
        officer: Who seals.
        finished: The sealed file, as long as it was signed; not to leave before ``index`` is set.
        index: Where its use stands on the ledger.
    """

    digest: bytes
    form: str
    paper: "LaidOut"
    subject: str
    officer: str
    seal: str
    case: str
    purpose: str
    finished: bytes | None = None
    index: int | None = None

    def body(self, document: bytes) -> dict[str, object]:
        """Return the fields of the act that records its use."""
        return {
            "seal": self.seal,
            "document": document,
            "case": self.case,
            "purpose": self.purpose,
            "draft": self.digest,
        }


@dataclass(slots=True)
class Desk:
    """Where papers are made: seals, drafts, and the one thread that draws."""

    seals: SealStore
    trial: bool
    link: str
    drafts: OrderedDict[bytes, Draft] = field(default_factory=OrderedDict)
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "press"))

    async def run(self, work: Callable[[], _T]) -> _T:
        """Do work in the drawing thread."""
        return await asyncio.get_running_loop().run_in_executor(self.thread, work)

    def keep(self, draft: Draft) -> None:
        """Keep a draft until it is sealed."""
        while len(self.drafts) >= DRAFTS_MAX:
            self.drafts.popitem(last=False)
        self.drafts[draft.digest] = draft

    def close(self) -> None:
        """Wait for what is being drawn."""
        self.thread.shutdown()
