"""What of a grant's row a node looks up by: which items, which window, for how long.

Of an index: it narrows down which grants bear on a question, and says nothing of its own. Whether a
grant stands is asked of its rows themselves (``authz.use.check_use``).
"""

from dataclasses import dataclass

from authz.grant import covered
from ledger.kind import Fact

NEVER_S = 2**63 - 1
"""Stands for the end of what has none; the grantee's own row does not say the term."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """One side of a grant, as one log left it.

    Args:
        offered: Where the grantor's side stands; empty in the grantee's log.
        answered: Where the grantee's side stands; empty in the grantor's.
        covers: Items, and the department whose items are covered all; empty in the grantee's log.
    """

    grant: str
    item: str
    window: str
    offered: str
    answered: str
    from_s: int
    until_s: int
    covers: tuple[str, ...]


def lent_of(fact: Fact) -> Lent | None:
    """Return what a row says of a grant; None where it is no grant's."""
    state = fact.state
    if "/grant/" not in fact.object or not ("st" in state or "ans" in state):
        return None
    return Lent(
        grant=fact.object,
        item=state.get("item", ""),
        window=state.get("to", ""),
        offered=state.get("st", ""),
        answered=state.get("ans", ""),
        from_s=state.get("from", 0),
        until_s=state.get("until", NEVER_S),
        covers=covered(state, "dept") if "st" in state else (),
    )
