"""The HTTP API of a real node: the right statuses and bytes, and refusals for the rest."""

import base64
import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from ledger import encoding, errors
from ledger.hashing import hash_leaf
from ledger.keys import SigningKey, key_thumbprint
from ledger.policy import Policy
from ledger.receipt import check_inclusion_receipt
from ledger.sign1 import decode_statement_parts
from ledger.statement import decode_statement, sign_statement
from ledger.tlog_proof import TlogProof
from nodes.api import acts
from nodes.api import problem as problem_module
from tests.nodes.asked import (
    DEPARTMENT,
    HERE,
    ITEM,
    OFFICER,
    OWNER,
    WINDOW,
    Answer,
    Town,
    enrolment,
    scrapi,
    two_regions,
)
from tests.nodes.live import NOW_S, live
from tests.nodes.waiting import until


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with two_regions(tmp_path_factory.mktemp("api")) as made:
        yield made


# ---- errors -------------------------------------------------------------------------------------


def test_every_class_of_refusal_has_its_status() -> None:
    waiting = [errors.LedgerError]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            if kind.__module__.startswith(("ledger.", "nodes.api.")):
                assert kind in problem_module.STATUS, kind
                waiting.append(kind)


def test_an_unknown_address_is_a_problem_that_says_what_to_mend(town: Town) -> None:
    for path in ("/", "/v1", "/v1/nothing", "/log/", "/peer/finished", "/c2sp/add-checkpoint"):
        answer = town.call("GET", path)
        assert answer.status == 404
        assert answer.type == "application/problem+json"
        assert answer.json().keys() == {"title", "status", "code", "detail", "mend"}
    answer = town.call("DELETE", "/v1/acts")
    assert (answer.status, answer.json()["code"]) == (405, "wrong-method")


ADDRESSES = [
    ("POST", "/entries"),
    ("POST", "/v1/acts"),
    ("POST", "/v1/ingest"),
    ("POST", "/v1/check"),
    ("POST", "/v1/tokens"),
    ("POST", "/v1/officers"),
    ("POST", "/v1/seals"),
    ("POST", "/v1/papers"),
]


@settings(max_examples=60)
@given(
    at=st.sampled_from(ADDRESSES),
    body=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=8) | st.floats(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    ).map(lambda value: json.dumps(value).encode()),
    kind=st.sampled_from(["application/json", "application/cose", "application/cbor", "", "x"]),
)
def test_any_bytes_to_any_address_are_refused_and_store_nothing(
    town: Town, at: tuple[str, str], body: bytes, kind: str
) -> None:
    size = town.size()
    answer = town.call(*at, body, token=town.operator_token, Content_Type=kind)
    assert 400 <= answer.status < 500, answer
    assert "problem" in answer.type
    assert town.size() == size


@settings(max_examples=80)
@given(
    prefix=st.sampled_from(
        [
            "/entries/",
            "/.well-known/scitt-keys/",
            "/v1/cases/",
            "/v1/bundles/",
            "/v1/objects/",
            "/v1/evidence/",
            "/v1/entries/",
            "/v1/check?",
            "/v1/findings?",
            "/log/tile/",
            "/mirror/",
            "/witness/",
        ]
    ),
    rest=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40),
)
def test_any_path_is_an_answer_or_a_refusal(town: Town, prefix: str, rest: str) -> None:
    answer = town.call("GET", prefix + rest, token=town.auditor_token)
    assert answer.status < 500, answer


@pytest.mark.parametrize(
    "body",
    [
        b'{"party":"510000","role":"auditor","role":"operator"}',
        b'{"party":"510000","role":"auditor","days":1.0}',
        b'{"party":"510000","role":"auditor","days":NaN}',
        b'{"party":"510000","role":"auditor","days":true}',
        b'{"party":"510000","role":"auditor","more":1}',
        b'{"party":"510000"}',
        b'["party"]',
        b"[" * 60_000,
        b'{"party":"510000","role":"\\ud800"}',
        b"\xff{}",
        b"",
    ],
)
def test_json_that_could_be_read_two_ways_is_malformed(town: Town, body: bytes) -> None:
    answer = town.call("POST", "/v1/tokens", body, token=town.operator_token)
    assert (answer.status, answer.type) == (400, "application/problem+json")


def test_a_body_beyond_its_limit_is_too_large(town: Town) -> None:
    answer = town.call("POST", "/entries", bytes(70_000), Content_Type="application/cose")
    assert answer.status == 413
    assert answer.type == "application/concise-problem-details+cbor"
    answer = town.post("/v1/acts", bytes(70_000), town.operator_token)
    assert (answer.status, answer.json()["code"]) == (413, "too-large")
    squeezed = __import__("gzip").compress(bytes(3_000_000))
    answer = town.call(
        "POST", "/v1/acts", squeezed, token=town.operator_token, Content_Encoding="gzip"
    )
    assert answer.status == 413
    answer = town.call(
        "POST", "/v1/acts", b"not gzip", token=town.operator_token, Content_Encoding="gzip"
    )
    assert answer.status == 400


# ---- SCRAPI -------------------------------------------------------------------------------------


def concise(answer: Answer) -> tuple[int, str, str]:
    assert answer.type == "application/concise-problem-details+cbor"
    value = encoding.decode(answer.body)
    return answer.status, value[-1], value[-2].split(":")[0]


def test_the_same_statement_again_gets_the_same_index_and_a_receipt(town: Town) -> None:
    async def stored() -> bytes:
        async with town.live.client(HERE) as client:
            acted = await client.act("party.enrol", "510000/department/again", {"name": "一局"})
            return acted.entry

    entry = town.live.run(stored())
    size = town.size()
    first, second = scrapi(town, entry), scrapi(town, entry)
    assert (first.status, second.status) == (201, 201)
    assert first.headers["location"] == second.headers["location"]
    assert town.size() == size
    public = town.live.founded.roster.members[HERE].keys.receipt
    receipt = check_inclusion_receipt(first.body, hash_leaf(entry), public)
    assert first.headers["location"] == f"/entries/{receipt.index}"
    got = town.call("GET", first.headers["location"])
    assert (got.status, got.type) == (200, "application/cose")
    again = check_inclusion_receipt(got.body, hash_leaf(entry), public)
    assert (again.index, again.subject) == (receipt.index, "510000/department/again")


def test_each_way_a_statement_can_be_wrong_has_its_code(town: Town) -> None:
    size = town.size()
    entry = enrolment(1)
    protected, payload, signature = decode_statement_parts(entry)
    stranger = sign_statement(
        SigningKey(bytes(32)), OWNER, "510000/window/x", NOW_S, decode_statement(entry).act
    ).entry
    unprotected = encoding.encode_tagged([protected, {1: 1}, payload, signature])
    table = {
        "wrong-tag": entry[1:],
        "non-canonical": b"\xd8\x12" + entry[1:],
        "unprotected-header": unprotected,
        "bad-signature": entry[:-1] + bytes([entry[-1] ^ 1]),
        "unknown-key": stranger,
        "future-time": enrolment(2, 86_400),
    }
    for code, sent in table.items():
        status, title, got = concise(scrapi(town, sent))
        assert (got, status) == (code, 400), got
        assert title in {"Malformed request", "Rejected"}
    assert concise(scrapi(town, entry.replace(b"\xa4\x01\x27", b"\xa4\x01\x26")))[1:] == (
        "Bad Signature Algorithm",
        "bad-algorithm",
    )
    assert town.size() == size


def test_a_refused_statement_is_rejected_with_its_rule(town: Town) -> None:
    status, title, code = concise(scrapi(town, enrolment(3)))
    assert (status, title) == (400, "Rejected")
    assert code in {"unknown-object", "not-entitled"}


def test_a_wrong_content_type_and_a_wrong_place_are_said_in_cbor(town: Town) -> None:
    answer = town.call("POST", "/entries", enrolment(4), Content_Type="application/json")
    assert concise(answer)[0] == 400
    for path in ("/entries/999999", "/entries/01", "/entries/-1", "/entries/x"):
        assert concise(town.call("GET", path))[0] == 404
    assert concise(town.call("GET", "/entries/x"))[1] == "Invalid locator"
    assert concise(town.call("GET", "/.well-known/scitt-keys/AAAA"))[1] == "No such key"


def test_the_receipt_key_is_published_alone_and_by_its_kid(town: Town) -> None:
    public = town.live.founded.roster.members[HERE].keys.receipt
    [key] = encoding.decode(town.call("GET", "/.well-known/scitt-keys").body)
    assert key[-2] == public
    kid = base64.urlsafe_b64encode(key_thumbprint(public)).rstrip(b"=").decode()
    one = town.call("GET", f"/.well-known/scitt-keys/{kid}")
    assert encoding.decode(one.body) == key


# ---- questions ----------------------------------------------------------------------------------


def test_check_answers_alike_in_both_forms_and_only_to_callers(town: Town) -> None:
    query = f"/v1/check?window={WINDOW}&right=intake&item={ITEM}&officer={OFFICER}"
    asked = {"window": WINDOW, "right": "intake", "item": ITEM, "officer": OFFICER}
    got = town.call("GET", query, token=town.window_token)
    assert got.status == 200
    told = [got.json(), town.post("/v1/check", asked, town.window_token).json()]
    # A no has a number, each its own.
    assert len({it.pop("request") for it in told}) == 2
    assert told[0] == told[1]
    assert (got.json()["allowed"], got.json()["code"]) == ("no", "unknown-object")
    assert town.call("GET", query).status == 401
    assert town.post("/v1/check", asked).status == 401
    for wrong in ({"right": 1}, {"item": "x"}, {"window": "x"}, {"more": "x"}):
        answer = town.post("/v1/check", {**asked, **wrong}, town.window_token)
        assert (answer.status, answer.json()["code"]) == (400, "bad-field")
    del asked["item"]
    assert town.post("/v1/check", asked, town.window_token).status == 400


def test_status_and_roster_need_no_token_and_agree(town: Town) -> None:
    status = town.call("GET", "/v1/status").json()
    assert (status["region"], status["state"], status["resting"]) == (HERE, "serving", False)
    assert set(status["logs"]) == {
        member.origin for member in town.live.founded.roster.members.values()
    }
    others = [it for origin, it in status["logs"].items() if origin != status["origin"]]
    assert status["taking_in"]["stored"] == sum(it["stored_size"] for it in others)
    assert status["taking_in"]["wanted"] >= status["taking_in"]["stored"]
    roster = town.call("GET", "/v1/roster").json()
    assert roster["sha256"] == status["roster"]["sha256"]
    assert (
        base64.b64decode(roster["signed"][0])
        == (town.live.founded.folder / "genesis.roster").read_bytes()
    )


def test_what_is_recorded_of_an_object_is_told_to_callers(town: Town) -> None:
    answer = town.call("GET", f"/v1/objects/{WINDOW}", token=town.auditor_token)
    assert answer.status == 200
    [fact] = answer.json()["facts"]
    assert (fact["origin"], fact["state"]["dept"]) == (town.origin, DEPARTMENT)
    assert [fact["origin"], fact["index"]] in answer.json()["entries"]
    missing = town.call("GET", "/v1/objects/510000/window/none", token=town.auditor_token)
    assert missing.status == 404
    for path in (f"/v1/objects/{WINDOW}", "/v1/findings", "/v1/cases/510000/case/1"):
        assert town.call("GET", path).status == 401
    findings = town.call("GET", "/v1/findings?rows=5", token=town.auditor_token).json()
    assert findings["findings"] == []
    assert town.call("GET", "/v1/findings?rows=5000", token=town.auditor_token).status == 400


def test_a_case_that_nobody_opened_is_not_found(town: Town) -> None:
    for route in ("cases", "bundles"):
        for name, status in (("510000/case/none", 404), (WINDOW, 400), ("x", 400)):
            answer = town.call("GET", f"/v1/{route}/{name}", token=town.auditor_token)
            assert answer.status == status, (route, name, answer)


def test_a_proof_file_holds_under_the_policy_of_the_roster(town: Town) -> None:
    asked = {"kind": "party.enrol", "subject": "510000/department/p", "body": {"name": "五局"}}
    answer = town.post("/v1/acts?wait=replicated", asked, town.operator_token).json()
    assert answer["finality"] == "replicated"
    data = town.call("GET", f"/v1/entries/{answer['index']}/proof").body
    leaf = bytes.fromhex(answer["leaf"])
    for role in ("witness", "mirror"):
        home = town.live.founded.configs[HERE].parent
        policy = Policy.decode((home / "policy" / f"{role}-1.policy").read_bytes(), insecure=True)
        TlogProof.decode(data).check(leaf, policy)
        with pytest.raises(errors.UnverifiedError):
            TlogProof.decode(data).check(bytes(32), policy)
    assert town.call("GET", "/v1/entries/999999/proof").status == 404


# ---- when it cannot write -----------------------------------------------------------------------


def test_a_locked_database_is_unavailable_then_busy_and_recovers(tmp_path: Path) -> None:
    limits = {
        "SHOUXIN_LIMITS_INBOX_EVENTS_MAX": "2",
        "SHOUXIN_LIMITS_STEP_EVENTS_MAX": "2",
    }
    with live(tmp_path / "network", environment=limits) as nodes:
        town = Town(nodes, "", "")
        database = nodes.founded.configs[HERE].parent / "data" / "node.db"

        def act(number: int) -> Answer:
            asked = {
                "kind": "party.enrol",
                "subject": f"510000/department/d{number}",
                "body": {"name": "局"},
            }
            return town.post("/v1/acts", asked, nodes.founded.tokens[HERE])

        assert act(0).status == 201
        size = town.size()
        lock = sqlite3.connect(database, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(act, range(1, 9)))
        assert {answer.status for answer in answers} == {503}
        assert {answer.json()["code"] for answer in answers} >= {"busy"}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
        assert town.size() == size
        assert town.call("GET", "/v1/status").status == 200
        lock.execute("ROLLBACK")
        lock.close()
        until(lambda: act(9).status == 201, "it did not recover")


def test_an_act_whose_receipt_cannot_be_read_is_told_as_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it answered as "busy, send again", the caller would record it twice."""
    with live(tmp_path / "network") as nodes:
        town = Town(nodes, "", "")

        def broken(*_arguments: object) -> bytes:
            raise OperationalError("SELECT 1", {}, _locked())

        monkeypatch.setattr(acts, "make_receipt", broken)
        asked = {
            "kind": "party.enrol",
            "subject": "510000/department/told",
            "body": {"name": "局"},
        }
        size = town.size()
        answer = town.post("/v1/acts", asked, nodes.founded.tokens[HERE])
        assert answer.status == 500
        assert answer.json()["code"] == "unknown-outcome"
        assert "recorded as entry" in answer.json()["detail"]
        assert town.size() > size


def _locked() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorname = "SQLITE_BUSY"
    return error
