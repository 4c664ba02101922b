"""``shouxin calendar``: the working days of a year, taken from a package and put on record.

The package is a seed and nothing more. What clocks count by is the act that the steward's region
signs; before it does, somebody compares the days with the notice of the State Council.
"""

import argparse
from collections.abc import Iterable
from datetime import date
from typing import Any, Final

from chinese_calendar.constants import holidays, workdays  # type: ignore[import-untyped]

from authz.calendar import calendar_object
from ledger.errors import NotFoundError
from nodes.cli.caller import ask
from nodes.cli.show import print_json
from nodes.client import Client

KIND: Final = "calendar.publish"


def calendar(given: argparse.Namespace) -> int:
    """Publish calendar years, or print them; one line of JSON each."""
    bodies = {year: year_days(year) for year in given.years}
    if given.document:
        bodies = {year: {**body, "document": given.document} for year, body in bodies.items()}
    if given.dry_run:
        for year, body in bodies.items():
            print_json({"year": year, **body})
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
        NotFoundError: ``unknown-object``: the package does not know the year.
    """
    fields = {"off": _of(year, holidays), "on": _of(year, workdays)}
    if not fields["off"]:
        raise NotFoundError(f"no calendar of {year} is known here", code="unknown-object")
    return fields


def _of(year: int, days: Iterable[date]) -> list[str]:
    return sorted(day.isoformat() for day in days if day.year == year)


async def _newest_version(client: Client, name: str) -> int:
    try:
        found = await client.object(name)
    except NotFoundError:
        return 0
    return max((fact["state"]["v"] for fact in found["facts"]), default=0)
