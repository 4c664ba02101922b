"""The work ledger of a month over real nodes: the same figures and digest on each of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from authz.calendar import day_named, day_of, day_text
from authz.tally import Figure
from authz.work_ledger import Line, Month, WorkLedger, digest_of, month_named, work_ledger
from ledger.errors import UnavailableError
from ledger.kind import Fact
from nodes.core.ready import PutFacts
from nodes.store import schema
from nodes.store.engine import create_schema, open_sqlite
from nodes.store.entries import LogIDs
from nodes.store.facts import insert_facts
from nodes.store.tallies import Sums, check_tallied, note_untallied
from nodes.store.work_ledger import block_below, load_blocks, load_calendar, load_tallied
from tests.nodes.town import START_MS, Town, furnish, lend, open_case

DAY_MS = 86_400_000
HERE, THERE = "510000", "540000"
WINDOW, OWNER = f"{HERE}/window/w", f"{THERE}/department/d"
CLERK, DECIDER = f"{HERE}/officer/clerk", f"{THERE}/officer/decider"
GRANT, IDLE = f"{THERE}/grant/g1", f"{THERE}/grant/g2"
JANUARY, FEBRUARY = month_named("2027-01"), month_named("2027-02")
START_DAY = day_of(START_MS // 1000)
PROCEDURE = f"{THERE}/procedure/p1"
DECISION = {"result": "granted", "basis": "条例", "document": bytes(32)}


def wait(town: Town, days: int) -> None:
    town.clock.ms += days * DAY_MS
    town.rounds()


def hand_over(town: Town, case: str) -> None:
    town.act(HERE, "handoff.offer", case, {"unit": OWNER}, CLERK)
    town.rounds()
    town.act(THERE, "handoff.accept", case, {"holder": HERE}, DECIDER)
    town.rounds()


def decide(town: Town, case: str, **changes: Any) -> None:
    town.act(THERE, "case.decide", case, DECISION | changes, DECIDER)
    town.rounds()


def stop(town: Town, case: str) -> None:
    """Start a procedure on the item's list, which stops the promise."""
    item = f"{THERE}/item/i"
    listed = {"version": 1, "item": item, "procedures": ["hearing"], "basis": "条例"}
    town.act(
        THERE,
        "procedures.publish",
        f"{THERE}/procedure-list/i",
        listed,
        f"{THERE}/officer/manager",
    )
    town.act(THERE, "case.note", case, {"remark": "需听证"}, DECIDER)
    begun = {"case": case, "item": item, "item_version": 1, "procedure": "hearing"}
    town.act(THERE, "procedure.start", PROCEDURE, begun | {"notice": bytes(32)}, DECIDER)
    town.rounds()


def made_at(
    town: Town,
    region: str,
    month: Month,
    as_of_day: int,
    known: Mapping[str, int] | None = None,
) -> WorkLedger:
    with town.houses[region].engine.connect() as connection:
        ids = LogIDs()
        known = load_blocks(connection, ids) if known is None else known
        calendar = load_calendar(connection, ids, known, month)
        tallied = load_tallied(connection, ids, known, month, as_of_day, calendar)
        return work_ledger(month, as_of_day, calendar, tallied)


@pytest.fixture(scope="module")
def town() -> Town:
    """A month: one case decided in time, one late, one not at all, one withdrawn, one stopped."""
    made = Town(HERE, THERE)
    made.start()
    for region in (HERE, THERE):
        furnish(made, region)
    made.rounds()
    lend(made, THERE, HERE)
    lend(made, THERE, HERE, "g2")
    return made


def test_a_month_is_counted_alike_by_every_node_and_made_again_from_less(town: Town) -> None:
    assert day_text(START_DAY) == "2027-01-15"
    names = ("prompt", "late", "never", "gone", "sent", "stopped")
    cases = {name: f"{HERE}/case/{name}" for name in names}
    for name in names:
        open_case(town, HERE, THERE, GRANT, name)
    ground = {"grant": GRANT, "window": WINDOW}
    town.act(HERE, "case.withdraw", cases["gone"], {"reason": "申请人要求", **ground}, CLERK)
    town.act(HERE, "case.notice", cases["late"], {"missing": ["photo"], **ground}, CLERK)
    town.act(HERE, "handoff.offer", cases["sent"], {"unit": OWNER}, CLERK)
    town.rounds()
    refusal = {"holder": HERE, "reason": "材料不符"}
    town.act(THERE, "handoff.decline", cases["sent"], refusal, DECIDER)
    town.rounds()
    hand_over(town, cases["prompt"])
    hand_over(town, cases["stopped"])
    stop(town, cases["stopped"])
    wait(town, 3)
    decide(town, cases["prompt"])
    town.act(HERE, "case.supplement", cases["late"], {"received": ["photo"], **ground}, CLERK)
    hand_over(town, cases["late"])
    early = made_at(town, HERE, JANUARY, START_DAY + 3)
    line = early.lines[OWNER]
    assert (line.decided, line.decided_days, line.returned, line.due) == (1, 3, 1, 0)

    wait(town, 18)
    town.act(THERE, "procedure.end", PROCEDURE, {"result": bytes(32)}, DECIDER)
    wait(town, 22)
    decide(town, cases["late"], result="refused")
    town.tick(120)  # quiet logs close their blocks
    last_day = START_DAY + 43
    told = [made_at(town, region, JANUARY, last_day) for region in (HERE, THERE)]
    assert digest_of(told[0].document()) == digest_of(told[1].document())
    assert told[0].provisional is False  # nothing fell due in it
    window = told[0].lines[WINDOW]
    assert window == Line(taken_in=6, notices=1, supplements=1, withdrawn=1)
    assert told[0].lines[THERE] == Line(lent=2, idle=1)
    assert told[0].total.taken_in == 6

    # Twenty working days after the fifteenth of January end on the twelfth of February; those of
    # the case that was whole on the eighteenth on the fifteenth; a procedure moves one to March.
    [here, there] = [made_at(town, region, FEBRUARY, last_day) for region in (HERE, THERE)]
    assert digest_of(here.document()) == digest_of(there.document())
    line = here.lines[OWNER]
    assert (line.decided, line.refused, line.due, line.overdue) == (1, 1, 5, 3)
    assert here.provisional is True
    assert made_at(town, HERE, FEBRUARY, day_named("2027-02-12")).total.due == 0
    on_the_13th = made_at(town, HERE, FEBRUARY, day_named("2027-02-13")).total
    assert (on_the_13th.due, on_the_13th.overdue) == (4, 2)

    again = made_at(town, THERE, JANUARY, START_DAY + 3, early.known)
    assert again.document() == early.document()
    assert digest_of(again.document()) != digest_of(
        made_at(town, THERE, JANUARY, START_DAY + 3).document()
    )


def test_batches_of_any_size_add_up_to_the_same_tallies(town: Town) -> None:
    """Its own log a node wrote act by act; another's came in batches: block by block they agree."""
    sums = []
    for region in (HERE, THERE):
        with town.houses[region].engine.connect() as connection:
            ids = LogIDs()
            blocks = load_blocks(connection, ids)
            sums.append(
                {
                    (origin, size, figure): sorted(
                        Sums(connection, ids, {origin: size}).by_detail(figure, 0, 10**6)
                    )
                    for origin in blocks
                    for size in range(1, blocks[origin] + 1)
                    if block_below(connection, ids, origin, size + 1) == size
                    for figure in (*Figure, "promised/0020", "over/0020")
                }
            )
    both = sums[0].keys() & sums[1].keys()
    assert [name for name in both if sums[0][name] != sums[1][name]] == []
    assert sum(len(sums[0][name]) for name in both) > 50


def test_a_database_that_is_older_says_that_it_counted_nothing(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "node.sqlite")
    create_schema(engine)
    note_untallied(engine)
    with engine.begin() as connection:
        check_tallied(connection)
        insert_facts(
            connection, LogIDs(), PutFacts((Fact("n/1", "540000/case/c", 1, bytes(32), {}),))
        )
        schema.tallies.drop(connection)
    note_untallied(engine)
    create_schema(engine)
    note_untallied(engine)
    with engine.connect() as connection, pytest.raises(UnavailableError) as caught:
        check_tallied(connection)
    assert caught.value.code == "not-tallied"
    engine.dispose()
