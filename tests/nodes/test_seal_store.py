"""Seals at rest: those made here and those of licensed makers, whom to believe, when they sign."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from nodes.adapters import seal_store
from nodes.adapters.draft_store import KEPT_S, DraftStore, Origin
from nodes.adapters.held_seals import Brought, HeldSeal, Pending
from nodes.adapters.keystore import KeyStore
from nodes.adapters.random import randomness
from nodes.adapters.seal_store import LIST_S, SealStore
from nodes.adapters.sm2_libcrypto import LibcryptoKey
from nodes.cli.seal import check
from seals.certificate import decode_certificate
from seals.documents import CaseResult, Material, OneTimeNotice, Proof
from seals.revocation import decode_revocation_list
from seals.signing import make_signature
from seals.sm2 import sm3
from seals.trust import Trust
from tests.authz.refusals import refused
from tests.seals.office import DAY_S, NOW_S, OFFICE, PLACE, SEAL, SM2, Office, key

HERE = "510000/seal/civil-1"
THERE = "510000/seal/civil-2"
BROUGHT = Brought(anchors=(OFFICE.root,), others=(OFFICE.middle,), lists=tuple(OFFICE.lists))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyStore:
    folder = tmp_path_factory.mktemp("seals") / "keys"
    return KeyStore.create(folder, b"a secret of the office", randomness)


@pytest.fixture
def store(tmp_path: Path) -> SealStore:
    return SealStore(KeyStore.create(tmp_path / "keys", b"a secret of the office", randomness))


def trial(store: SealStore, seal: str = HERE) -> HeldSeal:
    store.make_trial(seal, name="民政厅", code="51000000000001", picture=b"\x89PNG", now_s=NOW_S)
    return store.load(seal)


def bring(store: SealStore, seal: str = HERE, **changes: Any) -> None:
    given: dict[str, Any] = {
        "esl": SEAL,
        "certificate": OFFICE.signer,
        "brought": BROUGHT,
        "key": key("signer"),
        "paper": None,
        "at_s": NOW_S,
    }
    store.bring(seal, **given | changes)


def sign(store: SealStore, seal: str, digest: bytes, *, subject: str = "x") -> bytes:
    """Seal a digest as the node does, and count it as recorded."""

    def work(held: HeldSeal, seal_key: Any, _paper_key: Any) -> bytes:
        return make_signature(
            seal=held.seal,
            digest=digest,
            property_info=PLACE,
            time_s=NOW_S,
            certificate=held.certificate,
            key=seal_key,
        )

    pending = Pending(subject=subject, officer="510000/officer/a", body={"draft": digest})
    made = store.sign(seal, pending, work)
    store.recorded(seal, subject)
    return made


def test_a_seal_of_a_licensed_maker_is_brought_checked_and_signs(store: SealStore) -> None:
    bring(store)
    store.check_signer(HERE, NOW_S)
    digest = sm3(b"a paper")
    signed = sign(store, HERE, digest)
    trust = Trust.of(anchors=BROUGHT.anchors, others=BROUGHT.others, lists=BROUGHT.lists)
    [report] = check(signed, sm2=SM2, trust=trust, at_s=NOW_S)
    assert {it.code for it in report.steps if it.outcome != "passed"} == {"no-original"}
    assert report.facts["digest"] == digest.hex()
    assert store.held() == [HERE]
    assert store.trust().count(b"BEGIN CERTIFICATE") == 2
    assert store.trust().count(b"BEGIN X509 CRL") == len(OFFICE.lists)
    # It opens again from disk, and asks for OFD where it has no key for PDF files.
    again = SealStore(store._store)
    sign(again, HERE, digest)
    assert again.journal(HERE).signatures == 2
    with refused("no-paper-key"):
        again.load(HERE).check_paper(NOW_S)


@pytest.mark.parametrize(
    ("office", "code"),
    [
        (replace(OFFICE, revoked={Office.SIGNER: NOW_S - DAY_S}), "revoked-before-signing"),
        (replace(OFFICE, revoked={Office.MAKER: NOW_S - DAY_S}), "maker-revoked"),
        (replace(OFFICE, signer_until_s=NOW_S - DAY_S), "outside-certificate"),
        (replace(OFFICE, maker_until_s=NOW_S - DAY_S), "maker-out-of-period"),
        (replace(OFFICE, seal_until_s=NOW_S - 1), "seal-expired"),
        (replace(OFFICE, seal_from_s=NOW_S + 1), "seal-not-yet"),
        (replace(OFFICE, list_until_s=NOW_S - 1, list_from_s=NOW_S - DAY_S), "seal-unproven"),
    ],
)
def test_a_seal_that_would_not_verify_is_not_brought_and_does_not_sign(
    store: SealStore, office: Office, code: str
) -> None:
    changes = {
        "esl": office.seal(),
        "certificate": office.signer,
        "brought": Brought(
            anchors=(office.root,), others=(office.middle,), lists=tuple(office.lists)
        ),
    }
    with refused(code):
        bring(store, **changes)
    assert store.held() == []
    # One that was good when it came, and has ended since.
    bring(store)
    home = store._home(HERE)
    (home / "seal.esl").write_bytes(changes["esl"])
    (home / "seal.cer").write_bytes(office.signer)
    (home / "trust.cbor").write_bytes(seal_store._encode_brought(changes["brought"]))
    with refused(code):
        store.check_signer(HERE, NOW_S)


def test_a_seal_that_names_another_signer_or_has_another_key_is_not_brought(
    store: SealStore,
) -> None:
    with refused("not-in-list"):
        bring(store, certificate=OFFICE.maker, key=key("maker"))
    with refused("key-differs"):
        bring(store, key=key("maker"))
    with refused("seal-unproven"):
        bring(store, brought=replace(BROUGHT, anchors=()))
    assert store.held() == []


def test_brought_again_with_newer_lists_those_count_and_the_seal_stays(store: SealStore) -> None:
    bring(store)
    revoked = replace(OFFICE, revoked={Office.SIGNER: NOW_S + DAY_S}, list_from_s=NOW_S + 10)
    bring(store, brought=replace(BROUGHT, lists=(*BROUGHT.lists, *revoked.lists)))
    store.check_signer(HERE, NOW_S)
    with refused("revoked-before-signing"):
        store.check_signer(HERE, NOW_S + DAY_S)
    with refused("exists"):
        bring(store, esl=OFFICE.but(seal_until_s=NOW_S + DAY_S).seal())
    trial(store, THERE)
    with refused("exists"):
        bring(store, THERE)


def test_a_key_in_a_device_signs_there_and_lies_in_no_file(tmp_path: Path) -> None:
    asked: list[str] = []

    def device(label: str) -> LibcryptoKey:
        asked.append(label)
        return key("signer")

    keys = KeyStore.create(tmp_path / "keys", b"a secret of the office", randomness)
    store = SealStore(keys, device)
    bring(store, key="slot-7")
    assert not list((tmp_path / "keys").rglob("*.p8"))
    sign(store, HERE, sm3(b"a paper"))
    assert asked == ["slot-7", "slot-7"]
    with refused("no-device"):
        sign(SealStore(keys), HERE, sm3(b"a paper"), subject="y")
    assert store.journal(HERE).signatures == 1


def paper_pair(until: timedelta) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    signer = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "民政厅")])
    now = datetime.fromtimestamp(NOW_S, UTC)
    built = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=signer.public_key(),
        serial_number=7,
        not_valid_before=now - timedelta(days=1),
        not_valid_after=now + until,
    ).sign(signer, hashes.SHA256())
    return signer, built.public_bytes(serialization.Encoding.DER)


def test_a_key_for_pdf_files_is_brought_with_its_certificate_and_checked(store: SealStore) -> None:
    signer, certificate = paper_pair(timedelta(days=2))
    with refused("key-differs"):
        bring(store, paper=(ec.generate_private_key(ec.SECP256R1()), certificate))
    other = paper_pair(timedelta(days=2))[1]
    chain = replace(BROUGHT, paper_chain=(other,))
    with refused("no-issuer"):
        bring(store, paper=(signer, certificate), brought=chain)
    bring(
        store,
        paper=(signer, certificate),
        brought=replace(BROUGHT, paper_chain=(certificate,)),
    )
    held = store.load(HERE)
    held.check_paper(NOW_S)
    with refused("outside-certificate"):
        held.check_paper(NOW_S + 3 * DAY_S)


# ---- the list that the node gives out -----------------------------------------------------------


def test_a_stopped_seal_stands_on_the_list_since_its_stop_and_leaves_it_when_resumed(
    store: SealStore,
) -> None:
    held = trial(store)
    other = trial(store, THERE)
    store.check_signer(HERE, NOW_S)
    before = sign(store, HERE, sm3(b"before"))
    assert store.publish({HERE: NOW_S + 100}, NOW_S + 200)
    with refused("revoked-before-signing"):
        store.check_signer(HERE, NOW_S + 200)
    store.check_signer(THERE, NOW_S + 200)
    listed = the_list(store)
    assert listed.revoked == {decode_certificate(held.certificate).serial: NOW_S + 100}
    assert decode_certificate(other.certificate).serial not in listed.revoked
    # What it signed before the stop stays good.
    [report] = check(before, sm2=SM2, trust=store._own_trust(), at_s=NOW_S + 300)
    [step] = [it for it in report.steps if it.name == "signer-revocation"]
    assert (step.outcome, step.code) == ("passed", "revoked-after")
    assert not store.publish({HERE: NOW_S + 100}, NOW_S + 300)
    assert store.publish({}, NOW_S + 400)
    store.check_signer(HERE, NOW_S + 400)
    assert the_list(store).this_s == NOW_S + 400


def test_a_list_is_made_anew_before_it_falls_silent(store: SealStore) -> None:
    assert not store.publish({}, NOW_S)
    trial(store)
    made = the_list(store)
    assert not store.publish({}, NOW_S + LIST_S // 3)
    assert store.publish({}, NOW_S + LIST_S // 2 + 61)
    assert the_list(store).next_s > made.next_s


def the_list(store: SealStore) -> Any:
    return decode_revocation_list((store._folder / "authority" / "seal.crl").read_bytes())


# ---- drafts on disk -----------------------------------------------------------------------------

COMMON: dict[str, Any] = {
    "number": "510000/case/1",
    "item": "结婚登记",
    "item_code": "1",
    "applicant": "张*",
    "window": "三号窗口",
    "officer": "w3-01",
    "authority": "民政厅",
    "grant": "",
    "issuer": "民政厅",
    "time_s": NOW_S,
}
RESULT = CaseResult(**COMMON, outcome="准予", reasons="", basis="条例", delivery="窗口")
NOTICE = OneTimeNotice(
    **COMMON, missing=(Material(name="照片", form="原件", count=2, note="二寸"),), days=5
)


def origin(facts: Any = RESULT, **changes: Any) -> Origin:
    given: dict[str, Any] = {
        "form": "ofd",
        "subject": "510000/seal-use/p1",
        "officer": "510000/officer/a",
        "seal": HERE,
        "case": "510000/case/1",
        "purpose": "办理结果通知书",
        "grounds": {"grant": "540000/grant/1"},
        "facts": facts,
        "proof": Proof("https://node.example/p/1", b"bundle"),
        "name": "民政厅",
        "code": "51000000000001",
    }
    return Origin(**given | changes)


@pytest.mark.parametrize("facts", [RESULT, NOTICE])
def test_a_draft_comes_back_from_disk_as_it_was(tmp_path: Path, facts: Any) -> None:
    made = DraftStore(tmp_path / "papers")
    assert made.load(bytes(32)) is None
    made.save(bytes(32), origin(facts))
    assert DraftStore(tmp_path / "papers").load(bytes(32)) == origin(facts)
    assert made.load_file(bytes(32)) is None
    made.save_file(bytes(32), b"a sealed file")
    assert made.load_file(bytes(32)) == b"a sealed file"
    for path in (tmp_path / "papers").iterdir():
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", [b"", b"\x80", b"\xff" * 40])
def test_a_damaged_draft_is_none(tmp_path: Path, damage: bytes) -> None:
    made = DraftStore(tmp_path)
    made.save(bytes(32), origin())
    (tmp_path / f"{bytes(32).hex()}.draft").write_bytes(damage)
    assert made.load(bytes(32)) is None


def test_old_drafts_go_with_their_files_and_one_that_is_not_recorded_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = DraftStore(tmp_path)
    names = [bytes([number]) * 32 for number in range(4)]
    for name in names:
        made.save(name, origin())
        made.save_file(name, b"file")
    made.prune(0, set())
    assert len(made.digests()) == 4
    monkeypatch.setattr("nodes.adapters.draft_store.PAPERS_MAX", 2)
    made.prune(0, {names[0]})
    assert made.digests() == [names[0], names[3]]
    assert made.load_file(names[1]) is None
    far_s = int((tmp_path / f"{names[0].hex()}.draft").stat().st_mtime) + KEPT_S + 10
    made.prune(far_s, {names[0]})
    assert made.digests() == [names[0]]
    assert made.load_file(names[0]) == b"file"
