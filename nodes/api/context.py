"""What handlers work with, kept under one key of the application."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol

from aiohttp import web
from sqlalchemy import Connection

from ledger.errors import LedgerError
from ledger.keys import SigningKey, key_thumbprint
from ledger.kind import Kinds
from ledger.proofs import prove_inclusion
from ledger.receipt import make_inclusion_receipt
from ledger.roster import Roster
from ledger.roster_chain import RosterChain
from ledger.statement import Statement, StatementKey
from ledger.tiles import Tile, edge_tiles, read_nodes
from nodes.adapters.key_ring import KeyRing
from nodes.adapters.keystore import StoredOfficers
from nodes.adapters.readers import Readers
from nodes.api.desk import Desk
from nodes.api.gathering import Gathering
from nodes.api.journal import Journal
from nodes.api.recalled import Recalled
from nodes.api.token_book import TokenBook
from nodes.api.vault_room import VaultRoom
from nodes.config import LimitsSection
from nodes.core.exchange import origin_hash
from nodes.driver import Driver
from nodes.ports import Clock
from nodes.snapshot import Snapshot
from nodes.store.entries import LogIDs, load_tiles


class Verifying(Protocol):
    """Checks the signatures of statements against the keys that are enrolled."""

    def verify(
        self, connection: Connection, entries: Sequence[bytes]
    ) -> Sequence[Statement | LedgerError]:
        """Return each statement, or why it is none, in the order of the entries."""


class Published(Protocol):
    """Gives the newest snapshot."""

    @property
    def snapshot(self) -> Snapshot:
        """Replaced after each commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One node's API: who it is and what it can ask.

    Args:
        first: What is known of the roster before the node has started.
        keys: The region's role keys.
        gathering: Checks statements that come one a request.
        ids: Numbers of logs in the database, as handlers in the loop have learnt them.
        recalled: What ``check`` has read.
        desk: Where papers are drawn and sealed.
        vault: Where the papers of cases lie, encrypted.
        journal: Notes refused attempts, and who looked at which case.
        sm2: Which SM2 this process has; None for none.
        by_hash: Origin by the hash that paths use.
        notes: Last answers about checkpoints, with the commit they are from.
        block_times: By log and index, what block records have been found to prove, 0 where they
            prove no time for good; bounded there.
    """

    region: str
    origin: str
    first: RosterChain
    kinds: Kinds
    limits: LimitsSection
    clock: Clock
    driver: Driver
    node: Published
    verifier: Verifying
    gathering: Gathering
    readers: Readers
    tokens: TokenBook
    officers: StoredOfficers
    keys: KeyRing
    recalled: Recalled
    desk: Desk
    vault: VaultRoom
    journal: Journal
    sm2: str | None = None
    ids: LogIDs = field(default_factory=LogIDs)
    notes: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    block_times: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def chain(self) -> RosterChain:
        """Every roster version that is known by now."""
        return self.node.snapshot.rosters or self.first

    @property
    def roster(self) -> Roster:
        """The version in force in our own log."""
        return self.node.snapshot.roster(self.first)

    @property
    def ruled(self) -> tuple[Roster, ...]:
        """The versions that have been in force in our own log, up to the one that is."""
        return self.chain.rosters[: self.roster.version]

    @property
    def receipt(self) -> SigningKey:
        """The key that signs receipts, by the version in force."""
        return self.keys.receipt(self.roster, self.region)

    @property
    def receipt_keys(self) -> Mapping[bytes, bytes]:
        """By thumbprint, every public key that ever signed receipts here, the newest first."""
        found = self.chain.keys_of(self.origin, "receipt")
        newest = self.receipt.public
        return {key_thumbprint(newest): newest} | dict(found)

    @property
    def log_sm2(self) -> StatementKey | None:
        """The key of the log's SM2 line, by the version in force; None where it gives none."""
        return self.keys.log_sm2(self.roster, self.region)

    @property
    def by_hash(self) -> Mapping[str, str]:
        """Every log by the hash that stands for it in paths."""
        return _hashes(self.chain.origins())

    def now_s(self) -> int:
        """Return Unix time in seconds."""
        return self.clock.now_ms() // 1000


@lru_cache(maxsize=4)
def _hashes(origins: tuple[str, ...]) -> Mapping[str, str]:
    return {origin_hash(origin): origin for origin in origins}


SERVICE: Final = web.AppKey("service", Service)


def make_receipt(service: Service, index: int, subject: str) -> bytes:
    """Sign the receipt of one of our own entries over the newest published size.

    The newest entries are proved by the edge of the tree, which is in memory.
    """
    snapshot = service.node.snapshot
    edge = edge_tiles(snapshot.size, snapshot.edge)

    def read(wanted: Sequence[Tile]) -> Mapping[Tile, bytes]:
        stored = [tile for tile in wanted if tile not in edge]
        if not stored:
            return edge

        def load(connection: Connection) -> Mapping[Tile, bytes]:
            return load_tiles(connection, service.ids, service.origin, stored)

        return {**service.readers.here(load), **edge}

    return make_inclusion_receipt(
        service.receipt,
        service.origin,
        subject,
        service.now_s(),
        snapshot.size,
        index,
        prove_inclusion(index, snapshot.size, read_nodes(read)),
        snapshot.root,
    )
