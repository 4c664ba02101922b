"""The object map: for each object that a log's entries name, how many do, and which was the last.

A map is a function of the log's own entries below a size: every entry that decodes and has the
object for its subject counts, void or not. Its root stands in the block record of that size. What a
map holds of an object is a running hash over the object's acts, so the one hash commits to each of
them and their order; no verdict of any rule is in it, since verdicts rest on other logs too.

Objects stand in a radix tree by the bytes of their names, not of hashes of them: numbers that were
given out one after another lie side by side, so a block changes few nodes (docs/adr/0008).

This module hashes and checks; ``map_tree`` grows the tree.

Source: docs/formats/own.md section 11.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from struct import Struct
from typing import Any, Final

from ledger import encoding
from ledger.checkpoint import SIZE_MAX
from ledger.errors import LedgerError, MalformedError, UnverifiedError
from ledger.hashing import HASH_BYTES
from ledger.names import check_object

EMPTY_MAP_ROOT: Final = bytes(HASH_BYTES)
NO_ACT: Final = bytes(HASH_BYTES)
"""The digest before an object's first act."""
NODES_MAX: Final = 128
"""Nodes of one proof: no name has more bytes."""
NODE_BYTES_MAX: Final = 16_384

_ACT: Final = b"\x02"
_NODE: Final = b"\x03"
_CHILD_BYTES: Final = 1 + HASH_BYTES
_END: Final = b"\x00"
_PLACE: Final = Struct(">QQ").pack


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a map holds of one object: its last act, and the digest of all before it.

    Args:
        object: Its name.
        count: Acts on it so far, from 1.
        index: Of the last act in its log.
        leaf: Leaf hash of the last act.
        previous: Digest after the act before; ``NO_ACT`` for the first.
    """

    object: str
    count: int
    index: int
    leaf: bytes
    previous: bytes

    def __post_init__(self) -> None:
        if not 1 <= self.count <= self.index + 1 or self.index > SIZE_MAX:
            raise _bad("an object has one act at least, and no more than its log has entries")
        if len(self.leaf) != HASH_BYTES or len(self.previous) != HASH_BYTES:
            raise _bad(f"leaf and digest of an object have {HASH_BYTES} bytes")
        if (self.count == 1) != (self.previous == NO_ACT):
            raise _bad("the first act of an object, and no other, has none before it")

    @property
    def digest(self) -> bytes:
        """The digest after the last act: the leaf of the map."""
        return act_digest(key_of(self.object), self.count, self.index, self.leaf, self.previous)


def is_object(subject: str) -> bool:
    """Say whether a statement's subject is an object that maps count, given that it is a subject.

    The others are logs, and regions themselves.
    """
    return subject[6:7] == "/" and subject[:6].isdigit()


def key_of(object_: str) -> bytes:
    """Return where an object stands in the tree: its name, ended so that none begins another."""
    return object_.encode() + _END


def act_digest(key: bytes, count: int, index: int, leaf: bytes, previous: bytes) -> bytes:
    """Return the digest of an object after its ``count``-th act, from the one before."""
    place = _PLACE(count, index)
    return sha256(b"".join((_ACT, bytes((len(key),)), key, place, leaf, previous))).digest()


def hash_node(preimage: bytes) -> bytes:
    """Return the hash of an inner node.

    Args:
        preimage: Length of the prefix (1), the prefix, then next byte and hash of each child,
            ascending.
    """
    return sha256(_NODE + preimage).digest()


def fold(object_: str, acts: Iterable[tuple[int, bytes]]) -> Standing | None:
    """Return how an object stands after these acts, (index, leaf hash) each; None without any.

    Raises:
        MalformedError: They are not ascending.
    """
    standing: Standing | None = None
    for index, leaf in acts:
        if standing is not None and index <= standing.index:
            raise _bad(f"the acts on {object_} are not ascending")
        standing = Standing(
            object=object_,
            count=1 if standing is None else standing.count + 1,
            index=index,
            leaf=leaf,
            previous=NO_ACT if standing is None else standing.digest,
        )
    return standing


@dataclass(frozen=True, slots=True)
class MapProof:
    """What looking an object up in a map comes to. Nothing of it is checked yet.

    Args:
        nodes: The inner nodes on the way, from the root down.
        found: Where the way ends: the object, or another whose name shares all that was asked for;
            None where the way ends at a node that has no such child, or the map is empty.
    """

    nodes: tuple[bytes, ...]
    found: Standing | None

    def fields(self) -> dict[str, Any]:
        """Return the proof as a value of deterministic CBOR."""
        found = self.found
        return {
            "nodes": list(self.nodes),
            "found": None
            if found is None
            else [found.object, found.count, found.index, found.leaf, found.previous],
        }

    def encode(self) -> bytes:
        """Return the proof's bytes."""
        return encoding.encode(self.fields())

    @classmethod
    def of_fields(cls, value: object) -> "MapProof":
        """Read what ``fields`` gave.

        Raises:
            MalformedError: It is not of the form.
        """
        if type(value) is not dict or value.keys() != {"nodes", "found"}:
            raise _bad("a map proof has nodes, and what was found")
        nodes, found = value["nodes"], value["found"]
        if type(nodes) is not list or len(nodes) > NODES_MAX:
            raise _bad(f"a map proof has at most {NODES_MAX} nodes")
        for node in nodes:
            if type(node) is not bytes or len(node) > NODE_BYTES_MAX:
                raise _bad("a node of a map proof is bytes")
        if found is None:
            return cls(tuple(nodes), None)
        match found:
            case [str(object_), int(count), int(index), bytes(leaf), bytes(previous)] if (
                type(count) is int and type(index) is int
            ):
                check_object(object_)
            case _:
                raise _bad("what a map holds is a name, a count, an index, a leaf and a digest")
        standing = Standing(object=object_, count=count, index=index, leaf=leaf, previous=previous)
        return cls(tuple(nodes), standing)

    @classmethod
    def decode(cls, data: bytes) -> "MapProof":
        """Decode a proof.

        Raises:
            MalformedError: The bytes are not canonical, or not of the form.
        """
        return cls.of_fields(encoding.decode(data))


def check_standing(object_: str, proof: MapProof, root: bytes) -> Standing | None:
    """Check what a map says of an object, and return it; None: no entry names the object.

    1. Each node hashes to what the one above it, or the root, says.
    2. The way goes by the bytes of the object's name.
    3. It ends at the object; or at another object, or where there is no way on: it is not there.

    Given the root there is one way only, so a proof cannot show two standings, nor hide one.

    Raises:
        UnverifiedError: ``bad-map-proof``.

    Source: docs/formats/own.md section 11.
    """
    key = key_of(object_)
    expected: bytes | None = None if root == EMPTY_MAP_ROOT else root
    for node in proof.nodes:
        if expected is None or hash_node(node) != expected:  # (1)
            raise _unproven("a node does not hash to what is above it")
        prefix, children = _open_node(node)
        rest = key[len(prefix) :] if key.startswith(prefix) else b""
        expected = children.get(rest[0]) if rest else None  # (2)
    found = proof.found
    if expected is None:
        if found is not None:
            raise _unproven("the way ends before what is said to be found")
        return None
    if found is None or found.digest != expected:  # (3)
        raise _unproven("the way does not end at what is said to be found")
    return found if found.object == object_ else None


def check_acts(standing: Standing | None, object_: str, acts: Sequence[tuple[int, bytes]]) -> None:
    """Check that these are all acts on an object below the size of the map, and none is withheld.

    Args:
        standing: What the map holds, as ``check_standing`` returned it.
        object_: The object's name.
        acts: (index, leaf hash) of each, ascending.

    Raises:
        UnverifiedError: ``withheld-act``.
    """
    try:
        shown = fold(object_, acts)
    except LedgerError as error:
        raise UnverifiedError(str(error), code="withheld-act") from error
    if shown != standing:
        said = 0 if standing is None else standing.count
        raise UnverifiedError(
            f"{len(acts)} acts on {object_} are here, not the {said} that the map counts",
            code="withheld-act",
        )


def _open_node(node: bytes) -> tuple[bytes, dict[int, bytes]]:
    """Return prefix and children of a node; a node has one spelling."""
    size = node[0] if node else 0
    prefix, rest = node[1 : 1 + size], node[1 + size :]
    count, over = divmod(len(rest), _CHILD_BYTES)
    if len(prefix) != size or over or count < 2:
        raise _unproven("a node is a prefix and two children or more")
    children = {
        rest[at]: rest[at + 1 : at + _CHILD_BYTES] for at in range(0, len(rest), _CHILD_BYTES)
    }
    if list(children) != sorted(rest[::_CHILD_BYTES]) or len(children) != count:
        raise _unproven("the children of a node are not ascending")
    return prefix, children


def _unproven(message: str) -> UnverifiedError:
    return UnverifiedError(message, code="bad-map-proof")


def _bad(message: str) -> MalformedError:
    return MalformedError(message, code="bad-field")
