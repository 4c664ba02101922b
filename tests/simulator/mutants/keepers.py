"""Governance keys in the hands of who lies: what such a keeper says, and what nobody may take."""

from dataclasses import replace
from typing import Any

from ledger import roster_chain
from ledger.roster import Roster
from nodes.core import roster_judge
from nodes.core.roster_judge import RosterJudge
from simulator.keepers import LIES, MISUSES
from simulator.plan import Happening
from tests.simulator.mutants.planting import Mutant, Patch

STEWARD, SECOND, THIRD = "500000", "510000", "520000"


def _pins_not_looked_at(patch: Patch) -> None:
    patch.setattr(RosterJudge, "_check_pins", lambda *_given: None)


def _signs_twice(patch: Patch) -> None:
    check = RosterJudge._check_approval

    def forgetful(self: RosterJudge, approval: Any, kept: Any) -> None:
        check(self, approval, {**kept, roster_judge.APPROVALS: ()})

    patch.setattr(RosterJudge, "_check_approval", forgetful)


def _signs_after_stalling(patch: Patch) -> None:
    check = RosterJudge._check_approval

    def forgetful(self: RosterJudge, approval: Any, kept: Any) -> None:
        check(self, approval, {**kept, roster_judge.STALLS: ()})

    patch.setattr(RosterJudge, "_check_approval", forgetful)


def _stalls_say_anything(patch: Patch) -> None:
    check = RosterJudge._check_stall

    def trusting(self: RosterJudge, stall: Any, kept: Any) -> None:
        said = [] if stall.signed is None else [[*stall.signed, b""]]
        check(self, stall, {**kept, roster_judge.APPROVALS: said})

    patch.setattr(RosterJudge, "_check_stall", trusting)


def _a_round_opens_itself(patch: Patch) -> None:
    patch.setattr(roster_judge, "governance_quorum", lambda _roster: 0)


def _out_of_turn(patch: Patch) -> None:
    check = RosterJudge._check_proposal

    def welcoming(self: RosterJudge, proposal: Any, new: Any, kept: Any) -> None:
        region = self._region
        self._region = roster_judge.proposer_of(self._roster, proposal.round)
        try:
            check(self, proposal, new, kept)
        finally:
            self._region = region

    patch.setattr(RosterJudge, "_check_proposal", welcoming)


def _nothing_repeated(patch: Patch) -> None:
    patch.setattr(RosterJudge, "_check_repeats", lambda _self, _proposal, signed, _: bool(signed))


def _cuts_not_looked_at(patch: Patch) -> None:
    patch.setattr(RosterJudge, "_check_cuts", lambda *_given: None)


def _one_signature_less(patch: Patch) -> None:
    needed = roster_chain.governance_quorum

    def fewer(roster: Roster) -> int:
        return needed(roster) - 1

    patch.setattr(roster_chain, "governance_quorum", fewer)


def _world(lie: str, region: str, *more: Happening) -> dict[str, Any]:
    """Return a calm world in which a keeper tells one lie, and people want a change."""
    number = list(LIES).index(lie) + 1
    return {
        "regions": 5,
        "hostile": False,
        "acts_per_minute": 20,
        "receipts": 0.0,
        "bundle_every_s": 0.0,
        "script": (
            Happening(at_s=4, do=MISUSES, region=region, value=number),
            *more,
            Happening(at_s=4.1, do="constants changed", value=45.0),
        ),
    }


FOUND = ("finds words on the roster",)
AWAY = Happening(at_s=4, do="keeper of keys away", region=THIRD, for_s=44)
"""For a round, which so is completed by nobody, though some sign what is proposed in it."""

_SIGNS = _world("keeper signs everything", SECOND, replace(AWAY, for_s=20))
LEAVES = {
    **_SIGNS,
    "regions": 6,
    "script": (*_SIGNS["script"][:2], Happening(at_s=4.1, do="region leaves", region="530000")),
}
"""The log of who leaves is closed, and the node of a keeper who lies is not asked to freeze it."""

MUTANTS = (
    Mutant(
        name="nobody looks at what a version pins",
        plant=_pins_not_looked_at,
        words=("pins", *FOUND),
        plan=_world("keeper proposes a wrong pin", SECOND, replace(AWAY, region=STEWARD)),
    ),
    Mutant(
        name="a member signs twice in a round",
        plant=_signs_twice,
        words=FOUND,
        plan=_world("keeper signs everything", SECOND, AWAY, replace(AWAY, region="530000")),
    ),
    Mutant(
        name="a member signs after it has stalled",
        plant=_signs_after_stalling,
        words=FOUND,
        plan=_world("keeper signs after stalling", SECOND),
    ),
    Mutant(
        name="a stall says what it likes",
        plant=_stalls_say_anything,
        words=FOUND,
        plan=_world("keeper stalls untruly", SECOND),
    ),
    Mutant(
        name="a round is opened by too few",
        plant=_a_round_opens_itself,
        words=FOUND,
        plan=_world("keeper opens a round alone", SECOND),
    ),
    Mutant(
        name="a version is proposed out of turn",
        plant=_out_of_turn,
        words=FOUND,
        plan=_world("keeper proposes out of turn", SECOND),
    ),
    Mutant(
        name="what some have signed is not repeated",
        plant=_nothing_repeated,
        words=FOUND,
        plan=_world("keeper repeats nothing", SECOND, AWAY),
        costly=True,
    ),
    Mutant(
        name="a cut is signed by who has not frozen",
        plant=_cuts_not_looked_at,
        words=FOUND,
        plan=LEAVES,
    ),
    Mutant(
        name="a version is taken that one member less has signed",
        plant=_one_signature_less,
        words=("is signed by",),
        plan=_world("keeper tells a version too early", SECOND, AWAY),
    ),
)
