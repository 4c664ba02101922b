"""Versions of the roster: keys that come back, notes above an epoch, logs that are frozen."""

from dataclasses import replace

from ledger.roster_chain import RosterChain
from ledger.views import Count, Evidence, FixedRange
from nodes.core import (
    heads,
    sequencer,
)
from simulator.plan import Happening
from tests.simulator.mutants.planting import Mutant, Patch


def _old_keys_again(patch: Patch) -> None:
    patch.setattr(RosterChain, "check_keys", lambda *_given: None)


def _shown_above_an_epoch(patch: Patch) -> None:
    patch.setattr(sequencer.Sequencer, "held_size", property(lambda _self: None))


def _frozen_cosigned(patch: Patch) -> None:
    patch.setattr(heads.Heads, "check_not_frozen", lambda *_given: None)


def _dated_before_its_quorums(patch: Patch) -> None:
    """Date what stands at an epoch, and above it, by lines alone, whenever it was proven."""
    crossed = Evidence.crossed

    def early(self: Evidence, count: Count, quorum: int) -> tuple[list[FixedRange], Evidence]:
        _, evidence = crossed(self, count, quorum)
        ranges, _ = self.fixed(count.before or count.covers)
        return ranges, replace(evidence, floor_s=0)

    patch.setattr(Evidence, "crossed", early)


RETURNS = {
    "regions": 5,
    "hostile": False,
    "acts_per_minute": 20,
    "script": (
        Happening(at_s=6, do="region leaves", region="540000"),
        Happening(at_s=7, do="region returns", region="540000"),
    ),
}
CLOSED = {
    "regions": 5,
    "hostile": False,
    "acts_per_minute": 60,
    "receipts": 0.0,
    "bundle_every_s": 0.0,
    "script": (
        # So that a region which comes back is frozen for a while before its log is closed.
        Happening(at_s=9, do="keeper of keys away", region="510000", for_s=40),
        Happening(at_s=9, do="keeper of keys away", region="540000", for_s=40),
        Happening(at_s=10, do="region cut off", region="520000", for_s=8),
        Happening(at_s=12, do="lost log closed", region="520000"),
    ),
}


MUTANTS = (
    Mutant(
        name="a member is removed and comes back with its old keys",
        plant=_old_keys_again,
        words=("a retired key",),
        plan=RETURNS,
    ),
    Mutant(
        name="notes above an epoch are shown before it is proven",
        plant=_shown_above_an_epoch,
        words=("where", "no note of a log"),
        plan={"hostile": False, "stages": ((0.0, 3), (0.1, 4))},
    ),
    Mutant(
        name="entries are dated before the quorums of an epoch",
        plant=_dated_before_its_quorums,
        words=("and it was seen by",),
        plan={"regions": 5, "hostile": False, "stages": ((0.0, 4), (0.1, 5))},
    ),
    Mutant(
        name="a frozen log is cosigned again",
        plant=_frozen_cosigned,
        words=("is closed at",),
        plan=CLOSED,
        costly=True,
    ),
)
