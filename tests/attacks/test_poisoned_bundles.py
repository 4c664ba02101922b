"""A region that answers for a case cannot keep its evidence from being shown or believed."""

from dataclasses import replace
from typing import Any, cast

import pytest

from authz.case_bundle import judge_bundle, wanted
from authz.replay import Place
from ledger.bundle import check_bundle
from ledger.hashing import hash_leaf
from ledger.statement import Act, Citation, Statement, sign_statement
from ledger.tiles import extend_tiles
from nodes.api.cases import _Held
from nodes.store.engine import create_schema, open_sqlite
from nodes.store.entries import LogIDs, append
from tests.authz.refusals import refused
from tests.authz.test_case import VERIFY
from tests.authz.test_case_bundle import Reader, bundle_of
from tests.authz.world import CASE, CLERK, KINDS, SICHUAN, SIGNED, TIBET, World
from tests.vectors.own.network import TIME_S, key

OPENED = World(real_views=True).enrol().lend().open()


def junk(region: str) -> Statement:
    """A statement of the right form by a key that nobody knows."""
    act = Act("case.verify", 1, None, (), {})
    return sign_statement(
        key("nobody"), f"{region}/officer/nobody", f"{region}/case/none", TIME_S, act
    )


@pytest.mark.parametrize("role", ["proof", "offer", "grants"])
def test_a_citation_that_nothing_rests_on_makes_the_act_void(role: str) -> None:
    world = OPENED.copy()
    log = world.logs[SICHUAN]
    log.statements.append(junk(SICHUAN))
    stray = Citation(role, log.origin, len(log.statements) - 1, log.statements[-1].leaf)
    with refused("void-citation"):
        world.do(
            "case.verify",
            CLERK,
            CASE,
            VERIFY,
            change=lambda act: act._replace(citations=(*act.citations, stray)),
        )


def test_a_correction_of_what_nobody_signed_leaves_the_evidence_whole() -> None:
    world = OPENED.copy()
    log = world.logs[SICHUAN]
    log.statements.append(junk(SICHUAN))
    index = len(log.statements) - 1
    body = {"index": index, "reason": "误登", "remark": "无"}
    with refused("void-citation"):
        world.do("act.correct", CLERK, CASE, body, corrects=index, force=True)
    places = wanted(CASE, Reader(world), KINDS)
    assert (log.origin, index) not in {(place.origin, place.index) for place in places}
    trace = judge_bundle(check_bundle(bundle_of(world).encode(), SIGNED), KINDS)
    told = [(line.kind, line.findings) for line in trace.lines]
    assert told == [("case.open", ()), ("act.correct", ("void-citation",))]


def test_a_log_that_does_not_begin_with_a_statement_does_not_hide_what_follows() -> None:
    class Headless(Reader):
        def statement(self, place):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
            return None if place.index == 0 else super().statement(place)

    places = wanted(CASE, Headless(OPENED), KINDS)
    assert places
    assert 0 not in {place.index for place in places}


def test_a_view_that_another_log_recorded_is_none_of_this_one() -> None:
    """Put into our log again it is void for every node, and so it is in a bundle."""
    world = World(real_views=True).enrol().lend()
    lent = world.view("500000", TIBET)
    borrowed = world.logs["500000"].statements[lent.index]
    log = world.logs[SICHUAN]
    log.statements.append(borrowed)
    view = replace(lent, index=len(log.statements) - 1)
    world.viewed[SICHUAN, TIBET] = view
    world.open()
    trace = judge_bundle(check_bundle(bundle_of(world).encode(), SIGNED), KINDS)
    (line,) = [line for line in trace.lines if line.kind == "case.open"]
    assert line.findings == ("void-citation",)


def test_an_entry_that_is_no_statement_is_passed_over_when_evidence_is_gathered() -> None:
    engine = open_sqlite(None)
    create_schema(engine)
    good = OPENED.logs[SICHUAN].statements[1].entry
    leaves = [hash_leaf(entry) for entry in (b"nonsense", good)]
    with engine.begin() as connection:
        tiles = extend_tiles(0, (), leaves).tiles
        append(connection, LogIDs(), "a", 0, [b"nonsense", good], tiles)
        held = _Held(cast("Any", None), connection)
        assert held.statement(Place("a", 0)) is None
        made = held.statement(Place("a", 1))
        assert made is not None
        assert made.entry == good
        assert list(held.entries) == [Place("a", 1)]
