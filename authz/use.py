"""Using a grant: what somebody would do under it, and whether it carries that.

The rules of acts ask this of the rows that the act rests on, ``check`` and the sweeps of the rows
that a node holds.

Source: domain.md rules 1 and 3; mechanisms 1, 4, 19, 39, 44, 72.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from authz import party
from authz.grant import Side
from authz.item import number_of
from ledger.errors import RefusedError
from ledger.kind import Acting, Fact, Need


class Occasion(NamedTuple):
    """What somebody would do under a grant, where and when.

    Args:
        window: At which it is done.
        right: One of the four.
        item: Over which.
        department: That decides on the item.
        time_s: For which the question is asked.
        hall: The window's, where the window may use what its hall was lent; else None.
        device: The machine at the window by which it is done; None where there is none.
        scenario: The item's scenario that the case is one of; None where it names none.
    """

    window: str
    right: str
    item: str
    department: str
    time_s: int
    hall: str | None = None
    device: str | None = None
    scenario: str | None = None


def hall_of(state: Mapping[str, Any]) -> str | None:
    """Return the hall whose grants a window, or an officer who sits at it, may use too.

    None for an outlet that is no public body: it has only what it was lent itself.
    """
    return None if state.get("outlet") else state.get("hall")


def check_use(offer: Fact | None, acceptance: Fact | None, occasion: Occasion) -> Fact:
    """Check that a grant carries what somebody would do, and return its row.

    1. The grant is there, on offer and in its term.
    2. It covers the item: by name, or as one of its department's; and the scenario, where it is
       lent for some only.
    3. It was lent to where this is done: to the machine, or to the window or its hall.
    4. It lends the right.
    5. This side has accepted it.

    ``offer`` is the grant's newest row within sight in the grantor's log, ``acceptance`` the newest
    in the using region's log.

    Raises:
        RefusedError: With the first reason why not.
    """
    if offer is None or "st" not in offer.state:  # (1)
        raise RefusedError("no such grant is within sight", code="no-grant")
    state, grant = offer.state, offer.object
    if not offer.live or state["st"] != Side.OFFERED:
        raise RefusedError(f"the grant {grant} is {state['st']}", code="grant-not-live")
    if not state["from"] <= occasion.time_s < state["until"]:
        raise RefusedError(f"the grant {grant} is out of its term", code="grant-not-live")
    if (  # (2)
        occasion.item != state["item"]
        and occasion.item not in state.get("also", ())
        and occasion.department != state.get("dept")
    ):
        raise RefusedError(f"the grant {grant} covers {state['item']}", code="item-not-granted")
    scenarios = state.get("scen")
    if scenarios is not None and occasion.scenario not in scenarios:
        raise RefusedError(
            f"the grant {grant} covers the scenarios {', '.join(scenarios)}",
            code="scenario-not-granted",
        )
    places = (occasion.device,) if occasion.device else (occasion.window, occasion.hall)  # (3)
    if state["to"] not in places:
        raise RefusedError(f"the grant {grant} is for {state['to']}", code="window-not-granted")
    if occasion.right not in state["rights"]:  # (4)
        raise RefusedError(
            f"the grant {grant} lends {', '.join(state['rights'])}", code="right-not-granted"
        )
    if acceptance is None or acceptance.state.get("ans") != Side.ACCEPTED:  # (5)
        raise RefusedError(f"the grant {grant} is not accepted here", code="not-accepted")
    return offer


def grant_needs(body: Mapping[str, Any]) -> tuple[Need, ...]:
    """Return the grant that a body names, in the logs of both sides, if it names one."""
    grant = body.get("grant")
    return () if grant is None else _both_sides(grant)


# The same few grants are used over and over.
@lru_cache(maxsize=4_096)
def _both_sides(grant: str) -> tuple[Need, ...]:
    return (
        Need("grant", grant, origin=grant[:6], cite=True),
        Need("acceptance", grant, cite=True),
    )


def check_own_competence(acting: Acting, case: Mapping[str, Any], right: str) -> None:
    """Check that an act which names no grant is one of the department that decides on the case.

    Raises:
        RefusedError: ``no-grant`` or ``not-competent``.
    """
    if case["item"][:6] != acting.region:
        raise RefusedError(
            f"an act for another place rests on a grant, and none is named: {right}",
            code="no-grant",
        )
    if party.person(acting).state.get("dept") != case["dept"]:
        raise RefusedError(f"only {case['dept']} acts without a grant", code="not-competent")


def check_lent(acting: Acting, case: Mapping[str, Any], right: str) -> None:
    """Check that what is done beside a case rests on a right lent to the window it is done at.

    An authority's own acts rest on its own competence: those of the department that decides.

    Raises:
        RefusedError: ``no-grant``, ``not-competent``, ``not-entitled``, or as ``check_use``.
    """
    signer = party.person(acting)
    if "grant" not in acting.act.body:
        check_own_competence(acting, case, right)
        return
    found = check_use(
        acting.facts["grant"],
        acting.facts["acceptance"],
        Occasion(
            window=signer.state["unit"],
            right=right,
            item=case["item"],
            department=case["dept"],
            time_s=acting.statement.time_s,
            hall=hall_of(signer.state),
            scenario=case.get("scen"),
        ),
    )
    party.check_trained(signer, found.state.get("train"))


def check_quota(offer: Fact, used: Fact | None) -> None:
    """Check that a grant for a limited number of cases has one left.

    Raises:
        RefusedError: ``quota-spent``.
    """
    quota = offer.state.get("quota")
    if quota is not None and used is not None and used.state["n"] >= quota:
        raise RefusedError(f"the grant {offer.object} was for {quota} cases", code="quota-spent")


def check_device(device: Fact | None, *, name: str, window: str, item: str) -> None:
    """Check that a machine is in service, stands at the window, and serves the item.

    Raises:
        RefusedError: ``device-not-live``, ``window-not-granted`` or ``item-not-granted``.
    """
    if device is None or not device.live or "firmware" not in device.state:
        raise RefusedError(f"no machine in service here: {name}", code="device-not-live")
    if device.state["window"] != window:
        raise RefusedError(f"{name} stands at {device.state['window']}", code="window-not-granted")
    if number_of(item) not in device.state["items"]:
        raise RefusedError(f"{name} is not set up for {item}", code="item-not-granted")
