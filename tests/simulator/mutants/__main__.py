"""``python -m tests.simulator.mutants``: how many worlds it takes to find each planted mistake."""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import median

from tests.simulator.mutants import MUTANTS
from tests.simulator.mutants.planting import SEEDS_MAX

FROM = (0, 1_000, 2_000, 5_000)
"""From where seeds are counted, so that a median can be told."""


@dataclass(frozen=True, slots=True)
class Told:
    """How a mistake was looked for: worlds from each start, and what found it."""

    name: str
    numbers: tuple[int, ...]
    words: str
    is_by_its_words: bool

    @property
    def row(self) -> str:
        """As a row of the table."""
        numbers = ", ".join(map(str, self.numbers))
        return f"| {self.name} | {numbers} | {median(self.numbers):g} |"


def told(at: int, starts: tuple[int, ...]) -> Told:
    """Look for one mistake from each start."""
    mutant = MUTANTS[at]
    numbers, words, is_by_its_words = [], "", True
    for start in starts:
        number, outcome = mutant.found(start)
        numbers.append(number if outcome is not None else SEEDS_MAX + 1)
        if outcome is not None:
            words = outcome.broken.splitlines()[0]
            is_by_its_words &= any(word in outcome.broken for word in mutant.words)
    return Told(mutant.name, tuple(numbers), words, is_by_its_words)


def main() -> int:
    """Print the table; the status is 1 where a mistake is not found, or by other words."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator.mutants")
    parser.add_argument("words", nargs="*", help="only mistakes whose names hold one of these")
    parser.add_argument("--from", type=int, nargs="+", default=FROM, dest="starts", metavar="SEED")
    parser.add_argument("--processes", type=int, default=None, help="one a core where not given")
    given = parser.parse_args()
    chosen = [
        at
        for at, mutant in enumerate(MUTANTS)
        if not given.words or any(word in mutant.name for word in given.words)
    ]
    starts = ", ".join(f"{start:,}" for start in given.starts)
    rows = [
        f"| planted | worlds until it is found, from seeds {starts} | median |",
        "|---|---|---|",
    ]
    status = 0
    with ProcessPoolExecutor(given.processes) as pool:
        for one in pool.map(partial(told, starts=tuple(given.starts)), chosen):
            status |= median(one.numbers) > SEEDS_MAX or not one.is_by_its_words
            rows.append(one.row)
            by = "" if one.is_by_its_words else "BY OTHER WORDS: "
            sys.stderr.write(f"{one.name}: {list(one.numbers)} {by}{one.words[:160]}\n")
            sys.stderr.flush()
    sys.stdout.write("\n".join(rows) + "\n")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
