"""Papers come along with their case: what a region takes over, it fetches unasked.

So a holder has its keys from the handoff on, and a link that is cut later keeps nobody from the
papers. What does not come so is fetched when somebody reads it.
"""

import asyncio
import logging
from typing import Final

from sqlalchemy import Connection

from ledger.errors import LedgerError, UnavailableError
from nodes.api import vault_fetching
from nodes.api import vault_sight as sight
from nodes.api.context import Service
from nodes.store import vault as store

LOOK_S: Final = 0.5
"""How often it is looked whether a case that was accepted has been released."""
PATIENCE_S: Final = 3_600
EXPECTED_MAX: Final = 1_000

_log: Final = logging.getLogger(__name__)


def expect(service: Service, case: str) -> None:
    """Have the papers of a case brought that this region has accepted."""
    expected = service.vault.expected
    if "/case/" in case and len(expected) < EXPECTED_MAX:
        expected[case] = service.now_s() + PATIENCE_S
        service.vault.arrived.set()


async def bring(service: Service) -> None:
    """Bring what is expected, until cancelled."""
    room = service.vault
    while True:
        await room.arrived.wait()
        for case, until_s in tuple(room.expected.items()):
            if service.now_s() > until_s or await _is_brought(service, case):
                del room.expected[case]
        if not room.expected:
            room.arrived.clear()
        await asyncio.sleep(LOOK_S)


async def _is_brought(service: Service, case: str) -> bool:
    """Fetch what can be had now; say whether nothing is left to wait for."""
    try:
        wanted = await service.readers.run(lambda it: _wanted(service, it, case))
        if wanted is None:
            return False
        here = set[str]()
        if wanted and service.vault.path.is_file():
            here = await service.vault.run(store.held, [it.place.payload for it in wanted])
        for paper in wanted:
            if paper.place.payload not in here:
                await vault_fetching.fetch(service, paper)
    except UnavailableError:
        return False
    except LedgerError as error:
        _log.info("papers of %s do not come along: %s: %s", case, error.code, error)
    except Exception:  # noqa: BLE001 - nobody waits for this; who reads the papers learns why
        _log.exception("papers of %s do not come along", case)
    return True


def _wanted(service: Service, connection: Connection, case: str) -> list[sight.Paper] | None:
    """Return the papers that lie elsewhere; None while the case is not released to this region."""
    found = [it for it in sight.papers(connection, case) if it.region != service.region]
    if found and service.region not in {unit[:6] for unit in sight.held_by(connection, case)}:
        return None
    return found
