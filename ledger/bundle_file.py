"""The file that an evidence bundle is. What it holds is not checked here: ``ledger.bundle`` does.

Source: docs/formats/own.md section 6.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from ledger import encoding
from ledger.checkpoint import SIZE_MAX
from ledger.cosignature import LINE_BYTES
from ledger.errors import LedgerError, MalformedError, UnverifiedError
from ledger.hashing import HASH_BYTES
from ledger.names import check_object, check_origin
from ledger.object_map import MapProof

FORMAT: Final = "shouxin/bundle/v1"
FORMAT_WITH_MAPS: Final = "shouxin/bundle/v2"
FORMAT_WITH_CLOSED: Final = "shouxin/bundle/v3"
PROOF_HASHES_MAX: Final = 63
CONSISTENCY_HASHES_MAX: Final = 127
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
class ProvenHead:
    """A smaller tree of a closed log, and how its cut extends it."""

    size: int
    root: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ProvenLeaf:
    """Which leaf hash stands at a place of a closed log, whatever the entry is."""

    index: int
    leaf: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLog:
    """What a bundle holds of a log that a roster version has closed. Nothing of it is checked yet.

    The members of the network have signed where it ends, so no note and no line is needed.

    Args:
        closed: The version that closes it.
        heads: Ascending by size: trees that lines in its successor's first entry are on.
        leaves: Ascending by index: what stands where a receipt has an act that was lost.
        entries: Ascending by index; proofs lead to the root of the cut.
        map: None where nothing is said of whether all acts on the subject are here.
    """

    closed: int
    heads: tuple[ProvenHead, ...]
    leaves: tuple[ProvenLeaf, ...]
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
    logs: Mapping[str, ProvenLog | ClosedLog]

    @property
    def format(self) -> str:
        """Which format says all that is in it: the third iff a log in it is closed."""
        if any(isinstance(log, ClosedLog) for log in self.logs.values()):
            return FORMAT_WITH_CLOSED
        has_maps = any(log.map is not None for log in self.logs.values())
        return FORMAT_WITH_MAPS if has_maps else FORMAT

    def encode(self) -> bytes:
        """Return the file."""
        logs = {origin: _encode_log(log) for origin, log in self.logs.items()}
        if self.format != FORMAT:
            for origin, log in self.logs.items():
                logs[origin]["map"] = _encode_map(log.map)
        return encoding.encode(
            {
                "format": self.format,
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
        if format_ not in (FORMAT, FORMAT_WITH_MAPS, FORMAT_WITH_CLOSED):
            raise _bad(f"no format of a bundle: {format_!r:.40}")
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
            decoded[origin] = _decode_log(log, has_map=format_ != FORMAT)
        found = cls(subject, tuple(rosters), MappingProxyType(decoded))
        if found.format != format_:
            raise _bad(f"what is in it is of format {found.format}")
        return found

    @staticmethod
    def subject_of(data: bytes) -> str:
        """Return what a file says it is about.

        Raises:
            UnverifiedError: ``form``: it is no bundle.
        """
        try:
            return Bundle.decode(data).subject
        except LedgerError as error:
            raise UnverifiedError(str(error), code="form") from error


def _encode_map(shown: ProvenMap | None) -> dict[str, Any] | None:
    return None if shown is None else {"block": shown.block, "proof": shown.proof.fields()}


def _decode_map(value: object) -> ProvenMap | None:
    if value is None:
        return None
    block, proof = _exact(value, "block proof")
    if type(block) is not int or not 0 <= block <= SIZE_MAX:
        raise _bad("a map stands in a block record")
    return ProvenMap(block, MapProof.of_fields(proof))


def _encode_log(log: ProvenLog | ClosedLog) -> dict[str, Any]:
    entries = [[item.index, item.entry, list(item.proof)] for item in log.entries]
    if isinstance(log, ClosedLog):
        return {
            "closed": log.closed,
            "heads": [[item.size, item.root, list(item.proof)] for item in log.heads],
            "leaves": [[item.index, item.leaf, list(item.proof)] for item in log.leaves],
            "entries": entries,
        }
    return {
        "roster": log.roster,
        "note": log.note,
        "witness": list(log.witness),
        "mirror": list(log.mirror),
        "entries": entries,
    }


def _decode_log(value: object, *, has_map: bool) -> ProvenLog | ClosedLog:
    if type(value) is dict and "closed" in value:
        return _decode_closed(value)
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
    return ProvenLog(
        roster=roster,
        note=note,
        witness=tuple(witness),
        mirror=tuple(mirror),
        entries=_decode_entries(entries),
        map=_decode_map(more[0]) if more else None,
    )


def _decode_closed(value: object) -> ClosedLog:
    closed, heads, leaves, entries, shown = _exact(value, "closed heads leaves entries map")
    if type(closed) is not int:
        raise _bad("a closed log names the version that closes it")
    decoded = {}
    for name, items, most in (
        ("heads", heads, CONSISTENCY_HASHES_MAX),
        ("leaves", leaves, PROOF_HASHES_MAX),
    ):
        if type(items) is not list:
            raise _bad(f"the {name} of a closed log are a list")
        decoded[name] = [_decode_place(item, most) for item in items]
        _check_ascending([at for at, _, _ in decoded[name]], name)
        if not all(len(item) == HASH_BYTES for _, item, _ in decoded[name]):
            raise _bad(f"the {name} of a closed log are hashes of {HASH_BYTES} bytes")
    return ClosedLog(
        closed=closed,
        heads=tuple(ProvenHead(*item) for item in decoded["heads"]),
        leaves=tuple(ProvenLeaf(*item) for item in decoded["leaves"]),
        entries=_decode_entries(entries),
        map=_decode_map(shown),
    )


def _decode_entries(value: object) -> tuple[ProvenEntry, ...]:
    if type(value) is not list or not value:
        raise _bad("a log's entries are a list of at least one")
    decoded = tuple(ProvenEntry(*_decode_place(item, PROOF_HASHES_MAX)) for item in value)
    _check_ascending([item.index for item in decoded], "entries")
    return decoded


def _check_ascending(places: list[int], name: str) -> None:
    if places != sorted(set(places)):
        raise _bad(f"a log's {name} are ascending")


def _decode_place(value: object, hashes_max: int) -> tuple[int, bytes, tuple[bytes, ...]]:
    match value:
        case [int(index), bytes(data), list(proof)] if type(index) is int:
            pass
        case _:
            raise _bad("what is proven is a place, bytes and a proof")
    if not 0 <= index <= SIZE_MAX:
        raise _bad("a place in a log is out of range")
    if len(proof) > hashes_max or not _all_bytes(proof, HASH_BYTES):
        raise _bad(f"a proof is at most {hashes_max} hashes of {HASH_BYTES} bytes")
    return index, data, tuple(proof)


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
