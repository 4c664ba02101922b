"""Evidence of two histories: that it is recorded, kept, and heeded."""

from nodes.core import convictions
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


FOUND_OUT = {**script("region equivocates", "510000"), "acts_per_minute": 120}
RESTARTS = tuple(
    Happening(at_s=20.0 + at, do="process killed", region=region)
    for at, region in enumerate(("500000", "520000", "530000", "540000"))
)

MUTANTS = (
    Mutant(
        name="a log is cosigned whose key is convicted",
        plant=_convicted_log_cosigned,
        words=("whose key its own log has convicted",),
        plan=FOUND_OUT,
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
