"""What is done in a region's vault: papers put in and destroyed, its keys given out and renewed.

The order is the contract, so that the ledger never says of the vault what is not so:

* A sealed paper is durable before its act is recorded, and counts from then on. A crash between
  leaves a paper without an act, which the next start drops, or an act whose paper is here.
* A case is doomed before its tombstone is recorded: from then on nothing of it is read or put in.
  Its keys go once the tombstone stands. A crash between is finished at the next start.
* The next vault key is published before anything is wrapped for it, and the old private key is
  destroyed once nothing is wrapped for that any more.
"""

from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection

from authz.tables.vault import KEY_SHARE, PAYLOAD, TOMBSTONE, vault_key_object
from ledger.commitment import SALT_BYTES, commit
from ledger.errors import (
    LedgerError,
    MalformedError,
    RefusedError,
)
from ledger.lineage import numbered
from ledger.payload import X25519, Holder, Payload, Place, seal_payload, wrap_key
from ledger.schema import names_citizen
from ledger.suites import SM2_SM3
from nodes.adapters.random import randomness
from nodes.api import vault_sight as sight
from nodes.api.appending import compose
from nodes.api.context import Service
from nodes.api.problem import TooLargeError
from nodes.api.vault_room import OwnKey
from nodes.core.ready import Compose
from nodes.store import vault as store

NAME_CHARS_MAX: Final = 200
NUMBER_BYTES: Final = 16
REWRAPPED_ROWS: Final = 1_000

_UNKNOWN: Final = "unknown-outcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A paper that was put in: where its act stands, and what the ledger holds of it."""

    place: Place
    salt: bytes
    ciphertext: bytes
    index: int


async def settle(service: Service) -> None:
    """Finish what a crash has left half-done; once in the life of a process.

    A node that gets its log back, or that stands by, does not know yet what is recorded.
    """
    room = service.vault
    if room.is_settled or not room.path.is_file() or service.node.snapshot.state != "serving":
        return
    async with room.lock:
        if room.is_settled:
            return
        for payload in await room.run(store.load_unrecorded):
            index = await service.readers.run(partial(sight.index_of, service, name=payload))
            if index is None:
                await room.run(store.drop_payload, payload)
            else:
                await room.run(store.record_payload, payload, index)
        for case in await room.run(store.load_doomed):
            if await _own_tombstone(service, case) is None:
                await room.run(store.put_state, case, "")
            else:
                await _destroy(service, case)
        room.is_settled = True


# ---- putting in ---------------------------------------------------------------------------------


async def put(
    service: Service, *, case: str, issuer: str, name: str, content: bytes, salt: bytes | None
) -> Kept:
    """Seal a paper, keep it, and record it.

    Args:
        service: The node's.
        case: That it belongs to; the issuer's unit holds it.
        issuer: The officer, or the region itself.
        name: For people; sealed with the paper.
        content: The paper.
        salt: Of a commitment that was made to it before; None for a new one.

    Raises:
        LedgerError: As the rule of ``vault.put``; ``too-large``, ``vault-full``, ``shredded``.
    """
    await settle(service)
    _check_paper(service, name, content)
    room = service.vault
    salt = randomness(SALT_BYTES) if salt is None else salt
    place = Place(
        payload=f"{service.region}/{PAYLOAD.subject}/{_new_number(service)}",
        case=case,
        commitment=commit(salt, content),
    )
    async with room.lock:
        own = await own_key(service)
        await check_not_shredded(service, case)

        def keep(connection: Connection) -> bytes:
            number, key = room.own_case_key(connection, case, own)
            paper = Payload(name=name, salt=salt, content=content)
            sealed = seal_payload(key, place, paper, randomness)
            check_room(service, connection, case, len(sealed))
            row = store.PayloadRow(
                payload=place.payload,
                case=case,
                region=service.region,
                number=number,
                index=None,
                sealed=sealed,
            )
            store.add_payload(connection, row)
            return sha256(sealed).digest()

        ciphertext = await room.run(keep)
        body = {"case": case, "ciphertext": ciphertext, "commitment": place.commitment}
        try:
            index = await _record(service, "vault.put", issuer, place.payload, body)
        except LedgerError as error:
            if error.code != _UNKNOWN:  # else the next start looks whether it stands
                await room.run(store.drop_payload, place.payload)
            raise
        await room.run(store.record_payload, place.payload, index)
    return Kept(place=place, salt=salt, ciphertext=ciphertext, index=index)


def _check_paper(service: Service, name: str, content: bytes) -> None:
    if not 0 < len(name) <= NAME_CHARS_MAX or not name.isprintable():
        raise MalformedError(
            f"a paper's name has 1 to {NAME_CHARS_MAX} characters that can be printed",
            code="bad-field",
        )
    # It is sealed with the paper, but stands on screens and in folders of those who may read it.
    if names_citizen(name):
        raise MalformedError(
            "the name of a paper holds a resident identity or phone number", code="personal-data"
        )
    bytes_max = service.vault.limits.payload_bytes_max
    if len(content) > bytes_max:
        raise TooLargeError(f"a paper has at most {bytes_max} bytes")


def check_room(service: Service, connection: Connection, case: str, more: int) -> None:
    """Check that one more sealed paper fits.

    Raises:
        RefusedError: ``vault-full``.
    """
    limits = service.vault.limits
    count, size = store.usage(connection, case)
    if count >= limits.case_payloads_max or size + more > limits.case_bytes_max:
        raise RefusedError(
            f"a case has at most {limits.case_payloads_max} papers and {limits.case_bytes_max} "
            f"bytes here, and has {count} and {size}",
            code="vault-full",
        )


# ---- destroying ---------------------------------------------------------------------------------


async def shred(
    service: Service, *, case: str, issuer: str, basis: str, reason: str, tombstone: str | None
) -> dict[str, Any]:
    """Destroy this region's keys of a case, and leave a tombstone.

    Asked again, it destroys what is still there and returns the same tombstone.

    Raises:
        LedgerError: As the rule of ``vault.shred``.
    """
    await settle(service)
    room = service.vault
    async with room.lock:
        found = await _own_tombstone(service, case)
        if found is None:
            await room.run(store.put_state, case, store.DOOMED)
            body = {"case": case, "basis": basis, "reason": reason}
            if tombstone is not None:
                body["tombstone"] = tombstone
            name = f"{service.region}/{TOMBSTONE.subject}/{_new_number(service)}"
            try:
                index = await _record(service, "vault.shred", issuer, name, body)
            except LedgerError as error:
                if error.code != _UNKNOWN:
                    await room.run(store.put_state, case, "")
                raise
        else:
            name, index = found
        keys = await _destroy(service, case)
    return {"case": case, "tombstone": name, "index": index, "keys": keys}


async def _destroy(service: Service, case: str) -> int:
    room = service.vault
    gone = await room.run(store.destroy, case)
    await room.wipe()
    # Papers that were drawn from the case name its applicant in clear.
    await service.desk.forget(case)
    return gone


async def _own_tombstone(service: Service, case: str) -> tuple[str, int] | None:
    """Return the name and place of this region's tombstone of a case; None where it has none."""

    def look(connection: Connection) -> tuple[str, int] | None:
        found = sight.own_tombstone(service, connection, case)
        return None if found is None else (found.state["of"], found.index)

    return await service.readers.run(look)


async def check_not_shredded(service: Service, case: str) -> None:
    """Check that the keys of a case are there, and stay.

    Raises:
        RefusedError: ``shredded``.
    """
    room = service.vault
    state = await room.run(store.load_state, case) if room.path.is_file() else ""
    if state:
        raise RefusedError(f"the keys of {case} are destroyed here", code="shredded")
    if await _own_tombstone(service, case) is not None:
        # An officer with their own key recorded it elsewhere; so it is done now.
        await _destroy(service, case)
        raise RefusedError(f"the keys of {case} are destroyed here", code="shredded")


# ---- the vault's own key ------------------------------------------------------------------------


def suite_of(service: Service) -> str:
    """Return the suite of the region's vault: SM2 where the roster names it."""
    return SM2_SM3 if SM2_SM3 in service.roster.suites else X25519


async def own_key(service: Service) -> OwnKey:
    """Return the region's vault key that is in force; made and published when first needed.

    Where its private half is gone, with a lost key store or an older copy of one, the next one is:
    nothing must be wrapped for a key that nobody holds.

    The caller holds the room's lock.
    """
    suite = suite_of(service)
    row = await service.readers.run(lambda it: sight.vault_key(service, it, service.region, suite))
    if row is None:
        return await _publish(service, suite, 1)
    version, public = row.state["n"], row.state["key"]
    keys = service.vault.keys
    if not await service.readers.work(partial(keys.holds, suite, version, public)):
        return await _publish(service, suite, version + 1)
    return OwnKey(Holder(region=service.region, suite=suite, version=version), public)


async def _publish(service: Service, suite: str, version: int) -> OwnKey:
    public = await service.readers.work(lambda: service.vault.keys.make(suite, version))
    name = vault_key_object(service.region, suite)
    body = {"version": version, "key": public}
    await _record(service, "vault.key", service.region, name, body)
    return OwnKey(Holder(region=service.region, suite=suite, version=version), public)


async def rotate(service: Service) -> dict[str, Any]:
    """Publish the next vault key, wrap everything for it, and destroy the old private keys.

    A key that cannot be opened any more stays as it is, and is counted.
    """
    await settle(service)
    room = service.vault
    async with room.lock:
        old = await own_key(service)
        own = await _publish(service, old.holder.suite, old.holder.version + 1)

        def rewrap(connection: Connection) -> tuple[int, int]:
            done = lost = 0
            wanted = (own.holder.suite, own.holder.version)
            while rows := store.load_keys_but(
                connection, *wanted, skip=lost, rows_max=REWRAPPED_ROWS
            ):
                for row in rows:
                    try:
                        key = room.unwrap(row)
                    except LedgerError:
                        lost += 1
                        continue
                    room.keep_case_key(connection, key, row.number, own)
                    done += 1
            return done, lost

        done, lost = await room.run(rewrap)
        await room.wipe()
        used = await room.run(store.load_versions)
        for version in range(1, own.holder.version):
            if (own.holder.suite, version) not in used:
                await service.readers.work(partial(room.keys.destroy, own.holder.suite, version))
    return {
        "suite": own.holder.suite,
        "version": own.holder.version,
        "key": own.public,
        "rewrapped": done,
        "lost": lost,
    }


# ---- giving keys out ----------------------------------------------------------------------------


async def share(service: Service, paper: store.PayloadRow, holder: Holder, public: bytes) -> bytes:
    """Return the key of a paper of ours wrapped for a holder, told of in the ledger; made once.

    The caller holds the room's lock.

    Args:
        service: The node's.
        paper: In our vault.
        holder: To whom the key is given.
        public: The holder's vault key.

    Raises:
        NotFoundError: ``no-key``: it cannot be opened here any more.
    """
    room, case = service.vault, paper.case

    def make(connection: Connection) -> store.ShareRow:
        row = store.load_share(connection, case, paper.number, holder)
        if row is not None:
            return row
        key = room.payload_key(connection, paper)
        row = store.ShareRow(
            case=case,
            number=paper.number,
            holder=holder.region,
            suite=holder.suite,
            version=holder.version,
            wrapped=wrap_key(key, holder, room.keys.sealer(holder.suite, public)),
        )
        store.add_share(connection, row)
        return row

    row = await room.run(make)
    if row.index is None:
        wrap = sha256(row.wrapped).digest()
        body = {
            "case": case,
            "to": holder.region,
            "vault_key": vault_key_object(holder.region, holder.suite),
            "key_version": holder.version,
            "wrap": wrap,
        }
        # Named by what it is, so that one whose answer was lost is not told of twice.
        name = f"{service.region}/{KEY_SHARE.subject}/{numbered(service.origin, wrap.hex()[:32])}"
        index = await service.readers.run(lambda it: sight.index_of(service, it, name))
        if index is None:
            index = await _record(service, "vault.share", service.region, name, body)
        await room.run(store.record_share, row, index)
    return row.wrapped


def _new_number(service: Service) -> str:
    return numbered(service.origin, randomness(NUMBER_BYTES).hex())


async def _record(
    service: Service, kind: str, issuer: str, subject: str, body: dict[str, Any]
) -> int:
    def make(request_id: int) -> Compose:
        return Compose(request_id=request_id, kind=kind, issuer=issuer, subject=subject, body=body)

    return (await compose(service, make)).index
