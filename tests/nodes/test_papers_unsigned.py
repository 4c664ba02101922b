"""What is not drawn and what no key signs: papers beside the ledger, and seals that may not."""

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from ledger.errors import (
    MalformedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from nodes.adapters.held_seals import HeldSeal, PaperKey, Pending, SealKey
from nodes.adapters.trust_files import load_trust
from nodes.api import paper_facts, papers
from seals.certificate import decode_certificate
from seals.report import Verdict
from seals.sm2 import USER_ID, sm3
from seals.trust import Trust
from tests.nodes.live import NOW_S
from tests.nodes.papers import (
    CASE,
    CLERK,
    DEPARTMENT,
    HEAD,
    HERE,
    ITEM,
    KEEPER,
    OTHER,
    SEAL,
    WINDOW,
    Office,
    one_office,
    refusal,
    verdicts,
)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with one_office(tmp_path_factory.mktemp("papers_unsigned")) as made:
        yield made


def test_what_the_ledger_does_not_say_is_not_put_on_paper(office: Office) -> None:
    refusal(office, "paper-facts", kind="notice", materials=[{"name": "照片", "code": "photo"}])
    refusal(office, "unknown-object", case=f"{HERE}/case/none")
    refusal(office, "bad-field", kind="result", result="perhaps", materials=[])
    refusal(office, "bad-field", materials=[])
    refusal(office, "bad-field", kind="letter")
    refusal(office, "paper-text", applicant="张\n三")
    refusal(office, "glyph-missing", applicant="\U0001f600")
    refusal(office, "wrong-party", officer=HEAD)


def test_a_notice_lists_what_the_ledger_s_notice_lists_and_a_result_comes_before_its_decision(
    office: Office,
) -> None:
    office.act(CLERK, "case.notice", CASE, {"missing": ["photo"], "window": WINDOW})
    missing = [{"name": "近期免冠照片", "code": "photo", "note": "二寸"}]
    for asked in (
        {"kind": "notice", "materials": missing},
        {
            "kind": "result",
            "result": "granted",
            "reasons": "材料齐全",
            "basis": "条例",
            "materials": [],
        },
    ):
        made = office.draw(seal=OTHER, **asked)
        assert verdicts(office, made["file"]) == [Verdict.VALID] * 2
        assert office.use(made["subject"])["doc"] == made["document"]
    refusal(office, "paper-facts", kind="notice", materials=[{"name": "户口簿", "code": "hukou"}])


def test_without_approval_nothing_is_signed(office: Office) -> None:
    told, signed = office.draw(), office.counted()["signatures"]
    with pytest.raises(RefusedError) as caught:
        office.seal(told["draft"])
    assert caught.value.code == "approval-missing"
    office.approve(told, document=hashlib.sha256(b"another").hexdigest())
    with pytest.raises(RefusedError) as caught:
        office.seal(told["draft"])
    assert caught.value.code == "approval-missing"
    with pytest.raises(RefusedError) as caught:
        office.seal(told["draft"], officer=HEAD)
    assert caught.value.code == "wrong-party"
    assert office.counted()["signatures"] == signed == office.uses()
    with pytest.raises(NotFoundError):
        office.seal("00" * 32)


def test_a_window_seals_under_a_loan_as_often_as_it_was_lent(office: Office) -> None:
    grant, loan = f"{HERE}/grant/2026-1", f"{HERE}/seal-loan/1"
    term = {"valid_from": NOW_S - 60, "valid_until": NOW_S + 86_400}
    offered = {
        "item": ITEM,
        "item_version": 1,
        "window": WINDOW,
        "rights": ["intake"],
        "staleness_s": 600,
        **term,
    }
    office.act(HEAD, "grant.offer", grant, offered)
    lent = {
        "seal": OTHER,
        "window": WINDOW,
        "grant": grant,
        "uses_max": 1,
        "reason": "就近用印",
        **term,
    }
    by_clerk = {"by": CLERK, "officer": CLERK, "seal": OTHER, "format": "ofd", "loan": loan}
    with pytest.raises(NotFoundError) as missing:
        office.draw(**by_clerk)
    assert missing.value.code == "unknown-object"
    office.act(KEEPER, "seal.lend", loan, lent)
    signed = office.counted(OTHER)["signatures"]
    made = office.draw(**by_clerk)
    assert verdicts(office, made["file"]) == [Verdict.VALID]
    use = office.use(made["subject"])
    assert (use["st"], use["by"]) == ("used", CLERK)
    with pytest.raises(RefusedError) as spent:
        office.draw(**by_clerk)
    assert spent.value.code == "quota-spent"
    assert office.counted(OTHER)["signatures"] == signed + 1 == office.uses(OTHER)
    # One whose seal asks for a second person is approved like any other.
    office.act(HEAD, "seal.lend", f"{loan}-two", lent | {"seal": SEAL})
    told = office.draw(**by_clerk | {"seal": SEAL, "loan": f"{loan}-two"})
    office.approve(told)
    made = office.seal(told["draft"], officer=CLERK)
    assert office.use(told["subject"])["doc"] == made["document"]


def test_a_paper_that_was_refused_is_not_sealed(office: Office) -> None:
    told, signed = office.draw(format="ofd"), office.counted()["signatures"]
    office.approve(told)
    refused = told["approve"] | {"reason": "内容有误"}
    office.act(HEAD, "seal.refuse", told["subject"], refused)
    with pytest.raises(RefusedError) as caught:
        office.seal(told["draft"])
    assert caught.value.code == "use-refused"
    assert office.counted()["signatures"] == signed == office.uses()


def test_who_keeps_no_seal_gets_none(office: Office) -> None:
    signed = office.counted(OTHER)["signatures"]
    with pytest.raises(RefusedError) as caught:
        office.draw(CLERK, seal=OTHER, officer=CLERK)
    assert caught.value.code == "not-keeper"
    assert office.counted(OTHER)["signatures"] == signed


def test_a_key_that_is_not_the_issued_seal_s_and_an_officer_who_left_sign_nothing(
    office: Office,
) -> None:
    wrong, gone = f"{HERE}/seal/civil-3", f"{HERE}/officer/seal-02"

    async def prepare() -> None:
        async with office.live.client(HERE) as here:
            await here.make_seal(wrong, "四川省民政厅")
            issued = {
                "name": "四川省民政厅",
                "owner": DEPARTMENT,
                "keepers": [gone],
                "approval": False,
                "certificate": bytes(32),
                "valid_from": NOW_S - 60,
                "valid_until": NOW_S + 864_000,
            }
            await here.act("seal.issue", wrong, issued)
            key = await here.make_officer_key(gone)
            body = {"unit": DEPARTMENT, "key": key, "holder": "region", "roles": ["keeper"]}
            await here.act("party.enrol", gone, body)
            office.tokens[gone] = (await here.issue_token(gone, "authority"))["token"]

    office.live.run(prepare())
    with pytest.raises(RefusedError) as caught:
        office.draw(gone, seal=wrong, officer=gone)
    assert caught.value.code == "seal-certificate"
    office.act("", "party.suspend", gone, {"reason": "离任"})
    with pytest.MonkeyPatch.context() as patch:
        held = office.store.load(wrong).certificate
        for module in (papers, paper_facts):
            patch.setattr(module, "seal_row", _with_certificate(held))
        with pytest.raises(RefusedError) as caught:
            office.draw(gone, seal=wrong, officer=gone)
    assert caught.value.code == "officer-not-live"
    assert office.counted(wrong)["signatures"] == 0


def _with_certificate(held: bytes) -> Any:
    real = paper_facts.seal_row

    def row(*given: Any) -> Any:
        found = real(*given)
        state = {**found.state, "cert": hashlib.sha256(held).digest()}
        return found._replace(state=state)

    return row


def test_a_node_that_does_not_write_signs_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, signed = office.live.nodes[HERE].service.node, office.counted(OTHER)["signatures"]
    snapshot = dataclasses.replace(node.snapshot, state="standby")
    monkeypatch.setattr(node, "snapshot", snapshot)
    with pytest.raises(UnavailableError):
        office.draw(seal=OTHER)
    assert office.counted(OTHER)["signatures"] == signed


def test_a_suspended_seal_signs_nothing(office: Office) -> None:
    office.act("", "seal.suspend", OTHER, {"reason": "盘点"})
    listed = trust_of(office).lists
    serial = decode_certificate(office.store.load(OTHER).certificate).serial
    assert [serial in it.revoked for it in listed] == [True]
    assert office.live.run(seals_of(office))[OTHER]["state"] == "suspended"
    signed = office.counted(OTHER)["signatures"]
    with pytest.raises(RefusedError) as caught:
        office.draw(seal=OTHER)
    assert caught.value.code == "seal-not-live"
    assert office.counted(OTHER)["signatures"] == signed
    office.act("", "seal.resume", OTHER, {"reason": "找回"})
    assert [serial in it.revoked for it in trust_of(office).lists] == [False]
    assert office.live.run(seals_of(office))[OTHER]["state"] == "live"


def trust_of(office: Office) -> Trust:
    async def ask() -> bytes:
        async with office.live.client(HERE) as client:
            return await client.seal_trust()

    office.trust.write_bytes(office.live.run(ask()))
    return load_trust([office.trust])


async def seals_of(office: Office) -> dict[str, Any]:
    async with office.live.client(HERE) as client:
        return {it["seal"]: it for it in await client.seals()}


def test_a_pdf_key_that_may_not_sign_signs_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(_held: HeldSeal, _at_s: int) -> None:
        raise RefusedError("its term is over", code="outside-certificate")

    monkeypatch.setattr(HeldSeal, "check_paper", ended)
    refusal(office, "outside-certificate", seal=OTHER)
    # OFD does not ask for that key.
    assert office.draw(seal=OTHER, format="ofd")["file"]


def test_a_certificate_on_the_revocation_list_signs_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the ledger says: the list may know more, as that of a licensed authority does."""

    async def nothing(_service: object) -> None:
        return

    monkeypatch.setattr(papers, "publish", nothing)
    signed = office.counted(OTHER)["signatures"]
    assert office.store.publish({OTHER: NOW_S - 10}, NOW_S)
    with pytest.raises(RefusedError) as caught:
        office.draw(seal=OTHER, format="ofd")
    assert caught.value.code == "revoked-before-signing"
    assert office.counted(OTHER)["signatures"] == signed == office.uses(OTHER)
    monkeypatch.undo()
    assert office.draw(seal=OTHER, format="ofd")["file"]


def test_an_act_of_its_own_stands_for_no_signature(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    use = {"seal": OTHER, "document": "11" * 32, "case": CASE, "purpose": "公函"}
    with pytest.raises(RefusedError) as caught:
        office.act(KEEPER, "seal.use", f"{HERE}/seal-use/own", use | {"draft": "22" * 32})
    assert caught.value.code == "sealing-only"
    record = papers._record
    taken: list[str] = []

    async def overtaken(service: Any, pending: Pending) -> int:
        if not taken:
            taken.append(pending.subject)
            raise UnavailableError("the node is busy", code="busy")
        return await record(service, pending)

    new = f"{HERE}/seal/civil-4"

    async def issue() -> None:
        async with office.live.client(HERE) as here:
            held = await here.make_seal(new, "四川省民政厅")
            issued = {
                "name": "四川省民政厅",
                "owner": DEPARTMENT,
                "keepers": [KEEPER],
                "approval": False,
                "certificate": bytes.fromhex(held["certificate"]),
                "valid_from": NOW_S - 60,
                "valid_until": NOW_S + 864_000,
            }
            await here.act("seal.issue", new, issued)

    office.live.run(issue())
    monkeypatch.setattr(papers, "_record", overtaken)
    with pytest.raises(UnavailableError):
        office.draw(seal=new)
    office.act(KEEPER, "seal.use", taken[0], use | {"seal": new})
    with pytest.raises(RefusedError) as caught:
        office.draw(seal=new)
    assert caught.value.code == "seal-unrecorded"
    assert office.counted(new)["signatures"] == 1


def test_no_way_around_the_record_gives_a_signature(office: Office) -> None:
    store, told = office.store, office.draw()
    office.approve(told)
    draft = bytes.fromhex(told["draft"])
    body = told["approve"] | {"document": draft, "draft": draft}
    pending = Pending(subject=told["subject"], officer=KEEPER, body=body)
    before = office.counted()
    kept: list[Any] = []

    def greedy(_held: HeldSeal, key: SealKey, paper_key: PaperKey) -> bytes:
        kept.extend((key, paper_key))
        key.sign(sm3(b"something else"), user_id=USER_ID)
        raise AssertionError

    with pytest.raises(RefusedError) as caught:
        store.sign(SEAL, pending, greedy)
    assert caught.value.code == "seal-key-bound"
    for sign in (
        lambda: kept[0].sign(draft, user_id=USER_ID),
        lambda: kept[1].sign(b"a whole other file"),
    ):
        with pytest.raises(RefusedError) as caught:
            sign()
        assert caught.value.code == "seal-key-spent"
    assert office.counted() == before

    def twice(_held: HeldSeal, key: SealKey, _paper_key: PaperKey) -> bytes:
        key.sign(draft, user_id=USER_ID)
        key.sign(draft, user_id=USER_ID)
        raise AssertionError

    with pytest.raises(RefusedError) as caught:
        store.sign(SEAL, pending, twice)
    assert caught.value.code == "seal-key-spent"
    assert office.counted()["signatures"] == before["signatures"] + 1
    with pytest.raises(UnavailableError) as missing:
        store.sign(SEAL, pending, greedy)
    assert missing.value.code == "seal-unrecorded"
    keys = office.store._store
    for name in (SEAL, f"seal/{SEAL}", "role/seal"):
        with pytest.raises((MalformedError, NotFoundError)):
            keys.load(name)
