"""The five regions as one network: every promise that takes more than one node to keep."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import scitt_cose
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authz.case_bundle import judge_bundle
from ledger.bundle import check_bundle
from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError, RefusedError, UnverifiedError
from ledger.hashing import hash_leaf
from ledger.judge import CORRECTS
from ledger.note import Note, VerifierKey
from ledger.policy import Policy
from ledger.roster_policy import tlog_policy
from ledger.statement import Citation, decode_statement
from ledger.tiles import TILE_WIDTH, decode_entry_bundle, entries_path, tile_path
from ledger.tlog_proof import TlogProof
from nodes.cli.demo.cast import HOMES, Home
from nodes.client import Acted, Client, Word
from nodes.core.exchange import origin_hash
from nodes.core.kinds import KINDS
from nodes.outbox import Place
from tests import rfc9162
from tests.nodes.five import (
    CHONGQING,
    FAR,
    FOREIGN_NAME,
    GUIZHOU,
    PROJECTED,
    SICHUAN,
    TIBET,
    WATCHED,
    YUNNAN,
    Five,
    five_regions,
)
from tests.nodes.told import (
    NEARBY,
    Told,
    check_agreement,
    complete_bundle,
    note_at,
    remark,
    replicated,
    settle_uses,
)
from tests.nodes.waiting import until

RANK = {"accepted": 0, "witnessed": 1, "replicated": 2}


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Five]:
    with five_regions(tmp_path_factory.mktemp("five")) as network:
        yield network


@pytest.fixture(scope="module")
def told(five: Five) -> Told:
    return Told(five)


# ---- finality -----------------------------------------------------------------------------------


def test_an_act_is_accepted_then_witnessed_then_replicated_and_never_less(five: Five) -> None:
    async def story() -> list[str]:
        client = await five.client(YUNNAN.code)
        body = {"title": "方案", "document": "一号", "valid_from": 0, "valid_until": 2**31}
        acted = await client.act("basis.publish", "530000/basis/words", body)
        words: list[str] = [acted.finality]
        async with asyncio.timeout(10):
            while words[-1] != "replicated":
                status = await client.status()
                assert status["size"] > acted.index
                assert status["replicated_size"] <= status["witnessed_size"] <= status["size"]
                words.append("accepted")
                for word in ("witnessed", "replicated"):
                    if status[f"{word}_size"] > acted.index:
                        words[-1] = word
        return words

    words = five.run(story())
    assert words[0] == "accepted"
    assert [RANK[word] for word in words] == sorted(RANK[word] for word in words)


@pytest.mark.parametrize("word", ["accepted", "witnessed", "replicated"])
def test_an_answer_waits_for_the_word_it_was_asked_for(five: Five, word: Word) -> None:
    for home in HOMES:
        acted = remark(five, home, wait=word)
        assert RANK[acted.finality] >= RANK[word]
        if word != "accepted":
            assert five.status(home)[f"{word}_size"] > acted.index


def test_what_is_replicated_need_not_be_kept_by_the_caller_any_longer(five: Five) -> None:
    client = five.run(five.client(CHONGQING.code))
    acted = remark(five, CHONGQING)
    place = Place(acted.origin, acted.index)
    if acted.finality != "replicated":
        assert place in client.outstanding
    until(lambda: place not in five.run(client.settle()))


# ---- one case, from the counter and back to it --------------------------------------------------


def test_a_window_may_once_the_grant_is_offered_and_accepted(five: Five) -> None:
    item = five.publish(TIBET, "mutual")
    grant = five.offer(TIBET, SICHUAN, item)
    before = five.check(SICHUAN.window, "intake", item)
    assert (before.allowed, before.code) == ("no", "no-grant")
    body = {"window": SICHUAN.window, "item": item}
    five.act(SICHUAN.manager, "grant.accept", grant, body)
    after = five.check(SICHUAN.window, "intake", item)
    assert (after.allowed, after.code, after.grant) == ("yes", "granted", grant)
    [relied] = after.relied
    assert relied["origin"] == five.origin(TIBET)
    assert five.check(SICHUAN.window, "decide", item).code == "decision-stays"
    assert five.check(SICHUAN.other_window, "intake", item).code == "no-grant"


def test_every_region_tells_the_whole_case_alike(five: Five, told: Told) -> None:
    assert told.before.allowed == "yes"
    stories = [until(lambda home=home: replicated(five, home, told.name)) for home in HOMES]  # type: ignore[misc]
    for story in stories:
        assert (story["stage"], story["holder"], story["findings"]) == ("closed", None, [])
        kinds = [line["kind"] for line in story["lines"]]
        assert kinds == [
            "case.open",
            "case.notice",
            "case.supplement",
            "case.verify",
            "handoff.offer",
            "handoff.accept",
            "handoff.release",
            "case.decide",
            "handoff.offer",
            "handoff.accept",
            "handoff.release",
            "case.deliver",
            "case.close",
        ]
        issuers = [line["issuer"] for line in story["lines"] if line["kind"] == "handoff.release"]
        assert issuers == [SICHUAN.code, TIBET.code], "nobody has to release by hand"
        assert all(line["asserted"] for line in story["lines"] if "/" in line["issuer"])
        places = [(line["origin"], line["index"]) for line in story["lines"]]
        assert places == [(line["origin"], line["index"]) for line in stories[0]["lines"]]
    holders = [line["holder"] for line in stories[0]["lines"]]
    assert set(holders[:6]) == {SICHUAN.window}, "until the release the window holds the case"
    assert set(holders[6:10]) == {TIBET.department}
    assert set(holders[10:12]) == {SICHUAN.window}


def test_whoever_decides_holds_the_case_and_did_not_receive_it(five: Five, told: Told) -> None:
    case = "510000/case/2026-000002"
    told.lent.open(case)
    decision = {"result": "granted", "basis": "依据", "document": bytes(32)}
    for officer in (SICHUAN.receiver, TIBET.decider):
        with pytest.raises(RefusedError) as caught:
            five.act(officer, "case.decide", case, decision)
        assert caught.value.code in {"decision-stays", "not-holder", "unknown-object"}


def test_the_bundle_of_a_case_verifies_from_the_genesis_roster_alone(
    five: Five, told: Told
) -> None:
    genesis = five.founded.roster.sha256
    for home in (SICHUAN, TIBET, CHONGQING):
        data = until(lambda home=home: complete_bundle(five, home, told.name))  # type: ignore[misc]
        verified = check_bundle(data, genesis)
        trace = judge_bundle(verified, KINDS)
        assert (trace.stage, trace.findings) == ("closed", ())
        kinds = [line.kind for line in trace.lines]
        assert kinds == [line["kind"] for line in five.case(home, told.name)["lines"]]
        quorum = five.founded.roster.quorum(five.origin(TIBET))
        for log in verified.logs.values():
            assert len(log.witness) >= quorum
            assert len(log.mirror) >= quorum


def test_a_bundle_with_a_flipped_byte_proves_nothing(five: Five, told: Told) -> None:
    genesis = five.founded.roster.sha256
    data = until(lambda: complete_bundle(five, SICHUAN, told.name))
    for at in range(0, len(data), len(data) // 60):
        broken = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(LedgerError):
            judge_bundle(check_bundle(broken, genesis), KINDS)
    with pytest.raises(UnverifiedError):
        check_bundle(data, bytes(32))


def test_a_declined_handoff_is_answered_by_a_cancel_of_the_node(five: Five) -> None:
    lent = five.lend(TIBET, SICHUAN, "declined")
    case = "510000/case/2026-000003"
    lent.open(case)
    offered = five.act(SICHUAN.receiver, "handoff.offer", case, {"unit": TIBET.department})
    five.sees(TIBET, offered)
    body = {"holder": SICHUAN.code, "reason": "材料不全"}
    declined = five.act(TIBET.decider, "handoff.decline", case, body)
    until(lambda: five.row(SICHUAN, case, at=SICHUAN).get("at") == "held")
    last = five.case(SICHUAN, case)["lines"][-1]
    assert (last["kind"], last["issuer"]) == ("handoff.cancel", SICHUAN.code)
    cancel = five.ask(SICHUAN, lambda client: entry(client, last["index"]))
    citation = Citation("decline", five.origin(TIBET), declined.index, declined.leaf)
    assert citation in decode_statement(cancel).act.citations
    # The case was never Tibet's, and goes the same way again.
    lent.hand_over(case)
    assert five.case(SICHUAN, case)["holder"] == TIBET.department


def test_an_offer_is_answered_once(five: Five, told: Told) -> None:
    case = "510000/case/2026-000004"
    told.lent.open(case)
    offered = five.act(SICHUAN.receiver, "handoff.offer", case, {"unit": TIBET.department})
    five.sees(TIBET, offered)
    body = {"holder": SICHUAN.code, "reason": "材料不全"}
    five.act(TIBET.decider, "handoff.decline", case, body)
    with pytest.raises(RefusedError) as caught:
        five.act(TIBET.decider, "handoff.accept", case, {"holder": SICHUAN.code})
    assert caught.value.code == "already-answered"


# ---- ends of rights -----------------------------------------------------------------------------


def test_a_revoked_grant_refuses_the_next_use_once_the_end_is_seen(five: Five) -> None:
    lent = five.lend(TIBET, CHONGQING, "revoked")
    lent.open("500000/case/2026-000001")
    five.sees(CHONGQING, lent.revoke())
    assert (lent.may().allowed, lent.may().code) == ("no", "grant-not-live")
    with pytest.raises(RefusedError) as caught:
        lent.open("500000/case/2026-000002")
    assert caught.value.code == "grant-not-live"
    five.settle()
    assert five.case(YUNNAN, "500000/case/2026-000001")["findings"] == []


def test_a_seal_is_used_with_approval_until_it_is_revoked(five: Five, told: Told) -> None:
    now_s = five.clock.now_s()
    issued = {
        "name": "跨省通办专用章",
        "owner": TIBET.department,
        "keepers": [TIBET.keeper],
        "approval": True,
        "approvers": [TIBET.approver],
        "certificate": bytes(32),
        "valid_from": now_s - 60,
        "valid_until": now_s + 86_400,
    }
    five.act(TIBET.code, "seal.issue", TIBET.seal, issued)
    use = {"seal": TIBET.seal, "document": bytes(32), "case": told.name, "purpose": "决定书"}
    first, second = "540000/seal-use/1", "540000/seal-use/2"

    def refusal(officer: str, kind: str, name: str, body: dict[str, Any]) -> str:
        with pytest.raises(RefusedError) as caught:
            five.act(officer, kind, name, body)
        return caught.value.code

    assert refusal(TIBET.keeper, "seal.use", first, use) == "approval-missing"
    five.act(TIBET.approver, "seal.approve", first, use)
    other = {**use, "document": bytes([1]) * 32}
    assert refusal(TIBET.keeper, "seal.use", first, other) == "approval-missing"
    assert refusal(TIBET.decider, "seal.use", first, use) == "not-keeper"
    used = five.act(TIBET.keeper, "seal.use", first, use, wait="replicated")
    five.act(TIBET.approver, "seal.approve", second, use)
    five.act(TIBET.code, "seal.revoke", TIBET.seal, {"reason": "换章"})
    assert refusal(TIBET.keeper, "seal.use", second, use) == "seal-not-live"
    # The case names the use, in every region.
    five.sees(SICHUAN, used)
    lines = five.case(SICHUAN, told.name)["lines"]
    assert ("seal.use", used.index) in [(line["kind"], line["index"]) for line in lines]


def test_a_correction_stands_beside_what_it_corrects(five: Five, told: Told) -> None:
    body = {"index": told.decided.index, "reason": "笔误", "remark": "依据为另一文件"}
    corrected = five.act(TIBET.code, "act.correct", told.name, body)
    made = decode_statement(corrected.entry)
    citation = Citation(CORRECTS, five.origin(TIBET), told.decided.index, told.decided.leaf)
    assert citation in made.act.citations
    five.sees(CHONGQING, corrected)
    lines = five.case(CHONGQING, told.name)["lines"]
    kinds = {line["index"]: line["kind"] for line in lines if line["region"] == TIBET.code}
    assert kinds[told.decided.index] == "case.decide", "nothing is edited"
    assert kinds[corrected.index] == "act.correct"


# ---- proofs -------------------------------------------------------------------------------------


async def entry(client: Client, index: int) -> bytes:
    size = (await client.status())["size"]
    first = index - index % TILE_WIDTH
    width = min(size - first, TILE_WIDTH)
    path = entries_path(index // TILE_WIDTH, width)
    return decode_entry_bundle(await client.fetch(f"/log/{path}"), width)[index - first]


def test_receipts_hold_for_a_verifier_that_is_not_ours(five: Five, told: Told) -> None:
    for home, acted in ((SICHUAN, told.opened), (TIBET, told.decided)):
        public = five.founded.roster.member(home.code).keys.receipt
        pem = Ed25519PublicKey.from_public_bytes(public).public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        later = five.ask(home, lambda client, at=acted.index: client.receipt(at))  # type: ignore[misc]
        for receipt in (acted.receipt, later):
            result = scitt_cose.verify_receipt(
                receipt, leaf_entry_hex=acted.entry.hex(), log_public_key_pem=pem
            )
            assert result.ok, result.errors
            assert (result.leaf_index, result.issuer) == (acted.index, acted.origin)
            bad = scitt_cose.verify_receipt(
                receipt, leaf_entry_hex=told.lent.item.encode().hex(), log_public_key_pem=pem
            )
            assert not bad.ok


def test_a_proof_file_holds_under_the_policy_that_the_roster_gives(five: Five, told: Told) -> None:
    for home, acted in ((SICHUAN, told.opened), (TIBET, told.decided)):
        data = five.ask(home, lambda client, at=acted.index: client.proof(at))  # type: ignore[misc]
        proof = TlogProof.decode(data)
        assert proof.index == acted.index
        for role in ("witness", "mirror"):
            path = five.founded.configs[home.code].parent / "policy" / f"{role}-1.policy"
            text = path.read_bytes()
            assert text.decode() == tlog_policy(five.founded.roster, acted.origin, role)
            policy = Policy.decode(text, faulty_max=1)
            result = proof.check(acted.leaf, policy)
            assert result.checkpoint.origin == acted.origin
            with pytest.raises(UnverifiedError):
                proof.check(hash_leaf(b"another"), policy)
            bare = TlogProof(
                proof.index, proof.hashes, Note(proof.note.text, proof.note.signatures[:1])
            )
            with pytest.raises(UnverifiedError):
                bare.check(acted.leaf, policy)


def test_tiles_hash_to_the_published_root_at_the_writer_and_at_every_mirror(five: Five) -> None:
    five.settle()
    for home in HOMES:
        origin = five.origin(home)
        heads, bundles = set(), set()
        for at in HOMES:
            prefix = "/log" if at is home else f"/mirror/{origin_hash(origin)}"
            head = Checkpoint.decode(note_at(five, at, f"{prefix}/checkpoint").text)
            assert head.origin == origin
            heads.add((head.size, head.root))
            entries: list[bytes] = []
            for number in range(-(-head.size // TILE_WIDTH)):
                width = min(head.size - number * TILE_WIDTH, TILE_WIDTH)
                bundle = fetch(five, at, f"{prefix}/{entries_path(number, width)}")
                part = decode_entry_bundle(bundle, width)
                tile = fetch(five, at, f"{prefix}/{tile_path(0, number, width)}")
                assert tile == b"".join(map(hash_leaf, part))
                entries += part
            assert rfc9162.root(entries) == head.root
            bundles.add(b"".join(entries))
        assert len(heads) == len(bundles) == 1


def fetch(five: Five, home: Home, path: str) -> bytes:
    return five.ask(home, lambda client: client.fetch(path))


def test_all_nodes_hold_the_same_logs_and_make_the_same_of_them(five: Five, told: Told) -> None:
    check_agreement(five)
    assert len(five.rows(SICHUAN, "facts")) > 100
    objects = [
        five.ask(home, lambda client: client.object(told.lent.grant))["facts"] for home in HOMES
    ]
    assert len(objects[0]) == 2, "the grantor's row and the grantee's"
    assert all(rows == objects[0] for rows in objects)


# ---- links that are cut -------------------------------------------------------------------------


def test_a_region_that_nobody_can_reach_goes_on_and_catches_up_by_itself(five: Five) -> None:
    """Its peer listener is out of reach; its own calls go through."""
    five.settle()
    five.run(five.inward.cut())
    try:
        before = five.status(FAR)["logs"]
        for home in NEARBY:
            assert remark(five, home, wait="replicated").finality == "replicated"
        acted = remark(five, FAR)
        assert five.status(FAR)["size"] > acted.index
        for home in NEARBY:
            log = five.status(FAR)["logs"][five.origin(home)]
            assert log["stored_size"] == before[five.origin(home)]["stored_size"]
            assert log["stored_size"] < five.status(home)["size"]
            # An operator is told, and why.
            until(lambda home=home: five.status(home)["peers"][FAR.code]["trouble"] != "")
    finally:
        five.run(five.inward.join())
    check_agreement(five)
    until(lambda: all(five.status(h)["peers"][FAR.code]["failures"] == 0 for h in NEARBY))


def test_a_region_that_is_cut_off_keeps_serving_and_its_acts_stay_open(five: Five) -> None:
    five.settle()
    five.cut()
    try:
        acted = remark(five, FAR, wait="witnessed", timeout_ms=700)
        assert acted.finality == "accepted", "a wait that ran out claims no more than there is"
        assert five.status(FAR)["witnessed_size"] <= acted.index
        assert remark(five, FAR, wait="replicated", timeout_ms=300).finality == "accepted"
        for home in NEARBY:
            assert remark(five, home, wait="replicated").finality == "replicated"
    finally:
        five.heal()
    until(lambda: five.status(FAR)["replicated_size"] > acted.index)
    check_agreement(five)


def test_a_use_in_the_gap_is_confirmed_while_its_view_was_fresh_enough(five: Five) -> None:
    lent = five.lend(TIBET, FAR, "gap")
    case = "510000/case/2026-000010"
    five.settle()
    five.cut()
    try:
        ended = lent.revoke()
        assert lent.may().allowed == "yes", "nothing of the end is seen here"
        used = lent.open(case)
        assert used.finality == "accepted"
    finally:
        five.heal()
    five.sees(FAR, ended)
    with pytest.raises(RefusedError):
        lent.open("510000/case/2026-000011")
    settle_uses(five)
    for home in HOMES:
        [line] = five.case(home, case)["lines"]
        assert (line["confirmation"], line["findings"]) == ("confirmed", [])


def test_a_use_under_a_stale_view_of_a_right_that_had_ended_is_found_by_every_node(
    five: Five,
) -> None:
    lent = five.lend(TIBET, FAR, "stale")
    kept = five.lend(TIBET, FAR, "kept")
    ended_use, late_use = "510000/case/2026-000020", "510000/case/2026-000021"
    five.settle()
    five.cut()
    try:
        ended = lent.revoke()
        until(lambda: five.status(TIBET)["replicated_size"] > ended.index)
        five.clock.by_ms += 1_000 * (five.founded.roster.constants.staleness_s + 60)
        assert lent.may().allowed == "open", "a right that only receives goes on, and stays open"
        served = five.check(FAR.window, "deliver", kept.item)
        assert (served.allowed, served.code) == ("no", "stale-view"), "what is served stays served"
        used = lent.open(ended_use)
        kept.open(late_use)
        body = {"unit": TIBET.department}
        five.act(FAR.receiver, "handoff.offer", ended_use, body)
        [line] = five.case(FAR, ended_use)["lines"][:1]
        assert line["confirmation"] == "open"
    finally:
        five.heal()
    settle_uses(five)
    findings = []
    for home in HOMES:
        line = five.case(home, ended_use)["lines"][0]
        assert (line["index"], line["confirmation"]) == (used.index, "unauthorised")
        assert "unauthorised-use" in line["findings"]
        assert five.case(home, late_use)["lines"][0]["confirmation"] == "confirmed-late"
        found = five.ask(home, lambda client: client.findings(origin=five.origin(FAR)))
        findings.append([it for it in found if it["index"] == used.index])
    assert all(found == findings[0] for found in findings)
    [finding] = findings[0]
    assert (finding["code"], finding["subject"]) == ("unauthorised-use", lent.grant)
    here, there = five.origin(FAR), five.origin(TIBET)
    (_, use), (_, relied), (_, later), end = finding["evidence"]
    assert [origin for origin, _ in finding["evidence"]] == [here, here, here, there]
    assert relied < use == used.index < later, "it names the view relied on, and the one after"
    assert end == [there, ended.index]
    check_agreement(five)


def test_with_a_quorum_out_of_reach_acts_wait_and_nothing_is_lost(five: Five) -> None:
    five.settle()
    five.run(five.stop(YUNNAN))
    try:
        assert remark(five, GUIZHOU, wait="replicated").finality == "replicated", "three of four"
        five.run(five.stop(CHONGQING))
        waiting = remark(five, GUIZHOU, wait="witnessed", timeout_ms=500)
        assert waiting.finality == "accepted", "two of four are no quorum"
        assert five.status(GUIZHOU)["replicated_size"] <= waiting.index
    finally:
        five.run(five.start(*(home for home in HOMES if home.code not in five.nodes)))
    until(lambda: five.status(GUIZHOU)["replicated_size"] > waiting.index)
    check_agreement(five)


def test_cases_between_all_regions_at_once_come_through_a_link_that_fails(five: Five) -> None:
    pairs = [(HOMES[at], HOMES[(at + 1) % len(HOMES)]) for at in range(len(HOMES))]

    def carry(number: int, window: Home, owner: Home) -> str:
        lent = five.lend(owner, window, f"crowd-{number}")
        case = f"{window.code}/case/2026-1{number:05}"
        lent.open(case)
        lent.hand_over(case)
        decision = {"result": "refused", "basis": "依据", "document": bytes(32)}
        five.act(owner.decider, "case.decide", case, decision)
        lent.hand_over(case, back=True)
        lent.finish(case)
        return case

    with ThreadPoolExecutor(len(pairs)) as pool:
        carried = [pool.submit(carry, at, *pair) for at, pair in enumerate(pairs)]
        for _ in range(3):
            time.sleep(0.3)
            five.cut()
            time.sleep(0.3)
            five.heal()
        cases = [future.result() for future in carried]
    check_agreement(five)
    for home in HOMES:
        for case in cases:
            story = five.case(home, case)
            assert (story["stage"], story["holder"], story["findings"]) == ("closed", None, [])


def test_a_network_that_was_stopped_stands_where_it_stood(five: Five) -> None:
    five.settle()
    before = [(five.status(home)["size"], five.status(home)["root"]) for home in HOMES]
    tables = {table: five.rows(YUNNAN, table) for table in PROJECTED}
    five.run(five.stop())
    five.run(five.start())
    for home, (size, root) in zip(HOMES, before, strict=True):
        status = five.status(home)
        assert (status["state"], status["size"], status["root"]) == ("serving", size, root)
        assert status["witnessed_size"] == status["replicated_size"] == size
    assert {table: five.rows(YUNNAN, table) for table in PROJECTED} == tables
    for home in HOMES:
        assert remark(five, home, wait="replicated").finality == "replicated"
    check_agreement(five)


# ---- a witness of another make ------------------------------------------------------------------


@pytest.mark.foreign
def test_lines_of_a_witness_that_is_not_ours_are_served_and_never_counted(five: Five) -> None:
    if not five.foreign_key:
        pytest.skip(five.foreign_lack)
    key = VerifierKey.decode(five.foreign_key)
    away = (CHONGQING, YUNNAN)

    def foreign_line(acted: Acted) -> bool:
        note = note_at(five, WATCHED)
        for signature in note.signatures:
            if (signature.name, signature.key_id) == (FOREIGN_NAME, key.key_id):
                assert key.check(note.text, signature.blob)
                return Checkpoint.decode(note.text).size > acted.index
        return False

    acted = remark(five, WATCHED, wait="replicated")
    until(lambda: foreign_line(acted))
    proof = TlogProof.decode(five.ask(WATCHED, lambda client: client.proof(acted.index)))
    text = tlog_policy(five.founded.roster, acted.origin, "witness")
    result = proof.check(acted.leaf, Policy.decode(text.encode(), faulty_max=1))
    assert FOREIGN_NAME in {line.name for line in proof.note.signatures}
    assert FOREIGN_NAME not in {line.key.name for line in result.witnesses}

    # With two of four members away, it would be the third line of a quorum of three.
    five.run(five.stop(*away))
    try:
        lonely = remark(five, WATCHED, wait="witnessed", timeout_ms=500)
        until(lambda: foreign_line(lonely))
        assert five.status(WATCHED)["witnessed_size"] <= lonely.index
        assert remark(five, WATCHED, wait="witnessed", timeout_ms=300).finality == "accepted"
    finally:
        five.run(five.start(*away))
    until(lambda: five.status(WATCHED)["replicated_size"] > lonely.index)
    check_agreement(five)
