"""Scenarios: files that say in a few lines what is simulated, and what must come of it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from simulator.asked import AskedError
from simulator.phases import phase
from simulator.plan import Expectation, Happening, Plan, duration_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A plan with a name, and what it is about."""

    name: str
    title: str
    title_zh: str
    about: str
    plan: Plan
    source: str = ""


def read(name: str, table: Mapping[str, Any]) -> Scenario:
    """Read a scenario from what its file says.

    Raises:
        AskedError: A value is not as it must be.
        TypeError: There is a field that nothing is known of.
    """
    given = dict(table.get("plan", {}))
    if "stages" in given:
        given["stages"] = tuple((duration_s(at) / 60, count) for at, count in given["stages"])
    if "phases" in given:
        its = given["phases"]
        given["phases"] = tuple(phase(duration_s(at) / 60, *rest) for at, *rest in its)
    if "lasts" in given:
        given["minutes"] = duration_s(given.pop("lasts")) / 60
    plan = Plan(
        scenario=name,
        script=tuple(Happening.read(one) for one in table.get("happening", ())),
        expect=tuple(Expectation(**one) for one in table.get("expect", ())),
        **given,
    )
    return Scenario(
        name=name,
        title=table["title"],
        title_zh=table["title_zh"],
        about=table["about"],
        source=table.get("source", ""),
        plan=replace(plan, base=plan),
    )


def names() -> tuple[str, ...]:
    """Return the names of all scenarios."""
    found = (item.name for item in files(__package__).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml")))


def load(name: str) -> Scenario:
    """Return a scenario by its name.

    Raises:
        AskedError: There is none, or its file is not as it must be.
    """
    if name not in names():
        raise AskedError(
            "bad-scenario", f"no such scenario: {name}; there are {', '.join(names())}"
        )
    text = files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    try:
        return read(name, tomllib.loads(text))
    except (KeyError, TypeError, ValueError) as error:
        raise AskedError("bad-scenario", f"{name}.toml: {error}") from error
