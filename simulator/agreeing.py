"""Whether what a plan says of one thing agrees with what it says of others, and can have effect.

Told before a world is made of it: a run that does something else than it was asked for would prove
nothing. What each field may be by itself, ``simulator.limits`` says.
"""

from collections.abc import Iterator
from typing import Final

from ledger.errors import LedgerError
from ledger.policy import byzantine_max
from ledger.roster_fields import Constants
from ledger.spelling import meant
from simulator.asked import AskedError
from simulator.faults import KINDS
from simulator.limits import BAD_PLAN
from simulator.places import places_of
from simulator.plan import Plan

DELTA_S: Final = 5
"""By how much clocks may differ, in every simulated network."""

_RESTS_ON: Final = {
    "clocks_beyond": "hostile",
    "damage": "hostile",
    "pause_s": "hostile",
    "together": "hostile",
    "servers": "hostile",
    "changes": "hostile",
    "only": "hostile",
    "faulty": "damage",
    "more_changes": "changes",
    "keepers_lie": "damage",
}
"""What is drawn from the seed, by the field without which nothing of it is."""

_PLAIN: Final = Plan()


def check_plan(plan: Plan) -> None:
    """Check a plan as a whole.

    Raises:
        AskedError: ``bad-plan``.
    """
    for wrong in _contradictions(plan):
        raise AskedError(BAD_PLAN, wrong)


def agrees(plan: Plan) -> bool:
    """Say whether a plan can be run as it is."""
    return next(_contradictions(plan), None) is None


def constants_of(plan: Plan) -> Constants:
    """Return the constants of a plan's first roster.

    Raises:
        AskedError: ``bad-plan``: no roster may have them.
    """
    try:
        return Constants(
            candidate_ms=plan.candidate_ms,
            delta_s=DELTA_S,
            refresh_s=plan.refresh_s,
            staleness_s=plan.staleness_s,
        )
    except LedgerError as error:
        raise AskedError(BAD_PLAN, str(error)) from error


def bears_damage(plan: Plan) -> bool:
    """Say whether each log has witnesses enough for as many faulty regions as are drawn."""
    founders = plan.stages[0][1] if plan.stages else _count(plan)
    witnesses = plan.committee or founders - 1
    return not plan.damage or (
        plan.committee < founders and byzantine_max(witnesses) >= plan.faulty
    )


def _contradictions(plan: Plan) -> Iterator[str]:
    count = _count(plan)
    if plan.committee >= count:
        yield (
            f"committee is a number of the {count - 1} others, or 0 for all of them, "
            f"not {plan.committee}"
        )
    if plan.stages:
        yield from _stages_beyond(plan, count)
    for field, needed in _RESTS_ON.items():
        if getattr(plan, field) != getattr(_PLAIN, field) and not getattr(plan, needed):
            yield f"{field} says what is drawn from the seed, and nothing is without {needed}=true"
    if plan.base is not None and plan.cases_per_day and not _is_as_in_file(plan, "acts_per_minute"):
        yield (
            f"acts_per_minute counts where cases_per_day is 0, and it is {plan.cases_per_day} here"
        )
    if plan.phases and plan.items != _PLAIN.items:
        yield "items counts where there are no phases, and they say how many there are when"
    if not bears_damage(plan):
        yield (
            f"damage strikes {plan.faulty} of the regions, and some log has not the witnesses to "
            "bear that"
        )
    known = {place.code for place in places_of(plan.places, plan.regions)}
    if plan.hub and plan.hub not in known:
        yield f"the hub is {plan.hub}, which is none of the {count} regions"
    for happening in plan.script:
        kind = KINDS.get(happening.do)
        if kind is None:
            hint = meant(happening.do, sorted(KINDS)) or "simulator/faults.py names them all"
            yield f"no such kind of fault: {happening.do}; {hint}"
        elif len([it for it in (happening.region, happening.other) if it]) < kind.asks:
            yield f"{happening.do} asks for {'a region' if kind.asks == 1 else 'two regions'}"
        named = (*happening.region.split(), happening.other)
        for region in (it for it in named if it.isdigit() and it not in known):
            yield f"the script is about {region}, which is none of the {count} regions"


def _stages_beyond(plan: Plan, count: int) -> Iterator[str]:
    """Yield what is wrong with who is a member when."""
    most = plan.stages[-1][1]
    if most > count:
        yield f"stages bring {most} members, and there are {count} regions"
    at_end = [members for minutes, members in plan.stages if minutes < plan.minutes]
    if at_end[-1] < 2:
        yield "stages bring a second member before the end: one alone is witnessed by nobody"


def _count(plan: Plan) -> int:
    return len(places_of(plan.places, plan.regions))


def _is_as_in_file(plan: Plan, field: str) -> bool:
    return bool(getattr(plan, field) == getattr(plan.base, field))
