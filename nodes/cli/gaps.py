"""``shouxin gaps``: what a region lacks in one respect."""

import argparse
from collections.abc import Mapping
from typing import Any, Final

from nodes.cli.main import DOES_NOT_HOLD
from nodes.cli.show import Language, console, moment, print_json, table
from nodes.cli.sweeps import all_pages, tell_as_of
from nodes.client import Client

_COLUMNS: Final[Mapping[Language, tuple[str, str]]] = {
    "zh": ("对象|缺什么|说明|相关|自|至", "没有缺口"),
    "en": ("object|lacks|what|other|from|until", "Nothing is missing"),
}
_LACKS: Final[Mapping[str, tuple[str, str]]] = {
    "no-contact": ("未公布联络信息", "no contact"),
    "stale-contact": ("联络信息过期", "contact is stale"),
    "shared-key": ("密钥与他地账号共用", "no key of its own"),
    "not-attested": ("未确认设备配备", "nothing attested"),
    "not-equipped": ("设备人员未配齐", "lacks equipment"),
    "no-supervising-department": ("无监督部门", "no supervising department"),
    "no-supervisor": ("无监管主体", "no supervisor"),
    "was-unsupervised": ("曾无人监管", "had no supervisor"),
    "not-listed": ("未列入公布清单", "on no published list"),
    "no-return": ("无对应的互授", "no grant in return"),
    "terms-differ": ("互授条件不一致", "other terms"),
    "blanks-missing": ("空白证照短缺", "blanks missing"),
    "blanks-spent": ("空白证照用完", "no blanks left"),
}


def gaps(given: argparse.Namespace) -> int:
    """Show what a region lacks; status 1 if anything."""

    async def page(client: Client, after: str) -> dict[str, Any]:
        return await client.gaps(given.what, given.region, days=given.days, after=after)

    found = all_pages(given, "gaps", page)
    if given.json:
        print_json(found)
    else:
        _tell(given, found)
    return DOES_NOT_HOLD if found["gaps"] else 0


def _tell(given: argparse.Namespace, found: Mapping[str, Any]) -> None:
    out, (columns, none) = console(), _COLUMNS[given.lang]
    if found["gaps"]:
        made = table(*columns.split("|"), padding=1)
        for it in found["gaps"]:
            zh, en = _LACKS[it["code"]]
            made.add_row(
                it["object"],
                zh if given.lang == "zh" else en,
                it["detail"],
                it["other"],
                _day(it["since_s"]),
                _day(it["until_s"]),
            )
        out.print(made)
    else:
        out.print(none)
    tell_as_of(given, found)


def _day(time_s: int | None) -> str:
    return "" if time_s is None else moment(time_s)[:10]
