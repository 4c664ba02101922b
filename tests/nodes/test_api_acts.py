"""Acts and batches over HTTP: who may sign in whose name, and where refusals are kept."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import encoding
from ledger.hashing import hash_leaf
from ledger.receipt import check_inclusion_receipt
from ledger.statement import decode_statement
from nodes.adapters.clock import SystemClock
from nodes.cli.main import main
from tests.nodes.asked import HERE, OFFICER, OWNER, WINDOW, Town, enrolment, scrapi, two_regions


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with two_regions(tmp_path_factory.mktemp("api_acts")) as made:
        yield made


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
