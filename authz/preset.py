"""Networks that the policy documents describe: who runs a node, who is a party of a larger region.

A preset names regions, halls, departments, items of the catalogue, agreements and the milestones
that its document sets. Whoever has a network can load one into it; every item is then lent to the
window of every other region and of every member.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Final

from authz.milestone import COUNTED
from ledger.errors import LedgerError, MalformedError, NotFoundError
from ledger.names import check_region

NAMES: Final = (
    "southwest-five",
    "shanwei-phases",
    "guizhou-province",
    "xining-three-level",
    "zaozhuang-county",
)

_BEIJING: Final = timezone(timedelta(hours=8))
_is_slug = re.compile(r"[a-z][a-z0-9-]{0,30}").fullmatch
_is_number = re.compile(r"[A-Z][0-9]{3}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetRegion:
    """A region that runs a node of its own.

    Args:
        city: Where its hall is, in Chinese and English.
        place: Latin letters for the hall and its windows.
        competent: The department that decides, in Chinese and English.
        office: Latin letters for that department.
        items: Catalogue numbers of what it decides.
        members: Smaller places without a node, which are parties of this region: Latin letters and
            name of each.
    """

    code: str
    name: str
    name_en: str
    city: tuple[str, str]
    place: str
    competent: tuple[str, str]
    office: str
    items: tuple[str, ...]
    members: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetMilestone:
    """How many of what, by when (the end of that day in Beijing).

    Args:
        counts: Which records are counted (``authz.milestone``); empty: it is reported.
    """

    matter: str
    target: int
    due_s: int
    counts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One document's network.

    Args:
        steward: The region that leads; it sets the milestones and proposes the agreements.
        basis: From when until when the document is in force; None where it does not say.
        agreements: Regions with which the steward has an agreement.
    """

    name: str
    title: str
    document: str
    network: str
    steward: str
    regions: tuple[PresetRegion, ...]
    milestones: tuple[PresetMilestone, ...]
    basis: tuple[int, int] | None = None
    agreements: tuple[str, ...] = ()


def check_name(name: str) -> None:
    """Check that there is such a preset.

    Raises:
        NotFoundError: ``unknown-preset``.
    """
    if name not in NAMES:
        raise NotFoundError(
            f"no preset {name[:80]!r}; there are {', '.join(NAMES)}", code="unknown-preset"
        )


def parse(name: str, text: str) -> Preset:
    """Read a preset.

    Raises:
        MalformedError: ``bad-field``: a value is missing, unknown, or contradicts another.
    """
    try:
        given = tomllib.loads(text)
        basis = given.pop("basis", None)
        preset = Preset(
            name=name,
            regions=tuple(_region(it) for it in given.pop("region")),
            milestones=tuple(_milestone(it) for it in given.pop("milestone")),
            basis=None if basis is None else (_start_s(basis["from"]), _end_s(basis["until"])),
            agreements=tuple(given.pop("agreements")),
            **given,
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad(name, str(error)) from error
    _check(preset)
    return preset


def _region(given: Mapping[str, Any]) -> PresetRegion:
    lists = {key: tuple(given[key]) for key in ("city", "competent", "items")}
    members = tuple((slug, name) for slug, name in given.get("members", ()))
    return PresetRegion(**{**given, **lists, "members": members})


def _milestone(given: Mapping[str, Any]) -> PresetMilestone:
    return PresetMilestone(
        matter=given["matter"],
        target=given["target"],
        due_s=_end_s(given["due"]),
        counts=given.get("counts", ""),
    )


def _start_s(day: date) -> int:
    made = datetime(day.year, day.month, day.day, tzinfo=_BEIJING)
    return int(made.astimezone(UTC).timestamp())


def _end_s(day: date) -> int:
    return _start_s(day + timedelta(days=1))


def _check(preset: Preset) -> None:
    codes = [region.code for region in preset.regions]
    if len(set(codes)) != len(codes) or not codes:
        raise _bad(preset.name, "a region stands there twice, or there is none")
    if not {preset.steward, *preset.agreements} <= set(codes):
        raise _bad(preset.name, "steward and sides of agreements are regions of the preset")
    if preset.steward in preset.agreements:
        raise _bad(preset.name, "an agreement has two sides")
    for region in preset.regions:
        try:
            check_region(region.code)
        except LedgerError as error:
            raise _bad(preset.name, str(error)) from error
        slugs = [region.place, *(slug for slug, _ in region.members)]
        if len(set(slugs)) != len(slugs):
            raise _bad(preset.name, f"{region.code} has two places of one name")
        for slug in (*slugs, region.office):
            if not _is_slug(slug):
                raise _bad(preset.name, f"not Latin letters for a name: {slug!r:.80}")
        if not region.items or not all(_is_number(number) for number in region.items):
            raise _bad(preset.name, f"{region.code} decides at least one item of the catalogue")
    if any(milestone.target < 1 for milestone in preset.milestones):
        raise _bad(preset.name, "a milestone counts something")
    if any(it.counts and it.counts not in COUNTED for it in preset.milestones):
        raise _bad(preset.name, f"a milestone counts one of {', '.join(sorted(COUNTED))}")
    if preset.basis is not None and preset.basis[0] >= preset.basis[1]:
        raise _bad(preset.name, "a basis ends after it begins")


def _bad(name: str, why: str) -> MalformedError:
    return MalformedError(f"the preset {name} cannot be used: {why[:200]}", code="bad-field")
