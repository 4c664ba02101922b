"""Loading a preset into a network that runs: its parties, items, grants, agreements, milestones.

Everything is an act that the regions' own operators and officers could have taken one by one; the
nodes judge each. Where loading broke off it goes on: what stands is passed over. A network into
which the preset was loaded before is refused.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from typing import Final

from authz.preset import Preset, PresetMilestone, PresetRegion, check_name, parse
from ledger.errors import NotFoundError, RefusedError
from nodes.cli.demo.cast import RIGHTS_ALL, Home
from nodes.cli.demo.office import HAS_DOCUMENTS, Office
from nodes.cli.demo.scenes import YEAR_S, enrol_region, enrolments, publish_items
from nodes.cli.demo.world import now_s

ANSWER_DAYS: Final = 30
CONCURRENT_GRANTS: Final = 4
"""So that on a slow machine no act waits for its answer longer than the client does."""

_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Desk:
    """A window of a region: its hall, and who answers for it."""

    office: Office
    window: str
    manager: str


def load_text(name: str) -> Preset:
    """Return a preset by its name.

    Raises:
        NotFoundError: ``unknown-preset``.
    """
    check_name(name)
    text = resources.files("authz").joinpath(f"data/presets/{name}.toml").read_text("utf-8")
    return parse(name, text)


def home_of(region: PresetRegion) -> Home:
    """Return a region's people and places."""
    return Home(
        code=region.code,
        name=region.name,
        name_en=region.name_en,
        city=region.city,
        place=region.place,
        competent=region.competent,
        office=region.office,
        items=region.items,
    )


def count_steps(preset: Preset) -> int:
    """Return how many parties and grants loading makes."""
    parties = sum(enrolments(home_of(it)) + 3 * len(it.members) for it in preset.regions)
    windows = sum(1 + len(it.members) for it in preset.regions)
    lent = sum(len(it.items) * (windows - 1) for it in preset.regions)
    return parties + lent


async def check_fresh(offices: Mapping[str, Office], preset: Preset) -> None:
    """Check that the network has all regions of the preset, and of its parties none, or a part.

    Its first milestone is the first act of loading, and its last one the last.

    Raises:
        NotFoundError: ``unknown-region``.
        RefusedError: ``exists``.
    """
    steward = offices.get(preset.steward)
    numbers = (1, len(preset.milestones))
    began, ended = [
        steward is not None and await _is_set(steward, preset, number) for number in numbers
    ]
    if ended:
        raise RefusedError(f"{preset.name} is loaded already", code="exists")
    for region in preset.regions:
        office = offices.get(region.code)
        if office is None:
            raise NotFoundError(f"the network has no region {region.code}", code="unknown-region")
        if not began and await office.index_of("party.enrol", office.home.department) is not None:
            raise RefusedError(f"{office.home.department} is enrolled already", code="exists")


async def _is_set(steward: Office, preset: Preset, number: int) -> bool:
    name = milestone_name(preset, number)
    return await steward.index_of("milestone.set", name) is not None


async def load(
    offices: Mapping[str, Office],
    preset: Preset,
    done: Callable[[], None],
    *,
    seals: bool = HAS_DOCUMENTS,
) -> list[str]:
    """Load a preset, and return the names of the grants that stand then.

    Args:
        offices: The regions' nodes, each watched.
        preset: What to load.
        done: Called after each party and each grant.
        seals: Whether the nodes make seals for trials; else a seal is recorded without a key.
    """
    await check_fresh(offices, preset)
    *before, last = enumerate(preset.milestones, 1)
    for number, milestone in before:
        await _set_milestone(offices[preset.steward], preset, number, milestone)
    desks: list[Desk] = []
    for made in await asyncio.gather(
        *(_region(offices[it.code], it, done, seals=seals) for it in preset.regions)
    ):
        desks += made
    basis_s = preset.basis
    if basis_s is not None:
        await asyncio.gather(
            *(_publish_basis(offices[it.code], preset, basis_s) for it in preset.regions)
        )
    gate = asyncio.Semaphore(CONCURRENT_GRANTS)

    async def lent(owner: Office, desk: Desk, number: str) -> str:
        async with gate:
            grant = await _lend(owner, desk, number, preset)
        done()
        return grant

    grants = await asyncio.gather(
        *(
            lent(offices[region.code], desk, number)
            for region in preset.regions
            for number in region.items
            for desk in desks
            if desk.window != offices[region.code].home.window
        )
    )
    await asyncio.gather(*(_agree(offices, preset, other) for other in preset.agreements))
    await _set_milestone(offices[preset.steward], preset, *last)
    return sorted(grants)


def milestone_name(preset: Preset, number: int) -> str:
    """Return the name of a milestone's object."""
    return f"{preset.steward}/milestone/{preset.name}-{number}"


async def _region(
    office: Office, region: PresetRegion, done: Callable[[], None], *, seals: bool
) -> list[Desk]:
    home = office.home
    await enrol_region(office, done, seals=seals)
    await publish_items(office)
    desks = [Desk(office, home.window, home.manager)]
    for slug, name in region.members:
        hall, window = home.party("hall", slug), home.party("window", f"{slug}-1")
        manager = home.party("officer", f"{slug}-001")
        await office.once("party.enrol", hall, {"name": f"{name}政务服务大厅"})
        fields = {"name": f"{name}“跨省通办”窗口", "hall": hall, "department": home.bureau}
        await office.once("party.enrol", window, {**fields, "video": True, "scan": True})
        operator = await office.client()
        key = await operator.make_officer_key(manager)
        person = {"unit": hall, "key": key, "holder": "region", "roles": ["manage"]}
        await office.once("party.enrol", manager, person)
        await office.give_token(manager, "authority")
        desks.append(Desk(office, window, manager))
        for _ in range(3):
            done()
    return desks


async def _publish_basis(office: Office, preset: Preset, term_s: tuple[int, int]) -> None:
    fields = {
        "title": preset.title,
        "document": preset.document,
        "valid_from": term_s[0],
        "valid_until": term_s[1],
    }
    await office.once("basis.publish", _basis(office.home, preset), fields)


def _basis(home: Home, preset: Preset) -> str:
    return f"{home.code}/basis/{preset.name}"


async def _lend(owner: Office, desk: Desk, number: str, preset: Preset) -> str:
    begins_s = now_s() - 60
    slug = desk.window.rsplit("/", 1)[-1]
    grant = owner.home.grant(desk.office.home, number)
    if desk.window != desk.office.home.window:
        grant = f"{grant}-{slug}"
    fields = {
        "item": owner.home.item(number),
        "item_version": 1,
        "window": desk.window,
        "rights": list(RIGHTS_ALL),
        "valid_from": begins_s,
        "valid_until": begins_s + YEAR_S,
        "staleness_s": owner.roster.constants.staleness_s,
    }
    if preset.basis is not None:
        fields["basis"] = _basis(owner.home, preset)
        fields["valid_until"] = min(begins_s + YEAR_S, preset.basis[1])
    offered = await owner.once("grant.offer", grant, fields, officer=owner.home.grantor)
    if desk.office is not owner:
        await desk.office.sees(owner.origin, offered)
    answer = {"window": desk.window, "item": owner.home.item(number)}
    await desk.office.once("grant.accept", grant, answer, officer=desk.manager)
    return grant


async def _agree(offices: Mapping[str, Office], preset: Preset, other: str) -> None:
    """The steward proposes an agreement on who does what, and the other side signs it."""
    here, there = offices[preset.steward], offices[other]
    name = f"{preset.steward}/agreement/{preset.name}-{other}"
    title = f"{here.home.name}—{there.home.name} {preset.title} 协议"
    digest = sha256(title.encode()).digest()
    begins_s = now_s() - 60
    fields = {
        "to": other,
        "title": title,
        "here": ["deliver", "intake", "notice", "verify"],
        "there": ["decide"],
        "valid_from": begins_s,
        "valid_until": begins_s + YEAR_S,
        "digest": digest,
        "due": begins_s + ANSWER_DAYS * _DAY_S,
    }
    proposed = await here.once("agreement.propose", name, fields)
    await there.sees(here.origin, proposed)
    await there.once("agreement.sign", name, {"digest": digest})


async def _set_milestone(
    steward: Office, preset: Preset, number: int, milestone: PresetMilestone
) -> None:
    fields = {
        "matter": milestone.matter,
        "target": milestone.target,
        "due": milestone.due_s,
        "document": preset.document,
    }
    if milestone.counts:
        fields["counts"] = milestone.counts
    await steward.once("milestone.set", milestone_name(preset, number), fields)
