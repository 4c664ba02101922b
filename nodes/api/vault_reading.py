"""Reading papers out of the vault: one way in, whoever asks and wherever the paper lies."""

from sqlalchemy import Connection

from ledger.errors import NotFoundError, UnavailableError
from ledger.payload import Payload, open_payload
from nodes.api import vault_fetching, vaulting
from nodes.api import vault_sight as sight
from nodes.api.context import Service
from nodes.store import vault as store


async def read(service: Service, party: str, payload: str) -> tuple[sight.Paper, Payload]:
    """Return a paper to an officer of a unit that holds its case or held it once.

    Every reading goes through here, whoever asks and wherever the paper lies.

    Raises:
        NotFoundError: ``no-payload``.
        RefusedError: ``never-held``, ``not-holder``, ``officer-not-live``; ``shredded``;
            ``unanswered-tombstone``.
        UnverifiedError: ``altered-payload``, ``wrong-opening``, ``wrong-wrap``.
        UnavailableError: The region that has it does not give it out now.
    """
    await vaulting.settle(service)

    def look(connection: Connection) -> sight.Paper:
        found = sight.paper(service, connection, payload)
        sight.check_officer(service, connection, found.place.case, party)
        sight.check_unanswered(service, connection, found.place.case)
        return found

    paper = await service.readers.run(look)
    await vaulting.check_not_shredded(service, paper.place.case)
    opened = await _open(service, paper)
    if opened is None:
        if paper.region == service.region:
            raise NotFoundError(f"{payload} is not in the vault", code="no-payload")
        await vault_fetching.fetch(service, paper)
        opened = await _open(service, paper)
    if opened is None:
        raise UnavailableError(f"{payload} was not kept", code="busy")
    return paper, opened


async def _open(service: Service, paper: sight.Paper) -> Payload | None:
    room = service.vault
    if not room.path.is_file():
        return None
    async with room.lock:

        def work(connection: Connection) -> Payload | None:
            row = store.load_payload(connection, paper.place.payload)
            if row is None:
                return None
            return open_payload(room.payload_key(connection, row), paper.place, row.sealed)

        return await room.run(work)
