"""A region burns down, is frozen, cut and closed, and comes back in its successor log."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from authz.case_bundle import judge_bundle
from ledger.beginning import LEAF_FORMAT
from ledger.bundle import VerifiedBundle, check_bundle
from ledger.bundle_file import Bundle
from ledger.closing import close_log
from ledger.continuing import CONTINUES_KIND
from ledger.cut import Cut, decide_cut
from ledger.errors import LedgerError, UnverifiedError
from ledger.keys import SigningKey
from ledger.names import number_of_origin
from ledger.proofs import prove_inclusion
from ledger.receipt import make_inclusion_receipt
from ledger.roster_fields import Pin
from ledger.signed_roster import sign_roster
from ledger.statement import Act, Statement, decode_statement, sign_statement
from ledger.tiles import read_nodes
from ledger.views import BlockLines
from nodes.api.cases import prove
from nodes.core import succession
from nodes.core.effects import Effects
from nodes.core.exchange import origin_hash
from nodes.core.kinds import KINDS
from nodes.core.ready import FindingRow, Freeze, Registered, Salvage
from nodes.core.succession import read_reports
from nodes.node import Ports, RoleKeys, Settings, build
from nodes.store.entries import LogIDs, stored_branch
from nodes.store.findings import load_findings
from nodes.store.reader import StoreReader
from tests import rfc9162
from tests.nodes import neighbours
from tests.nodes.town import START_MS, House, Town, furnish, lend, officer_key, open_case

A, LOST, C, D, E = neighbours.REGIONS
OTHERS = (A, C, D, E)
NODE_ROLES = ("log", "witness", "mirror", "receipt", "issuer")


def heir_key(role: str, number: int = 2) -> SigningKey:
    return neighbours.key(f"{LOST} heir {number}", role)


class Burnt(Town):
    """A town of five whose second region is lost in a moment, with database, fence and keys."""

    def __init__(self) -> None:
        super().__init__(*neighbours.REGIONS)
        self.old = self.origin(LOST)
        self.new = f"{self.old}/2"
        self.start()
        furnish(self, LOST)
        furnish(self, E)
        furnish(self, C)
        self.grant = lend(self, E, LOST)
        self.given = lend(self, LOST, C)
        for number in ("1", "4"):
            self.open_case(number)
            self.offer(number)
        self.hand_on_inside("5")
        self.rounds()
        self.tick(40)
        self.replicated = self.node(LOST).snapshot.replicated_size
        assert self.replicated == self.node(LOST).snapshot.size
        # From here on nobody hears of what it accepts.
        self.cut.add(LOST)
        self.lost = [self.kept(self.open_case("2")), self.kept(self.offer("2"))]
        self.open_case("3")
        self.orphan = self.kept(self.offer("3"))
        self.kept_below = [self.kept(index) for index in range(self.replicated)]
        self.below = self.kept_below[-1]
        self.before = self.houses[LOST]
        self.kill(LOST)

    def open_case(self, number: str) -> int:
        body = {
            "item": f"{E}/item/i", "item_version": 1, "department": f"{E}/department/d",
            "mode": "counter", "grant": self.grant, "window": f"{LOST}/window/w",
        }  # fmt: skip
        return self.act(LOST, "case.open", f"{LOST}/case/{number}", body, f"{LOST}/officer/clerk")

    def offer(self, number: str) -> int:
        case, clerk = f"{LOST}/case/{number}", f"{LOST}/officer/clerk"
        return self.act(LOST, "handoff.offer", case, {"unit": f"{E}/department/d"}, clerk)

    def hand_on_inside(self, number: str) -> None:
        """Hand a case on to another unit of the region; its node releases it at once."""
        unit, case = f"{LOST}/department/d", f"{LOST}/case/{number}"
        self.open_case(number)
        self.act(LOST, "handoff.offer", case, {"unit": unit}, f"{LOST}/officer/clerk")
        self.act(LOST, "handoff.accept", case, {"holder": LOST}, f"{LOST}/officer/decider")

    def kept(self, index: int) -> tuple[bytes, bytes]:
        """An entry of the lost log with its receipt, as a caller keeps them."""
        snapshot = self.node(LOST).snapshot
        with self.houses[LOST].engine.connect() as connection:
            reader = StoreReader(connection)
            [entry] = reader.entries(self.old, index, index + 1)
            read = read_nodes(lambda wanted: reader.tiles(self.old, wanted))
            receipt = make_inclusion_receipt(
                neighbours.key(LOST, "receipt"),
                self.old,
                decode_statement(entry).subject,
                self.clock.ms // 1000,
                snapshot.size,
                index,
                prove_inclusion(index, snapshot.size, read),
                snapshot.root,
            )
        return entry, receipt

    def begin(self, region: str) -> Any:
        if region != LOST or self.chain.newest.version == 1:
            return super().begin(region)
        house = self.houses[LOST]
        number = number_of_origin(self.new)
        keys = RoleKeys(**{role: heir_key(role, number) for role in NODE_ROLES})
        ports = Ports(
            clock=self.clock, fence=house.fence, keys=keys, officers=house.officers,
            engine=house.engine,
        )  # fmt: skip
        house.node = build(Settings(region=region), self.chain, ports, self.kinds)
        self._leave(region, house.node.start(self.clock.ms))
        return house.node

    # ---- what the others do ---------------------------------------------------------------------

    def freeze(self, *regions: str) -> None:
        for region in regions:
            self.ask(region, Freeze(7, self.old))
        self.rounds()

    def decide(self, region: str) -> Cut:
        with self.houses[region].engine.connect() as connection:
            held = stored_branch(connection, LogIDs(), self.old)
            reports = read_reports(self.chain.rosters, self.old, StoreReader(connection))
            return decide_cut(self.chain.newest, self.old, reports, [held])

    def pin(self, origin: str) -> Pin:
        viewer = next(region for region in OTHERS if self.origin(region) != origin)
        known = self.node(viewer).snapshot.known[origin]
        return Pin(known.size, known.root)

    def close(self, cut: Cut) -> None:
        """Let all members sign the version that closes the log, and start their nodes with it."""
        roster, number = self.chain.newest, number_of_origin(self.new)
        lost = roster.members[LOST]
        fresh = {role: heir_key(role, number).public for role in NODE_ROLES}
        heir = replace(lost, origin=self.new, keys=replace(lost.keys, **fresh))
        pins = {origin: self.pin(origin) for origin in roster.origins}
        new = close_log(roster, self.old, Pin(cut.size, cut.root), pins, heir)
        governance = {region: neighbours.key(region, "governance") for region in new.members}
        self.chain = self.chain.extended(sign_roster(new, governance).encode())
        self.cut.clear()
        for region in OTHERS:
            self.kill(region)
        self.start(*OTHERS)

    def revive(self) -> None:
        self.houses[LOST] = House(LOST, self.engine(LOST), officers=self.before.officers)
        self.start(LOST)
        for _ in range(40):
            if self.node(LOST).snapshot.size:
                return
            self.tick(5, by=5)
        raise AssertionError(self.node(LOST).snapshot.detail)

    def salvage(self, kept: tuple[bytes, bytes]) -> Registered:
        [result] = self.ask(LOST, Salvage(7, *kept))
        return result


def after_the_fire(burn: type[Burnt] = Burnt) -> Burnt:
    """A town whose lost region is back in its successor log, with nothing brought back yet."""
    town = burn()
    town.freeze(*OTHERS)
    cut = town.decide(A)
    assert cut.size >= town.replicated
    assert not cut.lacking
    town.close(cut)
    town.tick(15, by=5)
    town.revive()
    town.tick(60)
    return town


@pytest.fixture(name="town", scope="module")
def one_for_acts_that_do_not_meet() -> Burnt:
    return after_the_fire()


def entry(town: Burnt, region: str, origin: str, index: int) -> bytes:
    with town.houses[region].engine.connect() as connection:
        [found] = StoreReader(connection).entries(origin, index, index + 1)
        return found


def test_the_successor_begins_with_the_cut_and_is_replicated(town: Burnt) -> None:
    town.tick(30)
    closing = town.chain.newest.closed[town.old]
    first = decode_statement(entry(town, A, town.new, 0)).act
    assert first.kind == CONTINUES_KIND
    assert (first.body["origin"], first.body["size"]) == (town.old, closing.size)
    assert len(first.body["lines"]) == len(OTHERS)
    snapshot = town.node(LOST).snapshot
    assert 0 < snapshot.replicated_size == snapshot.size
    # What no block record dated is dated by the freezes, alike at every node.
    for region in (A, LOST):
        with town.houses[region].engine.connect() as connection:
            assert StoreReader(connection).seen_by(town.old, closing.size - 1) is not None


def test_a_successor_begins_though_its_freezes_do_not_fit_beside_a_great_roster(
    town: Burnt, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = town.node(A).snapshot.rosters
    lines = [BlockLines(at, bytes(32), (bytes(76),)) for at in range(1, 20)]
    monkeypatch.setattr(succession, "frozen_lines", lambda *_: lines)
    genesis = {"leaf": LEAF_FORMAT, "roster": bytes(64_512), "rules": 1}
    with town.houses[A].engine.connect() as connection:
        reader = StoreReader(connection, LogIDs())
        body = succession.opening_body(genesis, chain.newest, chain, town.new, reader)
    assert [item[0] for item in body["lines"]] == [19]


def test_what_stood_at_the_cut_stands_in_the_successor(town: Burnt) -> None:
    index = town.open_case("2-1")
    assert town.fact(LOST, town.new, f"{LOST}/case/2-1").index == index
    with pytest.raises(LedgerError) as caught:
        town.open_case("7")
    assert caught.value.code == "wrong-number"


def test_an_offer_open_at_the_cut_is_released_by_the_successor_alone(town: Burnt) -> None:
    town.act(E, "handoff.accept", f"{LOST}/case/1", {"holder": LOST}, f"{E}/officer/decider")
    town.rounds(4)
    released = town.fact(LOST, town.new, f"{LOST}/case/1")
    assert released.origin == town.new
    made = decode_statement(entry(town, LOST, town.new, released.index))
    assert made.act.kind == "handoff.release"
    town.rounds()
    assert town.fact(E, town.new, f"{LOST}/case/1") == released


def test_what_was_handed_on_inside_the_lost_log_is_owed_by_nobody(town: Burnt) -> None:
    """Its node reads the answer again, in a log that its own goes on from."""
    town.rounds()
    moved = town.fact(LOST, town.new, f"{LOST}/case/5")
    assert (moved.origin, moved.state["unit"]) == (town.old, f"{LOST}/department/d")
    assert town.node(LOST)._duties.owed == ()


def test_a_grant_of_the_lost_log_is_relied_on_and_ended_through_its_successor(
    town: Burnt,
) -> None:
    index = open_case(town, C, LOST, town.given, "1")
    act = decode_statement(entry(town, C, town.origin(C), index)).act
    cited = {citation.role: citation.origin for citation in act.citations}
    assert cited["view"] == town.new  # what it shows reaches below the cut
    assert cited["grant"] == town.old
    town.tick(120, by=30)
    assert town.uses(A, town.origin(C), index)
    assert set(town.uses(A, town.origin(C), index)) == {"confirmed"}
    body = {"reason": "不再授权"}
    town.act(LOST, "grant.revoke", town.given, body, f"{LOST}/officer/manager")
    town.tick(30)
    with pytest.raises(LedgerError) as caught:
        open_case(town, C, LOST, town.given, "2")
    assert caught.value.code == "grant-not-live"


def test_lost_acts_are_void_until_they_are_salvaged_once_and_in_order(town: Burnt) -> None:
    case = f"{LOST}/case/2"
    assert town.fact(LOST, town.new, case) is None
    opened, offered = town.lost
    too_early = town.salvage(offered)
    assert too_early.error is not None
    first = town.salvage(opened)
    assert (first.error, town.fact(LOST, town.new, case).index) == (None, first.index)
    second = town.salvage(offered)
    assert second.error is None
    again = town.salvage(opened)
    assert (again.index, again.error) == (first.index, None)
    not_lost = town.salvage(town.below)
    assert not_lost.error is not None
    assert not_lost.error.code == "not-lost"
    forged = town.salvage((opened[0], town.lost[1][1]))
    assert forged.index == first.index  # it stands already, whatever comes with it
    town.rounds()
    for region in OTHERS:
        assert town.fact(region, town.new, case) == town.fact(LOST, town.new, case)


# ---- evidence that crosses the cut ---------------------------------------------------------------


def bundle(town: Burnt, case: str) -> Bundle:
    """The bundle of a case, as another region gives it."""
    serving = SimpleNamespace(
        chain=town.chain,
        roster=town.chain.newest,
        kinds=KINDS,
        by_hash={origin_hash(origin): origin for origin in town.chain.origins()},
        now_s=lambda: town.clock.ms // 1000,
        block_times={},
    )
    with town.houses[A].engine.connect() as connection:
        return prove(cast("Any", serving), connection, case)


def verified(town: Burnt, case: str) -> VerifiedBundle:
    return check_bundle(bundle(town, case).encode(), town.chain.genesis.sha256)


@pytest.fixture(name="crossed", scope="module")
def a_case_that_crossed_the_cut() -> tuple[Burnt, str]:
    """Offered in the lost log, accepted elsewhere, released in the successor; another salvaged."""
    town, case = after_the_fire(), f"{LOST}/case/1"
    town.act(E, "handoff.accept", case, {"holder": LOST}, f"{E}/officer/decider")
    for kept in town.lost:
        assert town.salvage(kept).error is None
    town.rounds(4)
    # The record of a block, which dates what is in it, comes with the log's next act.
    town.open_case("2-1")
    town.act(E, "party.enrol", f"{E}/department/next", {"name": "部门"})
    town.tick(30)
    return town, case


def with_entry(found: VerifiedBundle, origin: str, index: int, made: Statement) -> VerifiedBundle:
    """What a verified bundle would be had its log's writer put another entry there."""
    log = found.logs[origin]
    entries = {**log.entries, index: decode_statement(made.entry)}
    changed = replace(log, entries=entries, issued={**log.issued, index: made})
    return replace(found, logs={**found.logs, origin: changed})


def test_a_case_that_crosses_the_cut_verifies_from_the_genesis_alone(
    crossed: tuple[Burnt, str],
) -> None:
    town, case = crossed
    found = verified(town, case)
    trace = judge_bundle(found, KINDS)
    assert [(line.origin, line.kind) for line in trace.lines] == [
        (town.old, "case.open"),
        (town.old, "handoff.offer"),
        (town.origin(E), "handoff.accept"),
        (town.new, "handoff.release"),
    ]
    assert (trace.holder, trace.findings) == (f"{E}/department/d", ())
    assert {line.finality for line in trace.lines} == {"replicated"}
    assert found.logs[town.old].complete_size is not None
    # The same times as on a node, those that only the freezes tell among them.
    with town.houses[A].engine.connect() as connection:
        reader = StoreReader(connection)
        for line in trace.lines:
            seen = reader.seen_by(line.origin, line.index)
            assert seen is not None
            assert line.seen_by_s == seen[0]


def test_a_salvaged_act_is_told_as_itself_in_its_new_place(crossed: tuple[Burnt, str]) -> None:
    town, _ = crossed
    trace = judge_bundle(verified(town, f"{LOST}/case/2"), KINDS)
    first = trace.lines[0]
    assert (first.origin, first.kind) == (town.new, "case.open")
    assert first.issuer == f"{LOST}/officer/clerk"
    assert trace.findings == ()


def test_an_act_salvaged_again_is_a_finding_in_the_bundle_too(crossed: tuple[Burnt, str]) -> None:
    town, _ = crossed
    case = f"{LOST}/case/2"
    found = verified(town, case)
    again, receipt = town.lost[0]
    last = judge_bundle(found, KINDS).lines[-1]
    leaf = found.logs[town.new].entries[last.index].leaf
    act = Act("log.salvage", 1, leaf, (), {"statement": again, "receipt": receipt})
    made = sign_statement(heir_key("issuer"), LOST, case, last.time_s, act)
    told = judge_bundle(with_entry(found, town.new, last.index + 1, made), KINDS)
    assert told.findings == ((town.new, last.index + 1, "already-salvaged"),)


def test_a_salvage_of_what_stands_below_the_cut_needs_that_shown_and_is_void(
    crossed: tuple[Burnt, str],
) -> None:
    town, case = crossed
    found = verified(town, case)
    last = judge_bundle(found, KINDS).lines[-1]
    old = found.logs[town.old]
    stands = next(at for at, it in old.entries.items() if it.subject == case)
    statement, receipt = town.kept_below[stands]
    leaf = found.logs[town.new].entries[last.index].leaf
    act = Act("log.salvage", 1, leaf, (), {"statement": statement, "receipt": receipt})
    made = sign_statement(heir_key("issuer"), LOST, case, last.time_s, act)
    claimed = with_entry(found, town.new, last.index + 1, made)
    assert judge_bundle(claimed, KINDS).findings == ((town.new, last.index + 1, "not-lost"),)
    hidden = {at: it for at, it in old.leaves.items() if at != stands}
    blind = replace(claimed, logs={**claimed.logs, town.old: replace(old, leaves=hidden)})
    with pytest.raises(UnverifiedError) as caught:
        judge_bundle(blind, KINDS)
    assert caught.value.code == "rules"


def test_a_successor_that_claims_more_than_the_cut_left_has_begun_with_a_void_word(
    crossed: tuple[Burnt, str],
) -> None:
    town, case = crossed
    found = verified(town, case)
    first = found.logs[town.new].entries[0]
    body = {**first.act.body, "size": first.act.body["size"] + 1}
    claim = sign_statement(
        heir_key("issuer"), LOST, town.new, first.time_s, first.act._replace(body=body)
    )
    told = judge_bundle(with_entry(found, town.new, 0, claim), KINDS)
    assert told.findings == ((town.new, 0, "bad-genesis"),)
    # What only the freezes in that entry dated is not dated any more.
    assert [line.seen_by_s is None for line in told.lines][1:] == [True, False, False]


def test_without_the_closed_log_what_goes_on_from_it_does_not_verify(
    crossed: tuple[Burnt, str],
) -> None:
    town, case = crossed
    made = bundle(town, case)
    logs = {origin: log for origin, log in made.logs.items() if origin != town.old}
    with pytest.raises(UnverifiedError) as caught:
        judge_bundle(check_bundle(replace(made, logs=logs), town.chain.genesis.sha256), KINDS)
    assert caught.value.code in {"signature", "rules", "chain"}


def made_up(number: str) -> Statement:
    """An act that the region's old key signs after the fire: whoever has the old disks can."""
    act = Act("party.enrol", 1, None, (), {"name": "部门"})
    issuer = neighbours.key(LOST, "issuer")
    subject = f"{LOST}/department/{number}"
    return sign_statement(issuer, LOST, subject, START_MS // 1000, act)


def test_an_act_without_its_own_receipt_from_the_lost_log_is_not_salvaged(town: Burnt) -> None:
    made = made_up("x")

    def receipt(by: SigningKey, origin: str, index: int) -> bytes:
        return make_inclusion_receipt(
            by, origin, made.subject, START_MS // 1000, 1, index, [], made.leaf
        )

    old, new = neighbours.key(LOST, "receipt"), heir_key("receipt")
    for brought, code in (
        (town.lost[0][1], "bad-signature"),
        (receipt(new, town.old, 0), "unknown-key"),
        (receipt(new, town.new, 0), "unknown-key"),
        (receipt(old, town.new, 0), "unknown-key"),
        (receipt(old, town.origin(E), 0), "unknown-key"),
    ):
        result = town.salvage((made.entry, brought))
        assert result.error is not None
        assert result.error.code == code
    # The log's own words, and an act past the receipts altogether, are nobody's to bring.
    body = {"statement": made.entry, "receipt": town.lost[0][1]}
    wrapped = Act("log.salvage", 1, None, (), body)
    issuer = heir_key("issuer")
    [result] = town.register(
        LOST, sign_statement(issuer, LOST, made.subject, town.clock.ms // 1000, wrapped)
    )
    assert result.error is not None
    assert result.error.code == "not-entitled"


def judged(town: Burnt, made: Statement, *, is_first: bool = False) -> str:
    """How another node judges an entry of the successor log, whoever wrote it."""
    node = town.node(A)
    projection, state = node._projection, node._follower.states[town.new]
    with town.houses[A].engine.connect() as connection:
        reader = StoreReader(connection, LogIDs())
        try:
            if made.act.kind == CONTINUES_KIND:
                state = projection.new_state(town.new) if is_first else state
                now_s = town.clock.ms // 1000
                projection.words.judge_continues(state, made, now_s, Effects(), reader)
            else:
                projection.acts.judge_salvage(state, made, state.size, reader)
        except LedgerError as error:
            return error.code
    return ""


def test_every_other_node_voids_what_the_regions_own_node_should_have_refused(
    crossed: tuple[Burnt, str],
) -> None:
    town, _ = crossed
    time_s = town.clock.ms // 1000
    issuer, clerk = heir_key("issuer"), f"{LOST}/officer/clerk"

    def salvage(kept: tuple[bytes, bytes], subject: str, by: str = LOST) -> Statement:
        body = {"statement": kept[0], "receipt": kept[1]}
        key = issuer if by == LOST else officer_key(by)
        act = Act("log.salvage", 1, None, (), body)
        return sign_statement(key, by, subject, time_s, act)

    opened, orphan, case = town.lost[0], town.orphan, f"{LOST}/case"
    assert judged(town, salvage(opened, f"{case}/2")) == "already-salvaged"
    assert judged(town, salvage(opened, f"{case}/9")) == "bad-field"
    assert judged(town, salvage(orphan, f"{case}/3", by=clerk)) == "not-entitled"
    # Its author knew a case that was never brought back.
    assert judged(town, salvage(orphan, f"{case}/3")) == "wrong-previous"
    # Whoever has the old receipt key still needs the author's own signature.
    forged = orphan[0][:-1] + bytes((orphan[0][-1] ^ 1,))
    size = town.chain.newest.closed[town.old].size
    tree = [*(b"anything" for _ in range(size)), forged]
    receipt = make_inclusion_receipt(
        neighbours.key(LOST, "receipt"),
        town.old,
        f"{case}/3",
        time_s,
        len(tree),
        size,
        rfc9162.inclusion(size, tree),
        rfc9162.root(tree),
    )
    assert judged(town, salvage((forged, receipt), f"{case}/3")) == "bad-signature"

    first = decode_statement(entry(town, A, town.new, 0)).act
    again = sign_statement(issuer, LOST, town.new, time_s, first)
    assert judged(town, again) == "exists"
    other = sign_statement(issuer, LOST, town.old, time_s, first)
    assert judged(town, other, is_first=True) == "exists"
    wrong = Act(first.kind, 1, None, (), {**first.body, "size": first.body["size"] - 1})
    made = sign_statement(issuer, LOST, town.new, time_s, wrong)
    assert judged(town, made, is_first=True) == "bad-genesis"


def test_nobody_finds_fault_with_any_of_it(crossed: tuple[Burnt, str]) -> None:
    town, _ = crossed
    town.rounds()
    for region in (*OTHERS, LOST):
        assert town.findings(region) == []


def the_finding(town: Burnt) -> FindingRow:
    """Return the finding that every node has, and that is the only one of each."""
    found: list[FindingRow] = []
    for region in (*OTHERS, LOST):
        with town.houses[region].engine.connect() as connection:
            found += load_findings(connection, LogIDs())
    assert found == [found[0]] * 5
    return found[0]


def test_a_successor_that_keeps_what_its_closed_log_has_offered_is_found_by_every_node() -> None:
    town = after_the_fire()
    town.node(LOST)._duties.notice = lambda *_: None  # type: ignore[method-assign]
    case = f"{LOST}/case/4"
    offer = town.fact(LOST, town.new, case)
    assert (offer.origin, offer.state["at"]) == (town.old, "offered")
    accepted = town.act(E, "handoff.accept", case, {"holder": LOST}, f"{E}/officer/decider")
    for minute in range(25):
        town.open_case(f"2-9{minute}")
        town.tick(60)
    finding = the_finding(town)
    assert (finding.code, finding.subject) == ("release-withheld", case)
    offered, answered, viewed, late = finding.evidence
    assert (offered, answered) == (
        (town.old, offer.index), (town.origin(E), accepted),
    )  # fmt: skip
    assert (finding.origin, finding.index) == viewed
    assert viewed[0] == late[0] == town.new
    assert viewed[1] < late[1]
