from authz.calendar import calendar_of
from authz.deadline import Timing, version_days
from authz.follow import case_of, follow, stage_of
from authz.ties import TIES_MAX, fields_followed, ties_of
from authz.trace import TraceEntry
from ledger.statement import Act, sign_statement
from tests.authz.test_trace import entries_of
from tests.authz.world import CASE, CLERK, GRANT, HEAD, HRSS, KINDS, SEAL, WINDOW, World
from tests.vectors.own.network import TIME_S, key

FIELDS = fields_followed(KINDS)
TIMING = Timing(
    calendar=calendar_of(()), days_of=version_days(()), staleness_s=600, delta_s=10, as_of_s=TIME_S
)
INCIDENT = "510000/incident/1"


def made(kind: str, subject: str, body: dict[str, object], issuer: str = CLERK) -> TraceEntry:
    statement = sign_statement(key(issuer), issuer, subject, TIME_S, Act(kind, 1, None, (), body))
    return TraceEntry(
        origin="n.example/510000", index=7, statement=statement, changed={}, finality="accepted"
    )


def tied(entry: TraceEntry, unit: str | None = None, *, signed: bool = True) -> tuple[str, ...]:
    kind = entry.statement.act.kind
    return ties_of(entry.statement, FIELDS.get((kind, 1), ()), unit, signed=signed)


def test_an_act_is_found_by_its_officer_its_window_and_its_grant() -> None:
    [opened] = entries_of(World().enrol().lend().open())
    assert set(tied(opened)) == {CLERK, WINDOW, GRANT}


def test_an_act_without_a_window_is_found_by_that_of_its_officer() -> None:
    note = made("case.note", CASE, {"remark": "x"})
    assert tied(note, WINDOW) == (CLERK, WINDOW)
    assert tied(note, HRSS) == (CLERK,)


def test_an_act_is_not_its_issuers_unless_their_key_has_signed_it() -> None:
    note = made("case.note", CASE, {"remark": "x"})
    assert tied(note, signed=False) == ()


def test_an_incident_is_found_by_its_own_acts_and_from_the_grant_and_seal_it_names() -> None:
    report = made("incident.report", INCIDENT, {"matter": "x", "grant": GRANT, "seal": SEAL})
    assert set(tied(report)) == {CLERK, INCIDENT, GRANT, SEAL}


def test_a_body_of_other_types_does_no_harm_and_a_long_list_is_cut() -> None:
    strange = made("incident.report", INCIDENT, {"grant": 1, "seal": b"x", "case": [CASE]})
    assert tied(strange) == (CLERK, INCIDENT)
    names = [f"510000/officer/k{number}" for number in range(200)]
    keepers = made("seal.entrust", SEAL, {"keepers": [*names, 7, "x"], "reason": "y"})
    assert tied(keepers) == (CLERK, SEAL, *names)[:TIES_MAX]


def test_what_is_of_no_known_kind_is_its_officers_all_the_same() -> None:
    assert tied(made("case.burn", CASE, {"grant": GRANT})) == (CLERK,)


def test_each_act_says_how_it_follows_and_which_case_it_touches() -> None:
    world = World().enrol().lend().open().hand_over(CLERK, HRSS, HEAD)
    told = follow(GRANT, entries_of(world), KINDS, TIMING)
    assert [(it.line.kind, it.how, it.case) for it in told] == [
        ("case.open", ("under",), CASE),
        ("handoff.offer", ("names",), CASE),
        ("handoff.accept", ("names",), CASE),
        ("handoff.release", ("names",), CASE),
    ]
    assert (told[0].line.holder, told[0].line.item_version) == (WINDOW, 1)
    by = follow(CLERK, entries_of(world), KINDS, TIMING)
    assert [it.how for it in by] == [("by",), ("by",), ("names",), ("names",)]
    [used] = follow(SEAL, [made("seal.use", "540000/seal-use/1", {"seal": SEAL})], KINDS, TIMING)
    assert (used.how, used.case) == (("with",), None)
    [about] = follow(INCIDENT, [made("incident.close", INCIDENT, {"case": CASE})], KINDS, TIMING)
    assert (about.how, about.case) == (("about",), CASE)


def test_a_name_that_is_no_case_is_none() -> None:
    assert case_of(made("incident.close", INCIDENT, {"case": GRANT})) is None
    assert case_of(made("incident.close", INCIDENT, {"case": 3})) is None


def test_the_side_that_holds_a_case_says_how_far_it_has_come() -> None:
    away = {"at": "away", "n": 1, "stage": "received"}
    assert stage_of({"510000": away, "540000": {**away, "at": "held", "stage": "decided"}}) == (
        "decided"
    )
    assert stage_of({"510000": {**away, "n": 2}, "540000": {**away, "stage": "x"}}) == "received"
    assert stage_of({"540000": {"at": "answered", "n": 1}}) is None
