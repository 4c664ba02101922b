"""The room of the vault: its file, the one thread that works in it, and its keys."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine

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
    """

    region: str
    path: Path
    keys: VaultKeys
    limits: VaultSection
    peers: Peers
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
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

    def case_key(self, connection: Connection, case: str, region: str) -> CaseKey | None:
        """Return the data key that a region has for a case; None where it is not here.

        Raises:
            NotFoundError: ``no-key``: the vault key that it is wrapped for is gone.
            UnverifiedError: ``wrong-wrap``: the file was tampered with.
        """
        row = store.load_key(connection, case, region)
        if row is None:
            return None
        holder = Holder(region=self.region, suite=row.suite, version=row.version)
        opener = self.keys.load(row.suite, row.version)
        return unwrap_key(row.wrapped, opener, case=case, region=region, holder=holder)

    def make_case_key(self, connection: Connection, case: str, own: OwnKey) -> CaseKey:
        """Draw our data key of a case, and keep it."""
        cipher = cipher_of(own.holder.suite)
        key = make_case_key(case, self.region, cipher, self.keys.randomness)
        self.keep_case_key(connection, key, own)
        return key

    def keep_case_key(self, connection: Connection, key: CaseKey, own: OwnKey) -> None:
        """Keep a data key, wrapped for our own vault key."""
        holder = own.holder
        sealer = self.keys.sealer(holder.suite, own.public)
        row = store.KeyRow(
            case=key.case,
            region=key.region,
            suite=holder.suite,
            version=holder.version,
            wrapped=wrap_key(key, holder, sealer),
        )
        store.put_key(connection, row)

    def _opened(self) -> Engine:
        if self._engine is None:
            self._engine = store.open_vault(self.path)
        return self._engine
