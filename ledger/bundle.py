"""Evidence bundles: entries of several logs in one file, checked from the genesis roster alone.

This module checks what the ledger can: form, rosters, notes, quorums, inclusion, and the signatures
made by issuer keys. The other steps (officers' signatures, views, ``previous`` links, rules) need
the domain; the caller hands in a function for them. What a log appended after the size of its note,
a bundle cannot know.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ledger.bundle_file import Bundle, ClosedLog, ProvenLog, ProvenMap
from ledger.checkpoint import Checkpoint
from ledger.epochs import Epochs, find_epochs
from ledger.errors import LedgerError, MalformedError, UnverifiedError
from ledger.keys import key_thumbprint
from ledger.names import region_of_origin
from ledger.note import Note, check_signed
from ledger.object_map import check_acts, check_standing
from ledger.proofs import check_consistency, check_inclusion, root_below
from ledger.roster import Role, Roster
from ledger.roster_chain import RosterChain
from ledger.roster_fields import Closing
from ledger.signed_roster import SignedRoster
from ledger.statement import Statement, UnverifiedStatement, decode_statement, verify_statement
from ledger.views import (
    BLOCK_KIND,
    GoodLine,
    check_lines,
    decode_block,
    fresh_at,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedLog:
    """What a bundle proves of one log.

    Args:
        roster: By which its lines were counted: the version in force at the end of its tree.
        epochs: Which versions judge its entries and count the lines in them.
        checkpoint: That the entries are in, and all we know the log by; of a closed log, its cut.
        closing: Where the rosters close the log; None for one that goes on.
        witness: Good lines of distinct witnesses, a quorum or more.
        mirror: Good lines of distinct mirrors, a quorum or more.
        entries: By index; in the tree for sure, though anyone may have signed them.
        issued: Those of ``entries`` that the region of their issuer signed with its issuer key.
        complete_size: All acts on the subject below this size are among ``entries``, by the map
            that the log's own block record names; None where that is not shown.
        complete_at_s: No quorum had seen the log larger than that before then; None: not told.
        roots: Of a closed log, by size: trees that its cut extends.
        leaves: Of a closed log, by index: leaf hashes below the cut, those of ``entries`` among
            them.
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
    closing: Closing | None = None
    roots: Mapping[int, bytes] = field(default_factory=dict)
    leaves: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def replicated(self) -> bool:
        """Whether the log has other regions to vouch for it; where it has none, nothing does."""
        return bool(self.mirror) or self.closing is not None


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """A bundle as far as the ledger can check it.

    Args:
        subject: The object it is about.
        chain: Of rosters, from the genesis on.
        logs: By origin.
    """

    subject: str
    chain: RosterChain
    logs: Mapping[str, VerifiedLog]

    @property
    def rosters(self) -> tuple[Roster, ...]:
        """By version from 1, in order."""
        return self.chain.rosters


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
    A log that a version in the file closes comes without note and lines: what the members signed,
    the size and root of its cut, is all it is known by.

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
        chain = _check_rosters(opened.rosters, genesis)
        rosters = chain.rosters
        counted = {origin: _roster_of(chain, origin, log) for origin, log in opened.logs.items()}
    notes = {}
    for origin, log in opened.logs.items():  # (3)
        with _step("note", origin):
            notes[origin] = _check_head(log, counted[origin], chain.newest, origin)
    witness, mirror = {}, {}
    for origin, log in opened.logs.items():  # (4)
        with _step("witness-quorum", origin, notes[origin].size):
            witness[origin] = _check_quorum(counted[origin], notes[origin], log, "witness")
    for origin, log in opened.logs.items():  # (5)
        with _step("mirror-quorum", origin, notes[origin].size):
            mirror[origin] = _check_quorum(counted[origin], notes[origin], log, "mirror")
    for origin, log in opened.logs.items():  # (6)
        note = notes[origin]
        for item in log.entries:
            with _step("inclusion", f"{origin} entry {item.index}", note.size):
                leaf = decoded[origin][item.index].leaf
                check_inclusion(item.index, note.size, leaf, item.proof, note.root)
        with _step("inclusion", origin, note.size):
            _check_below_cut(log, note)
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
        chain,
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
                    **_of_closed(log, chain.newest, origin, decoded[origin]),
                )
                for origin, log in opened.logs.items()
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


def _check_rosters(signed: tuple[bytes, ...], genesis: bytes | SignedRoster) -> RosterChain:
    chain = RosterChain.check(signed)
    trusted = genesis if isinstance(genesis, bytes) else genesis.roster.sha256
    if chain.genesis.sha256 != trusted:
        raise UnverifiedError("the chain of rosters begins with another genesis")
    return chain


def _roster_of(chain: RosterChain, origin: str, log: ProvenLog | ClosedLog) -> Roster:
    """Return the version by which the lines on a log's note count; of a closed one, its last."""
    is_closed = origin in chain.newest.closed
    if isinstance(log, ClosedLog):
        if not is_closed:
            raise UnverifiedError(f"no version here closes {origin}")
        last = chain.last_with(origin)
        if log.closed != last.version + 1:
            raise UnverifiedError(f"version {last.version + 1} closes {origin}, not {log.closed}")
        return last
    if is_closed:
        raise UnverifiedError(f"{origin} is closed, and known by its cut alone")
    if not 1 <= log.roster <= len(chain.rosters):
        raise UnverifiedError(f"{origin} counts by roster version {log.roster}, which is not there")
    roster = chain.rosters[log.roster - 1]
    roster.region_of_origin(origin)
    return roster


def _check_head(
    log: ProvenLog | ClosedLog, roster: Roster, newest: Roster, origin: str
) -> Checkpoint:
    if isinstance(log, ClosedLog):
        cut = newest.closed[origin]
        return Checkpoint(origin, cut.size, cut.root)
    opened = Note.decode(log.note)
    checkpoint = Checkpoint.decode(opened.text)
    if checkpoint.origin != origin:
        raise UnverifiedError(f"the note is one of {checkpoint.origin}")
    check_signed(opened, [roster.log_key(origin)])
    if len(opened.signatures) != 1:
        raise UnverifiedError("the note holds other lines than the log's own")
    return checkpoint


def _check_quorum(
    roster: Roster, checkpoint: Checkpoint, log: ProvenLog | ClosedLog, role: Role
) -> tuple[GoodLine, ...]:
    if isinstance(log, ClosedLog):
        return ()
    lines = log.witness if role == "witness" else log.mirror
    good = check_lines(roster, checkpoint.origin, checkpoint, lines, role)
    needed = roster.quorum(checkpoint.origin) if roster.witnesses_of(checkpoint.origin) else 0
    if len(good) < needed:
        raise UnverifiedError(f"{needed} {role} lines make a quorum, there are {len(good)}")
    return good


def _check_below_cut(log: ProvenLog | ClosedLog, cut: Checkpoint) -> None:
    """Check the trees and leaf hashes of a closed log that are no entries here."""
    if not isinstance(log, ClosedLog):
        return
    for head in log.heads:
        check_consistency(head.size, cut.size, head.root, cut.root, head.proof)
    for item in log.leaves:
        check_inclusion(item.index, cut.size, item.leaf, item.proof, cut.root)


def _of_closed(
    log: ProvenLog | ClosedLog,
    newest: Roster,
    origin: str,
    entries: Mapping[int, UnverifiedStatement],
) -> dict[str, Any]:
    """Return what is told of a closed log besides."""
    if not isinstance(log, ClosedLog):
        return {}
    cut = newest.closed[origin]
    leaves = {item.index: item.leaf for item in log.leaves}
    leaves |= {index: made.leaf for index, made in entries.items()}
    roots = {item.size: item.root for item in log.heads} | {cut.size: cut.root}
    return {
        "closing": cut,
        "roots": MappingProxyType(roots),
        "leaves": MappingProxyType(leaves),
    }


def _check_epochs(
    rosters: tuple[Roster, ...],
    note: Checkpoint,
    log: ProvenLog | ClosedLog,
    entries: Mapping[int, UnverifiedStatement],
) -> Epochs:
    """Check that the lines on a log's note count by the version that its bundle says.

    A closed log has come to the version before the last that it had a writer under: that one could
    not be signed else.
    """
    proofs = {item.index: item.proof for item in log.entries}

    def root_of(index: int) -> bytes:
        return root_below(index, note.size, entries[index].leaf, proofs[index])

    epochs = find_epochs(note.origin, rosters, entries, root_of)
    if isinstance(log, ClosedLog):
        if epochs.items[-1].version < log.closed - 2:
            raise UnverifiedError(f"the epoch of version {log.closed - 2} is left out")
        return epochs
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
