"""Everything that has happened, and who is who by it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any


@dataclass(frozen=True)
class Act:
    """Something done, or to be done: by whom, on what, and saying what."""

    kind: str
    who: str
    name: str
    body: Mapping[str, Any]
    time_s: int = 0
    leaf: bytes = b""
    index: int = -1
    """Where it stands in its region's log; -1: nowhere yet."""

    @property
    def region(self) -> str:
        return self.who[:6]

    @property
    def is_region(self) -> bool:
        return len(self.who) == 6


def names(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


@cache
def type_of(name: str) -> str:
    return name.split("/")[1] if "/" in name else ""


@dataclass
class Past:
    """All acts, in the order in which they stand."""

    acts: list[Act] = field(default_factory=list)
    on: dict[str, list[Act]] = field(default_factory=dict)
    """The same, by what they are on."""
    parties: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """What was said when they were enrolled."""
    names: dict[str, list[str]] = field(default_factory=dict)
    """What acts are on, by its type."""

    def take(self, act: Act) -> None:
        self.acts.append(act)
        if act.kind != "act.correct":  # it says what was wrong, and nothing else is so by it
            if act.name not in self.on:
                self.names.setdefault(type_of(act.name), []).append(act.name)
            self.on.setdefault(act.name, []).append(act)
            if act.kind == "party.enrol":
                self.parties[act.name] = act.body

    def copy(self) -> "Past":
        made = Past()
        for act in self.acts:
            made.take(act)
        return made

    def of(self, name: str, *kinds: str) -> list[Act]:
        found = self.on.get(name)
        if found is None:
            return []
        return [it for it in found if it.kind in kinds] if kinds else found

    def said(self, *kinds: str) -> Iterator[Act]:
        return (it for it in self.acts if it.kind in kinds)

    def here(self, name: str, region: str) -> list[Act]:
        return [it for it in self.of(name) if it.region == region]

    # ---- parties ------------------------------------------------------------------------------

    def enrolled(self, name: str) -> Mapping[str, Any] | None:
        return self.parties.get(name)

    def stopped_by(self, name: str) -> set[str]:
        """The masters that hold a party back."""
        masters: set[str] = set()
        for it in self.of(name, "party.suspend", "party.resume"):
            (masters.add if it.kind == "party.suspend" else masters.discard)(self.unit(it.who))
        return masters

    def is_live(self, name: str) -> bool:
        known = self.enrolled(name) is not None
        return known and not self.stopped_by(name) and not self.of(name, "party.retire")

    def unit(self, who: str) -> str:
        """Where somebody sits; a region is its own."""
        enrolled = self.enrolled(who)
        return who if enrolled is None else str(enrolled.get("unit", who))

    def dept(self, who: str) -> str | None:
        """The department of an officer or a window."""
        unit = self.unit(who)
        if type_of(unit) == "department":
            return unit
        enrolled = self.enrolled(unit)
        return None if enrolled is None else enrolled.get("department")

    def hall(self, who: str) -> str | None:
        unit = self.unit(who)
        if type_of(unit) == "hall":
            return unit
        enrolled = self.enrolled(unit)
        return None if enrolled is None else enrolled.get("hall")

    def has_role(self, who: str, *roles: str) -> bool:
        enrolled = self.enrolled(who) or {}
        return bool(set(roles) & set(enrolled.get("roles", ())))

    def is_trained(self, who: str, course: str) -> bool:
        held = course in (self.enrolled(who) or {}).get("training", ())
        for it in self.of(who, "training.attest", "training.lapse"):
            if it.body["course"] == course:
                held = it.kind == "training.attest"
        return held

    def is_machine(self, who: str) -> bool:
        return "device" in (self.enrolled(who) or {})

    def may_sign(self, act: Act) -> bool:
        """Whether somebody of the region is there to sign: itself, or an officer in service."""
        return act.is_region or (type_of(act.who) == "officer" and self.is_live(act.who))

    def units(self, who: str) -> set[str]:
        """Where somebody sits, with the hall and the department that it is part of."""
        return {it for it in (self.unit(who), self.hall(who), self.dept(who)) if it is not None}

    def is_stopped(self, who: str) -> bool:
        """Whether where somebody sits is out of service."""
        return not all(self.is_live(it) for it in self.units(who))

    # ---- items --------------------------------------------------------------------------------

    def versions(self, item: str) -> list[Act]:
        return self.of(item, "item.publish")

    def version(self, item: str, number: int) -> Mapping[str, Any] | None:
        found = self.versions(item)
        return found[number - 1].body if 0 < number <= len(found) else None

    def in_force(self, item: str, number: int) -> bool:
        found = self.of(item, "item.publish", "item.withdraw")
        return (
            bool(found) and found[-1].kind == "item.publish" and number == len(self.versions(item))
        )

    def item_dept(self, item: str) -> str | None:
        found = self.versions(item)
        return found[0].body["department"] if found else None
