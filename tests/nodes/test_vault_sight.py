"""Whom the logs name as holders of a case or of a branch of it: who may have its papers."""

from nodes.api import vault_sight as sight
from tests.authz.refusals import refused
from tests.nodes.town import Town, furnish, lend, open_case

A, B, C = "510000", "520000", "530000"


def test_who_holds_a_branch_may_have_the_papers_and_who_was_only_asked_may_not() -> None:
    town = Town(A, B, C)
    town.start()
    for region in (A, B, C):
        furnish(town, region)
    grant = lend(town, B, A)
    open_case(town, A, B, grant, "1")
    case, branch, clerk = f"{A}/case/1", f"{A}/branch/1", f"{A}/officer/clerk"
    unit = f"{C}/department/d"
    body = {"case": case, "part": "review", "department": unit}
    town.act(A, "branch.open", branch, body, clerk)
    town.act(A, "handoff.offer", branch, {"unit": unit}, clerk)
    town.rounds()
    with town.houses[A].engine.connect() as connection:
        assert sight.held_by(connection, case) == {f"{A}/window/w"}
        with refused("never-held"):
            sight.check_region(connection, case, C)
    town.act(C, "handoff.accept", branch, {"holder": A}, f"{C}/officer/decider")
    town.rounds()
    for region in (A, B, C):
        with town.houses[region].engine.connect() as connection:
            assert sight.held_by(connection, case) == {f"{A}/window/w", unit}
            sight.check_region(connection, case, C)
            with refused("never-held"):
                sight.check_region(connection, case, B)
