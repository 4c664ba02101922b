"""Evidence bundles: entries of several logs in one file, checked from the genesis roster alone.

This module checks what the ledger can: form, rosters, notes, quorums, inclusion, and the signatures
made by issuer keys. The other steps (officers' signatures, views, ``previous`` links, rules) need
the domain; the caller hands in a function for them. What a log appended after the size of its note,
a bundle cannot know.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from ledger import encoding
from ledger.checkpoint import SIZE_MAX, Checkpoint
from ledger.cosignature import LINE_BYTES
from ledger.errors import LedgerError, MalformedError, UnverifiedError
from ledger.hashing import HASH_BYTES
from ledger.keys import key_thumbprint
from ledger.names import check_object, check_origin
from ledger.note import Note, check_signed
from ledger.proofs import check_inclusion
from ledger.roster import Role, Roster, SignedRoster
from ledger.roster_chain import RosterChain
from ledger.statement import Statement, UnverifiedStatement, decode_statement, verify_statement
from ledger.views import GoodLine, check_lines

FORMAT: Final = "shouxin/bundle/v1"
PROOF_HASHES_MAX: Final = 63
LINES_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """An entry and its way up the tree."""

    index: int
    entry: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenLog:
    """What a bundle holds of one log. Nothing of it is checked yet.

    Args:
        roster: Version by which the lines count.
        note: With the log's own signature line alone.
        witness: Lines of witnesses over the note.
        mirror: Lines of mirrors over the note.
        entries: Ascending by index; proofs lead to the note's root.
    """

    roster: int
    note: bytes
    witness: tuple[bytes, ...]
    mirror: tuple[bytes, ...]
    entries: tuple[ProvenEntry, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """The evidence for one object, as a file holds it. Nothing of it is checked yet.

    Args:
        rosters: Signed rosters from the genesis to the newest used.
        logs: By origin.
    """

    subject: str
    rosters: tuple[bytes, ...]
    logs: Mapping[str, ProvenLog]

    def encode(self) -> bytes:
        """Return the file."""
        return encoding.encode(
            {
                "format": FORMAT,
                "subject": self.subject,
                "rosters": list(self.rosters),
                "logs": {origin: _encode_log(log) for origin, log in self.logs.items()},
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> "Bundle":
        """Decode a file.

        Raises:
            MalformedError: The bytes are not canonical, or not of the form.
        """
        format_, subject, rosters, logs = _exact(
            encoding.decode(data), "format subject rosters logs"
        )
        if format_ != FORMAT:
            raise _bad(f"the format is not {FORMAT}")
        if type(subject) is not str:
            raise _bad("the subject is the name of an object")
        check_object(subject)
        if type(rosters) is not list or not rosters or not _all_bytes(rosters):
            raise _bad("rosters are byte strings, the genesis at least")
        if type(logs) is not dict or not logs:
            raise _bad("logs is a map of at least one")
        decoded = {}
        for origin, log in logs.items():
            if type(origin) is not str:
                raise _bad("logs are keyed by origin")
            check_origin(origin)
            decoded[origin] = _decode_log(log)
        return cls(subject, tuple(rosters), MappingProxyType(decoded))


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedLog:
    """What a bundle proves of one log.

    Args:
        roster: By which its lines were counted.
        checkpoint: That the entries are in, and all we know the log by.
        witness: Good lines of distinct witnesses, a quorum or more.
        mirror: Good lines of distinct mirrors, a quorum or more.
        entries: By index; in the tree for sure, though anyone may have signed them.
        issued: Those of ``entries`` that the region of their issuer signed with its issuer key.
    """

    roster: Roster
    checkpoint: Checkpoint
    witness: tuple[GoodLine, ...]
    mirror: tuple[GoodLine, ...]
    entries: Mapping[int, UnverifiedStatement]
    issued: Mapping[int, Statement]

    @property
    def replicated(self) -> bool:
        """Whether the log has other regions to vouch for it; where it has none, nothing does."""
        return bool(self.mirror)


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """A bundle as far as the ledger can check it.

    Args:
        subject: The object it is about.
        rosters: By version from 1, in order.
        logs: By origin.
    """

    subject: str
    rosters: tuple[Roster, ...]
    logs: Mapping[str, VerifiedLog]


def check_bundle(
    bundle: bytes | Bundle,
    genesis: bytes | SignedRoster,
    judge: Callable[[VerifiedBundle], None] | None = None,
) -> VerifiedBundle:
    """Check a bundle, offline, from the genesis roster alone.

    1. ``form``: the file is canonical, every entry is a statement, and one is about the subject.
    2. ``roster``: the chain begins with the genesis roster, and each version follows the last.
    3. ``note``: each log's note is signed by the key its roster gives, and by no other.
    4. ``witness-quorum``: every witness line holds over the note, and they are a quorum.
    5. ``mirror-quorum``: the same for mirrors.
    6. ``inclusion``: every entry is in the note's tree at its index.
    7. ``signature``: statements that name an issuer key of their issuer's region are signed by it.
    8. What ``judge`` raises: officers' signatures, and the steps ``view``, ``chain`` and ``rules``.

    A log without witnesses in its roster must come without lines; ``replicated`` is then False.

    Args:
        bundle: The file, or what was decoded from it.
        genesis: The first roster, or SHA-256 of its bytes, as the caller trusts it.
        judge: Called last, with what is proven; None leaves the domain's steps out.

    Raises:
        UnverifiedError: Its code is the name of the step that failed.

    Source: docs/formats/own.md section 6.
    """
    with _step("form"):  # (1)
        opened = bundle if isinstance(bundle, Bundle) else Bundle.decode(bundle)
        decoded = {
            origin: {item.index: decode_statement(item.entry) for item in log.entries}
            for origin, log in opened.logs.items()
        }
        if not any(
            statement.subject == opened.subject
            for entries in decoded.values()
            for statement in entries.values()
        ):
            raise UnverifiedError(f"no entry is about {opened.subject}")
    with _step("roster"):  # (2)
        rosters = _check_rosters(opened.rosters, genesis)
        counted = {origin: _roster_of(rosters, origin, log) for origin, log in opened.logs.items()}
    notes = {}
    for origin, log in opened.logs.items():  # (3)
        with _step("note", origin):
            notes[origin] = _check_note(log.note, counted[origin], origin)
    witness, mirror = {}, {}
    for origin, log in opened.logs.items():  # (4)
        with _step("witness-quorum", origin, notes[origin].size):
            witness[origin] = _check_quorum(counted[origin], notes[origin], log.witness, "witness")
    for origin, log in opened.logs.items():  # (5)
        with _step("mirror-quorum", origin, notes[origin].size):
            mirror[origin] = _check_quorum(counted[origin], notes[origin], log.mirror, "mirror")
    for origin, log in opened.logs.items():  # (6)
        note = notes[origin]
        for item in log.entries:
            with _step("inclusion", f"{origin} entry {item.index}", note.size):
                leaf = decoded[origin][item.index].leaf
                check_inclusion(item.index, note.size, leaf, item.proof, note.root)
    issuers = _issuer_keys(rosters)
    issued: dict[str, dict[int, Statement]] = {origin: {} for origin in decoded}
    for origin, entries in decoded.items():  # (7)
        for index, statement in entries.items():
            public = issuers.get((statement.issuer, statement.kid))
            if public is not None:
                with _step("signature", f"{origin} entry {index}", notes[origin].size):
                    issued[origin][index] = verify_statement(statement, public)
    verified = VerifiedBundle(
        opened.subject,
        rosters,
        MappingProxyType(
            {
                origin: VerifiedLog(
                    roster=counted[origin],
                    checkpoint=notes[origin],
                    witness=witness[origin],
                    mirror=mirror[origin],
                    entries=MappingProxyType(decoded[origin]),
                    issued=MappingProxyType(issued[origin]),
                )
                for origin in opened.logs
            }
        ),
    )
    if judge is not None:  # (8)
        judge(verified)
    return verified


@contextmanager
def _step(step: str, what: str = "the bundle", size: int | None = None) -> Iterator[None]:
    """Give any refusal inside the name of the step that it failed."""
    try:
        yield
    except LedgerError as error:
        where = what if size is None else f"{what} at size {size}"
        raise UnverifiedError(f"{where}: {error}", code=step) from error


def _check_rosters(chain: tuple[bytes, ...], genesis: bytes | SignedRoster) -> tuple[Roster, ...]:
    rosters = RosterChain.check(chain).rosters
    trusted = genesis if isinstance(genesis, bytes) else genesis.roster.sha256
    if rosters[0].sha256 != trusted:
        raise UnverifiedError("the chain of rosters begins with another genesis")
    return rosters


def _roster_of(rosters: tuple[Roster, ...], origin: str, log: ProvenLog) -> Roster:
    if not 1 <= log.roster <= len(rosters):
        raise UnverifiedError(f"{origin} counts by roster version {log.roster}, which is not there")
    roster = rosters[log.roster - 1]
    roster.region_of_origin(origin)
    return roster


def _check_note(note: bytes, roster: Roster, origin: str) -> Checkpoint:
    opened = Note.decode(note)
    checkpoint = Checkpoint.decode(opened.text)
    if checkpoint.origin != origin:
        raise UnverifiedError(f"the note is one of {checkpoint.origin}")
    check_signed(opened, [roster.log_key(origin)])
    if len(opened.signatures) != 1:
        raise UnverifiedError("the note holds other lines than the log's own")
    return checkpoint


def _check_quorum(
    roster: Roster, checkpoint: Checkpoint, lines: tuple[bytes, ...], role: Role
) -> tuple[GoodLine, ...]:
    good = check_lines(roster, checkpoint.origin, checkpoint, lines, role)
    needed = roster.quorum(checkpoint.origin) if roster.witnesses_of(checkpoint.origin) else 0
    if len(good) < needed:
        raise UnverifiedError(f"{needed} {role} lines make a quorum, there are {len(good)}")
    return good


def _issuer_keys(rosters: tuple[Roster, ...]) -> dict[tuple[str, bytes], bytes]:
    """Return the issuer keys of all versions by region and thumbprint."""
    return {
        (region, key_thumbprint(member.keys.issuer)): member.keys.issuer
        for roster in rosters
        for region, member in roster.members.items()
    }


def _encode_log(log: ProvenLog) -> dict[str, Any]:
    return {
        "roster": log.roster,
        "note": log.note,
        "witness": list(log.witness),
        "mirror": list(log.mirror),
        "entries": [[item.index, item.entry, list(item.proof)] for item in log.entries],
    }


def _decode_log(value: object) -> ProvenLog:
    roster, note, witness, mirror, entries = _exact(value, "roster note witness mirror entries")
    if type(roster) is not int or type(note) is not bytes:
        raise _bad("a log has a roster version and a note")
    for lines in (witness, mirror):
        if type(lines) is not list or len(lines) > LINES_MAX or not _all_bytes(lines, LINE_BYTES):
            raise _bad(
                f"a log's lines have {LINE_BYTES} bytes each, and there are at most {LINES_MAX}"
            )
    if type(entries) is not list or not entries:
        raise _bad("a log's entries are a list of at least one")
    decoded = tuple(_decode_entry(item) for item in entries)
    indexes = [item.index for item in decoded]
    if indexes != sorted(set(indexes)):
        raise _bad("a log's entries are ascending by index")
    return ProvenLog(
        roster=roster, note=note, witness=tuple(witness), mirror=tuple(mirror), entries=decoded
    )


def _decode_entry(value: object) -> ProvenEntry:
    match value:
        case [int(index), bytes(entry), list(proof)] if type(index) is int:
            pass
        case _:
            raise _bad("an entry is index, bytes and proof")
    if not 0 <= index <= SIZE_MAX:
        raise _bad("an entry's index is out of range")
    if len(proof) > PROOF_HASHES_MAX or not _all_bytes(proof, HASH_BYTES):
        raise _bad(f"a proof is at most {PROOF_HASHES_MAX} hashes of {HASH_BYTES} bytes")
    return ProvenEntry(index, entry, tuple(proof))


def _exact(value: object, keys: str) -> list[Any]:
    """Return the values of a map with exactly these keys, in this order."""
    ordered = keys.split()
    if type(value) is not dict or value.keys() != set(ordered):
        raise _bad(f"not a map with the keys {keys}")
    return [value[key] for key in ordered]


def _all_bytes(items: list[Any], size: int | None = None) -> bool:
    """Return whether all items are byte strings, of ``size`` bytes where it is given."""
    return all(type(item) is bytes and (size is None or len(item) == size) for item in items)


def _bad(message: str) -> MalformedError:
    return MalformedError(message, code="bad-field")
