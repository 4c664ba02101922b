"""Who plays: five regions, each with a hall, windows, a department that decides, and officers.

Departments and items are of the kinds that the documents name; persons are numbers. Items come from
the catalogue, whose codes are made up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final

from authz import catalogue
from authz.catalogue import CatalogueItem
from authz.preset import PresetRegion
from authz.right import RIGHTS

RIGHTS_ALL: Final = tuple(sorted(RIGHTS))
MATERIALS: Final = ("application", "id-card", "photo", "proof-of-residence")
TOLERABLE: Final = ("photo",)
WORKING_DAYS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Home(PresetRegion):
    """A region's people and places, by the names they have on the ledger.

    The first of its items is what windows elsewhere are lent.
    """

    def party(self, kind: str, local: str) -> str:
        """Return the name of a party of this region."""
        return f"{self.code}/{kind}/{local}"

    @property
    def department(self) -> str:
        """The department that decides."""
        return self.party("department", self.office)

    @property
    def bureau(self) -> str:
        """The department that runs the hall (政务服务管理局)."""
        return self.party("department", "zwj")

    @property
    def hall(self) -> str:
        """The hall."""
        return self.party("hall", self.place)

    @property
    def window(self) -> str:
        """The window for what is decided elsewhere (跨省通办窗口)."""
        return self.party("window", f"{self.place}-1")

    @property
    def other_window(self) -> str:
        """A window that nobody has lent anything."""
        return self.party("window", f"{self.place}-2")

    @property
    def receiver(self) -> str:
        """The officer at the window."""
        return self.party("officer", f"{self.place}-101")

    @property
    def other_receiver(self) -> str:
        """The officer at the other window."""
        return self.party("officer", f"{self.place}-102")

    @property
    def manager(self) -> str:
        """Who answers for the hall, and accepts what its windows are lent."""
        return self.party("officer", f"{self.place}-001")

    @property
    def grantor(self) -> str:
        """Who publishes items and grants, for the department."""
        return self.party("officer", f"{self.office}-201")

    @property
    def decider(self) -> str:
        """Who decides."""
        return self.party("officer", f"{self.office}-301")

    @property
    def keeper(self) -> str:
        """Who keeps the department's seal."""
        return self.party("officer", f"{self.office}-401")

    @property
    def approver(self) -> str:
        """Who allows each use of the seal: the second person."""
        return self.party("officer", f"{self.office}-402")

    @property
    def auditor(self) -> str:
        """Who may read, and nothing else."""
        return self.party("officer", "audit-901")

    @property
    def seal(self) -> str:
        """The department's seal for decisions made across provinces."""
        return f"{self.code}/seal/{self.office}-1"

    def item(self, number: str | None = None) -> str:
        """Return the name of an item; the first one where none is given."""
        return f"{self.code}/item/{number or self.items[0]}"

    def grant(self, to: "Home", number: str | None = None) -> str:
        """Return the name of the grant that lends ``to``'s window an item."""
        return f"{self.code}/grant/2026-{number or self.items[0]}-{to.code}"

    def officers(self) -> tuple[tuple[str, str, tuple[str, ...], str], ...]:
        """Return officer, unit, roles, and the role of the token."""
        return (
            (self.receiver, self.window, ("receive",), "window"),
            (self.other_receiver, self.other_window, ("receive",), "window"),
            (self.manager, self.hall, ("manage",), "authority"),
            (self.grantor, self.department, ("grant", "manage"), "authority"),
            (self.decider, self.department, ("decide",), "authority"),
            (self.keeper, self.department, ("keeper",), "authority"),
            (self.approver, self.department, ("approver",), "authority"),
        )

    def units(self) -> tuple[tuple[str, Mapping[str, object]], ...]:
        """Return departments, hall and windows with their fields, in the order of enrolment."""
        city = self.city[0]
        shared = {"hall": self.hall, "department": self.bureau, "video": True, "scan": True}
        return (
            (self.department, {"name": self.competent[0]}),
            (self.bureau, {"name": f"{city}政务服务管理局"}),
            (self.hall, {"name": f"{city}政务服务中心"}),
            (self.window, {"name": f"{city}政务服务中心“跨省通办”1号窗口", **shared}),
            (self.other_window, {"name": f"{city}政务服务中心2号窗口", **shared}),
        )


SICHUAN: Final = Home(
    code="510000",
    name="四川",
    name_en="Sichuan",
    city=("成都市", "Chengdu"),
    place="chengdu",
    competent=("四川省医疗保障局", "Sichuan healthcare"),
    office="ybj",
    items=("R014",),
)
CHONGQING: Final = Home(
    code="500000",
    name="重庆",
    name_en="Chongqing",
    city=("重庆市", "Chongqing"),
    place="chongqing",
    competent=("重庆市公安局", "Chongqing police"),
    office="gaj",
    items=("R025",),
)
GUIZHOU: Final = Home(
    code="520000",
    name="贵州",
    name_en="Guizhou",
    city=("贵阳市", "Guiyang"),
    place="guiyang",
    competent=("贵州省住房和城乡建设厅", "Guizhou housing"),
    office="zjt",
    items=("R009",),
)
YUNNAN: Final = Home(
    code="530000",
    name="云南",
    name_en="Yunnan",
    city=("昆明市", "Kunming"),
    place="kunming",
    competent=("云南省民政厅", "Yunnan civil affairs"),
    office="mzt",
    items=("R038",),
)
TIBET: Final = Home(
    code="540000",
    name="西藏",
    name_en="Tibet",
    city=("拉萨市", "Lhasa"),
    place="lhasa",
    competent=("西藏自治区人力资源和社会保障厅", "Tibet social security"),
    office="rst",
    items=("R016", "R006"),
)
GUANGXI: Final = Home(
    code="450000",
    name="广西",
    name_en="Guangxi",
    city=("南宁市", "Nanning"),
    place="nanning",
    competent=("广西壮族自治区自然资源厅", "Guangxi natural resources"),
    office="zrt",
    items=("R036",),
)
"""Joins the five."""
HOMES: Final = (SICHUAN, CHONGQING, GUIZHOU, YUNNAN, TIBET)


def load_items() -> Mapping[str, CatalogueItem]:
    """Return the catalogue by its numbers."""
    text = resources.files("authz").joinpath("data/catalogue.tsv").read_text("utf-8")
    return {item.number: item for item in catalogue.parse(text)}
