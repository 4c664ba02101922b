from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from authz.case_bundle import judge_bundle, wanted
from authz.replay import Place
from authz.trace import Trace
from ledger.bundle import VerifiedBundle, check_bundle
from ledger.bundle_file import Bundle, ProvenEntry
from ledger.errors import LedgerError, UnverifiedError
from ledger.names import origin_for
from ledger.statement import (
    Act,
    Citation,
    Statement,
    UnverifiedStatement,
    decode_statement,
    sign_statement,
)
from tests.authz.refusals import refused
from tests.authz.test_case import DECIDE_BODY, DELIVER, NOTICE, SUPPLEMENT, VERIFY
from tests.authz.world import (
    CASE,
    CLERK,
    CLERK_2,
    DECIDER,
    FROM_S,
    GRANT,
    GRANT_BODY,
    HEAD,
    HRSS,
    ITEM,
    KINDS,
    OPEN_BODY,
    REGIONS,
    ROSTER,
    SEAL,
    SICHUAN,
    SIGNED,
    TIBET,
    UNTIL_S,
    WINDOW,
    World,
)
from tests.strategies import flip
from tests.vectors.own.network import NETWORK, TIME_S, key, proven

KEEPER, APPROVER = DECIDER, HEAD
SEAL_USE = "540000/seal-use/1"


class Reader:
    """The logs of a world, as the node of an auditor holds them."""

    def __init__(self, world: World) -> None:
        self.logs = {log.origin: log for log in world.logs.values()}
        self.judgements = world.judgements

    def trail(self, name: str) -> Iterable[Place]:
        for origin, log in self.logs.items():
            for index, made in enumerate(log.statements):
                judgement = self.judgements.get((origin, index))
                changed = () if judgement is None else judgement.changes
                if made.subject == name or any(it.object == name for it in changed):
                    yield Place(origin, index)

    def mentions(self, name: str) -> Iterable[Place]:
        for (origin, index), judgement in self.judgements.items():
            if name in judgement.mentions:
                yield Place(origin, index)

    def statement(self, place: Place) -> Statement | UnverifiedStatement | None:
        log = self.logs.get(place.origin)
        if log is None or place.index >= len(log.statements):
            return None
        return log.statements[place.index]


def whole_case() -> World:
    world = World(real_views=True).enrol().lend()
    world.do(
        "seal.issue",
        TIBET,
        SEAL,
        {
            "name": "审批专用章",
            "owner": HRSS,
            "keepers": [KEEPER],
            "approval": True,
            "approvers": [APPROVER],
            "certificate": bytes(32),
            "valid_from": FROM_S,
            "valid_until": UNTIL_S,
        },
    )
    world.do("grant.offer", HEAD, "540000/grant/other", GRANT_BODY)
    other = OPEN_BODY | {"materials": []}
    world.do("case.open", CLERK, "510000/case/other", other)
    world.open()
    world.do("case.notice", CLERK, CASE, NOTICE)
    world.do("case.supplement", CLERK, CASE, SUPPLEMENT)
    world.do("case.verify", CLERK, CASE, VERIFY)
    world.hand_over(CLERK, HRSS, HEAD)
    use = {"seal": SEAL, "document": bytes(32), "case": CASE, "purpose": "决定文书"}
    world.do("seal.approve", APPROVER, SEAL_USE, use)
    world.do("seal.use", KEEPER, SEAL_USE, use)
    world.do("case.decide", DECIDER, CASE, DECIDE_BODY | {"seal_use": SEAL_USE})
    world.hand_over(DECIDER, WINDOW, CLERK)
    world.do("case.deliver", CLERK, CASE, DELIVER)
    world.do("case.close", CLERK, CASE, {})
    return world


def bundle_of(world: World, places: Iterable[Place] | None = None) -> Bundle:
    places = wanted(CASE, Reader(world), KINDS) if places is None else places
    by_origin: dict[str, list[int]] = {}
    for place in sorted(places):
        by_origin.setdefault(place.origin, []).append(place.index)
    logs = {log.origin: log for log in world.logs.values()}
    return Bundle(
        CASE,
        (SIGNED.encode(),),
        {origin: proven(logs[origin], ROSTER, indexes) for origin, indexes in by_origin.items()},
    )


def judged(bundle: Bundle) -> Trace:
    traces: list[Trace] = []

    def judge(verified: VerifiedBundle) -> None:
        traces.append(judge_bundle(verified, KINDS))

    check_bundle(bundle.encode(), ROSTER.sha256, judge)
    return traces[0]


WORLD = whole_case()
BUNDLE = bundle_of(WORLD)
SICHUAN_LOG, TIBET_LOG = origin_for(NETWORK, SICHUAN), origin_for(NETWORK, TIBET)


def without(place: Place) -> Bundle:
    """The bundle with one entry left out."""
    log = BUNDLE.logs[place.origin]
    kept = tuple(it for it in log.entries if it.index != place.index)
    return replace(BUNDLE, logs={**BUNDLE.logs, place.origin: replace(log, entries=kept)})


def place_of(kind: str, subject: str | None = None, *, last: bool = False) -> Place:
    found = [
        Place(log.origin, index)
        for log in WORLD.logs.values()
        for index, made in enumerate(log.statements)
        if made.act.kind == kind and subject in {None, made.subject}
    ]
    return found[-1 if last else 0]


def test_a_case_is_traced_from_its_bundle_alone() -> None:
    made = judged(BUNDLE)
    assert made.findings == ()
    assert (made.holder, made.stage) == (None, "closed")
    assert [line.kind for line in made.lines] == [
        "case.open",
        "case.notice",
        "case.supplement",
        "case.verify",
        "handoff.offer",
        "handoff.accept",
        "handoff.release",
        "seal.approve",
        "seal.use",
        "case.decide",
        "handoff.offer",
        "handoff.accept",
        "handoff.release",
        "case.deliver",
        "case.close",
    ]
    holders = [line.holder for line in made.lines]
    assert holders == [WINDOW] * 6 + [HRSS] * 6 + [WINDOW] * 2 + [None]
    first, decision = made.lines[0], made.lines[9]
    assert (first.issuer, first.window, first.right, first.grant) == (
        CLERK,
        WINDOW,
        "intake",
        GRANT,
    )
    assert (first.item, first.item_version, first.region) == (ITEM, 1, SICHUAN)
    assert (decision.right, decision.grant, decision.region) == (None, None, TIBET)
    assert made.lines[8].seal == SEAL
    assert {line.finality for line in made.lines} == {"replicated"}
    assert first.seen_by_s is not None
    assert not first.asserted


def test_a_bundle_holds_no_other_case() -> None:
    subjects = {
        WORLD.logs[region].statements[it.index].subject
        for region in REGIONS
        if (log := BUNDLE.logs.get(origin_for(NETWORK, region)))
        for it in log.entries
    }
    assert "510000/case/other" not in subjects
    assert "540000/grant/other" not in subjects
    assert {CASE, SEAL, SEAL_USE, GRANT, ITEM, WINDOW, HRSS, CLERK, DECIDER, HEAD} <= subjects
    assert CLERK_2 not in subjects


@pytest.mark.parametrize(
    ("kind", "subject", "step"),
    [
        ("party.enrol", CLERK, "signature"),
        ("party.enrol", DECIDER, "signature"),
        ("grant.offer", GRANT, "rules"),
        ("grant.accept", GRANT, "rules"),
        ("handoff.release", CASE, "rules"),
        ("handoff.accept", CASE, "rules"),
        ("case.notice", CASE, "chain"),
        ("case.open", CASE, "chain"),
        ("seal.approve", SEAL_USE, "chain"),
        ("seal.issue", SEAL, "rules"),
        ("log.view", None, "rules"),
    ],
)
def test_a_bundle_that_leaves_something_out_names_the_step(
    kind: str, subject: str | None, step: str
) -> None:
    with refused(step):
        judged(without(place_of(kind, subject)))


def test_one_flipped_bit_in_any_entry_is_found() -> None:
    log = BUNDLE.logs[SICHUAN_LOG]
    for at, item in enumerate(log.entries):
        bad = ProvenEntry(item.index, flip(item.entry, len(item.entry) * 8 - 9), item.proof)
        entries = (*log.entries[:at], bad, *log.entries[at + 1 :])
        with pytest.raises(UnverifiedError):
            judged(
                replace(BUNDLE, logs={**BUNDLE.logs, SICHUAN_LOG: replace(log, entries=entries)})
            )


def forced(
    kind: str,
    issuer: str,
    body: dict[str, Any],
    *,
    signer: str | None = None,
    world: World | None = None,
) -> World:
    """The world with one more entry in Sichuan's log that its node should not have let in."""
    world = (world or WORLD).copy()
    own = world.newest(SICHUAN, CASE)
    assert own is not None
    act = Act(kind, 1, own.leaf, (), body)
    made = sign_statement(key(signer or issuer), issuer, CASE, TIME_S, act)
    world.logs[SICHUAN].statements.append(made)
    return world


def test_an_act_that_breaks_a_rule_is_in_the_trace_as_a_finding() -> None:
    world = forced("case.note", CLERK, {"remark": "补记"})
    made = judged(bundle_of(world))
    assert [code for _, _, code in made.findings] == ["wrong-state"]
    assert made.lines[-1].findings == ("wrong-state",)
    assert made.holder is None


def test_an_act_of_an_unknown_kind_is_a_finding_too() -> None:
    made = judged(bundle_of(forced("case.burn", CLERK, {})))
    assert [code for _, _, code in made.findings] == ["unknown-kind"]


def test_a_statement_signed_by_another_key_than_its_issuer_s_is_refused() -> None:
    with refused("signature"):
        judged(bundle_of(forced("case.note", CLERK, {"remark": "x"}, signer=CLERK_2)))


def test_a_statement_by_the_key_of_another_officer_is_refused() -> None:
    world = forced("case.note", CLERK_2, {"remark": "x"}, signer=CLERK)
    with refused("signature"):
        judged(bundle_of(world))


def test_a_made_up_citation_shows_as_a_finding_and_stops_nothing() -> None:
    world = WORLD.copy()
    own = world.newest(SICHUAN, CASE)
    assert own is not None
    cited = world.logs[TIBET].cite("grant", 0)._replace(index=9_999)
    act = Act("case.note", 1, own.leaf, (cited,), {"remark": "x"})
    world.logs[SICHUAN].statements.append(sign_statement(key(CLERK), CLERK, CASE, TIME_S, act))
    assert [code for _, _, code in judged(bundle_of(world)).findings] == ["void-citation"]


def test_a_view_that_does_not_hold_is_refused() -> None:
    world = WORLD.copy()
    log = world.logs[SICHUAN]
    at = next(index for index, it in enumerate(log.statements) if it.act.kind == "log.view")
    good = log.statements[at]
    body = dict(good.act.body) | {"lines": [bytes(76)] * 2}
    bad = sign_statement(
        key(SICHUAN, "issuer"), SICHUAN, good.subject, good.time_s, good.act._replace(body=body)
    )
    log.statements[at] = bad
    with refused("view"):
        judged(bundle_of(world))


def test_a_view_beyond_the_note_of_the_log_it_views_is_refused() -> None:
    world = WORLD.copy()
    world.do("case.note", CLERK, "510000/case/other", {"remark": "x"})
    # Tibet's log is cut back to before what Sichuan has viewed.
    places = [
        it for it in wanted(CASE, Reader(WORLD), KINDS) if it.origin != TIBET_LOG or it.index < 12
    ]
    log = world.logs[TIBET]
    log.statements = log.statements[:12]
    with refused("view"):
        judged(bundle_of(world, places))


def test_a_judge_s_refusals_are_the_steps_of_the_format() -> None:
    steps = {"signature", "view", "chain", "rules"}
    with pytest.raises(LedgerError) as caught:
        judged(without(place_of("grant.offer", GRANT)))
    assert caught.value.code in steps


def test_a_key_the_region_holds_is_said_to_be_the_region_s_assertion() -> None:
    world = World(real_views=True).enrol()
    body = {"key": key("new key").public, "holder": "region", "reason": "托管"}
    world.do("party.rekey", SICHUAN, CLERK, body)
    world.lend()
    world.logs[SICHUAN].statements.append(
        sign_statement(
            key("new key"), CLERK, CASE, TIME_S, Act("case.note", 1, None, (), {"remark": "x"})
        )
    )
    made = judged(bundle_of(world))
    assert made.lines[0].asserted
    assert made.lines[0].findings == ("unknown-object",)


OPEN = World(real_views=True).enrol().lend().open()


def with_act(*cited: Citation) -> World:
    """The open case with a note that cites these entries; nothing else is wrong with it."""
    world = OPEN.copy()
    own = world.newest(SICHUAN, CASE)
    assert own is not None
    act = Act("case.note", 1, own.leaf, cited, {"remark": "x"})
    world.logs[SICHUAN].statements.append(sign_statement(key(CLERK), CLERK, CASE, TIME_S, act))
    return world


def test_a_citation_with_another_leaf_is_void() -> None:
    good = OPEN.logs[SICHUAN].cite("corrects", 1)
    assert judged(bundle_of(with_act(good))).findings == ()
    for bad in (
        good._replace(leaf=bytes(32)),
        Citation("view", TIBET_LOG, 1, good.leaf),
        good._replace(index=9_999),
    ):
        findings = judged(bundle_of(with_act(bad))).findings
        assert [code for _, _, code in findings] == ["void-citation"]


def with_view(
    *, issuer: str = SICHUAN, signer: str = "issuer", subject: str = TIBET_LOG, roster: int = 1
) -> Bundle:
    """The open case, whose view of Tibet says something else than it should."""
    world = OPEN.copy()
    log = world.logs[SICHUAN]
    at = next(index for index, it in enumerate(log.statements) if it.act.kind == "log.view")
    good = log.statements[at]
    act = good.act._replace(body=dict(good.act.body) | {"roster": roster})
    log.statements[at] = sign_statement(key(issuer, signer), issuer, subject, good.time_s, act)
    return bundle_of(world)


def test_a_view_is_the_region_s_own_word_about_the_log_it_names() -> None:
    with refused("signature"):
        judged(with_view(issuer=CLERK, signer="officer"))
    with refused("view"):
        judged(with_view(subject=origin_for(NETWORK, "500000")))
    with refused("view"):
        judged(with_view(roster=2))


def test_a_signature_that_does_not_hold_is_refused_though_the_tree_has_it() -> None:
    world = with_act()
    log = world.logs[SICHUAN]
    entry = log.statements[-1].entry
    bad = decode_statement(flip(entry, len(entry) * 8 - 9))
    log.statements[-1] = bad
    with refused("signature"):
        judged(bundle_of(world))
