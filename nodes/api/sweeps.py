"""Questions over all grants at once: who may do this item, what lapses soon, what nobody may do.

An index narrows each question down to a page of grants, and their facts decide. Pages are asked for
by the ``next`` of the one before; each says as of which sizes of the logs it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiohttp import web
from sqlalchemy import Connection

from authz.grant import quota_object
from authz.right import RIGHTS
from authz.use import Occasion, check_quota, check_use, hall_of
from ledger.errors import MalformedError, RefusedError
from ledger.judge import units_of
from ledger.kind import Fact
from ledger.names import check_object, check_region
from nodes.api.context import Service
from nodes.api.pages import TIME_S_MAX, begin, page
from nodes.api.requests import asked, parse_number, query_number
from nodes.api.tokens import DAY_S
from nodes.core.sight import INDEX_PAST_ALL
from nodes.store.entries import LogIDs
from nodes.store.facts import load_names as load_all_names
from nodes.store.facts import newest
from nodes.store.lent import are_lent, load_covering, load_lapsing, load_names

DAYS_MAX: Final = 3_660

routes = web.RouteTableDef()


@routes.get("/v1/windows")
async def windows_of(request: web.Request) -> web.Response:
    """List the windows that may use a right over an item now, and under which grant each."""
    service, rows_max, after = await begin(request, "item", "right")
    item, right = asked(request, "item"), asked(request, "right")
    check_object(item)
    if right not in RIGHTS:
        raise MalformedError(f"right is one of {', '.join(sorted(RIGHTS))}", code="bad-field")
    window, _, grant = after.partition(",")
    now_s = service.now_s()

    def read(connection: Connection) -> tuple[list[dict[str, Any]], str | None]:
        fact = newest_of(service, connection, item)
        if fact is None or not fact.live:
            return [], None
        covered = (item, fact.state["dept"])
        found = load_covering(
            connection, covered, after=(window, grant), now_s=now_s, rows_max=rows_max
        )
        asked = _Asked(right, item, fact.state["dept"], now_s)
        halls = _Halls(service, connection)
        held = _held(service, connection, found)
        rows = [row for it in held for row in _may(it, asked, halls)]
        known = {it.place: it.sat for it in held} | halls.known
        stopped = _stopped(service, connection, [row["window"] for row in rows], known)
        rows = [row for row in rows if row["window"] not in stopped]
        return rows, ",".join(found[-1]) if len(found) == rows_max else None

    return await page(service, "windows", read, {"item": item, "right": right})


@routes.get("/v1/lapsing")
async def lapsing(request: web.Request) -> web.Response:
    """List the grants that lapse within some days, the soonest first."""
    service, rows_max, after = await begin(request, "days", "region")
    days = query_number(request, "days", default=30, most=DAYS_MAX)
    region = request.query.get("region", "")
    if region:
        check_region(region)
    end, _, name = after.partition(",")
    at_s = parse_number(end, "after", most=TIME_S_MAX) if end else 0
    now_s = service.now_s()

    def read(connection: Connection) -> tuple[list[dict[str, Any]], str | None]:
        found = load_lapsing(
            connection,
            region=region,
            now_s=now_s,
            until_s=now_s + days * DAY_S,
            after=(at_s, name),
            rows_max=rows_max,
        )
        stand = newest_of_each(service, connection, [it.grant for it in found])
        rows = [
            {
                "grant": it.grant,
                "item": it.item,
                "window": it.window,
                "until_s": it.until_s,
                "accepted": it.accepted,
            }
            for it, fact in zip(found, stand, strict=True)
            # By its newest row; a log that came after may say that it stands no more.
            if fact is not None and fact.live
        ]
        last = f"{found[-1].until_s},{found[-1].grant}" if len(found) == rows_max else None
        return rows, last

    return await page(service, "grants", read, {"days": days})


@routes.get("/v1/ungranted")
async def ungranted(request: web.Request) -> web.Response:
    """List the items in force of a region over which no window has a live grant (明进暗不进)."""
    service, rows_max, after = await begin(request, "region")
    region = request.query.get("region", service.region)
    check_region(region)
    now_s = service.now_s()

    def read(connection: Connection) -> tuple[list[dict[str, Any]], str | None]:
        names = load_names(connection, region, "item", after=after, rows_max=rows_max)
        facts = newest_of_each(service, connection, names)
        live = [fact for fact in facts if fact is not None and fact.live]
        departments = dict.fromkeys(fact.state["dept"] for fact in live)
        covered = [*(fact.object for fact in live), *departments]
        lent = dict(zip(covered, are_lent(connection, covered, now_s), strict=True))
        rows = [
            {"item": fact.object, "version": fact.state["v"], "dept": fact.state["dept"]}
            for fact in live
            if not lent[fact.object] and not lent[fact.state["dept"]]
        ]
        return rows, names[-1] if len(names) == rows_max else None

    return await page(service, "items", read, {"region": region})


class _Asked(NamedTuple):
    right: str
    item: str
    department: str
    now_s: int


class _Held(NamedTuple):
    """A grant and the place it was lent to, as the logs of both sides have them."""

    grant: str
    place: str
    offer: Fact | None
    sat: Fact | None
    acceptance: Fact | None
    used: Fact | None


def _held(
    service: Service, connection: Connection, pairs: Sequence[tuple[str, str]]
) -> list[_Held]:
    """Return what is held of these places and grants, all of it read at once."""
    rows = newest(
        connection,
        LogIDs(),
        [
            (_origin(service, side), name, INDEX_PAST_ALL)
            for place, grant in pairs
            for side, name in (
                (grant, grant),
                (place, place),
                (place, grant),
                (place, quota_object(place[:6], grant)),
            )
        ],
    )
    return [
        _Held(grant, place, *rows[4 * at : 4 * at + 4]) for at, (place, grant) in enumerate(pairs)
    ]


def _stopped(
    service: Service,
    connection: Connection,
    windows: Sequence[str],
    known: Mapping[str, Fact | None],
) -> frozenset[str]:
    """Return those windows that are suspended or retired, or whose hall or department is.

    ``known`` has rows that were read before, by name; that of the window of a machine is not among
    them.
    """
    missing = [name for name in dict.fromkeys(windows) if name not in known]
    read = newest_of_each(service, connection, missing) if missing else []
    found = {**known, **dict(zip(missing, read, strict=True))}
    parts = {name: units_of(row) for name in windows if (row := found[name]) is not None}
    units = list(dict.fromkeys(unit for names in parts.values() for unit in names))
    found |= dict(zip(units, newest_of_each(service, connection, units), strict=True))
    over = {name for name, row in found.items() if row is not None and not row.live}
    return frozenset(name for name, of in parts.items() if not over.isdisjoint((name, *of)))


class _Halls:
    """The windows that may use what their hall was lent, read once for each region."""

    def __init__(self, service: Service, connection: Connection) -> None:
        self._service = service
        self._connection = connection
        self._regions: dict[str, dict[str, list[str]]] = {}
        self.known: dict[str, Fact] = {}
        """The rows of those that were returned, and of others of their regions."""

    def windows(self, hall: str) -> Sequence[str]:
        """Return them by name."""
        region = hall[:6]
        if region not in self._regions:
            self._regions[region] = self._load(region)
        return self._regions[region].get(hall, ())

    def _load(self, region: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        names = load_all_names(self._connection, f"{region}/window/")
        for fact in newest_of_each(self._service, self._connection, names):
            hall = hall_of(fact.state) if fact is not None and fact.live else None
            if fact is not None and hall is not None:
                found.setdefault(hall, []).append(fact.object)
                self.known[fact.object] = fact
        return found


def _may(held: _Held, asked: _Asked, halls: _Halls) -> list[dict[str, Any]]:
    """Return a row for each window that may use a grant: lent to it, its hall, or a machine there.

    None where the facts say that the grant does not carry the right.
    """
    grant, place, offer, sat, acceptance, used = held
    if offer is None or sat is None or not sat.live:
        return []
    occasion = Occasion(
        window=place,
        right=asked.right,
        item=asked.item,
        department=asked.department,
        time_s=asked.now_s,
        device=place if "/device/" in place else None,
        # Whatever it is lent for; the row says for which.
        scenario=next(iter(offer.state.get("scen", ())), None),
    )
    try:
        found = check_use(offer, acceptance, occasion)
        check_quota(found, used)
    except RefusedError:
        return []
    row = {"grant": grant, "rights": found.state["rights"], "until_s": found.state["until"]}
    if "scen" in found.state:
        row["scenarios"] = found.state["scen"]
    if occasion.device is not None:
        return [{"window": sat.state["window"], "device": place, **row}]
    if "/hall/" not in place:
        return [{"window": place, **row}]
    return [{"window": it, **row} for it in halls.windows(place)]


def newest_of(service: Service, connection: Connection, name: str) -> Fact | None:
    """Return the newest row of an object in the log of the region that numbered it."""
    [fact] = newest_of_each(service, connection, [name])
    return fact


def newest_of_each(
    service: Service, connection: Connection, names: Sequence[str]
) -> list[Fact | None]:
    """Return the newest row of each object in the log of the region that numbered it."""
    wanted = [(_origin(service, name), name, INDEX_PAST_ALL) for name in names]
    return newest(connection, LogIDs(), wanted)


def _origin(service: Service, name: str) -> str:
    member = service.roster.members.get(name[:6])
    return "" if member is None else member.origin
