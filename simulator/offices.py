"""The parties and items of a region, by name, and which items of the catalogue it decides."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from authz.catalogue import CatalogueItem, parse

FIRST = ("R014", "R026", "R009", "R031", "R016", "R032", "R007", "R036", "R056", "R011")
"""What is asked for most, from the top: 医保备案, 户口迁移, 公积金, 户籍类证明, 社保卡 …"""


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
    """The parties and the items of one region, by name.

    ``number`` is that of its log: what a successor log numbers anew carries it.
    """

    region: str
    number: int = 1

    @property
    def prefix(self) -> str:
        """What the numbers that it gives out begin with."""
        return "" if self.number == 1 else f"{self.number}-"

    @property
    def department(self) -> str:
        """Who decides, and who grants."""
        return f"{self.region}/department/d1"

    @property
    def hall(self) -> str:
        """Where the window is."""
        return f"{self.region}/hall/h1"

    @property
    def window(self) -> str:
        """Who receives for other places."""
        return f"{self.region}/window/w1"

    @property
    def clerk(self) -> str:
        """Sits at the window."""
        return f"{self.region}/officer/clerk"

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
        return f"{self.region}/grant/{self.prefix}{other.region}-{rank}-{number}"
