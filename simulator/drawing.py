"""What a seed holds: a small hostile world, and what goes wrong in it.

All that is drawn is drawn before the world begins, and each part from a stream of its own: leaving
one fault out leaves the others as they were, which is how a failing world is made smaller.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random  # noqa: TID251 - a plan and its faults are drawn from a seed
from typing import Final

from simulator.asked import AskedError
from simulator.disk import OF_SERVERS
from simulator.faults import KINDS
from simulator.keepers import MISUSES
from simulator.limits import BAD_PLAN, PAUSE_S_MIN
from simulator.places import places_of
from simulator.plan import Happening, Plan
from simulator.scenario import load

AT_ONCE_S: Final = (0.0, 0.3)
"""How long after a fault the one that joins it comes."""
MISDATES: Final = "region misdates lines"
KEEPS: Final = "region keeps cases"
MISDATED: Final = 0.1
"""In so many of the worlds that are damaged a region misdates its lines instead."""
PATIENT: Final = 0.05
"""So many worlds last for minutes: in twenty seconds no view grows stale, no use is judged late,
nobody who is cut off gives up, and no release is withheld for long enough."""
PATIENT_PAUSE_S: Final = 40
"""How far apart faults are there, at most."""
LEFT_WITH_ONE: Final = 0.5
"""In so many of those a region hears one other alone, for longer than views last: that one shows it
what it does, and nobody dates what the region does."""
LEFT_S: Final = (190.0, 240.0)
KEEPS_CASES: Final = 0.5
"""In so many of those that are damaged a region keeps cases."""
KEPT_AFTER_A_FIRE: Final = 0.01
"""In so many a region keeps a case whose acceptance burns down with the log in which it stands: no
two things that are drawn one by one would meet so."""
KEEPERS_LIE: Final = 0.15
"""In so many worlds of those that bear it whoever keeps a governance key lies."""
BESIDE: Final = (
    MISDATES,
    "region cosigns anything",
    "region floods",
    "region records forbidden acts",
)
"""What else such a region may do that leaves its log one history."""
AFTER_S: Final = (0.5, 8.0)
"""How long after a change of the roster people want the next one."""
OFTEN: Final = tuple(name for name, kind in KINDS.items() for _ in range(kind.often))
OF_SERVERS_ALL: Final = (*sorted(it.value for it in OF_SERVERS), "database away for a while")
LASTING: Final = tuple(name for name, kind in KINDS.items() if kind.lasting)
"""Of these a region burns down only together with the closing of its log."""
DAMAGE: Final = tuple(
    name for name in LASTING if name not in {"region burnt down", MISUSES, MISDATES}
)

FOLLOWING: Final = frozenset(
    {
        *("backup restored", "database lost"),
        *("region cosigns anything", "region floods", KEEPS),
        MISDATES,
        "region records forbidden acts",
    }
)
"""Damage after which a region's log still comes under the next version of the roster."""
FORKING: Final = frozenset(
    {"backup restored with its fence", "region equivocates", "region rolls back"}
)
"""Damage by which a log has two histories. Where neither is mirrored by a quorum, no member signs
a version that closes it (docs/simulator.md, the limits), so nobody is made to want one."""


# ---- worlds -------------------------------------------------------------------------------------


def random_plan(seed: int) -> Plan:
    """Return the small hostile world of a seed."""
    random = Random(f"{seed}/fire")
    if random.random() < KEPT_AFTER_A_FIRE:
        rate = random.choice((40, 60))
        scripted = load("kept-after-a-fire").plan
        return scripted.what_if(
            f"seed={seed}",
            f"acts_per_minute={rate}",
            "hostile=True",
            f"pause_s={PATIENT_PAUSE_S}",
            "signer=fast",
        )
    random = Random(f"{seed}/plan")
    regions = random.choice((4, 5, 5, 5, 6))
    # Only a network that bears one faulty region is given one, before and after it grows.
    damage = regions >= 5 and random.random() < 0.5
    grows = random.random() < 0.25 and (regions > 5 or not damage)
    plain = load("small-world").plan.what_if(
        f"seed={seed}",
        f"regions={regions}",
        f"minutes={random.choice((0.2, 0.3, 0.4)):g}",
        f"acts_per_minute={random.choice((40, 60, 90))}",
        f"careless={random.choice((0.0, 0.1)):g}",
        f"clocks_beyond={random.random() < 0.1}",
        f"damage={damage}",
        f"stages={f'0:{regions - 1},0.1:{regions}' if grows else 'none'}",
        f"changes={regions >= 5 and random.random() < 0.4}",
    )
    plan = plain.what_if(*_other_network(seed))
    plan = plan.what_if(*_other_ways(seed, plan))
    plan = plan.what_if(*_other_pace(seed, plan))
    if regions < 5 or plan.stages or Random(f"{seed}/keeper").random() >= KEEPERS_LIE:
        return plan
    return plan.what_if("keepers_lie=True", "damage=True", "changes=False", "more_changes=0")


def _other_network(seed: int) -> list[str]:
    """Return what makes a network another one than five neighbours who all witness each other."""
    random = Random(f"{seed}/network")
    of = random.random()
    if of < 0.08:  # each witnessed by four, of whom one may be faulty
        places = random.choice(("southwest", "prefectures"))
        return [
            f"places={places}",
            "regions=7",
            "committee=4",
            "stages=none",
            "damage=True",
            "acts_per_minute=40",
        ]
    if of < 0.13:  # the smallest that bears two faulty regions
        return [
            "places=nation",
            "regions=8",
            "stages=none",
            "damage=True",
            "faulty=2",
            "acts_per_minute=40",
        ]
    return []


def _other_ways(seed: int, plan: Plan) -> list[str]:
    """Return what is done otherwise than in most worlds."""
    random = Random(f"{seed}/ways")
    ways = {
        "begins=2026-12-31 23:59": 0.08,
        "judging=shared": 0.08,
        "signer=real": 0.05,
        "pace_ms=2000": 0.1,
        "at_once=True": 0.15,
        "receipts=0.5": 0.1,
        "bundle_every_s=2": 0.1,
        "together=0.5": 0.2,
        "servers=True": 0.2,
    }
    chosen = [word for word, share in ways.items() if random.random() < share]
    if plan.changes and plan.faulty == 1:  # a version closes one log, and two may lag behind
        chosen.append(f"more_changes={random.choice((0, 0, 1, 1, 2))}")
    return chosen


def _other_pace(seed: int, plan: Plan) -> list[str]:
    """Return what makes a world outlast its views, for few acts and fewer faults at once."""
    random = Random(f"{seed}/patient")
    if random.random() >= PATIENT or plan.regions > 6:
        return []
    return [
        f"minutes={random.choice((4, 5, 6))}",
        f"acts_per_minute={random.choice((6, 10, 16))}",
        f"pause_s={PATIENT_PAUSE_S}",
    ]


# ---- what goes wrong ----------------------------------------------------------------------------


def happenings(plan: Plan, regions: Sequence[str]) -> tuple[Happening, ...]:
    """Return all that is done to a network: what is drawn and kept, the script, and who joins."""
    return (*kept(plan, regions).values(), *plan.script, *_joining(plan))


def kept(plan: Plan, regions: Sequence[str]) -> dict[int, Happening]:
    """Return the drawn faults of a plan that happen, by their number.

    Raises:
        AskedError: ``bad-plan``: one that is to happen is not drawn.
    """
    drawn = draw(plan, regions) if plan.hostile else ()
    for at in plan.only or ():
        if not 0 <= at < len(drawn):
            raise AskedError(
                BAD_PLAN, f"only names some of {len(drawn)} drawn faults, from 0 on, not {at}"
            )
    return {
        at: one for at, one in enumerate(drawn) if plan.only is None or at in plan.only
    }  # fmt: skip


def _joining(plan: Plan) -> Iterator[Happening]:
    """Yield who joins at each stage of a plan; those of the first are founders."""
    codes = [place.code for place in places_of(plan.places, plan.regions)]
    for (_, before), (minutes, count) in pairwise(plan.stages):
        joining = " ".join(codes[before:count])
        yield Happening(at_s=minutes * 60, do="region joins", region=joining)


def draw(plan: Plan, regions: Sequence[str]) -> tuple[Happening, ...]:
    """Return what the seed holds for a world, in the order of time."""
    random = Random(f"{plan.seed}/faults")
    drawn = list(_one_after_the_other(random, plan, OFTEN, regions))
    drawn += _joined(plan, drawn, regions)
    if plan.servers:
        random_of_servers = Random(f"{plan.seed}/servers")
        drawn += _one_after_the_other(random_of_servers, plan, OF_SERVERS_ALL, regions)
    if random.random() < 0.4:
        at_s = random.uniform(0, plan.minutes * 60)
        drawn.append(_drawn(random, at_s, "region cut off until stale", regions))
    drawn += _left_with_one(plan, regions)
    if plan.clocks_beyond:
        at_s = random.uniform(0, plan.minutes * 60)
        drawn.append(_drawn(random, at_s, "clock stepped beyond tolerance", regions))
    if plan.keepers_lie:
        drawn += _lying_keepers(plan, regions)
        return tuple(sorted(drawn, key=lambda one: one.at_s))
    struck = list(_damages(random, plan, regions)) if plan.damage else []
    drawn += struck
    if plan.changes:
        drawn += _changes(plan, regions, struck)
    return tuple(sorted(drawn, key=lambda one: one.at_s))


def _one_after_the_other(
    random: Random, plan: Plan, names: Sequence[str], regions: Sequence[str]
) -> Iterator[Happening]:
    at_s = random.uniform(PAUSE_S_MIN, plan.pause_s)
    while at_s < plan.minutes * 60:
        yield _drawn(random, at_s, random.choice(names), regions)
        at_s += random.uniform(PAUSE_S_MIN, plan.pause_s)


def _joined(plan: Plan, drawn: Sequence[Happening], regions: Sequence[str]) -> list[Happening]:
    """Return what comes at the same moment as something else, and in the same region."""
    random = Random(f"{plan.seed}/together")
    found: list[Happening] = []
    for first in drawn:
        if random.random() >= plan.together:
            continue
        at_s = first.at_s + random.uniform(*AT_ONCE_S)
        second = _drawn(random, at_s, random.choice(OFTEN), regions)
        if first.region and second.region and first.region != second.other:
            second = replace(second, region=first.region)
        found.append(second)
    return found


def _left_with_one(plan: Plan, regions: Sequence[str]) -> Iterator[Happening]:
    """Yield the cuts after which a region hears one other alone, in some of the longer worlds."""
    random = Random(f"{plan.seed}/left")
    if plan.pause_s < PATIENT_PAUSE_S or random.random() >= LEFT_WITH_ONE:
        return
    at_s, for_s = random.uniform(10, 30), random.uniform(*LEFT_S)
    alone, _, *others = random.sample(regions, len(regions))
    for other in others:
        yield Happening(
            at_s=round(at_s, 3),
            do="link cut",
            region=alone,
            other=other,
            for_s=round(for_s, 3),
        )


def _damages(random: Random, plan: Plan, regions: Sequence[str]) -> Iterator[Happening]:
    """Yield what is not healed: in one region, or in as many as the network bears."""
    left = list(regions)
    for number in range(min(plan.faulty, len(left))):
        if number:
            random = Random(f"{plan.seed}/damage/{number}")
        at_s = random.uniform(0.3, 0.7) * plan.minutes * 60
        one = _drawn(random, at_s, random.choice(DAMAGE), left)
        if Random(f"{plan.seed}/misdates/{number}").random() < MISDATED:
            one = replace(one, do=MISDATES, for_s=0.0, value=0.0)
        elif (
            plan.pause_s >= PATIENT_PAUSE_S
            and Random(f"{plan.seed}/keeps/{number}").random() < KEEPS_CASES
        ):
            # Before there are cases: each is kept, and some for longer than S.
            one = replace(one, do=KEEPS, at_s=round(at_s / 10, 3), for_s=0.0, value=0.0)
        left.remove(one.region)
        yield one


# ---- how the roster changes ---------------------------------------------------------------------


def _changes(
    plan: Plan, regions: Sequence[str], struck: Sequence[Happening]
) -> Iterator[Happening]:
    """Yield how the roster changes; also a loss, where nothing else is damaged for good."""
    random = Random(f"{plan.seed}/roster")
    at_s = random.uniform(0.2, 0.5) * plan.minutes * 60
    names = ["keys rotated", "keys rotated", "constants changed"]
    if not plan.damage:
        names += ["region leaves", "lost log closed"]
    first = _drawn(random, at_s, random.choice(names), regions)
    lagging = [one.region for one in struck if one.do not in FOLLOWING]
    if plan.stages and lagging and struck[0].do in FORKING:
        return
    if plan.stages and lagging:  # it may be that not even the version of the joiners came there
        yield Happening(at_s=max(at_s, struck[0].at_s + 1), do="lost log closed", region=lagging[0])
        return
    if first.do == "keys rotated":
        first = replace(first, value=1.0)  # the governance key as well
        first = _for_who_forgot(plan, first, struck)
    if first.do == "lost log closed":
        if random.random() < 0.5:  # a version that some have signed when that happens
            yield Happening(at_s=max(0.2, at_s - 4), do="constants changed", value=40.0)
        yield Happening(at_s=at_s - 2, do="region burnt down", region=first.region)
    for _ in range(random.choice((0, 0, 1, 2))):
        yield _drawn(random, max(0.1, at_s - 4.5), "keeper of keys away", regions)
    yield first
    yield from _later_changes(plan, regions, struck, first)


def _for_who_forgot(plan: Plan, rotated: Happening, struck: Sequence[Happening]) -> Happening:
    """Give new keys to whoever has lost what it had signed with the old ones, if there is one."""
    lost = next((one for one in struck if one.do == "database lost"), None)
    if lost is None:
        return rotated
    after_s = Random(f"{plan.seed}/roster/forgot").uniform(*AFTER_S)
    return replace(rotated, region=lost.region, at_s=max(rotated.at_s, lost.at_s + after_s))


def _lying_keepers(plan: Plan, regions: Sequence[str]) -> Iterator[Happening]:
    """Yield whose keepers lie, what people want meanwhile, and who is on leave.

    Often one of them is the steward's, or that of whoever comes next: these are to propose. Nobody
    else does harm, and no log is closed but a liar's: it takes as many to sign as are left.
    """
    random = Random(f"{plan.seed}/keepers")
    wanted_s = random.uniform(0.2, 0.6) * plan.minutes * 60
    liars: list[str] = []
    for _ in range(plan.faulty):
        left = [it for it in regions if it not in liars]
        liars.append(random.choice((*left[:1], *left[:2], *left)))
        at_s = max(0.5, wanted_s - random.uniform(0, 4))
        yield _of(random, at_s, MISUSES, liars[-1])
        if random.random() < 0.3:
            yield _of(random, at_s + random.uniform(0, 4), random.choice(BESIDE), liars[-1])
    others = [it for it in regions if it not in liars]
    for region in random.sample(others, random.choice((0, 1, 1, 2))):
        away = _of(
            random, max(0.1, wanted_s - random.uniform(-4, 4)), "keeper of keys away", region
        )
        yield replace(away, for_s=round(random.uniform(10, 100), 3))
    do = random.choice(("keys rotated", "constants changed", "constants changed", "region leaves"))
    if do == "constants changed":
        yield _drawn(random, wanted_s, do, regions)
    else:
        of = liars if do == "region leaves" else regions
        yield replace(_of(random, wanted_s, do, random.choice(of)), value=1.0)


def _of(random: Random, at_s: float, name: str, region: str) -> Happening:
    """Return what happens to one region, drawn but for whom."""
    return replace(_drawn(random, at_s, name, [region]), region=region)


def _later_changes(
    plan: Plan, regions: Sequence[str], struck: Sequence[Happening], first: Happening
) -> Iterator[Happening]:
    """Yield the changes after the first: also whoever does harm is shut out, or one comes back."""
    random = Random(f"{plan.seed}/roster/later")
    at_s, last = max((first.at_s, *(one.at_s for one in struck))), first
    harmful = list(struck)
    if any(one.do in FORKING for one in harmful):
        return
    for _ in range(plan.more_changes):
        at_s += random.uniform(*AFTER_S)
        names = ["keys rotated", "constants changed"]
        if last.do == "region leaves":
            names += ["region returns"] * 3
        # No version comes after one that a log does not follow, but the one that closes that log.
        if any(one.do not in FOLLOWING for one in harmful):
            names = []
        if harmful:
            names += ["lost log closed"] * 2
        last = _drawn(random, at_s, random.choice(names), regions)
        if last.do == "lost log closed":
            last = replace(last, region=harmful.pop().region)
        elif last.do == "region returns":
            last = replace(last, region=first.region)
        elif first.do == "region leaves" and last.region == first.region:
            last = replace(last, do="constants changed", region="", value=40.0)
        yield last


def _drawn(random: Random, at_s: float, name: str, regions: Sequence[str]) -> Happening:
    kind = KINDS[name]
    chosen = [*random.sample(regions, kind.asks), "", ""]
    return Happening(
        at_s=round(at_s, 3),
        do=name,
        region=chosen[0],
        other=chosen[1],
        for_s=round(random.uniform(*kind.for_s), 3),
        value=float(random.choice(list(kind.values))),
    )
