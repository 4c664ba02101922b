"""What the acts beside a case share: by whom they are done, on which right, and until when."""

from typing import Any, Final

from authz.custody import At
from authz.party import DECIDE, MANAGE, RECEIVE
from authz.records import Life, Signer, Step
from authz.tables.words import digest, object_
from ledger.errors import RefusedError
from ledger.kind import Fact, Field

DESK: Final = (DECIDE, RECEIVE)
"""Roles of who sits at a desk."""
ANY_ROLE: Final = (DECIDE, MANAGE, RECEIVE)
GRANT_MAYBE: Final[Field] = object_("grant", "依据的授权", "the grant it rests on", optional=True)
CONSENT: Final[Field] = digest("同意书承诺值(加盐)", "salted commitment to the consent")


def desk_step(life: Life, event: str, **more: Any) -> Step:  # noqa: ANN401 - the fields of a Step
    """Return a step of a desk officer: who receives or decides."""
    return Step(life=life, event=event, **({"roles": DESK} | more))


def office_step(life: Life, event: str, **more: Any) -> Step:  # noqa: ANN401 - the fields of a Step
    """Return a step that the region's own key takes, or an officer who manages."""
    return Step(life=life, event=event, signer=Signer.BOTH, **more)


def check_working(case: Fact) -> None:
    """Check that a case is neither decided nor withdrawn.

    Raises:
        RefusedError: ``wrong-state``.
    """
    if case.state["stage"] not in {"received", "noticed", "supplemented"}:
        raise RefusedError(f"the case is {case.state['stage']} already", code="wrong-state")


def check_undecided(case: Fact) -> None:
    """Check that nothing is decided or offered: what is open goes along as of the offer.

    Raises:
        RefusedError: ``wrong-state`` or ``offer-open``.
    """
    check_working(case)
    if case.state["at"] != At.HELD:
        raise RefusedError("the case is offered, and waits for the answer", code="offer-open")
