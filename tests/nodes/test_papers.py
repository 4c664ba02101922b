"""Papers of a real node: drawn from the case, approved, sealed, recorded, and only then given."""

import asyncio
import dataclasses
import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import segno

from ledger.encoding import encode
from ledger.errors import (
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UnverifiedError,
)
from nodes.adapters import press
from nodes.adapters.clock import SystemClock
from nodes.adapters.draft_store import DraftStore
from nodes.adapters.keystore import KeyStore
from nodes.adapters.random import randomness
from nodes.adapters.seal_store import HeldSeal, PaperKey, Pending, SealKey, SealStore
from nodes.adapters.sm2_libcrypto import LibcryptoSM2
from nodes.adapters.timestamp_http import Stamping
from nodes.adapters.trust_files import load_trust
from nodes.api import papers
from nodes.cli.main import main
from nodes.cli.seal import check
from nodes.client import Patience
from seals import ofd, pdf, timestamp
from seals.certificate import decode_certificate
from seals.documents import Proof
from seals.report import Verdict
from seals.sm2 import USER_ID, sm3
from seals.trust import Trust
from tests.nodes.live import NOW_S, Live, live
from tests.nodes.test_timestamp_http import REPLY, client, serving
from tests.seals.office import OFFICE, TRUST, key

HERE = "510000"
DEPARTMENT, HALL, WINDOW = f"{HERE}/department/civil", f"{HERE}/hall/h1", f"{HERE}/window/w3"
CLERK, KEEPER, HEAD = (f"{HERE}/officer/{it}" for it in ("w3-01", "seal-01", "head-01"))
ITEM, CASE = f"{HERE}/item/000120001000", f"{HERE}/case/2026-000001"
SEAL, OTHER = f"{HERE}/seal/civil-1", f"{HERE}/seal/civil-2"
MATERIALS = [{"name": "居民身份证", "note": "已核验原件"}, {"name": "申请表", "count": 2}]
ASKED = {
    "case": CASE,
    "kind": "receipt",
    "format": "pdf",
    "seal": SEAL,
    "officer": KEEPER,
    "applicant": "张*",
    "materials": MATERIALS,
}
SM2 = LibcryptoSM2()
ONCE = Patience(attempts_max=1)


class Office(NamedTuple):
    live: Live
    tokens: dict[str, str]
    trust: Path

    def draw(self, by: str = KEEPER, **changes: Any) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            async with self.live.client(HERE, self.tokens[by], patience=ONCE) as client:
                return await client.draw_paper(ASKED | changes)

        return self.live.run(ask())

    def seal(self, draft: str, officer: str = KEEPER) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            async with self.live.client(HERE, self.tokens[officer], patience=ONCE) as client:
                return await client.seal_paper(bytes.fromhex(draft))

        return self.live.run(ask())

    def act(self, officer: str, kind: str, subject: str, body: dict[str, Any]) -> int:
        async def ask() -> int:
            async with self.live.client(HERE, self.tokens.get(officer)) as client:
                acted = await client.act(kind, subject, body, officer=officer or None)
                return acted.index

        return self.live.run(ask())

    def approve(self, told: dict[str, Any], **changes: Any) -> None:
        self.act(HEAD, "seal.approve", told["subject"], told["approve"] | changes)

    def counted(self, seal: str = SEAL) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            async with self.live.client(HERE) as client:
                return await client.seal_count(seal)

        return self.live.run(ask())

    def uses(self, seal: str = SEAL) -> int:
        """How many uses of a seal stand on the ledger."""

        async def ask() -> int:
            async with self.live.client(HERE) as client:
                lines = (await client.case(CASE))["lines"]
                return sum(it["kind"] == "seal.use" and it["seal"] == seal for it in lines)

        return self.live.run(ask())

    def use(self, subject: str) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            async with self.live.client(HERE) as client:
                [fact] = (await client.object(subject))["facts"]
                state: dict[str, Any] = fact["state"]
                return state

        return self.live.run(ask())

    @property
    def store(self) -> SealStore:
        return self.live.nodes[HERE].service.desk.seals


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("papers")
    with live(folder / "network", regions=1) as nodes:
        made = Office(nodes, {}, folder / "trust.pem")
        nodes.run(settle(made), 30)
        yield made


async def settle(made: Office) -> None:
    async with made.live.client(HERE) as here:
        await here.act("party.enrol", DEPARTMENT, {"name": "四川省民政厅"})
        await here.act("party.enrol", HALL, {"name": "政务大厅"})
        body = {"name": "三号窗口", "hall": HALL, "department": DEPARTMENT}
        await here.act("party.enrol", WINDOW, body)
        for party, unit, roles in (
            (CLERK, WINDOW, ["receive"]),
            (KEEPER, DEPARTMENT, ["keeper"]),
            (HEAD, DEPARTMENT, ["decide", "grant", "manage"]),
        ):
            key = await here.make_officer_key(party)
            body = {"unit": unit, "key": key, "holder": "region", "roles": sorted(roles)}
            await here.act("party.enrol", party, body)
            made.tokens[party] = (await here.issue_token(party, "authority"))["token"]
        for seal, two in ((SEAL, True), (OTHER, False)):
            held = await here.make_seal(seal, "四川省民政厅")
            issued = {
                "name": "四川省民政厅",
                "owner": DEPARTMENT,
                "keepers": [HEAD, KEEPER],
                "approval": two,
                "approvers": [HEAD] if two else [],
                "certificate": bytes.fromhex(held["certificate"]),
                "valid_from": NOW_S - 60,
                "valid_until": NOW_S + 864_000,
            }
            await here.act("seal.issue", seal, issued)
        made.trust.write_bytes(await here.seal_trust())
    async with made.live.client(HERE, made.tokens[HEAD]) as head:
        published = {
            "version": 1,
            "title": "结婚登记",
            "code": "000120001000",
            "department": DEPARTMENT,
            "materials": ["hukou", "photo"],
            "days": 5,
        }
        await head.act("item.publish", ITEM, published, officer=HEAD)
    async with made.live.client(HERE, made.tokens[CLERK]) as clerk:
        opened = {
            "item": ITEM,
            "item_version": 1,
            "department": DEPARTMENT,
            "mode": "counter",
            "window": WINDOW,
        }
        await clerk.act("case.open", CASE, opened, officer=CLERK)


def verdicts(office: Office, file: bytes) -> list[Verdict]:
    # Asked now: in a long run, what is read when the file is loaded is long past by then.
    now_s = SystemClock().now_ms() // 1000
    reports = check(file, sm2=SM2, trust=load_trust([office.trust]), at_s=now_s + 30)
    return [it.verdict for it in reports]


@pytest.mark.parametrize("form", ["pdf", "ofd"])
def test_a_paper_is_approved_sealed_recorded_and_verifies(office: Office, form: str) -> None:
    before = office.counted()["signatures"]
    told = office.draw(format=form)
    assert "file" not in told
    assert office.counted()["signatures"] == before
    office.approve(told)
    made = office.seal(told["draft"])
    file = made["file"]
    use = office.use(told["subject"])
    assert (use["st"], use["doc"]) == ("used", hashlib.sha256(file).hexdigest())
    assert verdicts(office, file) == [Verdict.VALID] * (2 if form == "pdf" else 1)
    read = pdf.read(file) if form == "pdf" else ofd.read(file)
    assert read.evidence
    changed = bytearray(file)
    changed[len(file) // 3] ^= 1
    try:
        found = verdicts(office, bytes(changed))
    except MalformedError:
        found = []
    assert found != [Verdict.VALID] * len(found) or not found
    assert office.counted() == {"seal": SEAL, "signatures": before + 1, "unrecorded": None}
    assert office.counted()["signatures"] == office.uses()


def fetch(office: Office, path: str, accept: str = "*/*") -> tuple[int, str, str]:
    """Ask the node without a token; give status, text, and where it leads."""
    url = office.live.founded.roster.members[HERE].url

    async def ask() -> tuple[int, str, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(url + path, headers={"Accept": accept}, allow_redirects=False) as got,
        ):
            return got.status, await got.text(errors="replace"), got.headers.get("Location", "")

    return office.live.run(ask())


def test_the_code_leads_whoever_has_the_paper_to_its_record_and_nobody_to_a_draft(
    office: Office,
) -> None:
    told = office.draw(format="ofd")
    short = told["subject"].rsplit("/p", 1)[1]
    path = f"/p/{short}"
    assert fetch(office, path)[0] == 404
    office.approve(told)
    # Approved is not sealed yet: the page is for who holds the paper.
    assert fetch(office, path)[0] == 404
    made = office.seal(told["draft"])
    evidence = ofd.read(made["file"]).evidence
    assert evidence is not None
    link = f"{office.live.founded.roster.members[HERE].url}{path}"
    text = Proof(link, evidence).code_text()
    # A version 7 code has 45 modules: on 27 mm a phone reads it without effort.
    assert segno.make(text, error="m", micro=False).version <= 7
    status, said_, _ = fetch(office, path)
    found = json.loads(said_)
    assert status == 200, said_
    assert (found["verdict"], found["findings"]) == ("recorded", [])
    assert (found["document"], found["index"]) == (made["document"], made["index"])
    assert KEEPER not in said_
    assert "张" not in said_
    for document, same in ((made["document"], True), ("00" * 32, False)):
        answer = json.loads(fetch(office, f"{path}?document={document}")[1])
        assert answer["is_document"] is same
    status, page, _ = fetch(office, path, "text/html,*/*")
    assert status == 200
    assert made["document"] in page
    assert "用印已记入账本" in page
    assert fetch(office, f"{path}/proof")[2] == found["proof"]
    assert fetch(office, found["proof"])[0] == 200
    assert fetch(office, found["entry"])[0] == 200
    for bad in ("0" * 16, "x", "0" * 17, short.upper() + "0"):
        assert fetch(office, f"/p/{bad}")[0] == 404


def test_a_paper_is_dated_by_the_service_and_what_happens_without_it_is_configured(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def now(request: bytes) -> tuple[int, str, bytes]:
        at_s = SystemClock().now_ms() // 1000
        made = timestamp.answer(
            request, certificate=OFFICE.service, key=key("service"), time_s=at_s, serial=9
        )
        return 200, REPLY, made

    desk = office.live.nodes[HERE].service.desk
    signed = office.counted(OTHER)["signatures"]
    with serving(now) as url:
        monkeypatch.setattr(desk, "stamping", Stamping(seal=client(url)))
        made = office.draw(seal=OTHER, format="ofd")
    assert made["stamped"] is True
    mine = load_trust([office.trust])
    trust = Trust(
        (*mine.anchors, *TRUST.anchors), (*mine.others, *TRUST.others), (*mine.lists, *TRUST.lists)
    )
    at_s = SystemClock().now_ms() // 1000
    [report] = check(made["file"], sm2=SM2, trust=trust, at_s=at_s)
    step = report.step("timestamp")
    assert (report.verdict, step is not None and step.outcome) == (Verdict.VALID, "passed")
    assert report.facts["stamped"] != "no time stamp"
    # The service is gone: either nothing is signed, or the paper says that it is not dated.
    refusal(office, "timestamp-unavailable", seal=OTHER, format="ofd")
    assert office.counted(OTHER)["signatures"] == signed + 1
    monkeypatch.setattr(desk, "stamping", Stamping(seal=client(url), required=False))
    made = office.draw(seal=OTHER, format="ofd")
    assert made["stamped"] is False
    [report] = check(made["file"], sm2=SM2, trust=mine, at_s=at_s)
    assert report.facts["stamped"] == "no time stamp"


def test_asked_again_the_same_file_comes_and_the_key_does_not_sign(office: Office) -> None:
    told = office.draw()
    office.approve(told)
    first = office.seal(told["draft"])
    signed = office.counted()["signatures"]
    assert office.seal(told["draft"]) == first
    assert office.counted()["signatures"] == signed == office.uses()


def test_asked_twice_at_once_the_key_signs_once(office: Office) -> None:
    told, signed = office.draw(format="ofd"), office.counted()["signatures"]
    office.approve(told)

    async def ask() -> list[dict[str, Any]]:
        async with office.live.client(HERE, office.tokens[KEEPER]) as client:
            draft = bytes.fromhex(told["draft"])
            return await asyncio.gather(*(client.seal_paper(draft) for _ in range(3)))

    first, *others = office.live.run(ask())
    assert others == [first, first]
    assert office.counted()["signatures"] == signed + 1 == office.uses()


def test_a_seal_of_one_person_needs_no_approval(office: Office) -> None:
    made = office.draw(seal=OTHER, format="ofd")
    assert verdicts(office, made["file"]) == [Verdict.VALID]
    assert office.counted(OTHER)["signatures"] == office.uses(OTHER)


def refusal(office: Office, code: str, *, seal: str = SEAL, **changes: Any) -> None:
    signed = office.counted(seal)["signatures"]
    with pytest.raises(LedgerError) as caught:
        office.draw(seal=seal, **changes)
    assert caught.value.code == code
    assert office.counted(seal)["signatures"] == signed == office.uses(seal)


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
        patch.setattr(papers, "_seal_row", _with_certificate(held))
        with pytest.raises(RefusedError) as caught:
            office.draw(gone, seal=wrong, officer=gone)
    assert caught.value.code == "officer-not-live"
    assert office.counted(wrong)["signatures"] == 0


def _with_certificate(held: bytes) -> Any:
    real = papers._seal_row

    def row(*given: Any) -> Any:
        found = real(*given)
        state = {**found.state, "cert": hashlib.sha256(held).digest()}
        return dataclasses.replace(found, state=state)

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


def test_what_was_signed_and_not_recorded_is_recorded_before_the_next(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = papers._record

    async def away(*_args: object) -> int:
        raise UnavailableError("the node is busy", code="busy")

    monkeypatch.setattr(papers, "_record", away)
    with pytest.raises(UnavailableError):
        office.draw(seal=OTHER)
    counted = office.counted(OTHER)
    assert counted["unrecorded"] is not None
    assert counted["signatures"] == office.uses(OTHER) + 1
    monkeypatch.setattr(papers, "_record", record)
    forget(office)
    made = office.draw(seal=OTHER)
    assert made["subject"] != counted["unrecorded"]
    assert office.use(counted["unrecorded"])["st"] == "used"
    after = office.counted(OTHER)
    assert after["unrecorded"] is None
    assert after["signatures"] == counted["signatures"] + 1 == office.uses(OTHER)


def forget(office: Office) -> None:
    """Leave the desk with what lies on disk, as a restart does."""
    desk = office.live.nodes[HERE].service.desk
    desk.drafts.clear()
    desk.store = DraftStore(desk.store._folder)


def test_a_draft_outlives_the_process_and_is_sealed_as_it_was_approved(office: Office) -> None:
    for form in ("pdf", "ofd"):
        told, signed = office.draw(format=form), office.counted()["signatures"]
        office.approve(told)
        forget(office)
        made = office.seal(told["draft"])
        forget(office)
        # The use is on the ledger and the caller never got the file: it can be had again.
        assert office.seal(told["draft"]) == made
        assert office.counted()["signatures"] == signed + 1 == office.uses()


def test_a_crash_after_signing_leaves_the_file_and_signs_nothing_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, signed = office.draw(format="ofd"), office.counted()["signatures"]
    office.approve(told)
    store = office.store
    write = store._write

    def dies(seal: str, journal: Any) -> None:
        if journal.pending is not None and journal.pending.body["document"] != bytes.fromhex(
            told["draft"]
        ):
            raise OSError("the process ended")
        write(seal, journal)

    monkeypatch.setattr(store, "_write", dies)
    with pytest.raises(LedgerError):
        office.seal(told["draft"])
    monkeypatch.setattr(store, "_write", write)
    assert office.counted()["unrecorded"] == told["subject"]
    forget(office)
    made = office.seal(told["draft"])
    assert verdicts(office, made["file"]) == [Verdict.VALID]
    assert office.use(told["subject"])["doc"] == made["document"]
    assert office.counted() == {"seal": SEAL, "signatures": signed + 1, "unrecorded": None}
    assert office.counted()["signatures"] == office.uses()


def test_a_keeper_finds_the_papers_that_are_kept_and_nobody_else_s(office: Office) -> None:
    told = office.draw(format="ofd")

    async def ask(party: str) -> list[dict[str, Any]]:
        async with office.live.client(HERE, office.tokens[party]) as client:
            return await client.papers()

    found = {it["draft"]: it for it in office.live.run(ask(KEEPER))}
    assert found[told["draft"]]["subject"] == told["subject"]
    assert found[told["draft"]]["sealed"] is False
    assert office.live.run(ask(HEAD)) == []


def test_a_file_that_was_lost_on_the_way_is_a_use_too_and_its_number_is_not_used_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = office.draw()
    office.approve(told)
    signed = office.counted()["signatures"]
    real = press.seal

    def breaks(*given: Any) -> Any:
        work = real(*given)

        def broken(*lent: Any) -> bytes:
            work(*lent)
            raise UnavailableError("the thread ended", code="busy")

        return broken

    monkeypatch.setattr(press, "seal", breaks)
    with pytest.raises(UnavailableError):
        office.seal(told["draft"])
    assert office.counted()["unrecorded"] == told["subject"]
    monkeypatch.setattr(press, "seal", real)
    with pytest.raises(RefusedError) as caught:
        office.seal(told["draft"])
    assert caught.value.code == "exists"
    assert office.use(told["subject"])["doc"] == told["draft"]
    assert office.counted() == {"seal": SEAL, "signatures": signed + 1, "unrecorded": None}
    assert office.counted()["signatures"] == office.uses()


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


def test_keys_at_rest_open_under_their_own_name_and_secret_alone(tmp_path: Path) -> None:
    keys = KeyStore.create(tmp_path / "keys", b"a secret of the office", randomness)
    store = SealStore(keys)
    for seal in (SEAL, OTHER):
        store.make_trial(
            seal, name="民政厅", code="51000000000001", picture=b"\x89PNG", now_s=NOW_S
        )
    with pytest.raises(RefusedError) as caught:
        store.make_trial(SEAL, name="民", code="51000000000001", picture=b"", now_s=NOW_S)
    assert caught.value.code == "exists"
    homes = [tmp_path / "keys" / "seals" / it.replace("/", ".") for it in (SEAL, OTHER)]
    for path in homes[0].iterdir():
        assert path.stat().st_mode & 0o077 == 0
    pending = Pending(subject="x", officer=KEEPER, body={"draft": bytes(32)})

    def work(_held: HeldSeal, key: SealKey, _paper_key: PaperKey) -> bytes:
        return key.sign(bytes(32), user_id=USER_ID)

    (homes[0] / "seal.p8").write_bytes((homes[1] / "seal.p8").read_bytes())
    with pytest.raises(UnverifiedError):
        store.sign(SEAL, pending, work)
    assert store.journal(SEAL).signatures == 0
    assert store.sign(OTHER, pending, work)
    assert store.journal(OTHER).signatures == 1
    other = SealStore(KeyStore.open(tmp_path / "keys", b"another secret, wrong", randomness))
    other.recorded(OTHER, "x")
    with pytest.raises(UnverifiedError):
        other.sign(OTHER, pending, work)
    (homes[1] / "signatures.cbor").write_bytes(encode(["many"]))
    with pytest.raises(MalformedError):
        store.journal(OTHER)


def test_only_an_operator_makes_seals_and_only_where_trials_are_allowed(office: Office) -> None:
    async def ask(token: str | None, seal: str) -> None:
        async with office.live.client(HERE, token) as client:
            await client.make_seal(seal, "民政厅")

    for token, seal, code in (
        (office.tokens[KEEPER], f"{HERE}/seal/new", "wrong-role"),
        (None, "500000/seal/new", "not-competent"),
        (None, f"{HERE}/window/w3", "bad-field"),
        (None, SEAL, "exists"),
    ):
        with pytest.raises(LedgerError) as caught:
            office.live.run(ask(token, seal))
        assert caught.value.code == code
    desk = office.live.nodes[HERE].service.desk
    desk.trial = False
    try:
        with pytest.raises(RefusedError) as refused:
            office.live.run(ask(None, f"{HERE}/seal/new"))
    finally:
        desk.trial = True
    assert refused.value.code == "no-trial"


# ---- commands -----------------------------------------------------------------------------------


@pytest.fixture
def tokens(office: Office, tmp_path: Path) -> dict[str, str]:
    """Files of the tokens."""
    made = {}
    for party in (KEEPER, HEAD):
        path = tmp_path / f"{party.rsplit('/', 1)[1]}.token"
        path.write_text(office.tokens[party])
        path.chmod(0o600)
        made[party] = str(path)
    return made


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = main(list(arguments))
    out = capsys.readouterr()
    assert status in {0, 1}, out.err
    found: dict[str, Any] = json.loads(out.out)
    return status, found


def test_the_commands_draw_approve_seal_and_verify_with_the_record(
    office: Office,
    tokens: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = office.live.founded.roster.members[HERE].url
    keeper = ("--node", url, "--token", tokens[KEEPER])
    file, listed = tmp_path / "receipt.ofd", tmp_path / "materials.json"
    listed.write_text(json.dumps(MATERIALS))
    asked = ("--kind", "receipt", "--format", "ofd", "--seal", SEAL, "--officer", KEEPER)
    more = ("--applicant", "张*", "--materials", str(listed), "-o", str(file))
    _, told = said(capsys, "paper", CASE, *asked, *more, *keeper)
    assert not file.exists()
    shown = tmp_path / "draft.pdf"
    by_head = ("--node", url, "--token", tokens[HEAD])
    said(capsys, "paper", "--draft", told["draft"], "--show", "-o", str(shown), *by_head)
    assert pdf.read(shown.read_bytes()).signatures == 0
    body = tmp_path / "approve.json"
    body.write_text(json.dumps(told["approve"]))
    head = ("--officer", HEAD, *by_head, "--json", str(body))
    said(capsys, "act", "seal.approve", "--subject", told["subject"], *head)
    _, made = said(capsys, "paper", "--draft", told["draft"], "-o", str(file), *keeper)
    assert made["document"] == hashlib.sha256(file.read_bytes()).hexdigest()
    checked = ("seal", "verify", str(file), "--trust", str(office.trust), *keeper)
    status, found = said(capsys, *checked, "--json")
    assert (status, found["valid"]) == (0, True)
    record = found["record"]
    assert (record["subject"], record["index"]) == (told["subject"], made["index"])
    assert (record["seal"], record["case"], record["officer"]) == (SEAL, CASE, KEEPER)
    for language, words in (("zh", "用印记录"), ("en", "The ledger has its use")):
        assert main([*checked, "--lang", language]) == 0
        assert words in capsys.readouterr().out
    changed = tmp_path / "changed.ofd"
    data = bytearray(file.read_bytes())
    # The zip's own words are under no signature, only under the digest on the ledger.
    data[10] ^= 1
    changed.write_bytes(data)
    status, found = said(capsys, "seal", "verify", str(changed), *keeper, "--json")
    assert found["record"] is None


def test_the_command_makes_a_seal_for_trials(
    office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = office.live.founded.configs[HERE].parent
    trust, seal = tmp_path / "trust.pem", f"{HERE}/seal/civil-9"
    asked = ("seal", "make", seal, "--name", "民政厅", "--trust", str(trust), "--node", str(folder))
    _, made = said(capsys, *asked)
    assert made["trial"] is True
    assert made["certificate"] == hashlib.sha256(office.store.load(seal).certificate).hexdigest()
    assert len(load_trust([trust]).lists) == 1


def test_a_node_answers_while_papers_are_drawn(office: Office) -> None:
    async def answered() -> int:
        async with office.live.client(HERE, office.tokens[KEEPER]) as client:
            drawn = asyncio.gather(*(client.draw_paper(ASKED) for _ in range(4)))
            count = 0
            while not drawn.done():
                await client.status()
                count += 1
            await drawn
            return count

    # Were the papers drawn in the node's loop, it would answer once between two of them.
    assert office.live.run(answered()) > 12


def test_a_node_that_holds_a_seal_gets_ready_to_draw_when_it_starts(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    warmed: list[str] = []
    warm = press.warm

    def told() -> None:
        warm()
        warmed.append(threading.current_thread().name)

    monkeypatch.setattr(press, "warm", told)
    desk = office.live.nodes[HERE].service.desk
    desk.warm()
    office.live.run(desk.run(lambda: None))
    assert [name.partition("_")[0] for name in warmed] == ["press"]
    monkeypatch.setattr(desk.seals, "held", list)
    desk.warm()
    office.live.run(desk.run(lambda: None))
    assert len(warmed) == 1


def test_without_the_optional_part_the_refusal_names_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nodes.adapters  # noqa: PLC0415 - only to take the module away

    monkeypatch.setitem(sys.modules, "nodes.adapters.press", None)
    monkeypatch.delattr(nodes.adapters, "press", raising=False)
    with pytest.raises(UnavailableError) as caught:
        papers.press()
    assert caught.value.code == "no-documents"
