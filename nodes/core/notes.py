"""Checkpoints that logs signed, and the lines of witnesses and mirrors on them.

What holds on a note, and in whose name; nothing here remembers anything.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from ledger.checkpoint import TIME_S_MAX, Checkpoint
from ledger.cosignature import line_signature, sign_post_quantum
from ledger.errors import UnverifiedError
from ledger.note import (
    ED25519,
    KEY_ID_BYTES,
    SIGNATURES_MAX,
    TIME_BYTES,
    Note,
    Signature,
    VerifiedSignature,
    VerifierKey,
    check_signed,
    sign_ed25519,
)
from ledger.roster import Role, Roster
from ledger.views import GoodLine, collect_lines, fresh_at
from nodes.core.ready import PutSecondNote, Write
from nodes.core.rosters import Rosters
from nodes.ports import PostQuantumSigner, Signer

if TYPE_CHECKING:
    from ledger.keys import PostQuantumKey, SigningKey

_LINE_TIME: Final = slice(4, 12)
ROLE_LINES_MAX: Final = (SIGNATURES_MAX - 2) // 2
"""Of lines in one role in a note: what is left by the log's own lines, halved."""


class SignedHead(NamedTuple):
    """A checkpoint that its log signed, and the note with the log's own Ed25519 line alone.

    ``post_quantum`` is the log's ML-DSA-44 line where we have one, else empty. It goes to witnesses
    and into second notes, and nowhere else: its bytes are another's each time.
    """

    checkpoint: Checkpoint
    note: bytes
    post_quantum: bytes = b""

    @property
    def submitted(self) -> bytes:
        """The note with all of the log's own lines."""
        return self.note + self.post_quantum


class Known(NamedTuple):
    """The best note of another log that a quorum of its mirrors vouches for."""

    size: int
    root: bytes
    fresh_at_s: int
    note: bytes
    """With the log's own line alone."""
    lines: tuple[GoodLine, ...]
    """All mirror lines we hold on it, the latest of each region."""


def open_head(data: bytes, rosters: Rosters, *, is_ours: bool = False) -> tuple[SignedHead, Note]:
    """Read a note and check its log's signatures; lines of others are left as they are.

    Args:
        data: The note.
        rosters: What is known of the network.
        is_ours: Whether it comes from our own store, where notes by keys of before still lie.

    Raises:
        MalformedError: It is no note, or no checkpoint.
        NotFoundError: No member writes that log.
        UnverifiedError: The log did not sign it.
    """
    note = Note.decode(data)
    origin = Checkpoint.decode(note.text).origin
    keys = rosters.chain.log_keys(origin) if is_ours else rosters.log_keys(origin)
    return head_of(note, keys), note


@dataclass(slots=True)
class OpenNote:
    """A note whose log has signed it, and the lines on it, each checked when it is first asked for.

    Args:
        head: Of the note.
        note: Itself.
        rosters: The versions by one of which lines must count.
    """

    head: SignedHead
    note: Note
    rosters: tuple[Roster, ...] = field(repr=False)
    _lines: dict[Role, tuple[GoodLine, ...]] = field(default_factory=dict, compare=False)

    def lines(self, role: Role, latest_s: int) -> tuple[GoodLine, ...]:
        """Return the lines in a role that hold and are not dated later, one a key."""
        checkpoint, signatures = self.head.checkpoint, self.note.signatures
        found = self._lines.get(role)
        if found is None:
            found = good_lines(self.rosters, checkpoint, signatures, role, TIME_S_MAX)
            self._lines[role] = found
        if all(line.time_s <= latest_s for line in found):
            return found
        return good_lines(self.rosters, checkpoint, signatures, role, latest_s)


def open_note(data: bytes, rosters: tuple[Roster, ...], keys: tuple[VerifierKey, ...]) -> OpenNote:
    """Read a note and check its log's signatures; of no line of others anything is said yet.

    Args:
        data: The note.
        rosters: The versions by one of which lines on it must count.
        keys: That may sign notes of its log.

    Raises:
        MalformedError: It is no note, or no checkpoint.
        UnverifiedError: The log did not sign it.
    """
    note = Note.decode(data)
    return OpenNote(head_of(note, keys), note, rosters)


def head_of(note: Note, keys: Sequence[VerifierKey]) -> SignedHead:
    """Check the log's signatures on a note, by keys that may have signed it, and return its head.

    Raises:
        MalformedError: It is no checkpoint.
        UnverifiedError: The log did not sign it.
    """
    checkpoint = Checkpoint.decode(note.text)
    own, post_quantum = check_log(note, keys, checkpoint.origin)
    return SignedHead(checkpoint, Note(note.text, (own,)).encode(), post_quantum)


def check_log(note: Note, keys: Sequence[VerifierKey], origin: str) -> tuple[Signature, bytes]:
    """Check every line of a log's own keys on its note.

    Args:
        note: Of the log.
        keys: That may sign its notes now: of the newest version first.
        origin: Of the log.

    Returns:
        The Ed25519 line, which must be there, and the ML-DSA-44 line, which may not be (empty).

    Raises:
        MalformedError: A key has signed twice.
        UnverifiedError: A line does not hold, or the Ed25519 line is missing.
    """
    found = {line.key: line.signature for line in _signed_by(note, keys)}
    own = [found[key] for key in keys if key.kind == ED25519 and key in found]
    if not own:
        raise UnverifiedError(f"no Ed25519 line of {origin}", code="unknown-key")
    others = [found[key] for key in keys if key.kind != ED25519 and key in found]
    return own[0], others[0].encode() if others else b""


def _signed_by(note: Note, keys: Sequence[VerifierKey]) -> tuple[VerifiedSignature, ...]:
    """Return the lines that hold, also where two of a log's keys are called alike.

    Four bytes call a key, and a region may search for one that is called like its log's key of
    before (2^32 tries). Its notes are read by either then, each by itself: whoever holds notes of
    both is not to be stopped by that.
    """
    called: dict[tuple[str, bytes], list[VerifierKey]] = {}
    for key in dict.fromkeys(keys):
        called.setdefault((key.name, key.key_id), []).append(key)
    *others, last = product(*called.values())  # one choice, as a rule
    for chosen in others:
        with suppress(UnverifiedError):
            return check_signed(note, chosen)
    return check_signed(note, last)


def sign_head(
    checkpoint: Checkpoint, log: Signer, post_quantum: PostQuantumSigner | None
) -> SignedHead:
    """Sign a checkpoint of our own log.

    The ML-DSA-44 line is dated 0: it says that the tree is consistent, and not when it was the
    largest, which the log's own clock could not prove.
    """
    origin, text = checkpoint.origin, checkpoint.text()
    note = Note(text, (sign_ed25519(origin, cast("SigningKey", log), text),)).encode()
    if post_quantum is None:
        return SignedHead(checkpoint, note)
    line = sign_post_quantum(origin, cast("PostQuantumKey", post_quantum), checkpoint, 0)
    return SignedHead(checkpoint, note, line.encode())


def line_bytes(signatures: Iterable[Signature]) -> list[bytes]:
    """Return the signature lines that may be lines of ours: 76 bytes, whoever signed them."""
    wanted = TIME_BYTES + 64
    return [item.key_id + item.blob for item in signatures if len(item.blob) == wanted]


def good_lines(
    rosters: Iterable[Roster],
    checkpoint: Checkpoint,
    signatures: Iterable[Signature],
    role: Role,
    latest_s: int,
) -> tuple[GoodLine, ...]:
    """Return the lines that hold and are not dated later than ``latest_s``, one a key.

    Args:
        rosters: The versions by which one of them must count; ``Rosters.of`` gives them.
        checkpoint: Which they sign.
        signatures: Of anyone.
        role: Of the keys.
        latest_s: The latest date.
    """
    origin = checkpoint.origin
    timely = [
        item for item in line_bytes(signatures) if int.from_bytes(item[_LINE_TIME]) <= latest_s
    ]
    found: dict[LineKey, GoodLine] = {}
    for roster in rosters:
        keys = roster.mirror_keys(origin) if role == "mirror" else roster.witness_keys(origin)
        wanted = [it for it in timely if it[:KEY_ID_BYTES] in keys]
        seen = {line.line for line in found.values()}
        fresh = [it for it in wanted if it not in seen]
        for line in collect_lines(roster, origin, checkpoint, fresh, role):
            found.setdefault(line_key(line), line)
    return tuple(found.values())


LineKey = tuple[str, bytes]
"""Region and key id of a line: a region whose key was replaced gives one by each."""


def line_key(line: GoodLine) -> LineKey:
    """Return whose line it is, and by which of their keys."""
    return line.region, line.line[:KEY_ID_BYTES]


def lines_of(roster: Roster, origin: str, lines: Iterable[GoodLine]) -> tuple[GoodLine, ...]:
    """Return those of the mirror lines on a log, all of which hold, that count by a version."""
    keys = roster.mirror_keys(origin)
    # A region has one key in a role by a version, so no line is given twice.
    return tuple(
        [
            line
            for line in lines
            for region, _, _ in keys.get(line.line[:KEY_ID_BYTES], ())
            if region == line.region
        ]
    )


def region_lines(
    rosters: Iterable[Roster],
    checkpoint: Checkpoint,
    signatures: Iterable[Signature],
    role: Role,
    region: str,
) -> tuple[GoodLine, ...]:
    """Return a region's lines among signatures that it sent us: one a key, none if none holds."""
    found = good_lines(rosters, checkpoint, signatures, role, TIME_S_MAX)
    return tuple(line for line in found if line.region == region)


def line_signatures(
    rosters: Sequence[Roster], origin: str, lines: Iterable[GoodLine], role: Role
) -> tuple[Signature, ...]:
    """Return lines as signature lines of a note, the latest of them if a note cannot hold all."""
    chosen = list(lines)
    if len(chosen) > ROLE_LINES_MAX:
        chosen = sorted(chosen, key=lambda item: item.time_s)[-ROLE_LINES_MAX:]
    signatures: list[Signature] = []
    every = [
        roster.mirror_keys(origin) if role == "mirror" else roster.witness_keys(origin)
        for roster in rosters
    ]
    for item in chosen:
        key_id = item.line[:KEY_ID_BYTES]
        for keys in every:
            named = [name for region, name, _ in keys.get(key_id, ()) if region == item.region]
            if named:
                signatures.append(line_signature(named[0], item.line))
                break
    return tuple(signatures)


def merged(
    origin: str,
    rosters: tuple[Roster, ...],
    before: tuple[GoodLine, ...],
    new: tuple[GoodLine, ...],
) -> tuple[tuple[GoodLine, ...], int | None]:
    """Return the latest of each key's lines on one tree, in order, and how fresh they make it.

    As fresh as by any version that may count; None: none of them has a quorum. By which one they
    do count, the log itself says once it is judged that far.
    """
    latest = {line_key(line): line for line in before}
    for line in new:
        key = line_key(line)
        if key not in latest or latest[key].time_s < line.time_s:
            latest[key] = line
    lines = tuple(latest[key] for key in sorted(latest))
    found = [
        fresh_at((it.time_s for it in lines_of(roster, origin, lines)), roster.quorum(origin))
        for roster in rosters
    ]
    return lines, max((it for it in found if it is not None), default=None)


def spelled(
    note: bytes,
    origin: str,
    rosters: tuple[Roster, ...],
    witness: tuple[GoodLine, ...],
    mirror: tuple[GoodLine, ...],
) -> bytes:
    """Return a note that has the log's own line alone with lines of both roles."""
    lines = (
        *line_signatures(rosters, origin, witness, "witness"),
        *line_signatures(rosters, origin, mirror, "mirror"),
    )
    return note + b"".join(line.encode() for line in lines)


def second_note(head: SignedHead) -> tuple[Write, ...]:
    """Return the write that keeps the second note of our own log; none where it has none."""
    if not head.post_quantum:
        return ()
    origin, size = head.checkpoint.origin, head.checkpoint.size
    return (PutSecondNote(origin, "log", size, head.submitted),)
