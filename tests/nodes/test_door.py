"""Each request has one answer, whatever is asked, and who asks for our log is told of it."""

import pytest

from nodes.core.exchange import FINISHED, NEWEST, ROSTERS, encode_rosters, origin_hash
from nodes.core.extension import EXTEND
from nodes.core.ready import PeerCalled, PeerReply
from tests.nodes.neighbours import REGIONS, START_MS, Host, Log, make_roster

ME, OTHER = REGIONS[:2]


def asked(host: Host, path: str, body: bytes = b"", caller: str | None = OTHER) -> PeerReply:
    [reply] = host.step([PeerCalled(7, path, body, caller)], START_MS).replies
    assert reply.request_id == 7
    assert isinstance(reply.value, PeerReply)
    return reply.value


@pytest.mark.parametrize("path", ["", "/", "/witness/x/lines", "/peer/nothing", "//mirror/"])
def test_where_nothing_is_nothing_is_found(path: str) -> None:
    assert asked(Host(make_roster(), ME), path).status == 404


@pytest.mark.parametrize("path", ["/c2sp/add-checkpoint", "/c2sp/add-entries", EXTEND])
@pytest.mark.parametrize("body", [b"", b"nonsense"])
def test_nonsense_is_refused_by_its_own_part(path: str, body: bytes) -> None:
    assert 400 <= asked(Host(make_roster(), ME), path, body).status < 500


def test_a_version_that_does_not_follow_is_refused() -> None:
    reply = asked(Host(make_roster(), ME), ROSTERS, encode_rosters([b"no roster"]))
    assert reply.status == 422


def test_our_newest_note_is_served_and_there_is_none_before_the_first() -> None:
    host = Host(make_roster(), ME)
    path = NEWEST + origin_hash(host.origin)
    assert asked(host, path).status == 404
    host.append([b"genesis"], START_MS)
    assert asked(host, path).body == host.log.note()


def test_a_note_of_our_own_that_we_forgot_halts_us() -> None:
    host = Host(make_roster(), ME)
    assert asked(host, FINISHED, Log(ME, [b"genesis"]).note()).status == 204
    assert host.network.halted == "behind-witnesses"
