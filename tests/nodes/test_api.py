"""The HTTP API of a real node: the right statuses and bytes, and refusals for the rest."""

import base64
import hashlib
import http.client
import json
import sqlite3
import ssl
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from ledger import encoding, errors
from ledger.checkpoint import Checkpoint
from ledger.hashing import hash_leaf
from ledger.keys import SigningKey, key_thumbprint
from ledger.note import Note, check_signed
from ledger.policy import Policy
from ledger.proofs import check_inclusion
from ledger.receipt import check_inclusion_receipt
from ledger.roster import Role
from ledger.statement import Act, decode_statement, sign_statement
from ledger.tiles import decode_entry_bundle, entries_path, tile_path
from ledger.tlog_proof import TlogProof
from ledger.views import collect_lines
from nodes.adapters.clock import SystemClock
from nodes.adapters.tls import make_certificate, peer_client
from nodes.api import acts
from nodes.api import app as app_module
from nodes.api import problem as problem_module
from nodes.cli.main import main
from nodes.core.exchange import origin_hash
from tests.nodes.live import NOW_S, Live, live

HERE, THERE = "510000", "500000"
OFFICER = "510000/officer/w3-01"
WINDOW = "510000/window/w3"
DEPARTMENT = "510000/department/civil"
ITEM = "510000/item/000120001000"
OWN_KEY = SigningKey(hashlib.sha256(b"an officer's own key").digest())
OWNER = "510000/officer/own"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def type(self) -> str:
        return self.headers.get("content-type", "")

    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value


class Town(NamedTuple):
    """Two regions; the first has an officer whose key it holds, and one with their own."""

    live: Live
    window_token: str
    auditor_token: str

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        token: str = "",
        region: str = HERE,
        **headers: str,
    ) -> Answer:
        base = urlsplit(self.live.founded.roster.members[region].url)
        connection = http.client.HTTPConnection(base.hostname or "", base.port, timeout=10)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            given["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, body, given)
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())
        finally:
            connection.close()

    def post(self, path: str, value: object, token: str = "") -> Answer:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.call("POST", path, body, token=token)

    @property
    def operator_token(self) -> str:
        return self.live.founded.tokens[HERE]

    @property
    def origin(self) -> str:
        return self.live.founded.roster.members[HERE].origin

    def size(self) -> int:
        return self.live.size(HERE)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with live(tmp_path_factory.mktemp("api") / "network", regions=2) as nodes:

        async def settle() -> tuple[str, str]:
            async with nodes.client(HERE) as operator:
                await operator.act("party.enrol", DEPARTMENT, {"name": "民政局"})
                await operator.act("party.enrol", "510000/hall/h1", {"name": "政务大厅"})
                body = {"name": "三号窗口", "hall": "510000/hall/h1", "department": DEPARTMENT}
                await operator.act("party.enrol", WINDOW, body)
                held = await operator.make_officer_key(OFFICER)
                for party, key, holder in (
                    (OFFICER, held, "region"),
                    (OWNER, OWN_KEY.public, "officer"),
                ):
                    body = {"unit": WINDOW, "key": key, "holder": holder, "roles": ["receive"]}
                    await operator.act("party.enrol", party, body)
                window = await operator.issue_token(OFFICER, "window", label="w3")
                auditor = await operator.issue_token("510000", "auditor")
                return window["token"], auditor["token"]

        yield Town(nodes, *nodes.run(settle()))


def enrolment(number: int, ahead_s: int = 0) -> bytes:
    """A statement signed by an enrolled officer; whether a rule allows it is another matter."""
    time_s = SystemClock().now_ms() // 1000 + ahead_s
    body = {"reason": f"because {number}"}
    act = Act("party.suspend", 1, None, (), body)
    return sign_statement(OWN_KEY, OWNER, f"510000/window/x{number}", time_s, act).entry


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


def scrapi(town: Town, entry: bytes) -> Answer:
    return town.call("POST", "/entries", entry, Content_Type="application/cose")


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
    protected, payload, signature = encoding.decode_statement_parts(entry)
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


# ---- acts and batches ---------------------------------------------------------------------------


def test_an_act_answers_with_its_place_and_a_receipt_that_holds(town: Town) -> None:
    asked = {"kind": "party.enrol", "subject": "510000/department/d2", "body": {"name": "二局"}}
    answer = town.post("/v1/acts?wait=replicated&timeout_ms=8000", asked, town.operator_token)
    assert answer.status == 201, answer
    value = answer.json()
    assert value["finality"] == "replicated"
    assert answer.headers["location"] == f"/entries/{value['index']}"
    entry = base64.b64decode(value["entry"])
    assert hash_leaf(entry).hex() == value["leaf"]
    receipt = check_inclusion_receipt(
        base64.b64decode(value["receipt"]),
        hash_leaf(entry),
        town.live.founded.roster.members[HERE].keys.receipt,
    )
    assert (receipt.index, receipt.subject) == (value["index"], asked["subject"])


def test_only_the_officers_own_token_signs_in_their_name(town: Town) -> None:
    size = town.size()
    asked = {"kind": "party.enrol", "subject": "510000/department/d3", "body": {"name": "三局"}}
    table = [
        ("", asked, 401, "no-token"),
        ("nonsense", asked, 401, "unknown-token"),
        (town.auditor_token, asked, 403, "wrong-role"),
        (town.window_token, asked, 403, "wrong-role"),
        (town.operator_token, {**asked, "officer": OFFICER}, 403, "wrong-role"),
        (town.window_token, {**asked, "officer": OWNER}, 403, "wrong-party"),
        (town.window_token, {**asked, "officer": "510000"}, 403, "wrong-role"),
    ]
    for token, value, status, code in table:
        answer = town.post("/v1/acts", value, token)
        assert (answer.status, answer.json()["code"]) == (status, code)
    assert town.size() == size


def test_a_refused_act_says_which_rule(town: Town) -> None:
    asked = {
        "kind": "party.suspend",
        "officer": OFFICER,
        "subject": WINDOW,
        "body": {"reason": "x"},
    }
    answer = town.post("/v1/acts", asked, town.window_token)
    assert (answer.status, answer.json()["code"]) == (403, "not-entitled")
    for change, code in (
        ({"kind": "party.nothing"}, "unknown-kind"),
        ({"version": 9}, "unknown-version"),
        ({"body": {}}, "bad-field"),
        ({"body": {"reason": "x", "more": "y"}}, "bad-field"),
        ({"body": {"reason": "身份证 11010519491231002X"}}, "personal-data"),
        ({"subject": "nothing"}, "bad-field"),
        ({"wait": "x"}, "bad-field"),
    ):
        answer = town.post("/v1/acts", {**asked, **change}, town.window_token)
        assert (answer.status, answer.json()["code"]) == (400, code), change
    answer = town.post("/v1/acts?wait=final", asked, town.window_token)
    assert (answer.status, answer.json()["code"]) == (400, "bad-field")
    answer = town.post("/v1/acts?timeout_ms=999999999", asked, town.window_token)
    assert (answer.status, answer.json()["code"]) == (400, "bad-field")


def test_a_refused_caller_looks_up_why_and_nobody_else_but_an_auditor_does(town: Town) -> None:
    asked = {
        "kind": "party.suspend",
        "officer": OFFICER,
        "subject": WINDOW,
        "body": {"reason": "x"},
    }
    refused = town.post("/v1/acts", asked, town.window_token).json()
    number = refused["request"]
    assert refused["instance"] == f"/v1/why/{number}"
    size = town.size()
    for token in (town.window_token, town.auditor_token):
        told = town.call("GET", f"/v1/why/{number}", token=token).json()
        assert (told["party"], told["role"], told["code"]) == (OFFICER, "window", "not-entitled")
        assert (told["kind"], told["subject"], told["issuer"]) == ("party.suspend", WINDOW, OFFICER)
        assert (told["method"], told["path"]) == ("POST", "/v1/acts")
        assert told["detail"] == refused["detail"]
        assert told["reason_zh"]
        assert told["reason_en"]
        assert told["sizes"] == {town.origin: size} | dict(told["sizes"])
        assert abs(told["at_s"] - SystemClock().now_ms() // 1000) < 60
    answer = town.call("GET", f"/v1/why/{number}", token=town.operator_token)
    assert (answer.status, answer.json()["code"]) == (403, "wrong-party")
    assert town.call("GET", f"/v1/why/{number}").status == 401
    for unknown, status, code in (
        ("0" * 32, 404, "unknown-request"),
        ("0" * 31, 400, "bad-field"),
        ("G" * 32, 400, "bad-field"),
    ):
        answer = town.call("GET", f"/v1/why/{unknown}", token=town.auditor_token)
        assert (answer.status, answer.json()["code"]) == (status, code)


def test_a_refusal_is_kept_in_the_database_and_told_at_the_terminal(
    town: Town, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"kind": "party.suspend", "subject": WINDOW, "body": {"reason": "x"}}
    refused = town.post("/v1/acts", asked, town.window_token).json()
    assert refused["code"] == "wrong-role"
    town.live.run(town.live.nodes[HERE].service.journal.flush())
    assert town.live.nodes[HERE].service.journal.pending(bytes.fromhex(refused["request"])) is None
    token = tmp_path / "token"
    token.write_text(town.window_token)
    token.chmod(0o600)
    node = town.live.founded.roster.members[HERE].url
    command = ["why", refused["request"], "--node", node, "--token", str(token)]
    for language, word in (("zh", "本令牌的角色无权办理此事"), ("en", "may not do this")):
        assert main([*command, "--lang", language]) == 0
        said = capsys.readouterr().out
        assert "party.suspend" in said
        assert word in said
    assert main(["why", *command[2:]]) == 0
    assert refused["request"] in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["code"] == "wrong-role"
    assert main(["why", "0" * 32, "--node", node, "--token", str(token)]) == 4
    body = ["--subject", WINDOW, "--officer", OFFICER, "--field", "reason=x"]
    assert main(["act", "party.suspend", *body, *command[2:]]) == 3
    assert "shouxin why " in capsys.readouterr().err


def test_an_auditor_lists_what_was_refused_and_a_caller_their_own(town: Town) -> None:
    asked = {"kind": "party.suspend", "subject": WINDOW, "body": {"reason": "x"}}
    numbers = [town.post("/v1/acts", asked, town.window_token).json()["request"] for _ in range(3)]
    asked["officer"] = OFFICER
    others = town.post("/v1/acts", asked, town.operator_token).json()["request"]

    def listed(query: str, token: str) -> list[str]:
        found, after = [], ""
        while True:
            answer = town.call("GET", f"/v1/refusals?rows=2{query}{after}", token=token).json()
            found += [row["request"] for row in answer["refusals"]]
            if answer["next"] is None:
                return found
            after = f"&after={answer['next']}"

    every = listed("", town.auditor_token)
    assert len(set(every)) == len(every) >= 4
    assert {*numbers, others} <= set(every)
    mine = listed("", town.window_token)
    assert set(numbers) <= set(mine)
    assert others not in mine
    assert listed(f"&party={OFFICER}", town.auditor_token) == mine
    answer = town.call("GET", "/v1/refusals?party=510000", token=town.window_token)
    assert (answer.status, answer.json()["code"]) == (403, "wrong-party")
    for after in ("x", "1", "1,00"):
        answer = town.call("GET", f"/v1/refusals?after={after}", token=town.auditor_token)
        assert (answer.status, answer.json()["code"]) == (400, "bad-field")


def test_a_check_that_says_no_and_a_statement_that_is_refused_have_a_number(town: Town) -> None:
    item = "540000/item/1"
    asked = {"window": WINDOW, "right": "intake", "item": item, "officer": OFFICER}
    answer = town.post("/v1/check", asked, town.window_token).json()
    assert answer["allowed"] == "no"
    told = town.call("GET", f"/v1/why/{answer['request']}", token=town.window_token).json()
    assert (told["window"], told["item"], told["code"]) == (WINDOW, item, answer["code"])
    entry = enrolment(77)
    refused = scrapi(town, entry)
    title = encoding.decode(refused.body)
    number = title[-3].removeprefix("/v1/why/")
    told = town.call("GET", f"/v1/why/{number}", token=town.auditor_token).json()
    assert told["party"] == decode_statement(entry).issuer
    assert told["code"] in title[-2]
    batch = encoding.encode([b"nothing", entry])
    answered = encoding.decode(
        town.call(
            "POST",
            "/v1/ingest",
            batch,
            token=town.window_token,
            Content_Type="application/cbor",
        ).body
    )
    told = town.call("GET", f"/v1/why/{answered['request']}", token=town.window_token).json()
    assert told["refused"] == 2
    assert [(it["position"], it["code"]) for it in told["results"]] == [
        (at, result[1]) for at, result in enumerate(answered["results"])
    ]
    assert all(it["reason_zh"] for it in told["results"])


def test_what_is_not_there_or_not_readable_or_nobodys_is_no_refused_attempt(town: Town) -> None:
    asked = {"kind": "party.nothing", "subject": WINDOW, "body": {}}
    for answer in (
        town.post("/v1/acts", asked, town.window_token),
        town.post("/v1/acts", asked, "nobodys"),
        town.call("GET", "/v1/objects/510000/case/none", token=town.window_token),
    ):
        assert answer.status >= 400
        assert "request" not in answer.json()


def test_a_citizens_number_is_not_kept_with_a_refusal(town: Town) -> None:
    number = "11010519491231002X"
    asked = {
        "kind": "party.suspend",
        "officer": OFFICER,
        "subject": WINDOW,
        "body": {"reason": "x", number: "x"},
    }
    refused = town.post("/v1/acts", asked, town.window_token).json()
    told = town.call("GET", f"/v1/why/{refused['request']}", token=town.window_token).json()
    assert number in refused["detail"]
    assert number not in json.dumps(told)


def test_in_a_batch_each_statement_stands_alone(town: Town) -> None:
    async def stored() -> bytes:
        async with town.live.client(HERE) as client:
            acted = await client.act("party.enrol", "510000/department/batch", {"name": "四局"})
            return acted.entry

    known = town.live.run(stored())
    batch = [b"nothing", known, enrolment(5)[:-1] + b"x", enrolment(6), known]
    answer = town.call(
        "POST",
        "/v1/ingest",
        encoding.encode(batch),
        token=town.window_token,
        Content_Type="application/cbor",
    )
    assert (answer.status, answer.type) == (200, "application/cbor")
    value = encoding.decode(answer.body)
    assert [result[0] for result in value["results"]] == [1, 0, 1, 1, 0]
    assert value["results"][1] == value["results"][4]
    assert value["results"][2][1] == "bad-signature"
    assert value["size"] == town.size()


def test_a_batch_of_another_form_is_refused_whole(town: Town) -> None:
    for body in (
        encoding.encode([]),
        encoding.encode({}),
        encoding.encode(["x"]),
        encoding.encode([b""] * 1_001),
        b"\x9f\x40\xff",
    ):
        answer = town.call(
            "POST",
            "/v1/ingest",
            body,
            token=town.window_token,
            Content_Type="application/cbor",
        )
        assert (answer.status, answer.type) == (400, "application/problem+json")
    body = encoding.encode([b"x"])
    answer = town.call("POST", "/v1/ingest", body, Content_Type="application/cbor")
    assert answer.status == 401
    answer = town.call(
        "POST", "/v1/ingest", body, token=town.auditor_token, Content_Type="application/cbor"
    )
    assert (answer.status, answer.json()["code"]) == (403, "wrong-role")


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


# ---- tiles --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def filled(town: Town) -> Town:
    """More than one tile of entries, replicated."""

    async def fill() -> None:
        async with town.live.client(HERE) as client:
            for number in range(260):
                await client.act(
                    "party.enrol", f"510000/department/f{number}", {"name": f"局{number}"}
                )
            last = await client.act(
                "party.enrol",
                "510000/department/last",
                {"name": "末局"},
                wait="replicated",
            )
            assert last.finality == "replicated"

    town.live.run(fill(), 60)
    return town


def test_tiles_are_full_and_for_ever_or_partial_or_not_there(filled: Town) -> None:
    full = filled.call("GET", "/log/" + tile_path(0, 0))
    assert (full.status, full.type) == (200, "application/octet-stream")
    assert len(full.body) == 8192
    assert "immutable" in full.headers["cache-control"]
    part = filled.call("GET", "/log/" + tile_path(0, 0, 7))
    assert part.body == full.body[: 7 * 32]
    above = filled.call("GET", "/log/" + tile_path(1, 0, 1))
    assert len(above.body) == 32
    for path in (
        tile_path(1, 0),
        tile_path(1, 0, 9),
        tile_path(0, 9),
        tile_path(0, 9, 1),
        "tile/0/0",
        "tile/0/x000/000",
        "tile/64/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        entries_path(9),
    ):
        assert filled.call("GET", f"/log/{path}").status == 404, path


def test_a_bundle_holds_the_entries_whose_hashes_the_tile_has(filled: Town) -> None:
    answer = filled.call("GET", "/log/" + entries_path(0))
    entries = decode_entry_bundle(answer.body, 256)
    tile = filled.call("GET", "/log/" + tile_path(0, 0)).body
    assert b"".join(map(hash_leaf, entries)) == tile
    assert "immutable" in answer.headers["cache-control"]


def test_checkpoints_are_signed_text_for_a_second(filled: Town) -> None:
    roster = filled.live.founded.roster
    answer = filled.call("GET", "/log/checkpoint")
    assert (answer.status, answer.type) == (200, "text/plain; charset=utf-8")
    assert "immutable" not in answer.headers["cache-control"]
    note = Note.decode(answer.body)
    check_signed(note, [roster.log_key(filled.origin)])
    assert Checkpoint.decode(note.text).origin == filled.origin


def test_another_region_serves_what_it_mirrors_and_cosigned(filled: Town) -> None:
    roster = filled.live.founded.roster
    name = origin_hash(filled.origin)
    for prefix, keys in (
        ("mirror", roster.mirror_keys(filled.origin)),
        ("witness", roster.witness_keys(filled.origin)),
    ):
        answer = filled.call("GET", f"/{prefix}/{name}/checkpoint", region=THERE)
        assert answer.status == 200
        note = Note.decode(answer.body)
        assert Checkpoint.decode(note.text).size >= 256
        assert any(line.key_id in keys for line in note.signatures)
    for path in (tile_path(0, 0), entries_path(0)):
        mirrored = filled.call("GET", f"/mirror/{name}/{path}", region=THERE)
        assert mirrored.body == filled.call("GET", f"/log/{path}").body
    own = origin_hash(roster.members[THERE].origin)
    assert filled.call("GET", f"/witness/{own}/checkpoint", region=THERE).status == 404
    assert filled.call("GET", f"/mirror/{'0' * 64}/checkpoint", region=THERE).status == 404


@pytest.mark.parametrize("role", ["witness", "mirror"])
def test_every_line_that_a_region_gave_is_there_for_anyone(filled: Town, role: Role) -> None:
    roster = filled.live.founded.roster
    path = f"/{role}/{origin_hash(filled.origin)}/lines"
    whole = filled.call("GET", path, region=THERE)
    assert (whole.status, whole.type) == (200, "application/octet-stream")
    given = [whole.body[at : at + 116] for at in range(0, len(whole.body), 116)]
    assert len(given) > 2
    places = []
    for record in given:
        checkpoint = Checkpoint(filled.origin, int.from_bytes(record[:8]), record[8:40])
        (line,) = collect_lines(roster, filled.origin, checkpoint, [record[40:]], role)
        assert line.region == THERE
        places.append((line.time_s, checkpoint.size))
    assert places == sorted(set(places))
    # Page by page they are the same.
    paged, since, after = b"", 0, 0
    while page := filled.call(
        "GET", f"{path}?since={since}&after={after}&rows=2", region=THERE
    ).body:
        assert len(page) <= 2 * 116
        paged += page
        after, since = int.from_bytes(page[-116:-108]), int.from_bytes(page[-72:-64])
    assert paged.startswith(whole.body)


def test_pages_of_lines_are_bounded_and_of_known_logs_alone(filled: Town) -> None:
    path = f"/witness/{origin_hash(filled.origin)}/lines"
    assert filled.call("GET", f"{path}?rows=1001", region=THERE).status == 400
    assert filled.call("GET", f"{path}?after=x", region=THERE).status == 400
    assert filled.call("GET", f"{path}?page=2", region=THERE).status == 400
    assert filled.call("GET", f"{path}?since={2**62}&after={2**62}", region=THERE).body == b""
    assert filled.call("GET", path).body == b""  # nobody witnesses their own log
    assert filled.call("GET", f"/mirror/{'0' * 64}/lines", region=THERE).status == 404


def test_an_entry_is_in_the_tree_that_its_proof_names(filled: Town) -> None:
    proof = TlogProof.decode(filled.call("GET", "/v1/entries/200/proof").body)
    head = Checkpoint.decode(proof.note.text)
    bundle = filled.call("GET", "/log/" + entries_path(0)).body
    leaf = hash_leaf(decode_entry_bundle(bundle, 256)[200])
    check_inclusion(200, head.size, leaf, proof.hashes, head.root)


# ---- between nodes ------------------------------------------------------------------------------


def peer_call(
    town: Town, path: str, body: bytes | None, context: ssl.SSLContext | None, **headers: str
) -> tuple[int, str, bytes]:
    async def send() -> tuple[int, str, bytes]:
        url = town.live.founded.roster.members[HERE].peer + path
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                "GET" if body is None else "POST",
                url,
                data=body,
                ssl=context or False,
                headers=headers,
            ) as response,
        ):
            return response.status, response.headers["Content-Type"], await response.read()

    return town.live.run(send())


@pytest.fixture(scope="module")
def neighbour(town: Town) -> ssl.SSLContext:
    """The transport of the other region."""
    home = town.live.founded.configs[THERE].parent
    pem = (town.live.founded.configs[HERE].parent / "tls" / "node.pem").read_text()
    return peer_client(home / "tls" / "node.pem", home / "tls" / "node.key", pem)


def test_nobody_gets_in_without_a_pinned_certificate(
    town: Town, neighbour: ssl.SSLContext, tmp_path: Path
) -> None:
    path = f"/peer/newest/{origin_hash(town.origin)}"
    assert peer_call(town, path, None, neighbour)[0] == 200
    with pytest.raises((aiohttp.ClientError, OSError)):
        peer_call(town, path, None, None)
    certificate, key = make_certificate("a stranger", ["127.0.0.1"], NOW_S)
    (tmp_path / "node.pem").write_bytes(certificate)
    (tmp_path / "node.key").write_bytes(key)
    pem = (town.live.founded.configs[HERE].parent / "tls" / "node.pem").read_text()
    stranger = peer_client(tmp_path / "node.pem", tmp_path / "node.key", pem)
    with pytest.raises((aiohttp.ClientError, OSError)):
        peer_call(town, path, None, stranger)


def test_another_certificate_than_the_pinned_one_is_not_called(town: Town) -> None:
    """Who answers at the right address with the wrong certificate is not our peer."""
    home = town.live.founded.configs[THERE].parent
    wrong_pem = (home / "tls" / "node.pem").read_text()
    context = peer_client(home / "tls" / "node.pem", home / "tls" / "node.key", wrong_pem)
    with pytest.raises((aiohttp.ClientError, OSError)):
        peer_call(town, f"/peer/newest/{origin_hash(town.origin)}", None, context)


def test_a_witness_answers_with_the_statuses_of_the_specification(
    town: Town, neighbour: ssl.SSLContext
) -> None:
    origin = town.live.founded.roster.members[THERE].origin
    newest = peer_call(town, f"/peer/newest/{origin_hash(origin)}", None, neighbour)
    note = Note.decode(newest[2])
    log_line = note.signatures[0]
    alone = Note(note.text, (log_line,)).encode()
    size = Checkpoint.decode(note.text).size
    stranger = note.text.replace(origin.encode(), b"example.org/x", 1)

    def add(body: bytes) -> tuple[int, str, bytes]:
        return peer_call(town, "/c2sp/add-checkpoint", body, neighbour)

    assert add(b"old %d\n\n" % size + alone)[0] == 200
    status, kind, body = add(b"old %d\n\n" % (size - 1) + alone)
    assert (status, kind, body) == (409, "text/x.tlog.size", b"%d\n" % size)
    assert add(b"old 0\n\n" + Note(stranger, (log_line,)).encode())[0] == 404
    bad = Note(note.text, (note.with_signatures().signatures[0],)).encode()
    assert (
        add(b"old %d\n\n" % size + bad.replace(b"\n%d\n" % size, b"\n%d\n" % (size + 1)))[0] == 403
    )
    assert add(b"nonsense")[0] == 400
    assert add(b"old %d\n\n" % (size + 1) + alone)[0] == 400


@settings(max_examples=30)
@given(
    path=st.sampled_from(
        ["/c2sp/add-checkpoint", "/c2sp/add-entries", "/peer/finished", "/peer/lines"]
    ),
    body=st.binary(max_size=300) | st.just(struct.pack(">H", 4) + b"abcd" + bytes(100)),
)
def test_any_bytes_from_a_peer_are_refused(
    town: Town, neighbour: ssl.SSLContext, path: str, body: bytes
) -> None:
    assert 400 <= peer_call(town, path, body, neighbour)[0] < 500


def test_what_only_peers_may_ask_is_not_on_the_public_listener() -> None:
    def paths(modules: tuple[Any, ...]) -> set[str]:
        return {route.path for module in modules for route in module.routes}

    only_peers = {route.path for route in app_module.c2sp.routes}
    assert not only_peers & paths(app_module.PUBLIC)
    assert not any(path.startswith("/v1/") for path in paths(app_module.PEER))


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
        for _ in range(50):
            if act(9).status == 201:
                break
            time.sleep(0.1)
        else:
            pytest.fail("it did not recover")


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
