"""The room of the vault: its file, the one thread that works in it, and its keys."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine

from ledger.errors import NotFoundError, UnverifiedError
from ledger.payload import CaseKey, Holder, make_case_key, unwrap_key, wrap_key
from nodes.adapters.vault_keys import VaultKeys, cipher_of
from nodes.config import VaultSection
from nodes.driver import Peers
from nodes.store import vault as store

_T = TypeVar("_T")
_P = ParamSpec("_P")


@dataclass(frozen=True, slots=True)
class OwnKey:
    """The region's vault key that is in force: whose it is, and its public half."""

    holder: Holder
    public: bytes


@dataclass(slots=True, kw_only=True)
class VaultRoom:
    """Where the papers of cases lie.

    Whoever changes something holds ``lock``, from the first look to the last write, with what is
    recorded in the ledger between them: so no key is put in under a vault key that is just going.

    Args:
        region: Whose it is.
        path: Of the file, made when it is first needed.
        keys: Of the vault.
        limits: Of papers and cases.
        peers: The vaults of other regions.
        expected: Cases whose papers are to come along, each with how long they are waited for, in
            seconds since 1970.
        arrived: Set while there are such.
    """

    region: str
    path: Path
    keys: VaultKeys
    limits: VaultSection
    peers: Peers
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    expected: dict[str, int] = field(default_factory=dict)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    is_settled: bool = False
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "vault"))
    _engine: Engine | None = None

    async def run(
        self, work: Callable[Concatenate[Connection, _P], _T], *args: _P.args, **more: _P.kwargs
    ) -> _T:
        """Do work in the vault's thread, as one transaction."""

        def done() -> _T:
            with self._opened().begin() as connection:
                return work(connection, *args, **more)

        return await asyncio.get_running_loop().run_in_executor(self._thread, done)

    async def wipe(self) -> None:
        """Overwrite what the journal still holds of deleted rows."""

        def work() -> None:
            store.wipe_journal(self._opened(), self.path)

        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Wait for what is under way, and close the file."""
        self._thread.shutdown()
        if self._engine is not None:
            self._engine.dispose()

    def case_keys(self, connection: Connection, case: str, region: str) -> dict[int, CaseKey]:
        """Return the data keys that a region has for a case, by number.

        Left out are those that do not open any more: their vault key is gone, or they were
        tampered with.
        """
        found = {}
        for row in store.load_keys(connection, case, region):
            with suppress(NotFoundError, UnverifiedError):
                found[row.number] = self.unwrap(row)
        return found

    def unwrap(self, row: store.KeyRow) -> CaseKey:
        """Return a data key.

        Raises:
            NotFoundError: ``no-key``: the vault key that it is wrapped for is gone.
            UnverifiedError: ``wrong-wrap``, ``wrong-secret``: a file was tampered with.
        """
        holder = Holder(region=self.region, suite=row.suite, version=row.version)
        opener = self.keys.load(row.suite, row.version)
        return unwrap_key(row.wrapped, opener, case=row.case, region=row.region, holder=holder)

    def payload_key(self, connection: Connection, row: store.PayloadRow) -> CaseKey:
        """Return the data key that opens a payload.

        Raises:
            NotFoundError: ``no-key``: it is gone, or the vault key that it is wrapped for.
            UnverifiedError: As ``unwrap``.
        """
        for key in store.load_keys(connection, row.case, row.region):
            if key.number == row.number:
                return self.unwrap(key)
        raise NotFoundError(f"the key of {row.payload} is not here", code="no-key")

    def own_case_key(self, connection: Connection, case: str, own: OwnKey) -> tuple[int, CaseKey]:
        """Return our newest data key of a case and its number; drawn now where none opens."""
        known = self.case_keys(connection, case, self.region)
        if known:
            return max(known.items())
        cipher = cipher_of(own.holder.suite)
        key = make_case_key(case, self.region, cipher, self.keys.randomness)
        return self.add_case_key(connection, key, own), key

    def add_case_key(self, connection: Connection, key: CaseKey, own: OwnKey) -> int:
        """Keep a data key, wrapped for our own vault key, and return its number."""
        for number, known in self.case_keys(connection, key.case, key.region).items():
            if known == key:
                return number
        rows = store.load_keys(connection, key.case, key.region)
        number = rows[-1].number + 1 if rows else 1
        self.keep_case_key(connection, key, number, own)
        return number

    def keep_case_key(self, connection: Connection, key: CaseKey, number: int, own: OwnKey) -> None:
        """Keep a data key under a number, wrapped for our own vault key."""
        holder = own.holder
        row = store.KeyRow(
            case=key.case,
            region=key.region,
            number=number,
            suite=holder.suite,
            version=holder.version,
            wrapped=wrap_key(key, holder, self.keys.sealer(holder.suite, own.public)),
        )
        store.put_key(connection, row)

    def _opened(self) -> Engine:
        if self._engine is None:
            self._engine = store.open_vault(self.path)
        return self._engine
