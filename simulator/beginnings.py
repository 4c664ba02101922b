"""What a region begins with: its parties and items, and to whom it lends."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from simulator.offices import LEVELS, Office, items
from simulator.places import Place
from simulator.plan import Plan
from simulator.regions import key_of
from simulator.wanted import Wanted

MATERIALS: Final = ["application-form", "identity-proof", "photo"]


def first_acts(office: Office, seed: int, items_count: int, levels: int = 1) -> list[Wanted]:
    """Return the acts by which a region's parties enrol and its items are published, in order."""
    acts = _enrolments(office, seed)
    for level in range(2, levels + 1):
        acts += _enrolments_below(office.at(level), seed)
    return acts + publications(office, range(items_count))


def _enrolments(office: Office, seed: int) -> list[Wanted]:
    """Return the acts by which a region's own parties enrol."""
    acts = [
        _enrol(office, office.department, name="审批局"),
        *_hall_and_window(office, "跨省通办窗口"),
    ]
    for officer, unit, holder, roles in (
        (office.clerk, office.window, "region", ["grant", "receive"]),
        (office.decider, office.department, "region", ["decide", "receive"]),
        (office.manager, office.department, "officer", ["grant", "manage"]),
    ):
        key = key_of(seed, officer).public
        acts.append(_enrol(office, officer, unit=unit, key=key, holder=holder, roles=roles))
    return acts


def _enrolments_below(office: Office, seed: int) -> list[Wanted]:
    """Return the acts by which the window of a lower level enrols, with its hall and its clerk."""
    key = key_of(seed, office.clerk).public
    roles = ["grant", "receive"]
    return [
        *_hall_and_window(office, "通办窗口"),
        _enrol(office, office.clerk, unit=office.window, key=key, holder="region", roles=roles),
    ]


def _hall_and_window(office: Office, name: str) -> list[Wanted]:
    hall, department = office.hall, office.department
    return [
        _enrol(office, hall, name=LEVELS[office.level - 1]),
        _enrol(office, office.window, name=name, hall=hall, department=department),
    ]


def publications(office: Office, ranks: Iterable[int]) -> list[Wanted]:
    """Return the acts by which a region publishes items, by their ranks."""
    return [_publish(office, rank) for rank in ranks]


def _enrol(office: Office, subject: str, **body: object) -> Wanted:
    return Wanted(
        region=office.region,
        issuer=office.region,
        kind="party.enrol",
        subject=subject,
        body=body,
    )


def _publish(office: Office, rank: int) -> Wanted:
    item = items()[rank]
    body = {
        "department": office.department,
        "version": 1,
        "title": item.name[:80],
        "code": item.code,
        "materials": MATERIALS,
        "days": 5,
    }
    return Wanted(
        region=office.region,
        issuer=office.manager,
        kind="item.publish",
        subject=office.item(rank),
        body=body,
    )


def borrowers(
    owner: str, others: Iterable[str], places: Mapping[str, Place], plan: Plan
) -> Sequence[str]:
    """Return the regions that a region lends to.

    Where there is a hub, it lends to all and all lend to it. Else those come first to which most
    goes: by people alone or, where a plan says ``neighbours``, also by nearness and beyond the own
    province.

    Args:
        owner: Who lends.
        others: Who may borrow.
        places: By their codes.
        plan: Of the run.
    """
    if plan.hub:
        return sorted(others) if owner == plan.hub else [it for it in others if it == plan.hub]
    if not plan.neighbours:
        by_people = sorted(others, key=lambda other: -places[other].people)
        return by_people[: plan.windows]
    here = places[owner]
    beyond = [other for other in others if other[:2] != owner[:2]]
    # As many go from one place to another as people live there, over the distance squared.
    return sorted(
        beyond,
        key=lambda other: -places[other].people / max(1.0, here.kilometres_to(places[other])) ** 2,
    )[: plan.windows]
