"""``shouxin workledger`` and ``bulletin``: a month's figures, put on record, and made again."""

import argparse
import csv
import sys
from collections.abc import Mapping
from typing import Any, Final

from authz.work_ledger import COLUMNS, METHOD_VERSION
from ledger.errors import MalformedError, NotFoundError
from nodes.cli.caller import ask
from nodes.cli.main import DOES_NOT_HOLD
from nodes.cli.show import Language, console, print_json, short, table
from nodes.client import Client

_TOLD: Final[tuple[tuple[str, str, str], ...]] = (
    ("taken_in", "收件", "taken in"),
    ("decided", "办结", "decided"),
    ("days", "平均天数", "avg days"),
    ("due", "应办结", "due"),
    ("overdue", "逾期", "overdue"),
    ("notices", "告知", "notices"),
    ("supplements", "补正", "supplements"),
    ("returned", "退回", "returned"),
    ("delivered", "送达", "delivered"),
    ("ratings", "好评/差评", "good/bad"),
    ("rectified", "按时整改", "rectified"),
    ("answered", "按时回复督办", "answered"),
    ("claimed", "认领/未认领", "claimed/un-"),
    ("idle", "零办件授权", "idle grants"),
)
_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "zh": {
        "unit": "单位",
        "total": "合计",
        "as_of": "统计截止 {as_of}，方法版本 {method_version}，摘要 {digest}",
        "known": "所据：",
        "provisional": "* 暂定：所涉年度的工作日历尚未公布。",
        "same": "一致：{bulletin} 可由账本重新算出，摘要 {digest}",
        "other": "不一致：{bulletin} 载明 {stated}，由账本算得 {digest}",
    },
    "en": {
        "unit": "unit",
        "total": "total",
        "as_of": "as of {as_of}, method version {method_version}, digest {digest}",
        "known": "known: ",
        "provisional": "* Provisional: the calendar of a year in it is not published yet.",
        "same": "the same: {bulletin} can be made again from the logs, digest {digest}",
        "other": "another: {bulletin} says {stated}, the logs say {digest}",
    },
}


def ledger(given: argparse.Namespace) -> int:
    """Show the figures of a month."""

    async def question(client: Client) -> dict[str, Any]:
        return await client.work_ledger(given.month, unit=given.unit)

    found = ask(given, question)
    if given.json:
        print_json(found)
    elif given.csv:
        _write_csv(found)
    else:
        _tell(found, given.lang)
    return 0


def publish(given: argparse.Namespace) -> int:
    """Make the figures of a month, and put their digest on record."""

    async def question(client: Client) -> dict[str, Any]:
        found = await client.work_ledger(given.month)
        body = {
            "period": given.month,
            "digest": found["digest"],
            "method": given.method,
            "method_version": found["method_version"],
            "known": _sizes(found["known"]),
            "as_of": found["as_of"],
        }
        await client.act("bulletin.publish", given.bulletin, body, officer=given.officer)
        return found

    found = ask(given, question)
    _say(given.lang, "same", bulletin=given.bulletin, digest=found["digest"])
    return 0


def check(given: argparse.Namespace) -> int:
    """Make the figures of a bulletin again; status 1 if the digest is another.

    Raises:
        NotFoundError: ``unknown-object``.
        MalformedError: ``unmade``: it does not say what it was made from, or by another method.
    """

    async def question(client: Client) -> tuple[dict[str, Any], dict[str, Any]]:
        stated = await _stated(client, given.bulletin)
        known = ",".join(stated["known"])
        return stated, await client.work_ledger(
            stated["period"], as_of=stated["as_of"], known=known
        )

    stated, found = ask(given, question)
    holds = stated["digest"] == found["digest"]
    if given.json:
        print_json({"bulletin": given.bulletin, "holds": holds, "stated": stated, "made": found})
    else:
        _say(
            given.lang,
            "same" if holds else "other",
            bulletin=given.bulletin,
            stated=stated["digest"],
            digest=found["digest"],
        )
    return 0 if holds else DOES_NOT_HOLD


async def _stated(client: Client, name: str) -> dict[str, Any]:
    found = await client.object(name)
    rows = [it["state"] for it in found["facts"] if "digest" in it["state"]]
    if not rows:
        raise NotFoundError(f"no bulletin {name}", code="unknown-object")
    stated: dict[str, Any] = rows[0]
    if not {"known", "as_of"} <= stated.keys() or stated["method_version"] != METHOD_VERSION:
        raise MalformedError(
            f"{name} cannot be made again: it does not say from what, or names another method",
            code="unmade",
        )
    return stated


def _sizes(known: Mapping[str, int]) -> list[str]:
    return sorted(f"{origin}:{size}" for origin, size in known.items())


def _say(language: Language, word: str, **values: str) -> None:
    print(_WORDS[language][word].format(**values))


def _write_csv(found: Mapping[str, Any]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["month", "unit", *COLUMNS])
    for unit, line in found["units"].items():
        writer.writerow([found["month"], unit, *(line[name] for name in COLUMNS)])


def _tell(found: Mapping[str, Any], language: Language) -> None:
    out, words = console(), _WORDS[language]
    at = 1 if language == "zh" else 2
    made = table(
        words["unit"], *(it[at] for it in _TOLD), right=range(1, len(_TOLD) + 1), padding=1
    )
    made.columns[0].no_wrap = True
    for unit, line in found["units"].items():
        made.add_row(
            " ".join(dict.fromkeys((unit[:6], short(unit)))),
            *(_cell(name, line) for name, _, _ in _TOLD),
        )
    made.add_row(
        words["total"], *(_cell(name, found["total"]) for name, _, _ in _TOLD), style="bold"
    )
    out.print(made)
    out.print(words["as_of"].format(**found), style="dim", markup=False)
    if found["provisional"]:
        out.print(words["provisional"], style="dim", markup=False)
    sizes = ", ".join(f"{origin} {size}" for origin, size in found["known"].items())
    out.print(f"{words['known']}{sizes}", style="dim", markup=False)


def _cell(name: str, line: Mapping[str, int]) -> str:
    match name:
        case "days":
            return f"{line['decided_days'] / line['decided']:.1f}" if line["decided"] else "–"
        case "ratings":
            return f"{line['rated_good']}/{line['rated_bad']}"
        case "claimed":
            return f"{line['claimed']}/{line['unclaimed']}"
        case "rectified" | "answered":
            return str(line[name] - line[f"{name}_late"])
        case _:
            return str(line[name])
