"""Growing the object map of one log, a block at a time.

Acts are noted as they are appended and taken in together when a block record asks for the root: in
the order of names, so that each node that changes is read, hashed and written once. Nodes are read
through a function and handed out to be stored; memory holds those of the last block and no others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple

from ledger.errors import FatalError, MalformedError
from ledger.hashing import HASH_BYTES
from ledger.object_map import (
    EMPTY_MAP_ROOT,
    NO_ACT,
    MapProof,
    Standing,
    act_digest,
    hash_node,
    key_of,
)

NODES_KEPT_MAX: Final = 512
"""Nodes that stay in memory between two blocks; of a block that changed more, none do."""

# A child as it is stored: next byte, hash, count (0: an inner node), last index, length of the rest
# of its key; then that rest, and after a second act the digest after the act before. Byte and hash
# stand as they are hashed.
_CHILD: Final = Struct(">B32sIQB")
_HASHED: Final = 1 + HASH_BYTES
_COUNT: Final = Struct(">I")


class Child(NamedTuple):
    """A place in the tree: an object where ``acts`` is positive, else an inner node.

    Args:
        hash: Of the object's last act, or of the node.
        key: The object's key, or what all keys below the node begin with.
        acts: How many there are on the object; 0 for a node.
        last: Index of the last.
        previous: Digest after the act before.
    """

    hash: bytes
    key: bytes
    acts: int = 0
    last: int = 0
    previous: bytes = b""


class Node:
    """An inner node: its children, each as it is stored, by the byte that follows ``prefix``."""

    __slots__ = ("children", "prefix")

    def __init__(self, prefix: bytes, children: dict[int, bytes] | None = None) -> None:
        self.prefix = prefix
        self.children = {} if children is None else children

    def child(self, byte: int) -> Child | None:
        """Return the child behind a byte, or None."""
        data = self.children.get(byte)
        return None if data is None else _unpack(self.prefix + bytes((byte,)), data)

    def put(self, byte: int, child: Child) -> None:
        """Set the child behind a byte."""
        self.children[byte] = _pack(byte, child, len(self.prefix) + 1)

    def preimage(self) -> bytes:
        """Return what is hashed."""
        children = self.children
        hashed = [children[byte][:_HASHED] for byte in sorted(children)]
        return b"".join((bytes((len(self.prefix),)), self.prefix, *hashed))

    def encode(self) -> bytes:
        """Return what is stored; the prefix is what it is stored by."""
        children = self.children
        return b"".join([children[byte] for byte in sorted(children)])

    @classmethod
    def decode(cls, prefix: bytes, data: bytes) -> "Node":
        """Read what ``encode`` wrote.

        Raises:
            MalformedError: It is not what was stored.
        """
        children: dict[int, bytes] = {}
        at, size = 0, len(data)
        while at < size:
            end = _end(data, at)
            children[data[at]] = data[at:end]
            at = end
        return cls(prefix, children)


def encode_root(root: Child | None) -> bytes:
    """Return the root as it is stored; empty for an empty map."""
    return b"" if root is None else _pack(0, root, 0)


def decode_root(data: bytes) -> Child | None:
    """Read what ``encode_root`` wrote.

    Raises:
        MalformedError: It is not what was stored.
    """
    if not data:
        return None
    if _end(data, 0) != len(data):
        raise _damaged()
    return _unpack(b"", data)


def _pack(byte: int, child: Child, known: int) -> bytes:
    """Return a child as it is stored, where the first ``known`` bytes of its key are known."""
    hash_, key, count, index, previous = child
    head = _CHILD.pack(byte, hash_, count, index, len(key) - known)
    return head + key[known:] + previous if count > 1 else head + key[known:]


def _unpack(known: bytes, data: bytes) -> Child:
    _, hash_, count, index, size = _CHILD.unpack_from(data)
    end = _CHILD.size + size
    previous = NO_ACT if count == 1 else data[end:]
    return Child(hash_, known + data[_CHILD.size : end], count, index, previous)


def _end(data: bytes, at: int) -> int:
    """Return where the child that begins at ``at`` ends."""
    end = at + _CHILD.size
    if end > len(data):
        raise _damaged()
    (count,) = _COUNT.unpack_from(data, at + _HASHED)
    end += data[end - 1] + (HASH_BYTES if count > 1 else 0)
    if end > len(data):
        raise _damaged()
    return end


def _damaged() -> MalformedError:
    return MalformedError("a stored node of the object map is not whole")


Load = Callable[[bytes], Node | None]
"""Reads the node with a prefix; None where there is none."""


@dataclass(frozen=True, slots=True)
class Grown:
    """What a block changed in a map, to be stored.

    Args:
        size: Entries of the log that the map now covers.
        root: Where it begins; None while it is empty.
        nodes: Those that changed, by prefix, as they are stored.
        loaded: Prefixes of those that were read from the store. The others are new, or changed when
            the map last did.
    """

    size: int
    root: Child | None
    nodes: Mapping[bytes, bytes]
    loaded: tuple[bytes, ...]


class ObjectMap:
    """The map of one log, and the acts that came after the last block record.

    Invariant: ``root`` covers the entries below ``size``; ``pending`` holds the acts from there on.

    Args:
        size: Entries that the stored map covers.
        root: Where it begins.
    """

    __slots__ = (
        "_changed",
        "_kept",
        "_loaded",
        "_pending",
        "_taken_size",
        "pending_size",
        "root",
        "size",
    )

    def __init__(self, size: int = 0, root: Child | None = None) -> None:
        self.size = size
        self.root = root
        self.pending_size = 0
        self._taken_size = size
        self._pending: dict[str, list[tuple[int, bytes]]] = {}
        self._kept: dict[bytes, Node] = {}
        self._changed: dict[bytes, Node] = {}
        self._loaded: dict[bytes, None] = {}

    def note(self, object_: str, index: int, leaf: bytes) -> None:
        """Take note of an act on an object."""
        self.pending_size += 1
        acts = self._pending.get(object_)
        if acts is None:
            self._pending[object_] = [(index, leaf)]
        else:
            acts.append((index, leaf))

    def root_at(self, size: int, load: Load) -> bytes:
        """Take in all acts that were noted, which are those below ``size``; return the root hash.

        Args:
            size: Entries of the log so far.
            load: Reads nodes that are stored.
        """
        assert size >= self.size
        if self._pending:
            items = sorted([(key_of(name), acts) for name, acts in self._pending.items()])
            growth = _Growth(self._kept, self._changed, self._loaded, load)
            self.root = growth.put(self.root, items)
            self._pending, self.pending_size = {}, 0
        self.size = size
        return EMPTY_MAP_ROOT if self.root is None else self.root.hash

    def copy(self) -> "ObjectMap":
        """Return a map that is the same and grows by itself; all that changed is taken."""
        assert not self._changed
        made = ObjectMap(self.size, self.root)
        made.pending_size, made._taken_size = self.pending_size, self._taken_size
        made._pending = {name: list(acts) for name, acts in self._pending.items()}
        made._kept = self._kept
        return made

    def nodes(self) -> dict[bytes, Node]:
        """Return the nodes that changed since the last ``take``: all, of a map just made."""
        return dict(self._changed)

    def take(self) -> Grown | None:
        """Return what is to be stored since the last call; None where the map covers no more."""
        if self.size == self._taken_size:
            return None
        changed, self._changed = self._changed, {}
        loaded, self._loaded = tuple(self._loaded), {}
        # What one block changed the next one often changes again.
        self._kept = changed if len(changed) <= NODES_KEPT_MAX else {}
        self._taken_size = self.size
        nodes = {prefix: node.encode() for prefix, node in changed.items()}
        return Grown(self.size, self.root, nodes, loaded)


_Acts = list[tuple[int, bytes]]
_Items = list[tuple[bytes, _Acts]]


class _Growth:
    """One going through of a tree, with the nodes that it has in hand."""

    __slots__ = ("_changed", "_kept", "_load", "_loaded")

    def __init__(
        self,
        kept: Mapping[bytes, Node],
        changed: dict[bytes, Node],
        loaded: dict[bytes, None],
        load: Load,
    ) -> None:
        self._kept = kept
        self._changed = changed
        self._loaded = loaded
        self._load = load

    def put(self, at: Child | None, items: _Items) -> Child:
        """Return what stands in a place after these acts, which all belong there.

        Args:
            at: What stands there now; None: nothing.
            items: (key, acts), ascending by key; at least one.
        """
        first, last = items[0][0], items[-1][0]
        if first == last and (at is None or (at.acts and at.key == first)):
            return _stand(at, *items[0])
        if at is None:
            node = Node(_common(first, last))
        elif at.acts or not (first.startswith(at.key) and last.startswith(at.key)):
            prefix = _common(at.key, _common(first, last))
            node = Node(prefix)
            node.put(at.key[len(prefix)], at)
        else:
            node = self._node(at)
        self._distribute(node, items)
        self._changed[node.prefix] = node
        return Child(hash_node(node.preimage()), node.prefix)

    def _distribute(self, node: Node, items: _Items) -> None:
        """Put acts into the children of a node that they belong to."""
        position, children = len(node.prefix), node.children
        start, count = 0, len(items)
        while start < count:
            key, acts = items[start]
            byte = key[position]
            end = start + 1
            while end < count and items[end][0][position] == byte:
                end += 1
            if byte not in children and end == start + 1 and len(acts) == 1:
                # Most acts of a busy log open something new; this is all that comes to then.
                index, leaf = acts[0]
                digest = act_digest(key, 1, index, leaf, NO_ACT)
                rest = key[position + 1 :]
                children[byte] = _CHILD.pack(byte, digest, 1, index, len(rest)) + rest
            else:
                node.put(byte, self.put(node.child(byte), items[start:end]))
            start = end

    def _node(self, at: Child) -> Node:
        prefix = at.key
        node = self._changed.get(prefix)
        if node is not None:
            return node
        kept = self._kept.get(prefix)
        if kept is not None:
            # What is kept does not change: copies of the map have it as well.
            node = Node(prefix, dict(kept.children))
        else:
            try:
                node = read_node(at, self._load)
            except MalformedError as error:
                # Not the fault of an entry. Nothing may be signed over a map that was altered.
                raise FatalError(str(error)) from error
            self._loaded[prefix] = None
        return node


def _stand(at: Child | None, key: bytes, acts: _Acts) -> Child:
    """Return an object after more acts."""
    count, digest = (0, NO_ACT) if at is None else (at.acts, at.hash)
    previous = digest
    for index, leaf in acts:
        count += 1
        previous, digest = digest, act_digest(key, count, index, leaf, digest)
    return Child(digest, key, count, acts[-1][0], previous)


def _common(one: bytes, other: bytes) -> bytes:
    """Return what two keys both begin with."""
    size = min(len(one), len(other))
    for at in range(size):
        if one[at] != other[at]:
            return one[:at]
    return one[:size]


def read_node(at: Child, load: Load) -> Node:
    """Return a stored node, which hashes to what its place says.

    Raises:
        MalformedError: ``altered``: it does not, or is not there.
    """
    node = load(at.key)
    if node is None or hash_node(node.preimage()) != at.hash:
        where = at.key.decode(errors="replace")
        raise MalformedError(f"node {where!r} of the object map has changed", code="altered")
    return node


def check_stored(root: Child | None, load: Load) -> Iterator[bytes]:
    """Walk a whole stored map, and yield the prefixes of nodes that have changed.

    What stands below such a node cannot be told right from wrong and is passed over.
    """
    left = [] if root is None or root.acts else [root]
    while left:
        at = left.pop()
        try:
            node = read_node(at, load)
        except MalformedError:
            yield at.key
            continue
        children = (node.child(byte) for byte in sorted(node.children))
        left += [child for child in children if child is not None and not child.acts]


def prove(
    object_: str, root: Child | None, load: Load, leaf_at: Callable[[int], bytes]
) -> MapProof:
    """Return the proof of how an object stands in a stored map, or that it is not there.

    Args:
        object_: Its name.
        root: Where the map begins.
        load: Reads nodes as they were when the map had this root.
        leaf_at: Reads the leaf hash at an index of the log.

    Raises:
        MalformedError: ``altered``: a node that is wanted is not what was stored.
    """
    key, nodes, at = key_of(object_), [], root
    while at is not None and not at.acts:
        node = read_node(at, load)
        nodes.append(node.preimage())
        at = node.child(key[len(node.prefix)]) if key.startswith(node.prefix) else None
    if at is None:
        return MapProof(tuple(nodes), None)
    standing = Standing(
        object=at.key[:-1].decode(),
        count=at.acts,
        index=at.last,
        leaf=leaf_at(at.last),
        previous=at.previous,
    )
    return MapProof(tuple(nodes), standing)


def rebuild(acts: Iterable[tuple[str, int, bytes]], size: int) -> ObjectMap:
    """Return the whole map over these acts, (object, index, leaf hash) each.

    All of it is in memory at once: for checking a log again from its entries, not for a node.
    """
    made = ObjectMap()
    for object_, index, leaf in acts:
        made.note(object_, index, leaf)
    made.root_at(size, lambda _prefix: None)
    return made
