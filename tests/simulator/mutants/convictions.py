"""Evidence of two histories: that it is recorded, kept, and heeded."""

from ledger.checkpoint import Checkpoint
from ledger.views import GoodLine
from nodes.core import convictions, watch, witness
from simulator.plan import Happening
from tests.simulator.mutants.planting import Mutant, Patch, script


def _convicted_log_cosigned(patch: Patch) -> None:
    patch.setattr(convictions.Convictions, "is_log", lambda *_given: False)


def _evidence_not_recorded(patch: Patch) -> None:
    patch.setattr(convictions.Convictions, "unrecorded", property(lambda _self: ()))


def _evidence_not_kept(patch: Patch) -> None:
    keep = convictions.Convictions._keep

    def forgetful(self: convictions.Convictions, convicted: convictions.Convicted) -> tuple[()]:
        keep(self, convicted)
        return ()

    patch.setattr(convictions.Convictions, "_keep", forgetful)


def _lines_not_compared(patch: Patch) -> None:
    patch.setattr(watch.Watch, "look", lambda *_given: ())


def _lines_compared_by_size_alone(patch: Patch) -> None:
    """Take a line on a larger tree for one that goes on, whenever it is dated."""
    goes_on = watch._Past.goes_on

    def hasty(self: watch._Past, head: Checkpoint, line: GoodLine) -> bool:
        if self.largest.is_ours and self.largest.head.size < head.size:
            self.largest.head, self.largest.line = head, line
            return True
        return goes_on(self, head, line)

    patch.setattr(watch._Past, "goes_on", hasty)


def _shown_elsewhere_not_compared(patch: Patch) -> None:
    patch.setattr(witness, "SignedHead", lambda *_given: None)


FOUND_OUT = {**script("region equivocates", "510000"), "acts_per_minute": 120}
RESTARTS = tuple(
    Happening(at_s=20.0 + at, do="process killed", region=region)
    for at, region in enumerate(("500000", "520000", "530000", "540000"))
)

MISDATED = {**script("region misdates lines", "510000", 8.0), "acts_per_minute": 60}
UNSEEN = ("has convicted nobody by two",)

MUTANTS = (
    Mutant(
        name="the lines of a witness that lies are never compared",
        plant=_lines_not_compared,
        words=UNSEEN,
        plan=MISDATED,
    ),
    Mutant(
        name="lines are compared by size alone",
        plant=_lines_compared_by_size_alone,
        words=UNSEEN,
        plan=MISDATED,
    ),
    Mutant(
        name="a log is cosigned whose key is convicted",
        plant=_convicted_log_cosigned,
        words=("whose key its own log has convicted",),
        plan=FOUND_OUT,
    ),
    Mutant(
        name="a second history is overlooked where its witness stands elsewhere",
        plant=_shown_elsewhere_not_compared,
        words=("was shown two histories",),
        plan={**script("region equivocates", "510000", 40.0), "acts_per_minute": 120, "minutes": 1},
    ),
    Mutant(
        name="evidence is recorded nowhere",
        plant=_evidence_not_recorded,
        words=("has recorded nowhere", "nobody has found out"),
        plan={**FOUND_OUT, "settle_s": 60},
    ),
    Mutant(
        name="evidence is forgotten at a restart",
        plant=_evidence_not_kept,
        words=("whose key its own log has convicted", "nobody has found out", "differ between"),
        plan={**FOUND_OUT, "script": (*FOUND_OUT["script"], *RESTARTS)},
    ),
)
