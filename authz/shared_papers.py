"""Papers that were handed in once for several cases of one bundle (一件事).

Row of ``<region>/bundled/<hash of case>``: ``{of, papers}``, the bundle and what was handed in.

Source: domain.md mechanism 38.
"""

from hashlib import sha256

from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Need

_ROLE = "bundled"


def bundled_object(case: str, region: str) -> str:
    """Return the object that says which bundle of a region a case belongs to."""
    return f"{region}/bundled/{sha256(case.encode()).hexdigest()[:32]}"


def bundled_need(case: str, region: str) -> Need:
    """Return what was handed in for the case with its bundle, as this log has it."""
    return Need(_ROLE, bundled_object(case, region))


def bundled(acting: Acting, case: str, papers: list[str]) -> Change:
    """Return what is known of a case from its bundle on."""
    of = {"of": acting.statement.subject, "papers": papers}
    return Change(bundled_object(case, acting.region), of)


def check_not_shared(acting: Acting, papers: list[str]) -> None:
    """Check that none of these papers has come with the bundle of the case.

    Raises:
        RefusedError: ``asked-again``.
    """
    found = acting.facts[_ROLE]
    if found is None:
        return
    for paper in papers:
        if paper in found.state["papers"]:
            raise RefusedError(f"{paper} has come with {found.state['of']}", code="asked-again")
