"""A failed proof convicts nobody: who can silence an honest region with a log's own note?"""

from itertools import count

import pytest

from nodes.core.exchange import ADD_CHECKPOINT, encode_add_checkpoint
from nodes.core.ready import PeerCalled, PeerReply
from tests.nodes.neighbours import START_MS, Host, Log, make_roster

ROSTER = make_roster()
LOG, SELF, OTHER = "510000", "500000", "520000"
ids = count(1)


def ask(host: Host, request: bytes, caller: str | None) -> PeerReply:
    event = PeerCalled(next(ids), ADD_CHECKPOINT, request, caller)
    (reply,) = host.step([event], START_MS).replies
    assert isinstance(reply.value, PeerReply)
    return reply.value


@pytest.mark.parametrize("caller", [OTHER, LOG, None])
def test_garbage_beside_the_note_we_hold_already_silences_nobody(caller: str | None) -> None:
    host = Host(ROSTER, SELF)
    log = Log(LOG, [b"0", b"1", b"2"])
    assert ask(host, encode_add_checkpoint(0, (), log.note(3)), LOG).status == 200
    garbage = encode_add_checkpoint(3, (bytes(32),), log.note(3))
    assert ask(host, garbage, caller).status == 422
    assert host.network.heads.convictions.logs == frozenset()
    assert ask(host, encode_add_checkpoint(3, (), log.note(3)), LOG).status == 200
