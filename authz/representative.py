"""Chief representatives (首席事务代表): who decides for a department at a window, on site.

A department appoints one of its own officers and, if it likes, a deputy, over a list of its items
and for a term. The officer's row has it as ``rep``: ``{of, items, from, until}``, where ``of`` is
the appointment. Who sits in the department itself needs none. What was lent is never decided.

Source: domain.md rule 4; mechanisms 8 and 9.
"""

from authz.item import number_of
from authz.party import type_of
from ledger.errors import RefusedError
from ledger.kind import Change, Fact


def check_on_site(officer: Fact, item: str, time_s: int) -> None:
    """Check that an officer who sits at a window may decide on an item there.

    Raises:
        RefusedError: ``not-representative``.
    """
    if type_of(officer.state["unit"]) == "department":
        return
    appointed = officer.state.get("rep")
    if appointed is None:
        raise RefusedError(
            f"{officer.object} decides at a window as a representative only",
            code="not-representative",
        )
    if number_of(item) not in appointed["items"]:
        raise RefusedError(
            f"{item} is not on the list of {appointed['of']}", code="not-representative"
        )
    if not appointed["from"] <= time_s < appointed["until"]:
        raise RefusedError(f"{appointed['of']} is out of its term", code="not-representative")


def appointed(officer: Fact, of: str, items: list[str], from_s: int, until_s: int) -> Change:
    """Return the officer's row as of an appointment."""
    rep = {"of": of, "items": items, "from": from_s, "until": until_s}
    return Change(officer.object, {**officer.state, "rep": rep})


def relieved(officer: Fact | None, of: str) -> tuple[Change, ...]:
    """Return the officer's row without an appointment; nothing where another has followed it."""
    if officer is None or officer.state.get("rep", {}).get("of") != of:
        return ()
    row = {name: value for name, value in officer.state.items() if name != "rep"}
    return (Change(officer.object, row),)
