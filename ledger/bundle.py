"""Evidence bundles: entries of several logs in one file, checked from the genesis roster alone.

This module checks what the ledger can: form, rosters, notes, quorums, inclusion, and the signatures
made by issuer keys. The other steps (officers' signatures, views, ``previous`` links, rules) need
the domain; the caller hands in a function for them. What a log appended after the size of its note,
a bundle cannot know.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from ledger import encoding
from ledger.checkpoint import SIZE_MAX, Checkpoint
from ledger.cosignature import LINE_BYTES
from ledger.epochs import Epochs, find_epochs
from ledger.errors import LedgerError, MalformedError, UnverifiedError
from ledger.hashing import HASH_BYTES
from ledger.keys import key_thumbprint
from ledger.names import check_object, check_origin, region_of_origin
from ledger.note import Note, check_signed
from ledger.object_map import MapProof, check_acts, check_standing
from ledger.proofs import check_inclusion, root_below
from ledger.roster import Role, Roster, SignedRoster
from ledger.roster_chain import RosterChain
from ledger.statement import Statement, UnverifiedStatement, decode_statement, verify_statement
from ledger.views import (
    BLOCK_KIND,
    GoodLine,
    check_lines,
    decode_block,
    fresh_at,
)

FORMAT: Final = "shouxin/bundle/v1"
FORMAT_WITH_MAPS: Final = "shouxin/bundle/v2"
PROOF_HASHES_MAX: Final = 63
LINES_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """An entry and its way up the tree."""

    index: int
    entry: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ProvenMap:
    """How the subject of a bundle stands in the object map of one log. Not checked yet.

    Args:
        block: Index of the block record that names the map's root, and the map's size.
        proof: From that root.
    """

    block: int
    proof: MapProof


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenLog:
    """What a bundle holds of one log. Nothing of it is checked yet.

    Args:
        roster: Version by which the lines count.
        note: With the log's own signature line alone.
        witness: Lines of witnesses over the note.
        mirror: Lines of mirrors over the note.
        entries: Ascending by index; proofs lead to the note's root.
        map: None where nothing is said of whether all acts on the subject are here.
    """

    roster: int
    note: bytes
    witness: tuple[bytes, ...]
    mirror: tuple[bytes, ...]
    entries: tuple[ProvenEntry, ...]
    map: ProvenMap | None = None


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
        """Return the file: of the second format iff there is a map in it."""
        logs = {origin: _encode_log(log) for origin, log in self.logs.items()}
        has_maps = any(log.map is not None for log in self.logs.values())
        if has_maps:
            for origin, log in self.logs.items():
                logs[origin]["map"] = _encode_map(log.map)
        return encoding.encode(
            {
                "format": FORMAT_WITH_MAPS if has_maps else FORMAT,
                "subject": self.subject,
                "rosters": list(self.rosters),
                "logs": logs,
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
        if format_ not in (FORMAT, FORMAT_WITH_MAPS):
            raise _bad(f"the format is neither {FORMAT} nor {FORMAT_WITH_MAPS}")
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
            decoded[origin] = _decode_log(log, has_map=format_ == FORMAT_WITH_MAPS)
        if format_ == FORMAT_WITH_MAPS and all(log.map is None for log in decoded.values()):
            raise _bad(f"without a map the format is {FORMAT}")
        return cls(subject, tuple(rosters), MappingProxyType(decoded))

    @staticmethod
    def subject_of(data: bytes) -> str:
        """Return what a file says it is about.

        Raises:
            UnverifiedError: ``form``: it is no bundle.
        """
        with _step("form"):
            return Bundle.decode(data).subject


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedLog:
    """What a bundle proves of one log.

    Args:
        roster: By which its lines were counted: the version in force at the end of its tree.
        epochs: Which versions judge its entries and count the lines in them.
        checkpoint: That the entries are in, and all we know the log by.
        witness: Good lines of distinct witnesses, a quorum or more.
        mirror: Good lines of distinct mirrors, a quorum or more.
        entries: By index; in the tree for sure, though anyone may have signed them.
        issued: Those of ``entries`` that the region of their issuer signed with its issuer key.
        complete_size: All acts on the subject below this size are among ``entries``, by the map
            that the log's own block record names; None where that is not shown.
        complete_at_s: No quorum had seen the log larger than that before then; None: not told.
    """

    roster: Roster
    epochs: Epochs
    checkpoint: Checkpoint
    witness: tuple[GoodLine, ...]
    mirror: tuple[GoodLine, ...]
    entries: Mapping[int, UnverifiedStatement]
    issued: Mapping[int, Statement]
    complete_size: int | None = None
    complete_at_s: int | None = None

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
    7. ``epoch``: the version that a log's lines count by is the one that it began under, or the log
       has come to it by epoch entries, each with both quorums in a block record of that log.
    8. ``signature``: statements that name the issuer key that a region has in the version in force
       are signed by it.
    9. ``map``: where a log has a map, its block record names the root that the proof leads to, and
       the acts on the subject below its size are just those that it counts.
    10. What ``judge`` raises: officers' signatures, and steps ``view``, ``chain`` and ``rules``.

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
    epochs: dict[str, Epochs] = {}
    for origin, log in opened.logs.items():  # (7)
        with _step("epoch", origin, notes[origin].size):
            epochs[origin] = _check_epochs(rosters, notes[origin], log, decoded[origin])
    issued: dict[str, dict[int, Statement]] = {origin: {} for origin in decoded}
    for origin, entries in decoded.items():  # (8)
        for index, statement in entries.items():
            member = epochs[origin].at(index).members.get(statement.issuer)
            if member is not None and key_thumbprint(member.keys.issuer) == statement.kid:
                with _step("signature", f"{origin} entry {index}", notes[origin].size):
                    issued[origin][index] = verify_statement(statement, member.keys.issuer)
    complete: dict[str, int] = {}
    complete_at: dict[str, int | None] = {}
    for origin, log in opened.logs.items():  # (9)
        if log.map is not None:
            with _step("map", origin, notes[origin].size):
                complete[origin] = size = _check_map(
                    opened.subject, origin, log.map, decoded[origin], issued[origin]
                )
            whole = mirror[origin] if size == notes[origin].size else ()
            complete_at[origin] = _fresh_at(epochs[origin], size, issued[origin], whole)
    verified = VerifiedBundle(
        opened.subject,
        rosters,
        MappingProxyType(
            {
                origin: VerifiedLog(
                    roster=counted[origin],
                    epochs=epochs[origin],
                    checkpoint=notes[origin],
                    witness=witness[origin],
                    mirror=mirror[origin],
                    entries=MappingProxyType(decoded[origin]),
                    issued=MappingProxyType(issued[origin]),
                    complete_size=complete.get(origin),
                    complete_at_s=complete_at.get(origin),
                )
                for origin in opened.logs
            }
        ),
    )
    if judge is not None:  # (10)
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


def _check_epochs(
    rosters: tuple[Roster, ...],
    note: Checkpoint,
    log: ProvenLog,
    entries: Mapping[int, UnverifiedStatement],
) -> Epochs:
    """Check that the lines on a log's note count by the version that its bundle says."""
    proofs = {item.index: item.proof for item in log.entries}

    def root_of(index: int) -> bytes:
        return root_below(index, note.size, entries[index].leaf, proofs[index])

    epochs = find_epochs(note.origin, rosters, entries, root_of)
    counted = [it.version for it in epochs.counted_by(note.size)]
    if counted != [log.roster]:
        found = " and ".join(map(str, counted)) or "none"
        raise UnverifiedError(f"lines count by version {found} here, not by {log.roster}")
    return epochs


def _check_map(
    subject: str,
    origin: str,
    shown: ProvenMap,
    entries: Mapping[int, UnverifiedStatement],
    issued: Mapping[int, Statement],
) -> int:
    """Check that the acts on the subject are all there are, and return up to which size.

    Past the map's own size that goes as far as every entry is here.
    """
    size = shown.block
    record = issued.get(size)
    region = region_of_origin(origin)
    if record is None or record.act.kind != BLOCK_KIND or record.issuer != region:
        raise UnverifiedError(f"entry {size} is no block record of {origin}", code="bad-map-proof")
    block = decode_block(record.act.body)
    if block.size != size or record.subject != origin:
        raise UnverifiedError(f"entry {size} records a block elsewhere", code="bad-map-proof")
    standing = check_standing(subject, shown.proof, block.map_root)
    acts = [
        (index, made.leaf)
        for index, made in sorted(entries.items())
        if made.subject == subject and index < size
    ]
    check_acts(standing, subject, acts)
    while size in entries:
        size += 1
    return size


def _fresh_at(
    epochs: Epochs,
    size: int,
    issued: Mapping[int, Statement],
    lines: tuple[GoodLine, ...],
) -> int | None:
    """Return the latest time until which a log was no larger than ``size``; None: not told.

    Args:
        epochs: Of the log.
        size: Up to which the bundle tells of it.
        issued: Where block records hold lines of smaller trees.
        lines: On a tree of just that size.
    """
    origin, roster = epochs.origin, epochs.rosters[epochs.items[-1].version - 1]
    if not roster.witnesses_of(origin):
        return None
    found = [fresh_at([line.time_s for line in lines], roster.quorum(origin))]
    for index, made in issued.items():
        if made.act.kind != BLOCK_KIND or made.subject != origin:
            continue
        with suppress(MalformedError):
            lines_of = decode_block(made.act.body).lines
            found += [epochs.fresh_at(item, index) for item in lines_of if item.size <= size]
    return max((it for it in found if it), default=None)


def _encode_map(shown: ProvenMap | None) -> dict[str, Any] | None:
    return None if shown is None else {"block": shown.block, "proof": shown.proof.fields()}


def _decode_map(value: object) -> ProvenMap | None:
    if value is None:
        return None
    block, proof = _exact(value, "block proof")
    if type(block) is not int or not 0 <= block <= SIZE_MAX:
        raise _bad("a map stands in a block record")
    return ProvenMap(block, MapProof.of_fields(proof))


def _encode_log(log: ProvenLog) -> dict[str, Any]:
    return {
        "roster": log.roster,
        "note": log.note,
        "witness": list(log.witness),
        "mirror": list(log.mirror),
        "entries": [[item.index, item.entry, list(item.proof)] for item in log.entries],
    }


def _decode_log(value: object, *, has_map: bool) -> ProvenLog:
    keys = "roster note witness mirror entries"
    roster, note, witness, mirror, entries, *more = _exact(
        value, f"{keys} map" if has_map else keys
    )
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
        roster=roster,
        note=note,
        witness=tuple(witness),
        mirror=tuple(mirror),
        entries=decoded,
        map=_decode_map(more[0]) if more else None,
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
