"""Acts that somebody wants done, and how people go about getting them done."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

LEAVE_IT: Final = frozenset({"exists", "already-answered"})
"""Codes that say it is done already: the answer to an earlier try was lost."""

DONE_BEFORE: Final = frozenset({"wrong-state", "second-notice", "offer-open"})
"""Codes that say so too, where an earlier try was lost."""

GIVE_UP: Final = frozenset(
    {"grant-not-live", "right-not-granted", "no-grant", "not-entitled", "not-competent"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An act that somebody wants done in a region's log.

    Args:
        after: The region in whose log must stand what it rests on; empty: in none other.
        forbidden: Whether the rules forbid it, and its node must say so.
    """

    region: str
    issuer: str
    kind: str
    subject: str
    body: Mapping[str, Any]
    after: str = ""
    forbidden: bool = False


Agent = Generator[Wanted, str, None]
"""Is sent "" where the act was accepted, else the code of the refusal; "lost" without an answer."""


def forbidden(wanted: Wanted) -> Wanted:
    """Return an act as one that must be refused."""
    return replace(wanted, forbidden=True)


def idle(wanted: Wanted, times: int) -> Generator[Wanted, str, None]:
    """Let time pass as an officer does who asks for what they cannot have yet."""
    for _ in range(times):
        yield replace(wanted)


def until_done(wanted: Wanted) -> Generator[Wanted, str, bool]:
    """Ask for an act until it is done, or refused for good; return whether it is done."""
    was_lost = False
    while True:
        code = yield wanted
        if not code or code in LEAVE_IT or (was_lost and code in DONE_BEFORE):
            return True
        if code in GIVE_UP:
            return False
        was_lost = was_lost or code == "lost"
