"""``shouxin calendar``: the working days of a year, taken from a package and put on record.

The package is a seed and nothing more. What clocks count by is the act that the steward's region
signs; before it does, somebody compares the days with the notice of the State Council.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from chinese_calendar.constants import holidays, workdays  # type: ignore[import-untyped]

from authz.calendar import calendar_object
from ledger.errors import NotFoundError
from nodes.cli.caller import ask
from nodes.cli.show import print_json
from nodes.client import Client

KIND: Final = "calendar.publish"


def calendar(given: argparse.Namespace) -> int:
    """Publish calendar years, one line of JSON each; or print them, to be looked at."""
    bodies = {year: year_days(year) for year in given.years}
    if given.document:
        bodies = {year: {**body, "document": given.document} for year, body in bodies.items()}
    if given.dry_run:
        for year, body in bodies.items():
            if given.json:
                print_json({"year": year, **body})
            else:
                print("\n".join(told(year, body)))
        return 0

    async def question(client: Client) -> list[dict[str, Any]]:
        roster = await client.roster()
        steward = roster["steward"]
        done = []
        for year, body in bodies.items():
            name = calendar_object(steward, year)
            version = await _newest_version(client, name) + 1
            acted = await client.act(KIND, name, {"version": version, **body})
            done.append({"calendar": name, "version": version, "index": acted.index})
        return done

    for line in ask(given, question):
        print_json(line)
    return 0


def year_days(year: int) -> dict[str, list[str]]:
    """Return the days off and the worked weekends of a year, as the fields of the act.

    Raises:
        NotFoundError: ``no-calendar``: the package does not know the year.
    """
    fields = {"off": _of(year, holidays), "on": _of(year, workdays)}
    if not fields["off"]:
        raise NotFoundError(f"no calendar of {year} is known here", code="no-calendar")
    return fields


def told(year: int, body: Mapping[str, Sequence[str]]) -> list[str]:
    """Return lines to be compared with the notice: days off as it has them, from one to another."""
    off, on = ([date.fromisoformat(day) for day in body[name]] for name in ("off", "on"))
    stretches: list[tuple[date, date]] = []
    for day in off:
        if stretches and day - stretches[-1][1] == timedelta(days=1):
            stretches[-1] = (stretches[-1][0], day)
        else:
            stretches.append((day, day))
    lines = [f"{year}: {len(off)} days off, {len(on)} days of weekends worked"]
    for first, last in stretches:
        until = f" to {last:%m-%d %a}" if last > first else ""
        lines.append(f"  off   {first:%m-%d %a}{until}")
    return [*lines, *(f"  work  {day:%m-%d %a}" for day in on)]


def _of(year: int, days: Iterable[date]) -> list[str]:
    return sorted(day.isoformat() for day in days if day.year == year)


async def _newest_version(client: Client, name: str) -> int:
    try:
        found = await client.object(name)
    except NotFoundError:
        return 0
    return max((fact["state"]["v"] for fact in found["facts"]), default=0)
