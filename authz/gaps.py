"""What a region lacks: windows that nobody reaches, items that nobody supervises, lost blanks.

Each gap is looked for over the objects of one type, by their newest rows and, where it is about
periods, by what acts left them as.

Source: domain.md mechanisms 4, 6, 11, 13, 33, 47, 67, 80.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from authz.calendar import DAY_S
from authz.grant import Side, differing
from authz.item import number_of
from authz.listing import Kept

Row = Mapping[str, Any]

CONTACT_DAYS: Final = 90
"""After which a contact that nobody has confirmed is called stale, unless another is asked for."""


class Looking(Protocol):
    """What a gap is looked for in: the logs as a node has judged them."""

    @property
    def now_s(self) -> int:
        """As of when."""

    @property
    def days(self) -> int:
        """The bound that was asked for; 0: the gap's own."""

    @property
    def regions(self) -> Sequence[str]:
        """All regions of the network."""

    def row(self, name: str) -> Row | None:
        """Return the newest row of an object in the log of the region that numbered it."""

    def history(self, name: str) -> Sequence[Kept]:
        """Return what acts have left an object as, in every log."""

    def rows(self, names: Sequence[str]) -> Mapping[str, Row]:
        """Return the newest rows of those of some objects that have one, likewise."""

    def all_of(self, region: str, type_: str) -> Mapping[str, Row]:
        """Return the newest row of each of a region's objects of a type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """One thing that is missing.

    Args:
        code: What it is, stable.
        detail: The values.
        other: The other object that it is about.
        since_s: Since when.
        until_s: Until when; None: still.
    """

    code: str
    detail: str = ""
    other: str = ""
    since_s: int | None = None
    until_s: int | None = None


Find = Callable[[Looking, str, Row], Iterator[Lack]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A gap to look for.

    Args:
        type: Of the objects that are gone through.
        find: Returns what one of them lacks.
        zh: What the list is called.
        en: Likewise.
    """

    type: str
    find: Find
    zh: str
    en: str


def _contacts(looking: Looking, _name: str, window: Row) -> Iterator[Lack]:
    """Return a window that is in service, and that nobody is told how to reach."""
    if not window.get("live"):
        return
    if "contact" not in window:
        yield Lack(code="no-contact")
        return
    record, since_s = window["contact"]
    age_days = (looking.now_s - since_s) // DAY_S
    if age_days > (looking.days or CONTACT_DAYS):
        yield Lack(code="stale-contact", detail=f"{age_days} days", other=record, since_s=since_s)


def _equipment(_looking: Looking, _name: str, window: Row) -> Iterator[Lack]:
    """Return a window that is in service, and is not attested to have what windows are to have."""
    if not window.get("live"):
        return
    ready = window.get("ready")
    if ready is None:
        yield Lack(code="not-attested")
        return
    missing = [it for it in ("scan", "staff", "video") if it not in ready]
    if missing:
        yield Lack(code="not-equipped", detail=", ".join(missing))


def _outlets(looking: Looking, name: str, window: Row) -> Iterator[Lack]:
    """Return an outlet that is no public body, and that no department has said it supervises."""
    if not (window.get("live") and window.get("outlet")):
        return
    services = looking.all_of(name[:6], "public-service")
    if not any(row["unit"] == name and row["st"] == "supervised" for row in services.values()):
        yield Lack(code="no-supervising-department")


def _oversight(looking: Looking, name: str, item: Row) -> Iterator[Lack]:
    """Return an item in force over a time in which nobody had taken its supervision on."""
    if not item.get("live"):
        return
    published_s = min(it.time_s for it in looking.history(name))
    records = looking.all_of(name[:6], "oversight")
    taken_on = [
        it.time_s
        for record, row in records.items()
        if row["item"] == name
        for it in looking.history(record)
        if it.kind == "oversight.accept"
    ]
    if not taken_on:
        named = [record for record, row in records.items() if row["item"] == name]
        yield Lack(code="no-supervisor", other=next(iter(named), ""), since_s=published_s)
    elif min(taken_on) > published_s:
        yield Lack(code="was-unsupervised", since_s=published_s, until_s=min(taken_on))


def _is_live(looking: Looking, grant: Row) -> bool:
    return grant.get("st") == Side.OFFERED and looking.now_s < grant["until"]


def _listing(looking: Looking, name: str, grant: Row) -> Iterator[Lack]:
    """Return a grant in force over items that no published list of its region has."""
    if not _is_live(looking, grant):
        return
    lists = looking.all_of(name[:6], "item-list")
    listed = {code for row in lists.values() if row["live"] for code in row.get("items", ())}
    missing = [it for it in (grant["item"], *grant.get("also", ())) if number_of(it) not in listed]
    if missing:
        yield Lack(code="not-listed", detail=", ".join(missing), other=grant.get("list", ""))


def _pairs(looking: Looking, name: str, grant: Row) -> Iterator[Lack]:
    """Return a grant given for another in return that is not there, or has other terms."""
    pair = grant.get("pair")
    if pair is None or not _is_live(looking, grant):
        return
    other = looking.row(pair)
    if other is None or not _is_live(looking, other):
        yield Lack(code="no-return", other=pair)
        return
    if other.get("pair", name) != name:
        yield Lack(code="no-return", other=pair, detail=f"is for {other['pair']}")
    names = differing(grant, other)
    if names:
        yield Lack(code="terms-differ", other=pair, detail=", ".join(names))


def _blanks(_looking: Looking, _name: str, stock: Row) -> Iterator[Lack]:
    """Return a stock of blanks that does not add up, or has none left."""
    if stock["missing"]:
        yield Lack(code="blanks-missing", detail=str(stock["missing"]))
    left = stock["number"] - stock["used"] - stock["missing"]
    if stock["live"] and left <= 0:
        yield Lack(code="blanks-spent", detail=f"{stock['used']} used of {stock['number']}")


def _accounts(looking: Looking, name: str, officer: Row) -> Iterator[Lack]:
    """Return an officer whose key another region has enrolled too, while both are in force."""
    if officer.get("ended"):
        return
    elsewhere = [f"{it}{officer['key'][6:]}" for it in looking.regions if it != name[:6]]
    for row in looking.rows(elsewhere).values():
        if row["live"]:
            yield Lack(code="shared-key", other=row["party"])


GAPS: Final[Mapping[str, Gap]] = {
    "accounts": Gap(
        type="officer",
        find=_accounts,
        zh="密钥与他地账号共用",
        en="officers whose key another region has enrolled too",
    ),
    "blanks": Gap(
        type="blank-stock", find=_blanks, zh="空白证照短缺", en="blanks that are missing or spent"
    ),
    "contacts": Gap(
        type="window", find=_contacts, zh="联络信息缺失或过期", en="windows without a fresh contact"
    ),
    "equipment": Gap(
        type="window",
        find=_equipment,
        zh="设备人员未配齐",
        en="windows not attested to be equipped",
    ),
    "listing": Gap(
        type="grant",
        find=_listing,
        zh="未列入公布清单",
        en="grants over items on no published list",
    ),
    "outlets": Gap(
        type="window", find=_outlets, zh="无监督部门的网点", en="outlets that nobody supervises"
    ),
    "oversight": Gap(type="item", find=_oversight, zh="监管空档", en="items without a supervisor"),
    "pairs": Gap(
        type="grant", find=_pairs, zh="互授不对等", en="grants whose counterpart lacks or differs"
    ),
}
"""By the name that is asked for."""
