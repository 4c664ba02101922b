"""How the commands show things to people: times, names, tables; in Chinese or English."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from authz.right import Right
from nodes.core.sentences import SENTENCES
from nodes.plain import plain

Language = Literal["zh", "en"]

BEIJING: Final = timezone(timedelta(hours=8), "CST")
"""The documents count in Beijing time."""

RIGHT_ZH: Final[Mapping[str, str]] = {
    Right.INTAKE: "收件受理权",
    Right.NOTICE: "一次性告知权",
    Right.VERIFY: "原件核验权",
    Right.DELIVER: "审批结果送达权",
}
STAGE_ZH: Final[Mapping[str, str]] = {
    "received": "已受理",
    "noticed": "已告知",
    "supplemented": "已补正",
    "decided": "已决定",
    "delivered": "已送达",
    "withdrawn": "已撤回",
    "closed": "已办结",
}

ANSWERS_ZH: Final[Mapping[str, str]] = {
    "officer": "经办人",
    "window": "窗口",
    "department": "部门",
    "region": "地区",
}


ENDS: Final = frozenset({"due", "until", "valid_until"})
"""Fields with which something ends: a day alone means that it is the last one, whole."""


def clock(seconds: int) -> str:
    """Return a time of day, with its date, as Beijing reads it."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(BEIJING).strftime("%m-%d %H:%M:%S")


def moment(seconds: int) -> str:
    """Return a time with its year and zone."""
    made = datetime.fromtimestamp(seconds, UTC).astimezone(BEIJING)
    return made.strftime("%Y-%m-%d %H:%M:%S +08:00")


def deadline(due_s: int) -> str:
    """Return the last day in which a thing is in time; where that ends within a day, the minute."""
    told = moment(due_s)
    return moment(due_s - 1)[:10] if told[11:19] == "00:00:00" else told[:16]


def console() -> Console:
    """Return where a command prints for people; plain where nobody watches."""
    width = None if sys.stdout.isatty() else 100
    return Console(width=width, highlight=False, soft_wrap=False)


def print_json(value: Mapping[str, Any]) -> None:
    """Print one line that a program reads."""
    print(json.dumps(plain(value), ensure_ascii=False, separators=(",", ":")))


def reason(code: str, language: Language) -> str:
    """Return the sentence for a rule that was broken; its code where there is none."""
    zh, en = SENTENCES.get(code, (code, code))
    return zh if language == "zh" else en


def short(name: str | None) -> str:
    """Return a party's or object's name without its region and type: what tells it apart."""
    return "" if name is None else name.rsplit("/", 1)[-1]


def table(*columns: str, right: Sequence[int] = (), padding: int = 2) -> Table:
    """Return an empty table in the house's style.

    Args:
        columns: Their heads.
        right: Numbers of the columns that stand to the right.
        padding: Between columns.
    """
    made = Table(box=None, pad_edge=False, padding=(0, padding, 0, 0))
    for number, column in enumerate(columns):
        made.add_column(
            Text(column, style="dim"),
            justify="right" if number in right else "left",
            overflow="fold",
        )
    return made
