"""A network in which one node lacks what the others have, and ways for others to lie to it."""

from nodes.core.exchange import MIRROR
from nodes.core.notes import SignedHead
from nodes.core.ready import (
    PeerRow,
    Ready,
)
from nodes.store.peers import load_row
from nodes.store.reader import StoreReader
from tests.nodes.neighbours import REGIONS, Host, Log, Neighbours, entries

A, B, C, D, E = REGIONS
LOG, LATE = B, E
"""Whose log is pulled, and by whom."""


def head_of(log: Log, size: int | None = None) -> SignedHead:
    return SignedHead(log.checkpoint(size), log.note(size))


def want(world: Neighbours, *heads: SignedHead, crash: str = "") -> None:
    """Let the late node judge what relies on these heads, and carry out what follows."""
    host = world.hosts[LATE]
    lacking = {head.checkpoint.origin: head for head in heads}
    ready = host.step(
        (),
        world.now_ms,
        crash=crash,
        also=lambda _connection, reader: Ready(writes=host.network.catch_up(lacking, reader)),
    )
    world.deliver(LATE, ready.requests)


def held(host: Host, origin: str) -> list[bytes]:
    with host.engine.begin() as connection:
        return list(StoreReader(connection).entries(origin, 0, 1 << 30))


def row_of(host: Host, origin: str) -> PeerRow | None:
    with host.engine.begin() as connection:
        row = load_row(connection, origin)
    assert row == host.network.heads.row(origin)
    return row


def pulls(world: Neighbours) -> list[tuple[str, str]]:
    return [(item.to, item.path) for who, item in world.sent if item.path.startswith(MIRROR)]


def quiet(size: int) -> Neighbours:
    """A log that all but the late node mirror, and whose writer has nothing new to send."""
    world = Neighbours()
    world.isolate(LATE)
    world.append(LOG, *entries(size))
    world.run(3_000)
    return world


def let_answers_pass(world: Neighbours) -> None:
    """Let everyone answer, and nobody else than the late node say anything by themselves."""
    world.cut.clear()
    for region, host in world.hosts.items():
        if region != LATE:
            host.network.heads.halted = "quiet"  # reads are served, nothing of its own is sent
    world.run(6_000, 500)  # the late node's own tries come through again


def fork(size: int, at: int) -> Log:
    """The same log with other entries from ``at`` on."""
    return Log(LOG, [*entries(at), *entries(size, "forked")[at:]])
