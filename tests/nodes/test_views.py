"""Views, uses of foreign facts and how they settle: whole nodes, then the table of verdicts."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ledger.errors import RefusedError
from ledger.kind import Fact
from nodes.core.effects import Effects
from nodes.core.ready import (
    FindingRow,
    PeerCalled,
    PeerReply,
    PutEvidence,
    PutFindings,
    PutUses,
    Ready,
    Reply,
)
from nodes.core.settlement import WITHDRAWN, Settlement
from nodes.ports import UseRow
from tests.nodes.town import Town, furnish, lend, open_case

A, B, C, E = "500000", "510000", "520000", "540000"


@pytest.fixture
def town() -> Town:
    town = Town(A, B, C, E, staleness_s=180, refresh_s=30)
    town.start()
    furnish(town, B)
    furnish(town, E)
    return town


def statuses(town: Town, index: int) -> set[tuple[str, ...]]:
    """How the uses at an index of B's log, of grant and item version, stand at every node."""
    return {tuple(town.uses(region, town.origin(B), index)) for region in town.houses}


def test_a_fresh_use_is_confirmed_at_every_node_once_it_is_seen(town: Town) -> None:
    index = open_case(town, B, E, lend(town, E, B), "1")
    town.rounds()
    assert statuses(town, index) == {("open", "open")}
    town.tick(60)
    assert statuses(town, index) == {("confirmed", "confirmed")}
    assert all(town.findings(region) == [] for region in town.houses)


def test_one_view_serves_acts_until_half_the_staleness_has_passed(town: Town) -> None:
    grant = lend(town, E, B)
    open_case(town, B, E, grant, "1")
    view = town.node(B).snapshot.views[town.origin(E)]
    open_case(town, B, E, grant, "2")
    assert town.node(B).snapshot.views[town.origin(E)] == view
    town.tick(95)
    open_case(town, B, E, grant, "3")
    later = town.node(B).snapshot.views[town.origin(E)]
    assert later.index > view.index
    assert later.fresh_at_s > view.fresh_at_s


def test_a_note_that_its_writer_tells_us_nothing_of_is_learnt_from_anothers_view(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = town.node(C)._network.finished
    before = finished.known[town.origin(E)].size

    def pass_over(event: PeerCalled, *_: object) -> Ready:
        return Ready(replies=(Reply(event.request_id, PeerReply(204)),))

    monkeypatch.setattr(finished, "take", pass_over)
    open_case(town, B, E, lend(town, E, B), "1")
    town.rounds()
    view = town.node(B).snapshot.views[town.origin(E)]
    known = finished.known[town.origin(E)]
    assert before < known.size == view.size
    assert known.root == view.root
    assert town.origin(B) not in town.node(B)._network.known


def test_a_region_that_is_cut_off_receives_on_and_is_confirmed_late(town: Town) -> None:
    grant = lend(town, E, B)
    open_case(town, B, E, grant, "1")
    town.tick(60)
    town.cut.add(B)
    town.tick(400, by=40)
    index = open_case(town, B, E, grant, "2")
    town.tick(60)
    assert town.uses(B, town.origin(B), index) == ["open", "open"]
    town.cut.clear()
    town.tick(240)
    assert statuses(town, index) == {("confirmed-late", "confirmed-late")}
    assert all(town.findings(region) == [] for region in town.houses)


def test_what_cannot_be_undone_is_refused_under_a_stale_view(town: Town) -> None:
    grant = lend(town, E, B)
    open_case(town, B, E, grant, "1")
    case = f"{B}/case/1"
    town.act(B, "handoff.offer", case, {"unit": f"{E}/department/d"}, f"{B}/officer/clerk")
    town.rounds()
    town.cut.add(E)
    town.tick(300)
    sizes = []
    for _ in range(2):
        result = town.try_act(E, "handoff.accept", case, {"holder": B}, f"{E}/officer/decider")
        assert result.error is not None
        assert result.error.code == "stale-view"
        sizes.append(town.node(E).snapshot.size)
    assert sizes[0] == sizes[1]
    assert town.fact(E, town.origin(E), case) is None
    town.cut.clear()
    town.tick(60)
    town.act(E, "handoff.accept", case, {"holder": B}, f"{E}/officer/decider")


def publish_again(town: Town) -> None:
    body = {
        "version": 2,
        "title": "事项",
        "code": "000131127004",
        "department": f"{E}/department/d",
        "materials": ["form"],
        "days": 20,
    }
    town.act(E, "item.publish", f"{E}/item/i", body, f"{E}/officer/manager")


def withdraw(town: Town) -> None:
    town.act(E, "item.withdraw", f"{E}/item/i", {"reason": "停办"}, f"{E}/officer/manager")


@pytest.mark.parametrize("end", [publish_again, withdraw])
def test_a_case_opened_under_a_version_that_had_ended_is_found_everywhere(
    town: Town, end: Callable[[Town], None]
) -> None:
    grant = lend(town, E, B)
    early = open_case(town, B, E, grant, "1")
    town.tick(60)
    town.cut.add(B)
    end(town)
    town.tick(400, by=40)
    late = open_case(town, B, E, grant, "2")
    town.cut.clear()
    town.tick(300)
    assert statuses(town, early) == {("confirmed", "confirmed")}
    assert statuses(town, late) == {("confirmed-late", "unauthorised")}
    for region in town.houses:
        assert town.findings(region) == [(town.origin(B), late, "unauthorised-use")]


def test_a_version_that_ends_after_the_case_was_seen_covers_it(town: Town) -> None:
    grant = lend(town, E, B)
    open_case(town, B, E, grant, "1")
    town.tick(60)
    town.cut.add(E)
    town.tick(120, by=40)
    late = open_case(town, B, E, grant, "2")
    town.tick(120, by=40)
    town.cut.clear()
    publish_again(town)
    town.tick(300)
    assert {status for both in statuses(town, late) for status in both} <= {
        "confirmed",
        "confirmed-late",
    }
    assert all(town.findings(region) == [] for region in town.houses)


def test_a_use_after_the_end_of_its_grant_is_found_unauthorised_everywhere(town: Town) -> None:
    grant = lend(town, E, B)
    early = open_case(town, B, E, grant, "1")
    town.tick(60)
    town.cut.add(B)
    town.act(E, "grant.revoke", grant, {"reason": "终止"}, f"{E}/officer/manager")
    town.tick(400, by=40)
    late = open_case(town, B, E, grant, "2")
    town.cut.clear()
    town.tick(300)
    assert statuses(town, early) == {("confirmed", "confirmed")}
    assert statuses(town, late) == {("unauthorised", "confirmed-late")}
    for region in town.houses:
        assert town.findings(region) == [(town.origin(B), late, "unauthorised-use")]
    result = open_again(town, grant)
    assert isinstance(result, RefusedError)
    assert result.code == "grant-not-live"


def open_again(town: Town, grant: str) -> Exception | None:
    try:
        open_case(town, B, E, grant, "3")
    except RefusedError as error:
        return error
    return None


def test_a_use_seen_before_the_end_is_confirmed_late(town: Town) -> None:
    """The using region is heard, and only the log that it relies on cannot be read for a while."""
    grant = lend(town, E, B)
    town.tick(60)
    town.cut.add(E)
    town.tick(60)
    index = open_case(town, B, E, grant, "1")
    town.tick(30)
    town.cut.clear()
    town.act(E, "grant.revoke", grant, {"reason": "终止"}, f"{E}/officer/manager")
    town.tick(200)
    (status,) = statuses(town, index)
    assert set(status) <= {"confirmed", "confirmed-late"}
    assert town.findings(A) == []


def test_a_silent_log_is_kept_fresh_by_its_mirrors(town: Town) -> None:
    grant = lend(town, E, B)
    open_case(town, B, E, grant, "1")
    town.tick(60)
    town.cut.add(E)
    town.tick(400, by=40)
    index = open_case(town, B, E, grant, "2")
    town.tick(60)
    assert town.uses(B, town.origin(B), index) == ["confirmed", "confirmed"]


# ---- the table of verdicts ----------------------------------------------------------------------

USING, GRANTOR, GRANT = "n/510000", "n/540000", "540000/grant/g"
T = 1_000_000
S = 600


class FakeReader:
    """What settlement reads: evidence, views as rows of the viewed log, rows of the fact."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, int], tuple[int, int]] = {}
        self.rows: dict[tuple[str, str], list[Fact]] = {}
        self.uses: list[UseRow] = []

    def seen_by(self, origin: str, index: int) -> tuple[int, int] | None:
        return self.seen.get((origin, index))

    def facts_between(self, origin: str, object_: str, low: int, high: int) -> Sequence[Fact]:
        return [row for row in self.rows.get((origin, object_), []) if low <= row.index < high]

    def unsettled(
        self,
        *,
        origin: str | None = None,
        fact_origin: str | None = None,
        low: int = 0,
        high: int | None = None,
        rows_max: int | None = None,
    ) -> Sequence[UseRow]:
        return [
            use
            for use in self.uses
            if use.status in {"open", "unproven"}
            and origin in {None, use.origin}
            and fact_origin in {None, use.fact_origin}
            and low <= use.index < (2**62 if high is None else high)
        ][:rows_max]

    def view(self, index: int, size: int, fresh_at_s: int) -> None:
        state = {"size": size, "root": bytes(32), "fresh_at": fresh_at_s}
        self.rows.setdefault((USING, GRANTOR), []).append(
            Fact(USING, GRANTOR, index, bytes(32), state)
        )

    def row(self, index: int, *, live: bool, seen_by_s: int | None) -> None:
        self.rows.setdefault((GRANTOR, GRANT), []).append(
            Fact(GRANTOR, GRANT, index, bytes(32), {"live": live})
        )
        if seen_by_s is not None:
            self.seen[GRANTOR, index] = (seen_by_s, 0)

    def apply(self, writes: Sequence[Any]) -> list[FindingRow]:
        findings: list[FindingRow] = []
        for write in writes:
            if isinstance(write, PutUses):
                settled = {use.index: use for use in write.rows}
                self.uses = [settled.get(use.index, use) for use in self.uses]
            elif isinstance(write, PutFindings):
                findings += write.rows
        return findings


def a_use(**changed: Any) -> UseRow:
    use = UseRow(
        origin=USING,
        index=10,
        fact_origin=GRANTOR,
        fact_object=GRANT,
        fact_index=2,
        view_size=5,
        fresh_at_s=T,
        staleness_s=S,
        status="open",
    )
    return use._replace(**changed)


def world(*, seen_by_s: int | None) -> FakeReader:
    reader = FakeReader()
    reader.uses = [a_use()]
    reader.view(8, 5, T)
    if seen_by_s is not None:
        reader.seen[USING, 10] = (seen_by_s, 12)
    return reader


def settle(reader: FakeReader) -> tuple[str, list[FindingRow]]:
    findings = reader.apply(Settlement(USING).start(reader))  # type: ignore[arg-type]
    return reader.uses[0].status, findings


@pytest.mark.parametrize(
    ("age_s", "expected"), [(0, "confirmed"), (S, "confirmed"), (S + 1, "open")]
)
def test_a_view_confirms_up_to_its_staleness_and_no_second_longer(
    age_s: int, expected: str
) -> None:
    assert settle(world(seen_by_s=T + age_s)) == (expected, [])


def test_a_use_without_evidence_stays_open() -> None:
    assert settle(world(seen_by_s=None)) == ("open", [])


def test_a_later_view_counts_only_if_it_is_as_fresh_as_the_use_was_seen() -> None:
    reader = world(seen_by_s=T + 700)
    reader.view(11, 6, T + 699)
    assert settle(reader) == ("open", [])
    reader.view(13, 6, T + 700)
    assert settle(reader) == ("confirmed-late", [])


@pytest.mark.parametrize(
    ("ended_s", "expected"),
    [(T + 701, "confirmed-late"), (T + 700, "unauthorised"), (T + 1, "unauthorised")],
)
def test_an_end_binds_from_when_it_was_seen(ended_s: int, expected: str) -> None:
    reader = world(seen_by_s=T + 700)
    reader.row(5, live=False, seen_by_s=ended_s)
    reader.view(13, 6, T + 800)
    status, findings = settle(reader)
    assert status == expected
    named = [row for row in findings if row.severity != WITHDRAWN]
    if expected == "unauthorised":
        assert [(row.index, row.code) for row in named] == [(10, "unauthorised-use")]
        assert named[0].evidence == ((USING, 10), (USING, 8), (USING, 13), (GRANTOR, 5))
    else:
        assert named == []


def test_an_end_beyond_the_later_view_does_not_count() -> None:
    reader = world(seen_by_s=T + 700)
    reader.row(6, live=False, seen_by_s=T + 1)
    reader.view(13, 6, T + 800)
    assert settle(reader) == ("confirmed-late", [])


def test_a_fact_live_again_in_the_later_view_confirms() -> None:
    reader = world(seen_by_s=T + 700)
    reader.row(5, live=False, seen_by_s=T + 10)
    reader.row(6, live=True, seen_by_s=T + 20)
    reader.view(13, 7, T + 800)
    status, _ = settle(reader)
    assert status == "confirmed-late"


def test_an_undated_end_keeps_the_use_open_and_names_the_grantor_until_it_is_dated() -> None:
    reader = world(seen_by_s=T + 700)
    reader.row(5, live=False, seen_by_s=None)
    reader.view(13, 6, T + 800)
    settlement = Settlement(USING)
    findings = reader.apply(settlement.start(reader))  # type: ignore[arg-type]
    assert reader.uses[0].status == "open"
    assert [(row.origin, row.index, row.code) for row in findings] == [(GRANTOR, 5, "end-not-seen")]
    reader.seen[GRANTOR, 5] = (T + 650, 9)
    effects = Effects(evidence=[PutEvidence(GRANTOR, 0, 9, T + 650, 9)])
    findings = reader.apply(settlement.step([(GRANTOR, effects)], reader))  # type: ignore[arg-type]
    assert reader.uses[0].status == "unauthorised"
    assert [(row.code, row.severity == WITHDRAWN) for row in findings] == [
        ("end-not-seen", True),
        ("unauthorised-use", False),
    ]


def test_what_relies_on_a_log_that_is_judged_again_stands_as_it_did_until_that_is_done() -> None:
    """Its end is not written again yet: the use would be confirmed for good."""
    reader = world(seen_by_s=T + 700)
    reader.view(13, 6, T + 800)
    owed = {GRANTOR}
    settlement = Settlement(USING, {}, owed.__contains__)
    assert settlement.start(reader) == ()  # type: ignore[arg-type]
    step = Effects(evidence=[PutEvidence(GRANTOR, 0, 4, T, 4)])
    assert settlement.step([(GRANTOR, step)], reader) == ()  # type: ignore[arg-type]
    assert reader.uses[0].status == "open"
    reader.row(5, live=False, seen_by_s=T + 650)
    owed.clear()
    reader.apply(settlement.start(reader))  # type: ignore[arg-type]
    assert reader.uses[0].status == "unauthorised"


def test_a_use_that_nothing_settles_is_unproven_after_a_day_and_a_view_still_settles_it() -> None:
    reader = world(seen_by_s=T + 700)
    settlement = Settlement(USING)
    reader.apply(settlement.start(reader))  # type: ignore[arg-type]
    day = 24 * 3600
    for seen_s, expected in ((T + 700 + day, "open"), (T + 701 + day, "unproven")):
        effects = Effects(evidence=[PutEvidence(USING, 20, 30, seen_s, 31)])
        findings = reader.apply(settlement.step([(USING, effects)], reader))  # type: ignore[arg-type]
        assert reader.uses[0].status == expected
        assert [row.code for row in findings] == ["unproven-use"] * (expected == "unproven")
    reader.view(40, 6, T + 2 * day)
    view = Effects(views=[_view(40)])
    findings = reader.apply(settlement.step([(USING, view)], reader))  # type: ignore[arg-type]
    assert reader.uses[0].status == "confirmed-late"
    assert [(row.code, row.severity) for row in findings] == [("unproven-use", WITHDRAWN)]


def test_a_view_is_looked_into_only_where_a_use_is_dated_and_waits_for_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = world(seen_by_s=None)
    settlement = Settlement(USING)
    settlement.start(reader)  # type: ignore[arg-type]
    view = Effects(views=[_view(40)])
    monkeypatch.setattr(reader, "unsettled", None)  # fails where it is asked
    assert settlement.step([(USING, view)], reader) == ()  # type: ignore[arg-type]
    monkeypatch.undo()
    # What dates it in this step is known without being read.
    dated = Effects(evidence=[PutEvidence(USING, 0, 20, T + 700, 20)])
    assert settlement.step([(USING, dated)], reader) == ()  # type: ignore[arg-type]
    reader.seen[USING, 10] = (T + 700, 20)
    reader.view(40, 6, T + 800)
    reader.apply(settlement.step([(USING, view)], reader))  # type: ignore[arg-type]
    assert reader.uses[0].status == "confirmed-late"


def _view(index: int) -> Any:
    from ledger.kind import ViewFact  # noqa: PLC0415 - only here

    return ViewFact(index, bytes(32), GRANTOR, 6, bytes(32), T)
