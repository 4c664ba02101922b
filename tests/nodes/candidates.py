"""A log and its peers, whose answers a test holds in its hand."""

from ledger.checkpoint import Checkpoint
from ledger.cosignature import sign_line
from ledger.note import checkpoint_of
from nodes.core.exchange import (
    ADD_CHECKPOINT,
    Upload,
    encode_lines,
)
from nodes.core.extension import EXTEND, decode_extension, encode_extended
from nodes.core.ready import PeerAnswered, PeerReply, PeerRequest, Ready, Tick
from tests.nodes.neighbours import (
    REGIONS,
    START_MS,
    Host,
    key,
    make_roster,
)

ME = "510000"
OTHERS = tuple(region for region in REGIONS if region != ME)


class Peers:
    """Answers one host's requests by hand."""

    def __init__(self, **options: object) -> None:
        self.roster = make_roster()
        self.host = Host(self.roster, ME, **options)  # type: ignore[arg-type]
        self.now_ms = START_MS
        self.open: dict[int, PeerRequest] = {}

    def take(self, ready: Ready) -> list[PeerRequest]:
        self.open.update({item.request_id: item for item in ready.requests})
        return list(ready.requests)

    def append(self, *entries: bytes) -> list[PeerRequest]:
        return self.take(self.host.append(entries, self.now_ms))

    def tick(self, by_ms: int = 0) -> list[PeerRequest]:
        self.now_ms += by_ms
        return self.take(self.host.step([Tick()], self.now_ms))

    def answer(self, request: PeerRequest, status: int, body: bytes = b"") -> list[PeerRequest]:
        self.open.pop(request.request_id, None)
        event = PeerAnswered(request.request_id, status, body)
        return self.take(self.host.step([event], self.now_ms))

    def of(self, path: str, peer: str | None = None) -> list[PeerRequest]:
        return [
            item for item in self.open.values() if item.path == path and peer in {None, item.to}
        ]

    def line(self, request: PeerRequest, role: str, *, dated_s: int = 0, signer: str = "") -> bytes:
        """Return the line that an honest peer gives for the newest note."""
        region = signer or request.to
        name = f"{self.roster.origin_of(region)}/{role}"
        head = self.head(request)
        line = sign_line(name, key(region, role), head, self.now_ms // 1000 + dated_s)
        return encode_lines((line.to_signature(name),))

    def head(self, request: PeerRequest) -> Checkpoint:
        if request.path in {ADD_CHECKPOINT, EXTEND}:
            is_both = request.path == EXTEND
            checkpoint = decode_extension(request.body)[0] if is_both else request.body
            note = checkpoint.partition(b"\n\n")[2]
            return checkpoint_of(note)
        return self.host.log.checkpoint(Upload.decode(request.body).end)

    def serve(self, request: PeerRequest) -> list[PeerRequest]:
        """Answer as an honest peer that agrees with everything."""
        match request.path:
            case "/c2sp/add-checkpoint":
                return self.answer(request, 200, self.line(request, "witness"))
            case "/c2sp/add-entries":
                return self.answer(request, 200, self.line(request, "mirror"))
            case "/peer/extend":
                lines = (self.line(request, role) for role in ("witness", "mirror"))
                return self.halves(request, *((200, line) for line in lines))
            case "/peer/finished":
                return self.answer(request, 204)
            case _:
                return self.answer(request, 404)

    def halves(self, request: PeerRequest, *answers: tuple[int, bytes]) -> list[PeerRequest]:
        """Answer a request for both, half by half."""
        body = encode_extended([PeerReply(*answer) for answer in answers])
        return self.answer(request, 200, body)

    def serve_all(self, rounds: int = 200) -> None:
        for _ in range(rounds):
            if not self.open:
                return
            self.serve(next(iter(self.open.values())))
        raise AssertionError("never falls silent")
