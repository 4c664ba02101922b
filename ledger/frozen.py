"""A member's last word on another region's log: what it holds of it, and that it signs no more.

Source: protocol.md section 6.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.checkpoint import Checkpoint
from ledger.cosignature import LINE_BYTES
from ledger.errors import MalformedError, RefusedError, UnverifiedError
from ledger.note import Note, check_signed
from ledger.roster import Role, Roster
from ledger.views import check_lines

FROZEN_KIND: Final = "log.frozen"


@dataclass(frozen=True, slots=True)
class Held:
    """A note of the frozen log, signed by it, that a member's witness or mirror stands at.

    Args:
        note: With the log's own line alone.
        line: The member's last line in the role, on exactly that note; None where it has none.
    """

    checkpoint: Checkpoint
    note: bytes
    line: bytes | None

    @property
    def time_s(self) -> int | None:
        """When the line was given."""
        return None if self.line is None else int.from_bytes(self.line[4:12])


@dataclass(frozen=True, slots=True)
class Frozen:
    """What one member reports of one log.

    Args:
        origin: Of the frozen log.
        roster: Version in force; a later one ends the freeze.
        witnessed: The newest note; None where the member has never heard of the log.
        mirrored: The newest note whose entries it holds and has signed for; None before the first.
    """

    origin: str
    roster: int
    witnessed: Held | None
    mirrored: Held | None

    @property
    def mirrored_size(self) -> int:
        """How many entries the member has said that it holds."""
        return 0 if self.mirrored is None else self.mirrored.checkpoint.size

    def to_body(self) -> dict[str, Any]:
        """Return the body of a ``log.frozen`` act."""
        return {
            "origin": self.origin,
            "roster": self.roster,
            "witnessed": _to_list(self.witnessed),
            "mirrored": _to_list(self.mirrored),
        }


def decode_frozen(body: Mapping[str, Any], region: str, rosters: Sequence[Roster]) -> Frozen:
    """Read the body of a ``log.frozen`` act in the log of ``region`` and check all of it.

    1. The fields are those of the form, and the roster is the one in force.
    2. The region is a witness of that log: nobody else's freeze means anything.
    3. Each note is signed by the log, with the key of that version or of one before: who holds it
       cannot have it signed again. The line on it is by the region's own key of that version.
    4. What is mirrored is also witnessed.

    Args:
        body: As the act has it.
        region: Whose log it stands in.
        rosters: All versions up to the one in force.

    Raises:
        MalformedError: (1), (4), or a note is no note.
        NotFoundError: No member writes that log.
        RefusedError: ``not-entitled`` (2).
        UnverifiedError: ``unknown-key``, ``bad-signature`` or ``bad-line`` (3).
    """
    if body.keys() != {"origin", "roster", "witnessed", "mirrored"}:  # (1)
        raise _bad("a freeze has origin, roster, witnessed and mirrored")
    roster = rosters[-1]
    origin, version = body["origin"], body["roster"]
    if type(origin) is not str or type(version) is not int or version != roster.version:
        raise _bad(f"a freeze names a log, and roster version {roster.version}")
    if region not in roster.witnesses_of(origin):  # (2)
        raise RefusedError(f"{region} is no witness of {origin}", code="not-entitled")
    witnessed = _decode_held(body["witnessed"], "witness", origin, region, rosters)  # (3)
    mirrored = _decode_held(body["mirrored"], "mirror", origin, region, rosters)
    if mirrored is not None and (  # (4)
        mirrored.line is None
        or witnessed is None
        or witnessed.checkpoint.size < mirrored.checkpoint.size
    ):
        raise _bad("what is mirrored has its line, and is witnessed too")
    return Frozen(origin, version, witnessed, mirrored)


def _decode_held(
    value: object, role: Role, origin: str, region: str, rosters: Sequence[Roster]
) -> Held | None:
    match value:
        case None:
            return None
        case [bytes(note), None as line]:
            pass
        case [bytes(note), bytes(line)] if len(line) == LINE_BYTES:
            pass
        case _:
            raise _bad(f"a {role} holds nothing, or a note and a line or none")
    opened = Note.decode(note)
    checkpoint = Checkpoint.decode(opened.text)
    if checkpoint.origin != origin:
        raise _bad(f"a note of {checkpoint.origin}, not {origin}")
    if len(opened.signatures) != 1:
        raise _bad("a freeze's note holds its log's own signature line alone")
    check_by_log(opened, origin, rosters)
    if line is not None:
        (good,) = check_lines(rosters[-1], origin, checkpoint, (line,), role)
        if good.region != region:
            raise _bad(f"the {role} line is that of {good.region}")
    return Held(checkpoint, note, line)


def check_by_log(note: Note, origin: str, rosters: Iterable[Roster]) -> None:
    """Check that a log signed a note, by the key that it has in one of some versions.

    Each by itself: a region can give its log a key that lines cannot tell from the one before, and
    must not keep others from freezing it by that.

    Raises:
        UnverifiedError: ``bad-signature`` where lines call a key so, else ``unknown-key``.
    """
    refused = UnverifiedError("no line by a key of the log", code="unknown-key")
    for key in dict.fromkeys(it.log_key(origin) for it in rosters if it.has_log(origin)):
        try:
            check_signed(note, (key,))
        except UnverifiedError as error:
            refused = error if error.code == "bad-signature" else refused
        else:
            return
    raise refused


def _to_list(held: Held | None) -> list[bytes | None] | None:
    return None if held is None else [held.note, held.line]


def _bad(message: str) -> MalformedError:
    return MalformedError(message, code="bad-field")
