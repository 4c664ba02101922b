"""What the ledger says of papers in vaults: which there are, who may have them, what is gone."""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from authz.custody import ever_held
from authz.tables.vault import (
    PAYLOAD,
    TOMBSTONE,
    retention_of,
    tombstone_of,
    vault_key_object,
)
from ledger.errors import NotFoundError, RefusedError
from ledger.kind import Fact
from ledger.payload import Place
from nodes.api.context import Service
from nodes.api.timelines import read
from nodes.core.sight import INDEX_PAST_ALL
from nodes.store.entries import LogIDs
from nodes.store.facts import between, load_changes, load_mentions, load_names, newest

_BRANCH = "branch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A paper that the ledger tells of: where it belongs, its ciphertext's digest, and its act."""

    place: Place
    ciphertext: bytes
    index: int
    by: str

    @property
    def region(self) -> str:
        """Whose vault it was put into first."""
        return self.place.payload[:6]


def vault_key(service: Service, connection: Connection, region: str, suite: str) -> Fact | None:
    """Return the newest vault key that a region has published; None where it has none."""
    name = vault_key_object(region, suite)
    return _newest(service, connection, region, name)


def paper(service: Service, connection: Connection, payload: str) -> Paper:
    """Return what the log of its region says of a paper.

    Raises:
        NotFoundError: ``no-payload``.
    """
    found = _newest(service, connection, payload[:6], payload)
    if found is None or payload.split("/")[1] != PAYLOAD.subject:
        raise NotFoundError(f"no such paper is within sight: {payload}", code="no-payload")
    return _paper(found)


def index_of(service: Service, connection: Connection, name: str) -> int | None:
    """Return where the newest act on an object of our own log stands; None where there is none."""
    found = _newest(service, connection, service.region, name)
    return None if found is None else found.index


def papers(connection: Connection, case: str) -> list[Paper]:
    """Return every paper of a case that is within sight, in the order of the logs."""
    return [_paper(it) for it in _about(connection, case, PAYLOAD.subject)]


def held_by(connection: Connection, case: str) -> frozenset[str]:
    """Return the units that hold a case or a branch of it, or held one once, in all regions."""
    ids = LogIDs()
    names = {case, *(it.object for it in _about(connection, case, _BRANCH))}
    rows = [
        fact.state
        for name in sorted(names)
        for origin in dict.fromkeys(origin for origin, _ in load_changes(connection, ids, name))
        for fact in between(connection, ids, origin, name, 0, INDEX_PAST_ALL)
    ]
    return ever_held(rows)


def check_region(connection: Connection, case: str, region: str) -> None:
    """Check that a region holds a case or a branch of it, or held one once.

    Raises:
        RefusedError: ``never-held``.
    """
    if region not in {unit[:6] for unit in held_by(connection, case)}:
        raise RefusedError(f"{region} never held {case}", code="never-held")


def check_officer(service: Service, connection: Connection, case: str, party: str) -> None:
    """Check that an officer is in service, in a unit that holds the case or held it once.

    Raises:
        RefusedError: ``officer-not-live`` or ``not-holder``; ``never-held`` where no unit of the
            region ever held it.
    """
    check_region(connection, case, service.region)
    officer = _newest(service, connection, service.region, party)
    if officer is None or not officer.live or "unit" not in officer.state:
        raise RefusedError(f"no live officer here: {party}", code="officer-not-live")
    if officer.state["unit"] not in held_by(connection, case):
        raise RefusedError(f"{officer.state['unit']} never held {case}", code="not-holder")


def own_tombstone(service: Service, connection: Connection, case: str) -> Fact | None:
    """Return what says that this region has destroyed its keys of a case; None: it has not."""
    return _newest(service, connection, service.region, tombstone_of(service.region, case))


def unanswered(service: Service, connection: Connection, case: str) -> list[Fact]:
    """Return tombstones of other regions over a case that this one has not answered."""
    return [
        it
        for it in _about(connection, case, TOMBSTONE.subject)
        if it.object[:6] != service.region and not _is_answered(service, connection, it)
    ]


def check_unanswered(service: Service, connection: Connection, case: str) -> None:
    """Check that no other region's tombstone over a case waits for this one's answer.

    Raises:
        RefusedError: ``unanswered-tombstone``.
    """
    for found in unanswered(service, connection, case):
        raise RefusedError(
            f"{found.object} says that the papers are to go: shred the case, or record vault.keep",
            code="unanswered-tombstone",
        )


def all_tombstones(service: Service, connection: Connection, case: str) -> list[dict[str, Any]]:
    """Return every region's word that its keys of a case are gone, as JSON tells it."""
    open_ = {it.object for it in unanswered(service, connection, case)}
    return [
        {
            "tombstone": it.object,
            "origin": it.origin,
            "index": it.index,
            "unanswered": it.object in open_,
        }
        for it in _about(connection, case, TOMBSTONE.subject)
    ]


def due(service: Service, connection: Connection, cases: Container[str]) -> list[dict[str, str]]:
    """Return other regions' tombstones over these cases that wait for an answer of this one."""
    found = []
    for region in service.roster.members:
        if region == service.region:
            continue
        for name in load_names(connection, f"{region}/{TOMBSTONE.subject}/"):
            fact = _newest(service, connection, region, name)
            if (
                fact is not None
                and fact.state["case"] in cases
                and not _is_answered(service, connection, fact)
            ):
                found.append({"case": fact.state["case"], "tombstone": name})
    return found


def _is_answered(service: Service, connection: Connection, tombstone: Fact) -> bool:
    if own_tombstone(service, connection, tombstone.state["case"]) is not None:
        return True
    name = retention_of(service.region, tombstone.object)
    return _newest(service, connection, service.region, name) is not None


def _about(connection: Connection, case: str, type_: str) -> Iterable[Fact]:
    """Give the rows that acts mentioning a case left objects of one type as."""
    ids = LogIDs()
    for origin, index in load_mentions(connection, ids, case):
        subject = read(connection, ids, origin, index).subject
        if subject.split("/")[1] == type_:
            yield from between(connection, ids, origin, subject, index, index + 1)


def _newest(service: Service, connection: Connection, region: str, name: str) -> Fact | None:
    members = service.roster.members
    if region not in members:
        return None
    origin = service.roster.origin_of(region)
    # Not the ids that the loop has learnt: this runs in threads.
    [found] = newest(connection, LogIDs(), [(origin, name, INDEX_PAST_ALL)])
    return found


def _paper(fact: Fact) -> Paper:
    state = fact.state
    place = Place(payload=fact.object, case=state["case"], commitment=state["commitment"])
    return Paper(place=place, ciphertext=state["ciphertext"], index=fact.index, by=state["by"])
