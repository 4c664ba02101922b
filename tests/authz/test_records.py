"""Records in the three regions: the generic rule that all of them share."""

from ledger.kind import Flag
from tests.authz.bodies import (
    DUE_S,
    EVIDENCE,
    HASH,
    NOTICE,
    NOTICE_BODY,
    PRINT,
    PRINT_BODY,
    RATE,
    RATING,
    REPLY,
    SETTLE,
    TOLERANCE,
    TOLERANCE_BODY,
    WHY,
    without,
)
from tests.authz.refusals import refused
from tests.authz.test_case_bundle import bundle_of, judged
from tests.authz.world import (
    CASE,
    CHIEF,
    CHONGQING,
    CLERK,
    CLERK_2,
    CLERK_CQ,
    GRANT,
    HEAD,
    HEAD_SC,
    HRSS,
    ITEM,
    LENT,
    OPENED,
    OUTSIDER,
    SICHUAN,
    TIBET,
    WINDOW,
    World,
)

# ---- the generic rule ----------------------------------------------------------------------


def test_a_record_goes_to_and_fro_between_two_logs() -> None:
    world = OPENED.copy()
    world.do("supervision.notice", HEAD, NOTICE, NOTICE_BODY)
    world.do("supervision.reply", CLERK, NOTICE, REPLY)
    assert "st" in world.state(SICHUAN, NOTICE)
    assert world.state(SICHUAN, NOTICE)["st"] == "replied"
    assert world.state(TIBET, NOTICE)["st"] == "noticed"
    world.do("supervision.return", HEAD, NOTICE, {**WHY, "due": DUE_S + 5})
    with refused("wrong-state"):
        world.do("supervision.close", HEAD, NOTICE, EVIDENCE)
    world.do("supervision.reply", CLERK, NOTICE, REPLY)
    world.do("supervision.close", HEAD, NOTICE, EVIDENCE)
    row = world.state(TIBET, NOTICE)
    assert row == {
        "live": False,
        "st": "closed",
        "n": 5,
        "by": HRSS,
        "to": WINDOW,
        "due": DUE_S + 5,
    }
    for kind, who, body in (
        ("supervision.reply", CLERK, REPLY),
        ("supervision.close", HEAD, EVIDENCE),
    ):
        with refused("wrong-state"):
            world.do(kind, who, NOTICE, body)


def test_a_step_rests_on_the_newest_row_of_the_other_side_and_cites_it() -> None:
    world = OPENED.copy()
    world.do("supervision.notice", HEAD, NOTICE, NOTICE_BODY)
    world.do("supervision.reply", CLERK, NOTICE, REPLY)
    made = world.logs[SICHUAN].statements[-1]
    assert [it.role for it in made.act.citations] == ["view", "there"]
    with refused("void-citation"):
        world.do(
            "supervision.close",
            HEAD,
            NOTICE,
            EVIDENCE,
            change=lambda act: type(act)(act.kind, act.version, act.previous, (), act.body),
        )


def test_only_the_addressee_answers_and_only_the_opener_goes_on() -> None:
    world = OPENED.copy()
    world.do("supervision.notice", HEAD, NOTICE, NOTICE_BODY)
    for other in (CLERK_2, CLERK_CQ, OUTSIDER):
        with refused("not-addressee"):
            world.do("supervision.reply", other, NOTICE, REPLY)
    world.do("supervision.reply", CLERK, NOTICE, REPLY)
    with refused("not-entitled"):
        world.do("supervision.close", OUTSIDER, NOTICE, EVIDENCE)
    with refused("not-entitled"):
        world.do("supervision.close", CHIEF, NOTICE, EVIDENCE)


def test_a_region_speaks_for_its_own_side_and_for_no_other() -> None:
    world = OPENED.copy()
    world.do("supervision.notice", TIBET, NOTICE, NOTICE_BODY)
    assert world.state(TIBET, NOTICE)["by"] == TIBET
    with refused("not-addressee"):
        world.do("supervision.reply", CHONGQING, NOTICE, REPLY)
    world.do("supervision.reply", SICHUAN, NOTICE, REPLY)
    with refused("not-entitled"):
        world.do("supervision.close", SICHUAN, NOTICE, EVIDENCE)
    world.do("supervision.close", HEAD, NOTICE, EVIDENCE)


def test_either_side_may_where_the_table_says_so_and_nobody_else() -> None:
    world = OPENED.copy()
    name = "540000/credit-event/1"
    body = {"class": "breach", "digest": HASH, "to": SICHUAN, "due": DUE_S}
    world.do("credit.push", HEAD, name, body)
    world.do("credit.receipt", CHIEF, name, {"digest": HASH})
    with refused("not-entitled"):
        world.do("credit.repair", CLERK_CQ, name, {**WHY, **EVIDENCE})
    world.do("credit.repair", CHIEF, name, {**WHY, **EVIDENCE})
    assert world.state(SICHUAN, name)["st"] == "repaired"


def test_roles_units_and_the_region_alone() -> None:
    world = OPENED.copy()
    with refused("not-entitled"):
        world.do("supervision.notice", CLERK, "510000/supervision/1", NOTICE_BODY)
    hours = {
        "version": 1,
        "windows": [WINDOW],
        "days": ["mon"],
        "opens": "09:00",
        "closes": "17:00",
    }
    with refused("not-entitled"):
        world.do("hours.publish", HEAD_SC, "510000/hours/centre", hours)
    world.do("hours.publish", CHIEF, "510000/hours/centre", hours)
    claim = {"code": "000500000001", "list": "省内通办清单"}
    with refused("not-entitled"):
        world.do("claim.make", CHIEF, "510000/claim/1", claim)
    world.do("claim.make", HEAD_SC, "510000/claim/1", claim)
    login = {"case": CASE, "level": "high", "provider": "nat", "assertion": HASH}
    with refused("not-entitled"):
        world.do("login.record", CHIEF, "510000/login/1", login)
    world.do("login.record", SICHUAN, "510000/login/1", login)


def test_a_record_is_numbered_by_the_region_that_opens_it_and_once() -> None:
    world = OPENED.copy()
    with refused("not-competent"):
        world.do("supervision.notice", HEAD, "510000/supervision/1", NOTICE_BODY)
    with refused("unknown-object"):
        world.do("supervision.close", HEAD, NOTICE, EVIDENCE)
    world.do("supervision.notice", HEAD, NOTICE, NOTICE_BODY)
    with refused("exists"):
        world.do("supervision.notice", HEAD, NOTICE, NOTICE_BODY)


def test_nothing_is_addressed_to_a_region_that_is_no_member() -> None:
    world = OPENED.copy()
    with refused("unknown-object"):
        world.do("supervision.notice", HEAD, NOTICE, NOTICE_BODY | {"to": "990000"})


def test_what_comes_late_counts_and_is_marked() -> None:
    for wait_s, flags in ((0, ()), (7, ("late",))):
        world = OPENED.copy()
        world.do("supervision.notice", HEAD, NOTICE, NOTICE_BODY)
        world.now_s = DUE_S + wait_s
        judged = world.do("supervision.reply", CLERK, NOTICE, REPLY)
        assert tuple(flag.code for flag in judged.flags) == flags
    assert judged.flags == (Flag("late", "supervision.reply came 7 s after it was due"),)


def test_the_opener_is_late_only_where_the_time_is_its_own() -> None:
    world = OPENED.copy()
    name = "540000/milestone/windows"
    world.do(
        "milestone.set",
        HEAD,
        name,
        {"matter": "设窗", "target": 148, "due": DUE_S, "document": "藏政办发〔2021〕21号"},
    )
    world.now_s = DUE_S + 1
    report = {"count": 147, **EVIDENCE}
    assert world.do("milestone.report", HEAD, name, report).flags == ()
    with refused("target-not-met"):
        world.do("milestone.reach", HEAD, name, report)
    done = world.do("milestone.reach", HEAD, name, {"count": 148, **EVIDENCE})
    assert [flag.code for flag in done.flags] == ["late"]


def test_versions_follow_one_another() -> None:
    world = OPENED.copy()
    name = "510000/process/agency"
    body = {"title": "代收代办规程", "digest": HASH}
    for version, code in ((2, "wrong-state"), (0, "wrong-state")):
        with refused(code):
            world.do("process.publish", CHIEF, name, {"version": version, **body})
    world.do("process.publish", CHIEF, name, {"version": 1, **body})
    with refused("wrong-state"):
        world.do("process.publish", CHIEF, name, {"version": 1, **body})
    world.do("process.publish", CHIEF, name, {"version": 2, **body})
    world.do("process.withdraw", CHIEF, name, WHY)
    with refused("exists"):  # what was withdrawn comes again under a number of its own
        world.do("process.publish", CHIEF, name, {"version": 4, **body})


def test_what_a_record_rests_on_is_there_and_has_not_ended() -> None:
    world = OPENED.copy()
    method, bulletin = "510000/assessment-method/m", "510000/bulletin/2026-11"
    body = {"period": "2026-11", "digest": HASH, "method": method, "method_version": 1}
    with refused("unknown-object"):
        world.do("bulletin.publish", CHIEF, bulletin, body)
    world.do("method.publish", CHIEF, method, {"version": 1, "title": "月报", "digest": HASH})
    ended = world.copy()
    world.do("bulletin.publish", CHIEF, bulletin, body)
    assert world.logs[SICHUAN].statements[-1].act.citations[-1].role == "method"
    ended.do("method.withdraw", CHIEF, method, WHY)
    with refused("ground-not-live"):
        ended.do("bulletin.publish", CHIEF, bulletin, body)


def test_a_record_about_a_case_is_its_holder_s_and_the_case_s_trace_finds_it() -> None:
    world = OPENED.copy()
    body = {"case": CASE, "checklist": HASH, "result": "complete", "grant": GRANT}
    with refused("unknown-object"):
        world.do("review.form", CLERK, "510000/form-review/1", body | {"case": "510000/case/none"})
    with refused("not-holder"):
        world.do("review.form", CLERK_2, "510000/form-review/1", body)
    judged = world.do("review.form", CLERK, "510000/form-review/1", body)
    assert judged.mentions == (CASE,)
    world.hand_over(CLERK, HRSS, HEAD)
    with refused("not-holder"):
        world.do("review.form", CLERK, "510000/form-review/2", body)
    with refused("not-holder"):  # the case has arrived, but nobody there has acted on it yet
        world.do("review.form", HEAD, "540000/form-review/1", body)
    world.do("case.note", HEAD, CASE, {"remark": "已收到"})
    with refused("window-not-granted"):  # a grant that is named is one that it could rest on
        world.do("review.form", HEAD, "540000/form-review/1", body)
    world.do("review.form", HEAD, "540000/form-review/1", without(body, "grant"))


def test_what_may_happen_once_for_a_case_happens_once() -> None:
    world = OPENED.copy()
    body = {"case": CASE, "channel": "counter", "consent": HASH}
    world.do("channel.choose", CLERK, "510000/channel/1", body)
    with refused("exists"):
        world.do("channel.choose", CLERK, "510000/channel/2", body | {"channel": "online"})


def test_an_item_s_lists_are_its_department_s() -> None:
    world = LENT.copy()
    name = "540000/procedure-list/000500000001"
    body = {"version": 1, "item": ITEM, "procedures": ["hearing"], "basis": "听证"}
    with refused("not-competent"):
        world.do("procedures.publish", OUTSIDER, name, body)
    with refused("unknown-object"):
        world.do(
            "procedures.publish",
            HEAD_SC,
            "510000/procedure-list/000500000001",
            body,
        )
    with refused("bad-field"):
        world.do("procedures.publish", HEAD, "540000/procedure-list/other", body)
    world.do("procedures.publish", HEAD, name, body)


# ---- offline -------------------------------------------------------------------------------


def test_the_evidence_of_a_case_holds_the_records_about_it_and_stands_offline() -> None:
    world = World(real_views=True).enrol().lend()
    world.do(
        "exclusion.publish",
        HEAD,
        "540000/exclusion/000500000001",
        {"item": ITEM, "class": "ecology"},
    )
    world.do("exclusion.end", HEAD, "540000/exclusion/000500000001", WHY)
    assistance = "510000/assistance/1"
    world.do("assist.consent", CLERK, assistance, {"consent": HASH, "scope": ["a"], "item": ITEM})
    world.open()
    world.do("assist.file", CLERK, assistance, {"case": CASE, "signature": HASH})
    world.do("tolerance.accept", CLERK, TOLERANCE, TOLERANCE_BODY)
    world.do("tolerance.settle", CLERK, TOLERANCE, SETTLE)
    world.do("supervision.notice", HEAD, NOTICE, NOTICE_BODY | {"case": CASE})
    world.do("supervision.reply", CLERK, NOTICE, REPLY)
    world.do("supervision.close", HEAD, NOTICE, EVIDENCE)
    world.back()
    world.do("print.record", CLERK, PRINT, PRINT_BODY)
    world.do("evaluation.rate", SICHUAN, RATING, RATE)
    trace = judged(bundle_of(world))
    assert trace.findings == ()
    kinds = {line.kind for line in trace.lines}
    assert kinds >= {
        "assist.file",
        "tolerance.accept",
        "tolerance.settle",
        "supervision.notice",
        "supervision.reply",
        "supervision.close",
        "print.record",
        "evaluation.rate",
    }
