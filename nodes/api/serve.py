"""One node as a running process: everything opened in order, and closed in the reverse of it."""

import asyncio
import logging
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web
from sqlalchemy.exc import DBAPIError

from ledger.errors import LedgerError, MalformedError, UnavailableError
from ledger.roster import Roster
from ledger.suites import no_sm2
from nodes import node as node_module
from nodes.adapters import tls
from nodes.adapters.clock import SystemClock
from nodes.adapters.draft_store import DraftStore
from nodes.adapters.fence_file import FileFence, SharedFence
from nodes.adapters.key_ring import KeyRing
from nodes.adapters.keystore import (
    KeyStore,
    StoredOfficers,
    Unlock,
    check_opens,
    read_secret,
)
from nodes.adapters.peers_http import HTTPPeers
from nodes.adapters.random import randomness
from nodes.adapters.readers import Readers
from nodes.adapters.roster_files import load_chain
from nodes.adapters.seal_store import SealStore
from nodes.adapters.sm2 import Provider, open_sm2
from nodes.adapters.sm2_sdf import SDFDevice
from nodes.adapters.timestamp_http import HTTPTimestamps, Stamping, TimestampService
from nodes.adapters.trust_files import load_trust
from nodes.adapters.vault_keys import VaultKeys
from nodes.api import protocol, vault_bringing
from nodes.api.app import peer_app, public_app
from nodes.api.context import Service
from nodes.api.desk import Desk
from nodes.api.gathering import Gathering
from nodes.api.journal import Journal
from nodes.api.recalled import Recalled
from nodes.api.standby import Standby
from nodes.api.token_book import TokenBook, add_first_operator
from nodes.api.tokens import DAY_S, Role
from nodes.api.vault_room import VaultRoom
from nodes.config import Config, SealsSection
from nodes.core.kinds import KINDS
from nodes.core.limits import Settings
from nodes.core.rosters import Rosters, recalled
from nodes.driver import Driver, DriverLimits
from nodes.ports import Clock
from nodes.store.engine import Store, is_lost, is_no_database, open_store
from nodes.store.entries import LogIDs
from nodes.store.journal import create_journal_schema
from nodes.store.notes import load_memory
from nodes.store.tokens import TokenRow, create_token_schema
from nodes.store.upgrades import upgrade
from nodes.verifier import Verifier
from seals.sm2 import SigningKey, statement_check

FIRST_OPERATOR_DAYS: Final = 366

# How long one thread may compute before another that waits gets its turn. The writer's steps are
# long; with the usual 5 ms a short answer in the loop would wait for all of that.
SWITCH_S: Final = 0.0005

# How long open requests may take to end once the node is told to stop.
SHUTDOWN_S: Final = 2.0

ROSTER_LOOK_S: Final = 1.0
"""How often the addresses of peers are compared with the newest roster version."""

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A node that serves."""

    service: Service
    driver: Driver
    standby: Standby | None = None

    async def wait_failed(self) -> None:
        """Return when the node was stopped.

        Raises:
            FatalError: It stopped by itself.
        """
        await (self.driver if self.standby is None else self.standby).wait_failed()


async def serve(
    config: Config, environment: Mapping[str, str], ready: Callable[[], None] = lambda: None
) -> None:
    """Run a node until cancelled; ``ready`` is called once it listens.

    Raises:
        LedgerError: It cannot start as configured.
        FatalError: What is on disk cannot be relied on; start it again, and it will find out.
    """
    async with running(config, environment, SystemClock()) as node:
        ready()
        await node.wait_failed()


@asynccontextmanager
async def running(
    config: Config, environment: Mapping[str, str], clock: Clock
) -> AsyncIterator[Running]:
    """Start a node, and stop it at the end of the block."""
    chain = load_chain(config)
    region = config.node.region
    async with AsyncExitStack() as stack:
        keys = _open_keys(config, environment)
        ring = KeyRing(keys)
        config.node.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Held all the time where nobody else can write, else from when this process may.
        fence: FileFence | SharedFence
        if config.node.database_url:
            fence = shared = SharedFence(config.node.fence)
            stack.callback(shared.let_go)
            store = open_store(
                config.node.database,
                config.node.database_url,
                hold=shared.hold,
                let_go=shared.let_go,
            )
        else:
            fence = FileFence.open(config.node.fence)
            stack.callback(fence.close)
            store = open_store(config.node.database)
        stack.callback(store.close)
        try:
            create_token_schema(store.writing)
            create_journal_schema(store.writing)
            upgrade(store.writing, KINDS)
            with store.writing.connect() as connection:
                chain = recalled(chain, load_memory(connection))
        except DBAPIError as error:
            if is_lost(error):
                raise UnavailableError("the database cannot be reached", code="busy") from error
            if is_no_database(error):
                raise MalformedError(
                    f"{config.node.database} is no database any more: move it away, and the node "
                    "rebuilds its log from the mirrors",
                    code="bad-database",
                ) from error
            raise
        officers = StoredOfficers(keys)
        sm2 = _open_sm2()
        check = no_sm2 if sm2 is None else statement_check(sm2)
        settings = Settings(
            region=region,
            foreign_witnesses={witness.name: witness.vkey for witness in config.witnesses},
        )
        ports = node_module.Ports(
            clock=clock,
            fence=fence,
            keys=ring.named(chain, region),
            officers=officers,
            engine=store.writing,
            sm2=check,
            more_keys=ring.sets,
        )
        node = node_module.build(settings, chain, ports)
        transport = _transport(config, chain.rosters[-2:])
        peer_tls = None if transport is None else transport.listener()
        peers = HTTPPeers(
            _addresses(config, chain.newest),
            {} if transport is None else transport.contexts(region),
            timeout_ms_max=config.limits.peer_timeout_ms_max,
            answer_bytes_max=config.limits.peer_body_bytes_max,
        )
        stack.push_async_callback(peers.close)
        readers = Readers(store.reading, config.limits.reader_threads_max)
        stack.callback(readers.close)
        tokens = TokenBook(store.writing, readers, config.limits.token_cache_ms)

        def first() -> None:
            _first_operator(config, tokens, readers, clock)

        driver = Driver(
            node,
            clock,
            peers,
            DriverLimits(
                inbox_events_max=config.limits.inbox_events_max,
                step_events_max=config.limits.step_events_max,
                stop_timeout_ms=config.limits.stop_timeout_ms,
            ),
        )
        stack.push_async_callback(driver.stop)
        interval_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        stack.callback(sys.setswitchinterval, interval_s)
        standby = None
        if store.election is None:
            first()
            await driver.start()
        else:
            standby = Standby(store, store.election, node, driver, clock, first)
            stack.push_async_callback(standby.stop)
            await standby.start()
        seals = SealStore(keys, _open_device(config, sm2, stack))
        follower = asyncio.create_task(_follow_roster(config, node, peers, peer_tls))
        stack.push_async_callback(_end, follower)
        desk = Desk(
            seals,
            DraftStore(config.node.data / "papers"),
            trial=config.seals.trial,
            link=config.seals.link,
            stamping=_stamping(config.seals, seals),
        )
        stack.callback(desk.close)
        desk.warm()
        vault = VaultRoom(
            region=region,
            path=config.vault.file or config.node.data / "vault.db",
            keys=VaultKeys(keys, sm2, randomness),
            limits=config.vault,
            peers=peers,
        )
        stack.callback(vault.close)
        journal = _journal(config, store, driver, clock)
        journal.start()
        stack.push_async_callback(journal.stop)
        origin = Rosters(chain).home_of(region)
        ids = LogIDs()
        verifier = Verifier(lambda: node.snapshot.roster(chain), origin, sm2=check)
        service = Service(
            region=region,
            origin=origin,
            first=chain,
            kinds=KINDS,
            limits=config.limits,
            clock=clock,
            driver=driver,
            node=node,
            verifier=verifier,
            gathering=Gathering(
                lambda entries: readers.here(lambda open_: verifier.verify(open_, entries))
            ),
            readers=readers,
            tokens=tokens,
            officers=officers,
            recalled=Recalled(readers, ids),
            ids=ids,
            desk=desk,
            vault=vault,
            journal=journal,
            keys=ring,
            sm2=None if sm2 is None else sm2.name,
        )
        bringing = asyncio.create_task(vault_bringing.bring(service))
        stack.push_async_callback(_end, bringing)
        listen = config.listen
        public_tls = None
        if listen.public_tls:
            if config.tls.certificate is None or config.tls.key is None:
                raise MalformedError("listen.public_tls needs tls.certificate", code="bad-config")
            public_tls = tls.public_server(config.tls.certificate, config.tls.key)
        for app, host, port, context in (
            (peer_app(service), listen.peer_host, listen.peer_port, peer_tls),
            (public_app(service), listen.public_host, listen.public_port, public_tls),
        ):
            runner = web.AppRunner(
                app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_S
            )
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            listener = await protocol.listen(runner, host, port, context)
            stack.push_async_callback(protocol.stop_listening, listener)
        _log.info("region %s serves at %s:%d", region, listen.public_host, listen.public_port)
        yield Running(service, driver, standby)


def _journal(config: Config, store: Store, driver: Driver, clock: Clock) -> Journal:
    """Return what notes refusals and readings, written where that meets no other writing.

    SQLite has one writer at a time, and that is the driver's. A process that stands by at a shared
    database has readers as well, and the driver there would refuse to write for it.
    """
    if store.election is None:
        return Journal(store.writing, driver.write, clock, config.journal)
    return Journal(store.reading, asyncio.to_thread, clock, config.journal)


def _stamping(config: SealsSection, seals: SealStore) -> Stamping:
    """Return the time-stamp services that the configuration names."""
    timeout_s = config.timestamp_s
    return Stamping(
        seal=None
        if config.timestamp_trust is None
        else HTTPTimestamps(
            config.timestamp_url,
            sm2=seals.sm2,
            trust=load_trust([config.timestamp_trust]),
            randomness=randomness,
            timeout_s=timeout_s,
        ),
        pdf=TimestampService(config.pdf_timestamp_url, timeout_s=timeout_s)
        if config.pdf_timestamp_url
        else None,
        required=config.timestamp_required,
    )


def _open_keys(config: Config, environment: Mapping[str, str]) -> KeyStore:
    unlock = Unlock(
        credential=config.unlock.credential, env=config.unlock.env, file=config.unlock.file
    )
    store = KeyStore.open(config.node.keys, unlock.secret(environment), randomness)
    check_opens(store)
    return store


def _open_device(
    config: Config, sm2: Provider | None, stack: AsyncExitStack
) -> Callable[[str], SigningKey] | None:
    """Return what gives the keys of the region's device; None where it has none.

    Raises:
        UnavailableError: ``no-device``; ``sm2-unavailable``: nothing here verifies what it signs.
        NotFoundError: ``no-secret``: the file with its password is not there.
        RefusedError: ``open-secret``: others may read that file.
    """
    path, password = config.seals.device, config.seals.device_password
    if path is None or password is None:
        return None
    if sm2 is None:
        raise UnavailableError("a device needs SM2 in software beside it", code="sm2-unavailable")
    device = SDFDevice(path, read_secret(password), sm2)
    stack.callback(device.close)
    return device.key


def _open_sm2() -> Provider | None:
    """Return this process's SM2; None where the machine has none, which not every roster minds."""
    try:
        return open_sm2()
    except UnavailableError as error:
        _log.warning("%s", error)
        return None


@dataclass(frozen=True, slots=True)
class _Transport:
    """Our certificate with its key, and the peers' certificates as PEM by region."""

    certificate: Path
    key: Path
    pinned: Mapping[str, str]

    def contexts(self, region: str) -> Mapping[str, ssl.SSLContext]:
        """Return what calls each peer."""
        return {
            peer: tls.peer_client(self.certificate, self.key, pem)
            for peer, pem in self.pinned.items()
            if peer != region
        }

    def listener(self) -> ssl.SSLContext:
        """Return what the peer listener is made with."""
        return tls.peer_server(self.certificate, self.key, self.pinned)

    def renew(self, listener: ssl.SSLContext) -> None:
        """Let a listener show our certificate, and let in all of these peers, from now on."""
        tls.show(listener, self.certificate, self.key)
        for pem in self.pinned.values():
            listener.load_verify_locations(cadata=pem)


def _transport(config: Config, rosters: Sequence[Roster]) -> _Transport | None:
    """Return the certificates in use; None where the roster pins none.

    Peers let in the certificates of the newest two versions. Ours is that of the first of these
    versions, as not all of them may know the other one yet.
    """
    paths = config.tls
    if paths.certificate is None or paths.key is None or paths.peers is None:
        # Only a network that pins nothing, on one machine, may do without.
        if any(member.tls is not None for member in rosters[-1].members.values()):
            raise MalformedError("the roster pins certificates; give [tls]", code="bad-config")
        return None
    region = config.node.region
    certificate, key = tls.own_certificate(paths.certificate, paths.key, rosters, region)
    return _Transport(certificate, key, tls.load_pinned(paths.peers, rosters))


async def _follow_roster(
    config: Config,
    node: node_module.Node,
    peers: HTTPPeers,
    listener: ssl.SSLContext | None,
) -> None:
    """Reach the members of a new roster version, and let them in, without a restart.

    Their certificates come from the file that the configuration names; while it lacks one, the rest
    go on, and it is read again. Our own new one is shown once a quorum by the new version has
    cosigned our log: who does not know that version takes only the old one.
    """
    known: tuple[int, int] | None = None
    told = 0
    while True:
        await asyncio.sleep(ROSTER_LOOK_S)
        snapshot = node.snapshot
        rosters = snapshot.rosters
        if rosters is None:
            continue
        newest = rosters.newest
        wanted = newest.version, snapshot.proven_version
        if wanted == known:
            continue
        # The newest version stays the last: it says whose certificate must be there.
        recent = rosters.rosters[-2:]
        if snapshot.proven_version == newest.version:
            recent = (newest, *recent)
        try:
            transport = _transport(config, recent)
            if transport is not None and listener is not None:
                transport.renew(listener)
        except (LedgerError, ssl.SSLError, OSError) as error:
            if told != newest.version:
                _log.warning("roster version %d: %s", newest.version, error)
                told = newest.version
            continue
        contexts = {} if transport is None else transport.contexts(config.node.region)
        peers.reach(_addresses(config, newest), contexts)
        known = wanted
        _log.info("peers are those of roster version %d", newest.version)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _addresses(config: Config, roster: Roster) -> dict[str, str]:
    members = {region: member.peer for region, member in roster.members.items()}
    return (
        members
        | dict(config.peers)
        | {f"witness:{witness.name}": witness.url for witness in config.witnesses}
    )


def _first_operator(config: Config, tokens: TokenBook, readers: Readers, clock: Clock) -> None:
    path = config.node.operator
    if path is None:
        return
    try:
        token_hash = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise MalformedError(f"{path} holds no hash of a token", code="bad-config") from error
    if len(token_hash) != 32:
        raise MalformedError(f"{path} holds no hash of a token", code="bad-config")
    now_s = clock.now_ms() // 1000
    row = TokenRow(
        hash=token_hash,
        party=config.node.region,
        role=Role.OPERATOR,
        label="first operator",
        created_s=now_s,
        expires_s=now_s + FIRST_OPERATOR_DAYS * DAY_S,
    )
    add_first_operator(tokens, readers, row)


def run(
    config: Config, environment: Mapping[str, str], ready: Callable[[], None] = lambda: None
) -> None:
    """Run a node in this process until it is told to stop (SIGTERM, SIGINT)."""

    async def until_told() -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        await serve(config, environment, ready)

    with suppress(asyncio.CancelledError):
        asyncio.run(until_told())
