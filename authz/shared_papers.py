"""Papers that nobody asks for: handed in once with a bundle (一件事), or their data are shared.

Row of ``<region>/bundled/<hash of case>``: ``{of, papers}``, the bundle and what was handed in.
That the data of a paper are used in its place is a record of its own, one for case and paper.

Source: domain.md mechanisms 38, 43 and 56.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from authz.records import once_object
from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Draft, Need

DATA_SHARE: Final = "data-share"
"""The type of record that says that data are used in place of a paper."""

_ROLE: Final = "bundled"


def bundled_object(case: str, region: str) -> str:
    """Return the object that says which bundle of a region a case belongs to."""
    return f"{region}/bundled/{sha256(case.encode()).hexdigest()[:32]}"


def come_needs(draft: Draft, papers: Iterable[str], case: str | None = None) -> tuple[Need, ...]:
    """Return what this log knows of papers that have come already, as such or as data.

    ``case`` is the draft's subject if none is given.
    """
    case, region = case or draft.subject, draft.issuer[:6]
    shared = (Need(_shared(it), once_object(region, DATA_SHARE, case, it)) for it in papers)
    return (Need(_ROLE, bundled_object(case, region)), *shared)


def _shared(paper: str) -> str:
    return f"shared-{paper}"


def bundled(acting: Acting, case: str, papers: list[str]) -> Change:
    """Return what is known of a case from its bundle on."""
    of = {"of": acting.statement.subject, "papers": papers}
    return Change(bundled_object(case, acting.region), of)


def check_not_come(acting: Acting, papers: Iterable[str]) -> None:
    """Check that none of these papers has come with the bundle of the case, or as shared data.

    Raises:
        RefusedError: ``asked-again``.
    """
    found = acting.facts[_ROLE]
    come = {} if found is None else dict.fromkeys(found.state["papers"], found.state["of"])
    for paper in papers:
        if paper in come:
            raise RefusedError(f"{paper} has come with {come[paper]}", code="asked-again")
        if acting.facts[_shared(paper)] is not None:
            raise RefusedError(f"the data of {paper} are here already", code="asked-again")
