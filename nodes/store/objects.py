"""Numbers that stand for the names of objects, where a table names the same ones over and over."""

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Connection, bindparam, func, select

from nodes.core.sight import Generations
from nodes.store import schema
from nodes.store.engine import Prepared, Upsert

IDS_CACHED_MAX: Final = 16_384

_objects = schema.objects.c

_INSERT: Final = Upsert(schema.objects, replaced=None)
_FIND: Final = Prepared(
    select(_objects.object_id).where(_objects.name == bindparam("name")), ("name",)
)
_LAST: Final = Prepared(select(func.max(_objects.object_id)), ())


class ObjectIDs:
    """Remembers the numbers of the objects that were named lately, for the one that writes."""

    def __init__(self) -> None:
        self._known: Generations[str, int] = Generations(IDS_CACHED_MAX)
        self._last: int | None = None

    def forget(self) -> None:
        """Drop what was learnt, since the transaction it came from may not have happened."""
        self._known.clear()
        self._last = None

    def get(self, connection: Connection, names: Iterable[str]) -> Mapping[str, int]:
        """Return the numbers of objects, which those are given now that have none."""
        found = {name: self._known.get(name, 0) for name in dict.fromkeys(names)}
        unknown = [name for name, object_id in found.items() if not object_id]
        rows = _FIND.run_each(connection, [(name,) for name in unknown])
        made = []
        for name, row in zip(unknown, rows, strict=True):
            if row is None:
                object_id = self._next(connection)
                made.append((object_id, name))
            else:
                object_id = int(row[0])
            found[name] = object_id
            self._known.put(name, object_id)
        _INSERT.run_many(connection, made)
        return found

    def _next(self, connection: Connection) -> int:
        last = self._last
        if last is None:
            last = int(_LAST.run(connection).fetchone()[0] or 0)
        self._last = last + 1
        return self._last
