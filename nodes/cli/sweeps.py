"""``shouxin windows``, ``lapsing`` and ``ungranted``: questions over all grants at once."""

import argparse
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from nodes.cli.caller import ask
from nodes.cli.main import DOES_NOT_HOLD
from nodes.cli.show import RIGHT_ZH, Language, console, moment, print_json, table
from nodes.client import Client

_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "zh": {
        "windows": "窗口|授权|权项|有效期至",
        "lapsing": "授权|事项|窗口|有效期至",
        "ungranted": "事项|版本|部门",
        "no windows": "现在没有窗口获授该事项的这一权项",
        "no lapsing": "期内没有到期的授权",
        "no ungranted": "每个事项都有有效授权",
        "as_of": "截至：",
    },
    "en": {
        "windows": "window|grant|rights|until",
        "lapsing": "grant|item|window|until",
        "ungranted": "item|version|department",
        "no windows": "No window may use this right over it now",
        "no lapsing": "No grant lapses within that time",
        "no ungranted": "Every item has a live grant",
        "as_of": "as of ",
    },
}

Page = Callable[[Client, str], Awaitable[dict[str, Any]]]


def windows(given: argparse.Namespace) -> int:
    """Show which windows may use a right over an item now."""
    found = all_pages(
        given, "windows", lambda client, after: client.windows(given.item, given.right, after=after)
    )
    rows = [
        (it["window"], it["grant"], _rights(it["rights"], given.lang), moment(it["until_s"]))
        for it in found["windows"]
    ]
    _tell(given, "windows", found, rows)
    return 0


def _rights(rights: Sequence[str], language: Language) -> str:
    return "、".join(RIGHT_ZH[it] for it in rights) if language == "zh" else ", ".join(rights)


def lapsing(given: argparse.Namespace) -> int:
    """Show which grants lapse soon."""
    found = all_pages(
        given,
        "grants",
        lambda client, after: client.lapsing(given.days, region=given.region, after=after),
    )
    rows = [
        (it["grant"], it["item"], it["window"], moment(it["until_s"])) for it in found["grants"]
    ]
    _tell(given, "lapsing", found, rows)
    return 0


def ungranted(given: argparse.Namespace) -> int:
    """Show which items of a region no live grant covers; status 1 if there are any."""
    found = all_pages(
        given, "items", lambda client, after: client.ungranted(given.region, after=after)
    )
    rows = [(it["item"], str(it["version"]), it["dept"]) for it in found["items"]]
    _tell(given, "ungranted", found, rows)
    return DOES_NOT_HOLD if rows else 0


def all_pages(given: argparse.Namespace, name: str, page: Page) -> dict[str, Any]:
    """Return all pages as one answer, as of what the last of them says."""

    async def question(client: Client) -> dict[str, Any]:
        found = await page(client, "")
        rows = list(found[name])
        while found["next"] is not None:
            found = await page(client, found["next"])
            rows += found[name]
        return {**found, name: rows}

    return ask(given, question)


def _tell(
    given: argparse.Namespace, name: str, found: Mapping[str, Any], rows: Sequence[tuple[str, ...]]
) -> None:
    if given.json:
        print_json(found)
        return
    out, words = console(), _WORDS[given.lang]
    if rows:
        made = table(*words[name].split("|"))
        for row in rows:
            made.add_row(*row)
        out.print(made)
    else:
        out.print(words[f"no {name}"])
    tell_as_of(given, found)


def tell_as_of(given: argparse.Namespace, found: Mapping[str, Any]) -> None:
    """Show as of which sizes of the logs an answer is."""
    sizes = ", ".join(f"{origin} {size}" for origin, size in found["as_of"].items())
    console().print(f"{_WORDS[given.lang]['as_of']}{sizes}", style="dim", markup=False)
