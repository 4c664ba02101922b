"""The parties and items of a region, by name, and which items of the catalogue it decides."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from authz.catalogue import CatalogueItem, parse

FIRST = ("R014", "R026", "R009", "R031", "R016", "R032", "R007", "R036", "R056", "R011")
"""What is asked for most, from the top: 医保备案, 户口迁移, 公积金, 户籍类证明, 社保卡 …"""


LEVELS = ("政务大厅", "便民服务中心", "便民服务站")
"""Where a region has windows: its own hall, that of a town or street, that of a village."""


@cache
def items() -> tuple[CatalogueItem, ...]:
    """Return the catalogue, what is asked for most at its beginning."""
    text = files("authz").joinpath("data/catalogue.tsv").read_text(encoding="utf-8")
    found = {item.number: item for item in parse(text)}
    return tuple([found[number] for number in FIRST] + [
        item for number, item in found.items() if number not in FIRST
    ])  # fmt: skip


@dataclass(slots=True, eq=False)
class Office:
    """The parties and the items of one region, by name, with one of its windows.

    ``number`` is that of its log: what a successor log numbers anew carries it. ``level`` says
    which window is meant (``LEVELS``); ``of`` is the office at the first level, and None there.
    """

    region: str
    number: int = 1
    level: int = 1
    of: "Office | None" = None

    def at(self, level: int) -> "Office":
        """Return the same office with its window at a level."""
        return self if level == 1 else Office(self.region, level=level, of=self)

    @property
    def prefix(self) -> str:
        """What the numbers that it gives out begin with."""
        number = (self.of or self).number
        return "" if number == 1 else f"{number}-"

    @property
    def department(self) -> str:
        """Who decides, and who grants."""
        return f"{self.region}/department/d1"

    @property
    def hall(self) -> str:
        """Where the window is."""
        return f"{self.region}/hall/h{self.level}"

    @property
    def window(self) -> str:
        """Who receives for other places."""
        return f"{self.region}/window/w{self.level}"

    @property
    def clerk(self) -> str:
        """Sits at the window."""
        return f"{self.region}/officer/clerk{'' if self.level == 1 else self.level}"

    @property
    def decider(self) -> str:
        """Decides for the department."""
        return f"{self.region}/officer/decider"

    @property
    def manager(self) -> str:
        """Publishes and grants for the department, with a key of their own."""
        return f"{self.region}/officer/manager"

    def item(self, rank: int = 0) -> str:
        """Return what is done here for people elsewhere; 0 is asked for most."""
        return f"{self.region}/item/{items()[rank].code}"

    def grant_to(self, other: "Office", rank: int, number: int) -> str:
        """Return the name of a grant over an item to another place's window."""
        level = "" if other.level == 1 else f"-{other.level}"
        return f"{self.region}/grant/{self.prefix}{other.region}-{rank}-{number}{level}"
