"""The item version that a case was opened under, as records beside the case name it."""

from collections.abc import Mapping
from typing import Any, Final

from authz.item import version_object
from authz.records import Row
from authz.tables.words import number
from ledger.errors import RefusedError
from ledger.kind import Acting, Fact, Need

ITEM_VERSION: Final = number("事项版本", "item version")

_ROLE: Final = "version"


def pinned_need(body: Mapping[str, Any]) -> Need:
    """Return the item version that a body names."""
    item = body["item"]
    return Need(_ROLE, version_object(item, body["item_version"]), item[:6], cite=True)


def check_pinned(acting: Acting) -> Row:
    """Check that the case is done under the very item version that the body names, and return it.

    Raises:
        RefusedError: ``item-not-live``.
    """
    body, case = acting.act.body, acting.facts["case"]
    assert case is not None  # the step has looked
    if (case.state.get("item"), case.state.get("v")) != (body["item"], body["item_version"]):
        raise RefusedError(
            f"the case is done under version {case.state.get('v')} of {case.state.get('item')}",
            code="item-not-live",
        )
    return case.state


def pinned_version(acting: Acting) -> Fact:
    """Return the row of the item version that the body names.

    Raises:
        RefusedError: ``unknown-object``.
    """
    version = acting.facts[_ROLE]
    if version is None:
        raise RefusedError("the pinned item version is not within sight", code="unknown-object")
    return version
