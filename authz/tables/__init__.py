"""The kinds that are records with a life, by subject; ``authz.kinds`` joins them to its table."""

from typing import Final

from authz.records import Life
from authz.tables import (
    agreements,
    checks,
    consents,
    evaluation,
    items,
    parts,
    people,
    platform,
    promises,
    pushes,
    results,
    supervision,
    vault,
)
from ledger.kind import Kind

_TABLES: Final = (
    people,
    items,
    agreements,
    platform,
    checks,
    consents,
    parts,
    promises,
    results,
    pushes,
    evaluation,
    supervision,
    vault,
)

RECORD_KINDS: Final[tuple[Kind, ...]] = tuple(kind for table in _TABLES for kind in table.KINDS)
LIVES: Final[tuple[Life, ...]] = tuple(life for table in _TABLES for life in table.LIVES)
