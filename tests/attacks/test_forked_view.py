"""A view is of the branch that we hold: a forking writer cannot have us cite the other one."""

from itertools import count

from ledger.cosignature import sign_line
from ledger.names import mirror_name
from ledger.note import Note
from ledger.proofs import prove_subtree_consistency
from nodes.core.copies import node_reader
from nodes.core.exchange import (
    ADD_CHECKPOINT,
    ADD_ENTRIES,
    FINISHED,
    Package,
    Upload,
    encode_add_checkpoint,
)
from nodes.core.ready import PeerCalled, PeerReply
from tests.nodes.neighbours import REGIONS, Log, LogReader, key
from tests.nodes.town import Town

HERE, FORKER = "510000", "540000"
OTHERS = ("500000", "520000", "530000")
ids = count(500)


def ask(town: Town, path: str, body: bytes) -> int:
    request_id = next(ids)
    outbox = town.step(HERE, PeerCalled(request_id, path, body, FORKER))
    (reply,) = [it.value for it in outbox.replies if it.request_id == request_id]
    assert isinstance(reply, PeerReply)
    return reply.status


def test_a_quorum_on_another_branch_than_ours_is_not_recorded_as_a_view() -> None:
    town = Town(*REGIONS)
    town.start(HERE)
    left = Log(FORKER, [b"left %d" % index for index in range(200)])
    right = Log(FORKER, [b"right %d" % index for index in range(300)])
    assert ask(town, ADD_CHECKPOINT, encode_add_checkpoint(0, (), right.note())) == 200
    proof = prove_subtree_consistency(0, 256, 300, node_reader(LogReader(right), right.origin))
    package = Package(0, tuple(right.entries[:256]), tuple(proof))
    upload = Upload(origin=right.origin, start=0, end=300, packages=(package,))
    assert ask(town, ADD_ENTRIES, upload.encode()) == 202
    lines = [
        sign_line(
            mirror_name(town.origin(region)),
            key(region, "mirror"),
            left.checkpoint(),
            town.clock.ms // 1000,
        ).to_signature(mirror_name(town.origin(region)))
        for region in OTHERS
    ]
    ask(town, FINISHED, Note.decode(left.note()).with_signatures(*lines).encode())
    town.act(HERE, "party.enrol", f"{HERE}/hall/h", {"name": "大厅"})
    assert left.origin not in town.node(HERE).snapshot.views
    assert left.origin not in town.node(HERE).snapshot.known
