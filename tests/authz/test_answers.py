"""Each of the eighty questions, asked of a ledger that has something to answer.

What is asked is the function behind the command that ``docs/mechanisms.md`` names; what it answers
is compared with what was recorded.
"""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import pytest

from authz.calendar import day_named, day_of, day_text, end_of_day
from authz.gaps import GAPS
from authz.listing import Wanted, stands
from authz.milestone import Recorded, counted, reached
from authz.questions import QUESTIONS
from authz.ties import fields_followed, ties_of
from ledger.bundle_file import ProvenEntry
from ledger.errors import UnverifiedError
from nodes.cli.main import parser
from nodes.core.kinds import KINDS
from tests.authz.asked_town import BACK, FRESH, OUTLET, OWN, asked_town
from tests.authz.test_case_bundle import BUNDLE, SICHUAN_LOG, judged
from tests.authz.test_decision import ask as check
from tests.authz.test_gaps import Looking
from tests.authz.test_listing import acts_on
from tests.authz.world import (
    CASE,
    CLERK,
    CLERK_2,
    DECIDER,
    GRANT,
    HRSS,
    ITEM,
    SICHUAN,
    TIBET,
    WINDOW,
    WINDOW_2,
    World,
)
from tests.strategies import flip

Told = Mapping[str, str]
"""What an answer says of each thing: how it stands, what it lacks, what was done."""
PARSER = parser()
FOLLOWED = fields_followed(KINDS)


@cache
def town() -> World:
    return asked_town().world


def records(world: World, given: list[str]) -> Told:
    asked = PARSER.parse_args(["records", *given])
    at_s = end_of_day(day_named(asked.at)) - 1 if asked.at else world.now_s
    wanted = Wanted(state=asked.state, about=asked.about, overdue=asked.overdue)
    prefix = f"{asked.region}/{asked.type}/"
    names = sorted({name for _, name in world.facts if name.startswith(prefix)})
    found = [it for name in names if (it := stands(name, acts_on(world, name), at_s)) is not None]
    return {
        it.name: str(it.row.get("st", it.row.get("live", True)))
        for it in found
        if wanted.has(it, at_s)
    }


def gaps(world: World, given: list[str]) -> Told:
    asked = PARSER.parse_args(["gaps", *given])
    gap, looking = GAPS[asked.what], Looking(world, asked.days or 0)
    rows = looking.all_of(asked.region, gap.type).items()
    return {name: lack.code for name, row in rows for lack in gap.find(looking, name, row)}


def checked(world: World, given: list[str]) -> Told:
    asked = PARSER.parse_args(["check", *given])
    more = {"scenario": asked.scenario} if asked.scenario else {}
    answer = check(world, asked.right, window=asked.window, item=asked.item, **more)
    return {asked.window: answer.code, "grant": answer.grant or answer.nearest or ""}


def traced(world: World, given: list[str]) -> Told:
    """A case's timeline by its own bundle; of others, each act that follows from them."""
    [name] = given
    if "/case/" in name:
        told = judged(BUNDLE)
        return {line.kind: line.holder or "" for line in told.lines} | {"stage": told.stage or ""}
    found: dict[str, str] = {}
    for log in world.logs.values():
        for made in log.statements:
            seat = world.newest(made.issuer[:6], made.issuer)
            unit = None if seat is None else seat.state.get("unit")
            fields = FOLLOWED.get((made.act.kind, made.act.version), ())
            if name in ties_of(made, fields, unit, signed=True):
                found[made.act.kind] = made.issuer
    return found


def verified(_world: World, given: list[str]) -> Told:
    """What a bundle comes to offline: the case's own, and one with a byte of an act altered."""
    file = PARSER.parse_args(["verify", *given]).file
    bundle = BUNDLE
    if str(file) == "altered":
        log = BUNDLE.logs[SICHUAN_LOG]
        *rest, last = log.entries
        bad = ProvenEntry(last.index, flip(last.entry, len(last.entry) * 8 - 9), last.proof)
        altered = replace(log, entries=(*rest, bad))
        bundle = replace(BUNDLE, logs={**BUNDLE.logs, SICHUAN_LOG: altered})
    try:
        return {"findings": str(len(judged(bundle).findings))}
    except UnverifiedError:
        return {"findings": "unverified"}


def milestones(world: World, given: list[str]) -> Told:
    [region] = given
    found, logs = {}, {log.origin: log for log in world.logs.values()}
    for (_, name), rows in world.facts.items():
        if not name.startswith(f"{region}/milestone/"):
            continue
        row = rows[-1].state
        of = [
            Recorded(it.object, (it.origin, it.index), it.state)
            for (_, other), facts in world.facts.items()
            if other.startswith(f"{region}/claim/")
            for it in facts
        ]
        times = [
            (logs[origin].statements[at].time_s, (origin, at))
            for places in counted(row["counts"], of).values()
            for origin, at in places
        ]
        found[name] = reached(row["target"], row["due"], world.now_s, times).standing.value
    return found


ASKED: Mapping[str, Callable[[World, list[str]], Told]] = {
    "records": records,
    "gaps": gaps,
    "check": checked,
    "trace": traced,
    "milestones": milestones,
    "verify": verified,
}
S, T = SICHUAN, TIBET
ANSWERS: tuple[tuple[int, str, Told], ...] = (
    (
        1,
        f"check --window {WINDOW} --right intake --item {ITEM}",
        {WINDOW: "granted", "grant": GRANT},
    ),
    (1, f"check --window {WINDOW_2} --right intake --item {ITEM}", {WINDOW_2: "no-grant"}),
    (2, f"records grant {T} --about {T}/template/1", {f"{T}/grant/full": "offered"}),
    (
        3,
        f"trace {GRANT}",
        {"grant.offer": "540000/officer/hrss-01", "grant.accept": "510000/officer/hall-01"},
    ),
    (4, f"gaps pairs {T}", {f"{T}/grant/full": "no-return"}),
    (5, "verify whole --roster GENESIS", {"findings": "0"}),
    (5, "verify altered --roster GENESIS", {"findings": "unverified"}),
    (6, f"records token {S} --about {WINDOW}", {f"{S}/token/1": "True"}),
    (6, f"gaps accounts {S}", {}),
    (7, f"records challenge {T} --about {WINDOW}", {f"{T}/challenge/1": "overturned"}),
    (7, f"records challenge {T} --state upheld", {}),
    (8, f"records representative {T} --at DAY", {f"{T}/representative/1": "current"}),
    (9, f"records exception {S}", {f"{S}/exception/1": "approved"}),
    (10, f"trace {CASE}", {"case.open": WINDOW, "stage": "closed"}),
    (11, f"gaps contacts {S} --days 90", {WINDOW_2: "no-contact", OUTLET: "no-contact"}),
    (12, f"records responsible {S} --about {CLERK}", {f"{S}/responsible/1": "current"}),
    (13, f"gaps equipment {S}", {WINDOW_2: "not-attested", OUTLET: "not-attested"}),
    (14, f"trace {CASE}", {"case.decide": HRSS}),
    (15, f"trace {CASE}", {"handoff.offer": HRSS, "handoff.release": WINDOW}),
    (16, f"records assistance {S} --about {FRESH}", {f"{S}/assistance/1": "filed"}),
    (17, f"trace {CASE}", {"case.open": WINDOW, "case.decide": HRSS}),
    (18, f"records part {S} --overdue", {f"{S}/part/1": "asked"}),
    (19, f"records device-session {S} --about {S}/device/1", {f"{S}/device-session/1": "recorded"}),
    (20, f"records device-session {S} --about {S}/device/1", {f"{S}/device-session/1": "recorded"}),
    (21, f"records identity-check {S} --about {FRESH}", {f"{S}/identity-check/1": "recorded"}),
    (22, f"trace {CASE}", {"case.verify": WINDOW}),
    (23, f"trace {CASE}", {"case.decide": HRSS}),
    (24, f"trace {CASE}", {"case.notice": WINDOW, "case.supplement": WINDOW}),
    (25, f"records first-contact {S} --about {FRESH}", {f"{S}/first-contact/1": "recorded"}),
    (26, f"records tolerance {S} --overdue", {f"{S}/tolerance/1": "open"}),
    (27, f"trace {CASE}", {"stage": "closed"}),
    (28, f"records procedure {T} --about {OWN}", {f"{T}/procedure/1": "running"}),
    (29, f"records commitment {T} --state breached", {f"{T}/commitment/1": "breached"}),
    (30, f"records video-session {S} --about {FRESH}", {f"{S}/video-session/1": "running"}),
    (31, f"records parcel {S} --state lost", {f"{S}/parcel/1": "lost"}),
    (32, f"records charge {S} --about {BACK}", {f"{S}/charge/1": "recorded"}),
    (33, f"gaps blanks {S}", {f"{S}/blank-stock/1": "blanks-missing"}),
    (34, f"trace {CASE}", {"case.deliver": WINDOW}),
    (35, f"records agent-engagement {S} --about {FRESH}", {f"{S}/agent-engagement/1": "engaged"}),
    (36, f"records consultation {S} --about {ITEM}", {f"{S}/consultation/1": "recorded"}),
    (37, f"records grievance {S} --about queue", {f"{S}/grievance/1": "filed"}),
    (38, f"records bundle {S} --about {FRESH}", {f"{S}/bundle/1": "open"}),
    (39, f"gaps outlets {S}", {OUTLET: "no-supervising-department"}),
    (40, f"trace {GRANT}", {"grant.offer": "540000/officer/hrss-01"}),
    (41, f"records item {T} --at DAY", {ITEM: "True"}),
    (42, f"trace {CASE}", {"case.notice": WINDOW}),
    (43, f"records channel {S} --about {FRESH}", {f"{S}/channel/1": "recorded"}),
    (44, f"records scenario {T} --about {ITEM}", {f"{T}/scenario/1": "current"}),
    (45, f"records proposal {S} --overdue", {f"{S}/proposal/1": "submitted"}),
    (46, f"records claim {T}", {f"{T}/claim/1": "claimed"}),
    (47, f"gaps listing {T}", {}),
    (48, f"milestones {T}", {f"{T}/milestone/1": "met"}),
    (49, f"records grant {T} --about {T}/process/1", {f"{T}/grant/full": "offered"}),
    (50, f"records grant {T} --about {S}/agreement/1", {f"{T}/grant/full": "offered"}),
    (51, f"records meeting-issue {T} --overdue", {f"{T}/meeting-issue/1": "open"}),
    (52, f"trace {T}/seal/1", {"seal.issue": T, "seal.use": DECIDER}),
    (
        53,
        f"records seal-use {T} --about {T}/seal/1",
        {f"{T}/seal-use/1": "used", f"{T}/seal-use/2": "asked"},
    ),
    (54, f"records certificate {T} --overdue", {f"{T}/certificate/1": "issued"}),
    (
        55,
        f"records certificate-consent {S} --about {FRESH}",
        {f"{S}/certificate-consent/1": "spent"},
    ),
    (56, f"records data-share {S} --about {FRESH}", {f"{S}/data-share/1": "recorded"}),
    (57, f"records login {S} --about {FRESH}", {f"{S}/login/1": "recorded"}),
    (58, f"records payment {S} --about {FRESH}", {f"{S}/payment/1": "paid"}),
    (59, f"records recognition {S} --at DAY", {f"{S}/recognition/1": "signed"}),
    (
        60,
        f"trace {S}/incident/1",
        {"incident.report": "510000/officer/hall-01", "incident.find": "510000/officer/hall-01"},
    ),
    (61, f"records task {T} --state reported", {f"{T}/task/1": "reported"}),
    (62, f"records supervision {T} --overdue", {f"{T}/supervision/1": "noticed"}),
    (63, f"records assessment {T}", {f"{T}/assessment/1": "published"}),
    (64, f"records evaluation {S} --overdue", {f"{S}/evaluation/1": "bad"}),
    (65, f"records grievance {S} --about hotline", {f"{S}/grievance/1": "filed"}),
    (66, f"records push {T} --overdue", {f"{T}/push/1": "sent"}),
    (67, f"gaps oversight {T}", {ITEM: "no-supervisor"}),
    (68, f"records credit-event {T} --overdue", {f"{T}/credit-event/1": "pushed"}),
    (69, f"records officer {S} --about medical", {CLERK: "True"}),
    (70, f"records officer {S} --about {S}/hall/centre", {CLERK_2: "False"}),
    (71, f"records officer {S} --about {WINDOW}", {CLERK: "True"}),
    (72, f"records hours {S} --at DAY", {f"{S}/hours/1": "current"}),
    (73, f"records counts {S} --state different", {f"{S}/counts/1": "different"}),
    (74, f"records data-request {S} --about hukou", {f"{S}/data-request/1": "requested"}),
    (75, f"records intermediary-list {S} --at DAY", {f"{S}/intermediary-list/1": "current"}),
    (76, f"records exception {S} --state approved", {f"{S}/exception/1": "approved"}),
    (77, f"records basis {T} --at DAY", {f"{T}/basis/1": "True"}),
    (78, f"records task {T} --overdue", {f"{T}/task/2": "assigned"}),
    (79, f"records publication {S}", {f"{S}/publication/1": "recorded"}),
    (80, f"records public-service {S} --about {OUTLET}", {f"{S}/public-service/1": "proposed"}),
)
"""The number of a mechanism, a question that its row asks, and the answer."""
_OTHERS_TOO = frozenset({70})
"""Where others are told of as well, that nothing is said of here."""


def test_each_of_the_eighty_is_asked() -> None:
    assert sorted({number for number, *_ in ANSWERS}) == list(QUESTIONS)


@pytest.mark.parametrize(("number", "asked", "answer"), ANSWERS, ids=lambda it: str(it)[:60])
def test_what_was_recorded_is_answered(number: int, asked: str, answer: Told) -> None:
    world = town()
    what, *given = shlex.split(asked.replace("DAY", day_text(day_of(world.now_s))))
    words = 2 if what in {"records", "gaps"} else 1
    # It is a question that the page of mechanisms has: the same command, of the same thing.
    assert [what, *given][:words] in [it.split(" ")[:words] for it in QUESTIONS[number].asks]
    found = ASKED[what](world, given)
    if words == 2 and number not in _OTHERS_TOO:
        assert found == answer
    assert found.items() >= answer.items()
