"""Mistakes that a careless change could make, planted one at a time in the real node.

Each is planted at one place and leaves the rest as it is. What finds it is named, so that a checker
that no longer looks is missed. ``python -m tests.simulator.mutants`` says how many worlds it takes
to find each, as a table for docs/simulator.md.
"""

from tests.simulator.mutants import acts, convictions, disks, keepers, lines, papers, rosters
from tests.simulator.mutants.planting import Mutant

MUTANTS = (
    *disks.MUTANTS,
    *lines.MUTANTS,
    *convictions.MUTANTS,
    *rosters.MUTANTS,
    *keepers.MUTANTS,
    *acts.MUTANTS,
    *papers.MUTANTS,
)

__all__ = ["MUTANTS", "Mutant"]
