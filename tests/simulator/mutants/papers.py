"""Receipts and bundles, as a stranger verifies them."""

from ledger import bundle, receipt
from tests.simulator.mutants.planting import Mutant, Patch


def _inclusion_skipped(patch: Patch) -> None:
    patch.setattr(bundle, "check_inclusion", lambda *_given: None)


def _any_tree_size(patch: Patch) -> None:
    patch.setattr(receipt, "_check_size", lambda *_given: None)


PAPERS = {"hostile": False, "receipts": 0.5, "bundle_every_s": 1.0}


MUTANTS = (
    Mutant(
        name="a client skips the paths of a bundle",
        plant=_inclusion_skipped,
        words=("a forged paper was believed",),
        plan=PAPERS,
    ),
    Mutant(
        name="a receipt is accepted at the wrong tree size",
        plant=_any_tree_size,
        words=("a forged paper was believed",),
        plan=PAPERS,
    ),
)
