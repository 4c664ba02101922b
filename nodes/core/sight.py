"""The newest facts, from memory where possible: what a batch has just made, what was read.

Rows are only ever added, so the newest row of an object answers every question about a place above
it; only questions about an older place go to the store again.
"""

from collections.abc import Iterable
from typing import Final, Generic, TypeVar

from ledger.kind import Fact
from nodes.ports import Reader

INDEX_PAST_ALL: Final = 2**62

K = TypeVar("K")
V = TypeVar("V")


class Generations(Generic[K, V]):
    """A bounded dictionary that forgets what was not asked for lately.

    Two halves: what is asked for moves to the young one; when that is full, the old one is dropped.
    """

    __slots__ = ("_half_max", "_old", "young")

    def __init__(self, entries_max: int) -> None:
        self._half_max = max(1, entries_max // 2)
        self.young: dict[K, V] = {}
        """What was asked for lately: to be looked into first where every call counts."""
        self._old: dict[K, V] = {}

    def get(self, key: K, default: V) -> V:
        """Return what is kept for ``key``, or ``default``."""
        value = self.young.get(key, default)
        if value is default and key in self._old:
            value = self._old[key]
            self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Keep ``value``."""
        if len(self.young) >= self._half_max:
            self._old, self.young = self.young, {}
        self.young[key] = value

    def drop(self, key: K) -> None:
        """Forget one."""
        self.young.pop(key, None)
        self._old.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self.young, self._old = {}, {}


class _Missing:
    """Marks what memory knows nothing about; None says that the store has no such row."""


_MISSING: Final = _Missing()
_Cached = Fact | None | _Missing


class Sight:
    """Facts of all logs as they stand now, for one writer.

    Invariant: rows of the open transaction stand in the overlay, which ``settle`` empties
    with it. The cache may have forgotten some of them; what it has of an object is the
    newest row, and unless the transaction is open, a committed one.
    """

    __slots__ = ("_cache", "_overlay")

    def __init__(self, facts_max: int) -> None:
        self._cache: Generations[tuple[str, str], _Cached] = Generations(facts_max)
        self._overlay: dict[tuple[str, str], list[Fact]] = {}

    def newest(self, reader: Reader, origin: str, object_: str) -> Fact | None:
        """Return the newest row of an object in a log, or in the one that it goes on from."""
        key = (origin, object_)
        # A dozen times for each act: what was asked for lately is found without a call.
        known = self._cache.young.get(key, _MISSING)
        if known is not _MISSING:
            return known  # type: ignore[return-value]
        known = self._cache.get(key, _MISSING)
        if known is not _MISSING:
            return known  # type: ignore[return-value]
        made = self._overlay.get(key)
        fact = reader.facts([(origin, object_, INDEX_PAST_ALL)])[0] if made is None else made[-1]
        self._cache.put(key, fact)
        return fact

    def below(self, reader: Reader, origin: str, object_: str, below: int) -> Fact | None:
        """Return the newest row of an object with index < ``below``, or None."""
        fact = self.newest(reader, origin, object_)
        if fact is None or fact.origin != origin or fact.index < below:
            return fact
        # Rows of the open transaction may not be in the store yet.
        for made in self._overlay.get((origin, object_), [])[::-1]:
            if made.index < below:
                return made
        (fact,) = reader.facts([(origin, object_, below)])
        return fact

    def prefetch(self, reader: Reader, wanted: Iterable[tuple[str, str]]) -> None:
        """Read the newest rows of these (origin, object) that memory lacks, in one call."""
        overlay, cached = self._overlay, self._cache.get
        lacking = [
            key
            for key in dict.fromkeys(wanted)
            if key not in overlay and cached(key, _MISSING) is _MISSING
        ]
        if lacking:
            rows = reader.facts([(origin, object_, INDEX_PAST_ALL) for origin, object_ in lacking])
            for key, row in zip(lacking, rows, strict=True):
                self._cache.put(key, row)

    def add(self, facts: Iterable[Fact]) -> None:
        """Take in rows that the open transaction makes."""
        overlay, keep = self._overlay, self._cache.put
        for fact in facts:
            key = (fact.origin, fact.object)
            if key in overlay:
                overlay[key].append(fact)
            else:
                overlay[key] = [fact]
            keep(key, fact)

    def made_at(self, origin: str, index: int) -> bytes | None:
        """Return the leaf hash of an entry that made a row in the open transaction, or None."""
        for (where, _), made in self._overlay.items():
            for fact in made if where == origin else ():
                if fact.index == index:
                    return fact.leaf
        return None

    def settle(self) -> None:
        """The transaction is committed, and with it what is kept."""
        self._overlay = {}
