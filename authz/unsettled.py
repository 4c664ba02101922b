"""What stands between a case and its result: papers to follow, parts asked of others, branches out.

Each region counts its own in its own log, under ``<region>/unsettled/<hash of case>``; row
``{papers, parts, branches}``. A case that is handed over takes along, as ``unsettled`` in its row,
the regions whose counts were not zero, so that whoever decides or delivers looks there too.

Source: domain.md rules 6 and 8; protocol.md section 5; mechanisms 18, 26.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Fact, Need

PAPERS: Final = "papers"
"""Let follow later (容缺) and not come yet. The result is not handed over before."""
PARTS: Final = "parts"
"""Asked of another place and not joined yet. Nothing is decided before."""
BRANCHES: Final = "branches"
"""Split off and not joined yet. Until then the case itself stays and is not decided."""

_ROLE: Final = "unsettled"
_NOTHING: Final[Mapping[str, int]] = {PAPERS: 0, PARTS: 0, BRANCHES: 0}


def unsettled_object(case: str, region: str) -> str:
    """Return the object that counts what a region has open of a case, in its own log."""
    return f"{region}/unsettled/{sha256(case.encode()).hexdigest()[:32]}"


def own_need(case: str, region: str) -> Need:
    """Return the region's own count."""
    return Need(_ROLE, unsettled_object(case, region), region, cite=True)


def all_needs(case: str, region: str, own: Fact | None) -> tuple[Need, ...]:
    """Return the region's own count, and those of the regions that handed over with some open."""
    return needs_in(case, region, () if own is None else own.state.get("unsettled", ()))


def needs_in(case: str, region: str, others: Iterable[str]) -> tuple[Need, ...]:
    """Return the region's own count, and those of other regions."""
    return (
        own_need(case, region),
        *(
            Need(f"{_ROLE}-{other}", unsettled_object(case, other), other, cite=True)
            for other in others
            if other != region
        ),
    )


def counted(acting: Acting, case: str, what: str, change: int) -> Change:
    """Return the region's count after one more, or one less, of a sort is open."""
    found = acting.facts[_ROLE]
    counts = dict(_NOTHING if found is None else found.state)
    counts[what] += change
    return Change(unsettled_object(case, acting.region), counts)


def carried(acting: Acting, row: Mapping[str, Any]) -> list[str]:
    """Return the regions whose counts go along with a case that is offered now."""
    before: list[str] = row.get("unsettled", [])
    found = acting.facts[_ROLE]
    if found is None or not (found.state[PAPERS] or found.state[PARTS]):
        return before
    return sorted({*before, acting.region})


def is_open(acting: Acting, *sorts: str) -> bool:
    """Return whether something of these sorts is open in any log that counts."""
    return any(
        fact is not None and any(fact.state[sort] for sort in sorts)
        for name, fact in acting.facts.items()
        if name.startswith(_ROLE)
    )


def check_papers(acting: Acting) -> None:
    """Check that nothing is missing of what was let follow later (容缺).

    Raises:
        RefusedError: ``unsettled``.
    """
    if is_open(acting, PAPERS):
        raise RefusedError("papers that were to follow have not come", code="unsettled")


def check_joined(acting: Acting) -> None:
    """Check that every part asked of another place, and every branch, is joined (多地联办).

    Raises:
        RefusedError: ``not-joined``.
    """
    if is_open(acting, PARTS, BRANCHES):
        raise RefusedError("a part of the case is still with another place", code="not-joined")


def check_whole(acting: Acting) -> None:
    """Check that no branch is split off: a case moves, and ends, whole.

    Raises:
        RefusedError: ``not-joined``.
    """
    if is_open(acting, BRANCHES):
        raise RefusedError("a branch of the case is not joined yet", code="not-joined")
