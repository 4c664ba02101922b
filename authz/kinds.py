"""The table of authz's kinds: for each act its fields, who signs it, what it needs, and its rule.

A new mechanism of the domain is a row in one of ``authz.tables``, and perhaps a rule function
beside its object.
"""

from typing import Final

from authz import calendar
from authz.tables import RECORD_KINDS, cases, grants, handoffs, parties, standards
from ledger.kind import Kinds

KINDS: Final[Kinds] = {
    (kind.name, kind.version): kind
    for kind in (
        *parties.PARTIES,
        *standards.KINDS,
        *calendar.KINDS.values(),
        *grants.KINDS,
        *cases.KINDS,
        *handoffs.HANDOFFS,
        *handoffs.BRANCHES,
        *parties.CORRECTIONS,
        *parties.TOKENS,
        *RECORD_KINDS,
    )
}
