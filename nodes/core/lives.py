"""The joined tables of lives: what may happen to everything that acts are about."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

import authz.branch
import authz.case
import authz.custody
import authz.grant
import authz.party
import seals.lending
import seals.life
import seals.usage
from authz.reference import Steps

_State = TypeVar("_State", bound=StrEnum)
_Event = TypeVar("_Event", bound=StrEnum)


def _plain(steps: Mapping[tuple[_State, _Event], _State]) -> Steps:
    return {(str(state), str(event)): str(after) for (state, event), after in steps.items()}


LIVES: Final[Mapping[str, tuple[str, Steps]]] = {
    "Parties 主体": (
        (
            "Departments, halls, windows and officers of a region. Either of two masters suspends "
            "an officer or a window; it is active again once neither holds it back."
        ),
        _plain(authz.party.TRANSITIONS),
    ),
    "Grants 授信": (
        (
            "Both sides of a grant: the grantor offers, the grantee answers, each in its own log. "
            "It is live while the one is offered, the other accepted, and its term runs; a term "
            "ends by the clock alone."
        ),
        _plain(authz.grant.TRANSITIONS),
    ),
    "Custody 持有": (
        (
            "Where a case, or a branch of one, stands in one region's log. `open`, `act`, `close` "
            "and `arrive` stand for acts on the case itself; `arrive` is the receiver's first."
        ),
        _plain(authz.custody.TRANSITIONS),
    ),
    "Cases 办件": (
        "How far a case has come, whoever holds it.",
        _plain(authz.case.TRANSITIONS),
    ),
    "Branches 联办分支": (
        "Parts of a case that other places do.",
        _plain(authz.branch.TRANSITIONS),
    ),
    "Seals 印章": (
        "From the asking to the end. Its term ends by the clock alone.",
        _plain(seals.life.TRANSITIONS),
    ),
    "Loans of a seal 印章出借": (
        "A seal lent to a window.",
        _plain(seals.lending.TRANSITIONS),
    ),
    "Uses of a seal 用印": (
        "Asked for, approved by a second person where the seal wants it, done.",
        _plain(seals.usage.USE_TRANSITIONS),
    ),
}
