"""Which versions of the roster a node tells its peers, and in how many calls."""

from collections import deque

from nodes.core.exchange import ROSTERS, ROSTERS_BYTES_MAX, encode_rosters, rosters_after
from nodes.core.ready import PeerAnswered, PeerRequest
from tests.nodes.test_epochs import Eavesdropped, change, following
from tests.nodes.town import Town

A, B, C, D = "500000", "510000", "520000", "530000"


def told_by(town: Eavesdropped, region: str) -> dict[str, list[bytes]]:
    """What a node has told its peers of rosters, by peer."""
    found: dict[str, list[bytes]] = {}
    for caller, path, body, to in town.kept:
        if caller == region and path == ROSTERS:
            found.setdefault(to, []).append(body)
    return found


def test_after_a_start_peers_are_told_the_newest_version_and_all_only_if_they_lack_some() -> None:
    town = Eavesdropped(A, B, C, D)
    town.start()
    town.rounds()
    change(town, following(town))
    change(town, following(town))
    signed = town.chain.signed
    town.kill(B)
    town.kept.clear()
    town.begin(B)
    town.rounds(2)
    newest = encode_rosters(signed[2:])
    assert told_by(town, B) == {peer: [newest] for peer in (A, C, D)}

    town.kill(B)
    town.begin(B)
    [asked] = [it for it in begun(town, B) if it.to == A]
    town.kept.clear()
    town.step(B, PeerAnswered(asked.request_id, 422, b""))
    town.rounds(2)
    assert told_by(town, B)[A] == [encode_rosters(signed[1:])]


def begun(town: Town, region: str) -> list[PeerRequest]:
    """Take what a node that has just started tells its peers of rosters, and answer the rest."""
    for _ in range(20):
        told = [it for caller, it in town._queue if caller == region and it.path == ROSTERS]
        if len(told) == 3:
            town._queue = deque(it for it in town._queue if it[1] not in told)
            return told
        town._deliver()
    raise AssertionError("it tells nothing")


def test_versions_are_told_in_as_many_calls_as_their_size_takes() -> None:
    signed = [bytes([at]) * 1_000_000 for at in range(10)]
    told, version = [], 1
    while later := rosters_after(signed, version):
        assert len(encode_rosters(later)) <= ROSTERS_BYTES_MAX
        told += later
        version += len(later)
    assert told == signed[1:]
    assert [*rosters_after(signed, 1)] == signed[1:5]
    assert [*rosters_after([b"", bytes(ROSTERS_BYTES_MAX)], 1)] == [bytes(ROSTERS_BYTES_MAX)]
