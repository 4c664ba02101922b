"""The kinds that are records with a life, by subject; ``authz.kinds`` joins them to its table."""

from typing import Final

from authz.records import Life
from authz.tables import (
    agreements,
    assessments,
    bodies,
    checks,
    consents,
    devices,
    evaluation,
    halls,
    items,
    meetings,
    parts,
    people,
    platform,
    promises,
    pushes,
    results,
    supervision,
    texts,
    vault,
)
from ledger.kind import Kind

_TABLES: Final = (
    people,
    halls,
    bodies,
    items,
    agreements,
    texts,
    platform,
    devices,
    checks,
    consents,
    parts,
    promises,
    results,
    pushes,
    evaluation,
    supervision,
    assessments,
    meetings,
    vault,
)

RECORD_KINDS: Final[tuple[Kind, ...]] = tuple(kind for table in _TABLES for kind in table.KINDS)
LIVES: Final[tuple[Life, ...]] = tuple(life for table in _TABLES for life in table.LIVES)
