"""The grounds of an act: what its body names, which is to be there and not to have ended."""

from ledger.errors import RefusedError
from ledger.kind import Acting, Fact


def check_ground(acting: Acting, name: str) -> Fact | None:
    """Check what the field ``name`` of the body names, and return it; None where it is left out.

    Raises:
        RefusedError: ``unknown-object`` or ``ground-not-live``.
    """
    body = acting.act.body
    if name not in body:
        return None
    found = acting.facts[name]
    if found is None:
        raise RefusedError(f"no such {name} is within sight: {body[name]}", code="unknown-object")
    if not found.live:
        raise RefusedError(f"the {name} has ended: {body[name]}", code="ground-not-live")
    return found
