"""What regions lend from when on, where a policy document comes into force in phases."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from authz.right import RIGHTS
from simulator.asked import AskedError
from simulator.limits import BAD_PLAN, LIMITS, YEAR_MINUTES

WITHIN: Final = "within"
"""Among places of one province (全省通办)."""
BEYOND: Final = "beyond"
"""Between places of two provinces (跨省通办)."""


class Phase(NamedTuple):
    """From ``minutes`` on each region lends so many of its items, each with these rights.

    ``where`` says to whom: places of its own province, of other ones, or (empty) all.
    """

    minutes: float
    items: int
    rights: str
    """Words with ``+`` between them, in the order of the alphabet."""
    where: str = ""

    @property
    def words(self) -> str:
        """As it is asked for."""
        parts = (f"{self.minutes:g}", str(self.items), self.rights, self.where)
        return ":".join(part for part in parts if part)


ALL_RIGHTS: Final = "+".join(sorted(RIGHTS))


def phase(minutes: float, items: int, rights: str, where: str = "") -> Phase:
    """Return a phase as it is spelled; ``rights`` may be "all".

    Raises:
        AskedError: ``bad-plan``: it makes no sense.
    """
    words = RIGHTS if rights == "all" else frozenset(rights.split("+"))
    least, most = LIMITS["items"]
    if not words <= RIGHTS or where not in {"", WITHIN, BEYOND} or not least <= items <= most:
        raise AskedError(
            BAD_PLAN,
            f"a phase is of {least:g} to {most:g} items, some of {ALL_RIGHTS} or all, and "
            f"{WITHIN} or {BEYOND} or neither; not {items}:{rights}:{where}",
        )
    return Phase(minutes, items, "+".join(sorted(words)), where)


def read(text: str) -> tuple[Phase, ...]:
    """Read phases with commas between them: minutes, items, rights, and perhaps where.

    Raises:
        AskedError: ``bad-plan``: they make no sense.
        ValueError: A number is none, or there are too few or too many parts.
    """
    found = []
    for word in text.split(",") if text != "none" else ():
        minutes, items, rights, *where = word.split(":")
        if len(where) > 1:
            raise ValueError(word)
        found.append(phase(float(minutes), int(items), rights, *where))
    return tuple(found)


def check_phases(phases: Sequence[Phase]) -> None:
    """Check that phases follow each other from the beginning on.

    Raises:
        AskedError: ``bad-plan``: they do not.
    """
    times = [one.minutes for one in phases]
    if phases and (
        times[0] != 0
        or times[-1] > YEAR_MINUTES
        or not all(one < other for one, other in pairwise(times))
    ):
        told = ",".join(one.words for one in phases)
        raise AskedError(BAD_PLAN, f"phases begin at 0 and follow each other; not {told}")


def begun(current: Mapping[str, Phase], new: Phase) -> dict[str, Phase]:
    """Return what is lent within a province and beyond, once another phase has begun."""
    return {**current, **dict.fromkeys([new.where] if new.where else [WITHIN, BEYOND], new)}
