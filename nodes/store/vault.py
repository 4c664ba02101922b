"""A region's vault: sealed payloads, the keys of cases wrapped for it, and what it gave to others.

A payload is kept before its act is recorded, so that no act speaks of a payload that a crash has
lost; ``index`` is None until then. A case is **doomed** from when its keys are to be destroyed
until the tombstone stands and they are, and **shredded** from then on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql.elements import ColumnElement

from ledger.payload import Holder
from nodes.files import zero
from nodes.store import vault_schema
from nodes.store.engine import BUSY_TIMEOUT_MS
from nodes.store.vault_schema import cases, keys, payloads, shares

DOOMED: Final = "doomed"
SHREDDED: Final = "shredded"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A data key that ``region`` has for a case, wrapped for this region's vault key.

    There is one, numbered 1, unless that region lost its own and drew another.
    """

    case: str
    region: str
    number: int
    suite: str
    version: int
    wrapped: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRow:
    """A data key of ours, wrapped for another holder; ``index`` is where the ledger says so."""

    case: str
    number: int
    holder: str
    suite: str
    version: int
    wrapped: bytes
    index: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadRow:
    """A sealed payload; ``index`` is where its act stands, None while that is not known.

    ``number`` is that of the data key that opens it, among those of its region for the case.
    """

    payload: str
    case: str
    region: str
    number: int
    index: int | None
    sealed: bytes


def open_vault(path: Path) -> Engine:
    """Open the vault's file, or make it. One connection, for the one thread that uses it.

    Deleted rows are overwritten with zeros. The journal's file stays, so that what it held can be
    overwritten where it lies (``wipe_journal``): a deleted file's blocks nobody can reach.
    """
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    path.touch(mode=0o600)
    with engine.begin() as connection:
        vault_schema.metadata.create_all(connection)
    return engine


def wipe_journal(engine: Engine, path: Path) -> None:
    """Overwrite the journal's file with zeros, while nobody else can be using it."""
    journal = path.with_name(f"{path.name}-journal")
    with engine.connect().execution_options(**{_EXCLUSIVE: True}) as connection, connection.begin():
        if journal.is_file():
            zero(journal)


# ---- cases --------------------------------------------------------------------------------------


def load_state(connection: Connection, case: str) -> str:
    """Return where a case stands: empty, doomed or shredded."""
    found = connection.execute(select(cases.c.state).where(cases.c.case == case)).scalar()
    return "" if found is None else str(found)


def put_state(connection: Connection, case: str, state: str) -> None:
    """Say where a case stands; empty: as if nothing had ever been said."""
    connection.execute(delete(cases).where(cases.c.case == case))
    if state:
        connection.execute(insert(cases).values(case=case, state=state))


def load_doomed(connection: Connection) -> list[str]:
    """Return the cases whose keys were about to be destroyed."""
    query = select(cases.c.case).where(cases.c.state == DOOMED).order_by(cases.c.case)
    return [str(case) for case in connection.execute(query).scalars()]


def destroy(connection: Connection, case: str) -> int:
    """Drop all there is of a case, keys first of all, and return how many keys that were."""
    gone = connection.execute(delete(keys).where(keys.c.case == case)).rowcount
    for table in (shares, payloads):
        connection.execute(delete(table).where(table.c.case == case))
    put_state(connection, case, SHREDDED)
    return int(gone)


# ---- keys ---------------------------------------------------------------------------------------


def load_keys(connection: Connection, case: str, region: str) -> list[KeyRow]:
    """Return the data keys of a region for a case, by number."""
    query = select(keys).where(keys.c.case == case, keys.c.region == region).order_by(keys.c.number)
    return [KeyRow(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's name for it


def put_key(connection: Connection, row: KeyRow) -> None:
    """Keep a data key, in place of the one of its number."""
    connection.execute(
        delete(keys).where(
            keys.c.case == row.case, keys.c.region == row.region, keys.c.number == row.number
        )
    )
    connection.execute(insert(keys).values(_values(row)))


def load_keys_but(
    connection: Connection, suite: str, version: int, *, skip: int, rows_max: int
) -> list[KeyRow]:
    """Return keys wrapped for another vault key than this one, after the first ``skip``."""
    query = (
        select(keys)
        .where((keys.c.suite != suite) | (keys.c.version != version))
        .order_by(keys.c.case, keys.c.region, keys.c.number)
        .offset(skip)
        .limit(rows_max)
    )
    return [KeyRow(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - as above


def load_versions(connection: Connection) -> set[tuple[str, int]]:
    """Return suite and version of every vault key that some key is wrapped for."""
    query = select(keys.c.suite, keys.c.version).distinct()
    return {(str(suite), int(version)) for suite, version in connection.execute(query)}


def load_cases(connection: Connection) -> set[str]:
    """Return the cases that there are keys of."""
    return {str(case) for case in connection.execute(select(keys.c.case).distinct()).scalars()}


# ---- what others were given ---------------------------------------------------------------------


def load_share(connection: Connection, case: str, number: int, holder: Holder) -> ShareRow | None:
    """Return a key of ours as it was wrapped for a holder; None where it never was."""
    query = select(shares).where(*_share(case, number, holder))
    row = connection.execute(query).one_or_none()
    return None if row is None else ShareRow(**row._mapping)  # noqa: SLF001 - as above


def add_share(connection: Connection, row: ShareRow) -> None:
    """Keep a wrap that is to be given out."""
    connection.execute(insert(shares).values(_values(row)))


def record_share(connection: Connection, row: ShareRow, index: int) -> None:
    """Say where the ledger tells of a wrap."""
    holder = Holder(region=row.holder, suite=row.suite, version=row.version)
    which = _share(row.case, row.number, holder)
    connection.execute(update(shares).where(*which).values(index=index))


def _share(case: str, number: int, holder: Holder) -> tuple[ColumnElement[bool], ...]:
    return (
        shares.c.case == case,
        shares.c.number == number,
        shares.c.holder == holder.region,
        shares.c.suite == holder.suite,
        shares.c.version == holder.version,
    )


# ---- payloads -----------------------------------------------------------------------------------


def load_payload(connection: Connection, payload: str) -> PayloadRow | None:
    """Return a sealed payload; None where it is not here."""
    columns = [payloads.c[name] for name in PayloadRow.__slots__]
    query = select(*columns).where(payloads.c.payload == payload)
    row = connection.execute(query).one_or_none()
    return None if row is None else PayloadRow(**row._mapping)  # noqa: SLF001 - as above


def add_payload(connection: Connection, row: PayloadRow) -> None:
    """Keep a sealed payload."""
    connection.execute(insert(payloads).values(_values(row) | {"bytes": len(row.sealed)}))


def record_payload(connection: Connection, payload: str, index: int) -> None:
    """Say where the act about a payload stands."""
    connection.execute(update(payloads).where(payloads.c.payload == payload).values(index=index))


def drop_payload(connection: Connection, payload: str) -> None:
    """Forget a payload whose act did not come to stand."""
    connection.execute(delete(payloads).where(payloads.c.payload == payload))


def load_unrecorded(connection: Connection) -> list[str]:
    """Return the payloads whose acts are not known to stand."""
    query = select(payloads.c.payload).where(payloads.c.index.is_(None))
    return [str(payload) for payload in connection.execute(query).scalars()]


def usage(connection: Connection, case: str | None = None) -> tuple[int, int]:
    """Return how many payloads there are, of a case or of all, and how many bytes they take."""
    query = select(func.count(), func.coalesce(func.sum(payloads.c.bytes), 0))
    if case is not None:
        query = query.where(payloads.c.case == case)
    count, size = connection.execute(query.select_from(payloads)).one()
    return int(count), int(size)


def held(connection: Connection, wanted: Sequence[str]) -> set[str]:
    """Return those payloads that are here."""
    query = select(payloads.c.payload).where(payloads.c.payload.in_(wanted))
    return {str(payload) for payload in connection.execute(query).scalars()}


# ---- the file -----------------------------------------------------------------------------------

_EXCLUSIVE: Final = "shouxin_exclusive"
_PRAGMAS: Final = (
    "secure_delete=ON",
    "journal_mode=PERSIST",
    "synchronous=FULL",
    "temp_store=MEMORY",
)


def _values(row: KeyRow | ShareRow | PayloadRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__slots__}


def _set_up(raw: Any, _record: object) -> None:  # noqa: ANN401 - a driver's connection
    raw.isolation_level = None  # SQLAlchemy begins, below
    cursor = raw.cursor()
    for pragma in (
        "secure_delete=ON",
        "journal_mode=PERSIST",
        "synchronous=FULL",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    exclusive = connection.get_execution_options().get(_EXCLUSIVE, False)
    connection.exec_driver_sql("BEGIN EXCLUSIVE" if exclusive else "BEGIN IMMEDIATE")
