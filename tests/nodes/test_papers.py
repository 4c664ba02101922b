"""Papers of a real node: drawn from the case, approved, sealed, recorded, and only then given."""

import asyncio
import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import segno

from ledger.errors import (
    MalformedError,
    UnavailableError,
)
from nodes.adapters import press
from nodes.adapters.clock import SystemClock
from nodes.adapters.timestamp_http import Stamping
from nodes.adapters.trust_files import load_trust
from nodes.api import paper_facts
from nodes.cli.main import main
from nodes.cli.seal import check
from seals import ofd, pdf, timestamp
from seals.documents import Proof
from seals.report import Verdict
from seals.trust import Trust
from tests.nodes.papers import (
    ASKED,
    CASE,
    HEAD,
    HERE,
    KEEPER,
    MATERIALS,
    OTHER,
    SEAL,
    SM2,
    Office,
    one_office,
    refusal,
    verdicts,
)
from tests.nodes.test_timestamp_http import REPLY, client, serving
from tests.seals.office import OFFICE, TRUST, key


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with one_office(tmp_path_factory.mktemp("papers")) as made:
        yield made


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
    assert "record of a paper" in office.looked_at()
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
        paper_facts.press()
    assert caught.value.code == "no-documents"
