"""The clocks of a case: what begins, stops and answers each, and who was late."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.deadline import (
    Counted,
    Ended,
    Pause,
    Span,
    Standing,
    note_pause,
    version_days,
)
from authz.obligation import Obligation
from authz.trace import TraceEntry, trace
from ledger.errors import LedgerError
from tests.authz.days import (
    ALONE,
    BEGUN,
    HOUR_S,
    Days,
    at,
    clock,
    named,
    standings,
)
from tests.authz.test_case import DELIVER, NOTICE, SUPPLEMENT, VERIFY
from tests.authz.test_walks import CASE_STEPS
from tests.authz.world import (
    CASE,
    CLERK,
    CLERK_2,
    DECIDE_BODY,
    DECIDER,
    GRANT,
    HEAD,
    HRSS,
    ITEM,
    ITEM_BODY,
    KINDS,
    OPEN_BODY,
    SICHUAN,
    WINDOW,
    WINDOW_2,
)


def test_intake_begins_the_promise_the_notice_and_the_push() -> None:
    told = Days().open().told("2026-10-27T12:00")
    assert standings(told) == dict.fromkeys(("notice", "promise", "push"), "running")
    push, promise = clock(told, Obligation.PUSH), clock(told, Obligation.PROMISE)
    assert (push.unit, push.due_s) == (WINDOW, at("2026-10-29T00:00"))
    assert (promise.unit, promise.days, promise.due_s) == (HRSS, 5, at("2026-11-04T00:00"))
    assert (push.proven, push.provisional) == (True, False)


def promising(accept_days: int) -> Days:
    """The item promises to be accepted, or answered, within some days."""
    begun = Days()
    body = ITEM_BODY | {"version": 2, "accept_days": accept_days}
    begun.world.do("item.publish", HEAD, ITEM, body)
    return begun.do("case.open", CLERK, OPEN_BODY | {"item_version": 2})


def test_an_application_is_accepted_or_answered_in_the_days_that_its_item_promises() -> None:
    begun = promising(2)
    accept = clock(begun.told("2026-10-27T12:00"), Obligation.ACCEPT)
    assert (accept.unit, accept.days, accept.due_s) == (WINDOW, 2, at("2026-10-30T00:00"))
    assert standings(begun.told("2026-10-30T00:00"))["accept"] == "overdue"
    begun.to("2026-10-28T10:00")
    review = {"case": CASE, "checklist": bytes(32), "grant": GRANT}
    for number, result in enumerate(("incomplete", "complete")):
        assert standings(begun.told("2026-10-28T12:00"))["accept"] == "running"
        name = f"510000/form-review/{number}"
        begun.world.do("review.form", CLERK, name, review | {"result": result})
    assert standings(begun.told("2026-10-28T12:00"))["accept"] == "met"


@pytest.mark.parametrize(
    ("kind", "body"), [("case.notice", NOTICE), ("handoff.offer", {"unit": HRSS})]
)
def test_a_notice_or_a_step_onwards_answers_an_application_too(
    kind: str, body: dict[str, Any]
) -> None:
    begun = promising(1).to("2026-10-28T09:00").do(kind, CLERK, body)
    assert standings(begun.told("2026-10-28T12:00"))["accept"] == "met"


def test_a_case_that_goes_its_way_in_time_leaves_nobody_late() -> None:
    days = Days().open().to("2026-10-28T16:00").offer()
    days.to("2026-10-29T10:00").accept().to("2026-10-30T23:59")
    days.do("case.verify", HEAD, _own(VERIFY))
    days.to("2026-11-03T23:59").do("case.decide", DECIDER, DECIDE_BODY)
    days.to("2026-11-04T09:00").offer(DECIDER, WINDOW).to("2026-11-05T09:00")
    days.accept(CLERK, "540000").do("case.deliver", CLERK, DELIVER).do("case.close", CLERK)
    told = days.told("2027-01-01T00:00")
    assert standings(told) == {
        "push": "met",
        "notice": "moot",
        "promise": "met",
        "answer": "met",
        "recheck": "met",
        "post": "met",
        "delivery": "met",
    }
    assert not any(it.held or it.late for it in told.clocks)
    assert told.lines[-1].running == told.lines[-1].overrun == ()


def _own(body: dict[str, Any]) -> dict[str, Any]:
    """The body of an act that an authority does on its own competence."""
    return {name: value for name, value in body.items() if name not in {"grant", "window"}}


def test_who_held_the_case_while_a_promise_was_overdue_is_told_from_custody() -> None:
    days = Days().open().to("2026-11-05T10:00").offer()
    days.to("2026-11-09T10:00").accept().to("2026-11-10T10:00")
    days.do("case.decide", DECIDER, DECIDE_BODY)
    told = days.told("2026-11-11T00:00")
    promise = clock(told, Obligation.PROMISE)
    assert promise.standing(at("2026-11-11T00:00")) is Standing.LATE
    assert promise.overdue_since(at("2026-11-11T00:00")) == at("2026-11-04T00:00")
    assert promise.held == (
        Span(unit=WINDOW, from_s=at("2026-11-04T00:00"), until_s=at("2026-11-09T10:00")),
        Span(unit=HRSS, from_s=at("2026-11-09T10:00"), until_s=at("2026-11-10T10:00")),
    )
    push = clock(told, Obligation.PUSH)
    assert (push.unit, push.late, push.due_s) == (WINDOW, True, at("2026-10-29T00:00"))
    answer = clock(told, Obligation.ANSWER)
    assert (answer.unit, answer.late, answer.due_s) == (HRSS, True, at("2026-11-07T00:00"))
    offered = told.lines[1]
    assert (offered.kind, offered.overrun) == ("handoff.offer", ("promise",))
    assert offered.running == ("answer",)


def test_what_is_still_owed_is_overdue_from_the_first_second_past_its_last_day() -> None:
    days = Days().open()
    push = clock(days.told("2026-10-28T12:00"), Obligation.PUSH)
    assert push.standing(at("2026-10-29T00:00") - 1) is Standing.RUNNING
    assert push.standing(at("2026-10-29T00:00")) is Standing.OVERDUE
    assert push.overdue_since(at("2026-10-29T00:00") - 1) is None
    assert push.held == (Span(unit=WINDOW, from_s=at("2026-10-29T00:00"), until_s=None),)


def test_a_notice_in_time_sends_the_papers_back_and_the_supplement_begins_anew() -> None:
    days = Days().open().to("2026-11-03T23:59").do("case.notice", CLERK, NOTICE)
    days.to("2026-12-01T10:00")
    assert standings(days.told("2026-12-01T10:00"))["promise"] == "moot"
    days.world.now_s = at("2026-11-06T10:00")
    days.do("case.supplement", CLERK, SUPPLEMENT)
    told = days.told("2026-11-06T12:00")
    first, second = (clock(told, Obligation.PROMISE, it) for it in (0, 1))
    assert (first.ended, first.late) == (Ended.MOOT, False)
    assert (second.start_s, second.due_s) == (at("2026-11-06T10:00"), at("2026-11-14T00:00"))
    assert clock(told, Obligation.NOTICE).ended is Ended.MET
    assert clock(told, Obligation.PUSH, 1).due_s == at("2026-11-10T00:00")


def test_after_a_late_notice_the_case_counts_as_received_when_it_came_in() -> None:
    days = Days().open().to("2026-11-04T00:00").do("case.notice", CLERK, NOTICE)
    told = days.told("2026-11-05T00:00")
    notice = clock(told, Obligation.NOTICE)
    assert (notice.late, notice.unit) == (True, WINDOW)
    assert notice.held == ()  # late by an instant
    promise = clock(told, Obligation.PROMISE)
    assert (promise.ended, promise.standing(at("2026-11-05T00:00"))) == (None, Standing.OVERDUE)


def test_where_nothing_is_missing_the_time_for_a_notice_runs_out_and_nobody_is_late() -> None:
    notice = clock(Days().open().told("2026-11-20T00:00"), Obligation.NOTICE)
    assert notice.standing(at("2026-11-20T00:00")) is Standing.LAPSED
    assert (notice.held, notice.overdue_since(at("2026-11-20T00:00"))) == ((), None)


def test_an_offer_taken_back_leaves_the_window_to_hand_the_case_on() -> None:
    days = Days().open().offer().to("2026-10-28T10:00")
    days.do("handoff.cancel", CLERK, {"reason": "wrong place"})
    told = days.told("2026-10-28T12:00")
    assert clock(told, Obligation.ANSWER).ended is Ended.MOOT
    assert clock(told, Obligation.PUSH, 1).due_s == at("2026-10-30T00:00")


def test_papers_that_come_in_while_an_offer_is_open_begin_no_second_push() -> None:
    days = Days().open().do("case.notice", CLERK, NOTICE).offer()
    days.do("case.supplement", CLERK, SUPPLEMENT)
    assert named(days.told("2026-10-28T12:00").clocks).count("push") == 1


def test_a_withdrawn_case_owes_nothing() -> None:
    ground = {"reason": "moved", "grant": "540000/grant/2026-000001", "window": WINDOW}
    told = Days().open().do("case.withdraw", CLERK, ground).told("2026-12-31T00:00")
    assert set(standings(told).values()) == {"moot"}
    assert not any(it.held for it in told.clocks)


def test_what_was_late_already_stays_late_though_a_later_step_ends_it() -> None:
    days = Days().open().to("2026-10-30T10:00").offer().to("2026-11-03T10:00")
    days.do("handoff.cancel", CLERK, {"reason": "no answer"})
    told = days.told("2026-11-03T12:00")
    answer = clock(told, Obligation.ANSWER)
    assert (answer.ended, answer.late, answer.unit) == (Ended.MOOT, True, HRSS)
    assert answer.standing(at("2026-11-03T12:00")) is Standing.LATE
    assert answer.held == (
        Span(unit=WINDOW, from_s=at("2026-11-03T00:00"), until_s=at("2026-11-03T10:00")),
    )


def test_a_correction_is_not_the_look_that_a_department_owes() -> None:
    days = Days().open().offer().accept()
    index = next(
        at_ for at_, made in enumerate(days.world.logs["540000"].statements) if made.subject == CASE
    )
    days.world.do(
        "act.correct",
        "540000",
        CASE,
        {"index": index, "reason": "typing", "remark": "x"},
        corrects=index,
    )
    told = days.told("2026-11-20T00:00")
    assert clock(told, Obligation.RECHECK).standing(at("2026-11-20T00:00")) is Standing.OVERDUE
    assert clock(told, Obligation.RECHECK).unit == HRSS


def test_without_the_item_version_within_sight_no_promise_is_told() -> None:
    days = Days().open()
    timing = days.timing(0, None)
    told = trace(
        CASE,
        days.entries(),
        KINDS,
        replace(timing, days_of=version_days(())),
    )
    assert Obligation.PROMISE not in named(told.clocks)
    assert timing.days_of == ({(ITEM, 1): 5}, {})


def test_without_calendar_acts_every_due_date_is_provisional() -> None:
    told = Days().open().told("2026-10-27T12:00", ALONE)
    assert all(it.provisional for it in told.clocks)


def test_a_case_whose_times_nothing_shows_is_counted_by_what_was_declared_and_unproven() -> None:
    days = Days().open()
    entries = [
        TraceEntry(
            origin=it.origin,
            index=it.index,
            statement=it.statement,
            changed=it.changed,
            finality="accepted",
        )
        for it in days.entries()
    ]
    told = trace(CASE, entries, KINDS, days.timing(0, None))
    assert not any(it.proven for it in told.clocks)
    assert (told.lines[0].counted_s, told.lines[0].proven) == (at("2026-10-27T10:00"), False)


def test_clocks_read_as_plain_fields() -> None:
    told = Days().open().told("2026-11-20T00:00")
    fields = clock(told, Obligation.PUSH).fields(at("2026-11-20T00:00"))
    assert fields["standing"] == "overdue"
    assert fields["overdue_since_s"] == at("2026-10-29T00:00")
    assert fields["held"] == ({"unit": WINDOW, "from_s": at("2026-10-29T00:00"), "until_s": None},)
    assert fields["end"] is None
    assert fields["start"][0].endswith(SICHUAN)


def test_nobody_is_said_to_have_held_what_is_not_overdue_yet() -> None:
    push = clock(Days().open().told("2026-10-28T00:00"), Obligation.PUSH)
    assert push.held == (Span(unit=WINDOW, from_s=at("2026-10-29T00:00"), until_s=None),)
    before, since = (push.fields(at(day)) for day in ("2026-10-28T23:59", "2026-10-29T00:00"))
    assert (before["standing"], before["held"]) == ("running", ())
    assert (since["standing"], len(since["held"])) == ("overdue", 1)


def test_a_result_that_stays_where_it_was_decided_need_not_be_sent() -> None:
    days = Days()
    own = {"item": ITEM, "item_version": 1, "department": HRSS, "mode": "counter"}
    case = "540000/case/own"
    days.world.do("case.open", HEAD, case, own)
    days.world.do("case.decide", DECIDER, case, DECIDE_BODY)
    told = trace(case, days.entries(case), KINDS, days.timing(at("2026-10-28T00:00"), None))
    assert sorted(named(told.clocks)) == ["delivery", "notice", "promise"]


def test_a_result_taken_back_is_still_to_be_sent() -> None:
    days = Days().open().offer().accept().do("case.decide", DECIDER, DECIDE_BODY)
    days.offer(DECIDER, WINDOW).to("2026-10-30T10:00")
    days.do("handoff.cancel", DECIDER, {"reason": "wrong window"})
    told = days.told("2026-10-30T12:00")
    assert clock(told, Obligation.POST, 1).due_s == at("2026-11-03T00:00")
    assert Obligation.PUSH not in [it.obligation for it in told.clocks if it.ended is None]


def test_a_case_that_went_to_another_window_is_to_be_handed_on_from_there() -> None:
    days = Days().open().offer(CLERK, WINDOW_2).to("2026-10-29T10:00")
    days.accept(CLERK_2, SICHUAN)
    told = days.told("2026-10-29T12:00")
    push = clock(told, Obligation.PUSH, 1)
    assert (push.unit, push.due_s) == (WINDOW_2, at("2026-10-31T00:00"))
    assert Obligation.RECHECK not in named(told.clocks)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("case.verify", {"documents": ["proof"], "result": "match", "method": "original"}),
        ("case.note", {"remark": "seen"}),
        ("case.notice", {"missing": ["proof"]}),
        ("handoff.offer", {"unit": WINDOW}),
    ],
)
def test_whatever_the_department_does_with_a_case_shows_that_it_looked(
    kind: str, body: dict[str, Any]
) -> None:
    days = Days().open().offer().accept()
    assert clock(days.told("2026-10-27T12:00"), Obligation.RECHECK).ended is None
    told = days.do(kind, HEAD, body).told("2026-10-27T12:00")
    assert clock(told, Obligation.RECHECK).ended is Ended.MET


def test_a_decline_is_an_answer_too() -> None:
    days = Days().open().offer()
    days.do("handoff.decline", HEAD, {"holder": SICHUAN, "reason": "not ours"})
    assert clock(days.told("2026-10-27T12:00"), Obligation.ANSWER).ended is Ended.MET


def test_the_promise_stands_still_while_a_listed_procedure_lasts() -> None:
    days = Days().open().offer().accept()
    days.do("case.note", HEAD, {"remark": "arrived"})
    listed = {"version": 1, "item": ITEM, "procedures": ["hearing"], "basis": "听证"}
    days.world.do("procedures.publish", HEAD, "540000/procedure-list/000500000001", listed)
    start = {"case": CASE, "item": ITEM, "item_version": 1}
    start |= {"procedure": "hearing", "notice": bytes(32)}
    procedure = "540000/procedure/1"
    days.to("2026-10-28T10:00")
    days.world.do("procedure.start", HEAD, procedure, start)
    told = days.told("2026-12-01T10:00")
    assert clock(told, Obligation.PROMISE).standing(at("2026-12-01T10:00")) is Standing.PAUSED
    assert "promise" in told.lines[-1].running
    paused = {it.obligation for it in told.clocks if it.due_s is None}
    assert paused == {Obligation.PROMISE}
    days.to("2026-11-02T10:00")
    days.world.do("procedure.end", HEAD, procedure, {"result": bytes(32)})
    told = days.told("2026-11-05T10:00")
    # Wednesday to Friday do not count: Tuesday's 1st working day is the next Monday.
    assert clock(told, Obligation.PROMISE).due_s == at("2026-11-07T00:00")


def test_a_procedure_of_another_case_stops_nothing() -> None:
    pauses: dict[str, Pause] = {}
    row = {"p": {"case": CASE}}
    note_pause(pauses, "540000/case/other", "procedure.start", row, Counted(1, True))
    note_pause(pauses, CASE, "case.note", row, Counted(1, True))
    note_pause(pauses, CASE, "procedure.end", row, Counted(1, True))
    assert pauses == {}
    note_pause(pauses, CASE, "procedure.start", row, Counted(1, True))
    note_pause(pauses, CASE, "act.correct", row, Counted(2, True))
    assert pauses == {"p": Pause(1, None)}


def test_after_a_late_notice_the_supplement_begins_no_second_promise() -> None:
    days = Days().open().to("2026-11-05T10:00").do("case.notice", CLERK, NOTICE)
    told = days.do("case.supplement", CLERK, SUPPLEMENT).told("2026-11-05T12:00")
    [promise] = [it for it in told.clocks if it.obligation is Obligation.PROMISE]
    assert promise.start_s == at("2026-10-27T10:00")


def test_a_decided_case_that_comes_back_is_not_to_be_looked_at_again() -> None:
    days = Days().open().offer().accept().do("case.decide", DECIDER, DECIDE_BODY)
    days.offer(DECIDER, WINDOW).accept(CLERK, "540000").offer().accept()
    assert named(days.told("2026-10-28T12:00").clocks).count("recheck") == 1


def test_a_result_offered_from_where_the_case_was_opened_need_not_be_sent_either() -> None:
    days, case = Days(), "540000/case/own"
    own = {"item": ITEM, "item_version": 1, "department": HRSS, "mode": "counter"}
    days.world.do("case.open", HEAD, case, own)
    days.world.do("case.decide", DECIDER, case, DECIDE_BODY)
    days.world.do("handoff.offer", DECIDER, case, {"unit": WINDOW})
    days.world.do("handoff.cancel", DECIDER, case, {"reason": "not asked for"})
    told = trace(case, days.entries(case), KINDS, days.timing(at("2026-10-28T00:00"), None))
    assert Obligation.POST not in named(told.clocks)


# ---- random ways --------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(CASE_STEPS), st.integers(0, 60)), max_size=40), st.data())
def test_on_any_way_one_clock_of_a_kind_runs_and_what_is_late_has_its_holders(
    steps: list[tuple[tuple[str, str, dict[str, Any]], int]], data: st.DataObject
) -> None:
    days = BEGUN.copy()
    for (kind, issuer, body), hours in steps:
        days.world.now_s += hours * HOUR_S
        try:
            days.world.do(kind, issuer, CASE, body)
        except LedgerError:
            continue
    entries = days.entries()
    timing = days.timing(days.world.now_s, None)
    told = trace(CASE, entries, KINDS, timing)
    shuffled = data.draw(st.permutations(entries))
    assert trace(CASE, shuffled, KINDS, timing) == told
    for obligation in Obligation:
        of = [it for it in told.clocks if it.obligation is obligation]
        for one, after in pairwise(of):
            assert one.end_s is not None
            assert one.end_s <= after.start_s
    for it in told.clocks:
        standing = it.standing(timing.as_of_s)
        is_late = standing in {Standing.LATE, Standing.OVERDUE}
        assert is_late == (it.overdue_since(timing.as_of_s) is not None)
        for span in it.held:
            assert it.due_s is not None
            assert span.from_s >= it.due_s
            assert it.end_s is None or (span.until_s is not None and span.until_s <= it.end_s)
        if standing is Standing.OVERDUE:
            assert it.held[-1].until_s is None
            assert it.held[-1].unit == told.holder
    if told.stage == "closed":
        assert all(it.ended is not None for it in told.clocks)
    if told.stage in {"received", "supplemented"}:
        assert [it for it in told.clocks if it.ended is None and it.obligation == "promise"]
