"""What followed from officers, windows and grants, who looked, and what a month came to."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from authz.calendar import day_of, day_text
from ledger.errors import LedgerError, MalformedError, RefusedError
from nodes.api.consistency import consistency_of
from nodes.cli.main import main
from nodes.client import Client, Patience
from tests.nodes.live import NOW_S
from tests.nodes.province import (
    CASE,
    CLERK,
    DECIDER,
    GRANT,
    HALL,
    ITEM,
    MANAGER,
    OWNER,
    SICHUAN,
    TIBET,
    WINDOW,
    Province,
    carried,
    officer,
)


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    with carried(tmp_path_factory.mktemp("case_questions")) as made:
        yield made


async def pages(client: Client, name: str, rows: int) -> list[dict[str, Any]]:
    found, after = [], ""
    while True:
        told = await client.followed(name, rows=rows, after=after)
        found.append(told)
        after = told["next"] or ""
        if not after:
            return found


def test_what_followed_from_an_officer_a_window_and_a_grant_is_found_in_any_region(
    province: Province,
) -> None:
    async def story(region: str, name: str) -> list[dict[str, Any]]:
        async with province.live.client(region) as client, asyncio.timeout(15):
            while True:
                made = await client.case(CASE)
                if made["stage"] == "closed":
                    return await pages(client, name, 2)
                await asyncio.sleep(0.05)

    for name, kinds in (
        (CLERK, {"party.enrol", "case.open", "handoff.offer", "handoff.accept", "case.close"}),
        (WINDOW, {"party.enrol", "grant.offer", "grant.accept", "case.open", "case.close"}),
        (GRANT, {"grant.offer", "grant.accept", "case.open", "case.deliver"}),
        (DECIDER, {"item.publish", "grant.offer", "handoff.accept", "case.decide"}),
    ):
        told = {region: province.live.run(story(region, name)) for region in (SICHUAN, "530000")}
        lines = [line for page in told["530000"] for line in page["lines"]]
        assert kinds <= {line["kind"] for line in lines}
        assert len({(line["origin"], line["index"]) for line in lines}) == len(lines) > 2
        times = [line["time_s"] for page in told["530000"] for line in page["lines"][:1]]
        assert times == sorted(times)
        places = [
            sorted((line["origin"], line["index"]) for page in pages for line in page["lines"])
            for pages in told.values()
        ]
        assert places[0] == places[1]
        cases = [case for page in told["530000"] for case in page["cases"]]
        assert {(case["case"], case["stage"], case["holder"]) for case in cases} == {
            (CASE, "closed", None)
        }
        assert all(page["findings"] == [] for page in told["530000"])
        assert all(page["stands"] for page in told["530000"])
        by = {line["kind"]: line["how"] for line in lines}
        if name == CLERK:
            assert (by["party.enrol"], by["case.open"]) == (["about"], ["by"])
        if name == WINDOW:
            assert by["case.close"] == ["at"]
        if name == GRANT:
            assert by["case.deliver"] == ["under"]


def test_what_followed_is_told_for_a_time_and_to_those_who_may_look(
    province: Province, capsys: pytest.CaptureFixture[str]
) -> None:
    async def refusal(token: str | None, name: str, **options: Any) -> str:
        async with province.live.client(SICHUAN, token) as client:
            with pytest.raises(LedgerError) as caught:
                await client.followed(name, **options)
            return caught.value.code

    async def within(from_s: int, until_s: int) -> list[int]:
        async with province.live.client(SICHUAN) as client:
            told = await client.followed(CLERK, from_s=from_s, until_s=until_s)
            return [line["time_s"] for line in told["lines"]]

    run = province.live.run
    assert run(refusal(province.tokens[CLERK], GRANT)) == "wrong-role"
    assert run(refusal("", GRANT)) == "no-token"
    assert run(refusal(None, CASE)) == "bad-field"
    assert run(refusal(None, "510000/officer/nobody")) == "unknown-object"
    assert run(refusal(None, GRANT, after="1,2")) == "bad-field"
    assert run(refusal(None, GRANT, after="x,n.example/510000,1")) == "bad-field"
    assert run(refusal(None, GRANT, rows=0)) == "bad-field"
    times = run(within(0, 2**40))
    assert run(within(times[-1], 2**40)) == [it for it in times if it >= times[-1]]
    assert run(within(0, times[-1])) == [it for it in times if it < times[-1]]
    node = str(province.live.founded.configs[SICHUAN].parent)
    for language, words in (
        ("zh", ["收件受理", "依该授权", "已办结"]),
        ("en", ["under", "closed"]),
    ):
        assert main(["trace", GRANT, "--node", node, "--lang", language]) == 0
        said = capsys.readouterr().out
        for word in [GRANT, CASE, *words]:
            assert word in said
    assert main(["trace", GRANT, "--node", node, "--json", "--rows", "3"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["lines"]) == 3
    assert told["next"]


def test_who_looked_at_a_case_is_told_to_auditors_and_to_its_own_authorities(
    province: Province, capsys: pytest.CaptureFixture[str]
) -> None:
    async def story() -> dict[str, Any]:
        async with province.live.client(TIBET) as operator:
            auditor = (await operator.issue_token(TIBET, "auditor"))["token"]
            other = "540000/department/other"
            await operator.act("party.enrol", other, {"name": "其他"})
            stranger = (await operator.issue_token(other, "authority"))["token"]
        async with province.live.client(TIBET, province.tokens[DECIDER]) as decider:
            for _ in range(3):
                await decider.case(CASE)
            await decider.object(CASE)
            await decider.bundle(CASE)
            await decider.object(GRANT)
            found = await decider.readers(CASE)
        for token, name, code in (
            (stranger, CASE, "wrong-party"),
            (None, CASE, "wrong-role"),
            ("", CASE, "no-token"),
            (auditor, "510000/case/none", "unknown-object"),
            (auditor, GRANT, "bad-field"),
        ):
            async with province.live.client(TIBET, token) as client:
                with pytest.raises(LedgerError) as caught:
                    await client.readers(name)
                assert caught.value.code == code
        async with province.live.client(TIBET, auditor) as client:
            await client.followed(GRANT)
            again = await client.readers(CASE)
        return {"found": found, "again": again, "auditor": auditor}

    told = province.live.run(story())
    rows = {(it["party"], it["what"]): it for it in told["found"]["readers"]}
    for what, times in (("timeline", 3), ("object", 1), ("bundle", 1)):
        row = rows[DECIDER, what]
        assert (row["role"], row["times"]) == ("authority", times)
        assert NOW_S - 1 <= row["first_s"] <= row["last_s"]
    assert (TIBET, "trace of a grant") in {
        (it["party"], it["what"]) for it in told["again"]["readers"]
    }
    os.environ["SHOUXIN_TOKEN"] = told["auditor"]
    try:
        url = province.live.founded.roster.members[TIBET].url
        assert main(["readers", CASE, "--node", url]) == 0
    finally:
        del os.environ["SHOUXIN_TOKEN"]
    assert DECIDER in capsys.readouterr().out


def test_an_incident_leads_to_its_case_and_to_the_act_that_caused_it(
    province: Province, capsys: pytest.CaptureFixture[str]
) -> None:
    incident = "510000/incident/2026-000001"

    async def story() -> dict[str, Any]:
        async with province.live.client(SICHUAN) as client:
            told = await client.case(CASE)
            cause = bytes.fromhex(told["lines"][0]["leaf"])
            report = {"matter": "材料遗失", "case": CASE, "grant": GRANT, "evidence": cause}
            await province.act(MANAGER, "incident.report", incident, report)
            found = {"responsible": CLERK, "cause": "保管不善", "entry": cause}
            await province.act(MANAGER, "incident.find", incident, found)
            made = await client.followed(incident)
            return {**made, "first": [told["lines"][0]["origin"], told["lines"][0]["index"]]}

    told = province.live.run(story())
    assert [(it["kind"], it["how"]) for it in told["lines"]] == [
        ("incident.report", ["about"]),
        ("incident.find", ["about"]),
    ]
    assert told["concerns"]["act"] == told["first"]
    assert told["concerns"]["responsible"] == CLERK
    assert [it["case"] for it in told["cases"]] == [CASE]
    node = str(province.live.founded.configs[SICHUAN].parent)
    assert main(["trace", incident, "--node", node]) == 0
    assert CLERK in capsys.readouterr().out


def test_the_windows_that_may_do_an_item_are_found_anywhere_by_who_may_look(
    province: Province,
) -> None:
    async def story() -> None:
        for region in (SICHUAN, TIBET, "530000"):
            async with province.live.client(region) as client, asyncio.timeout(10):
                while True:
                    found = await client.windows(ITEM, "intake")
                    if found["windows"]:
                        break
                    await asyncio.sleep(0.05)
            [row] = found["windows"]
            assert (row["window"], row["grant"]) == (WINDOW, GRANT)
            assert found["next"] is None
        async with province.live.client(TIBET) as client:
            assert (await client.windows(ITEM, "verify"))["windows"] == []
            assert (await client.windows(ITEM, "intake", rows=1))["next"] == f"{WINDOW},{GRANT}"
            rest = await client.windows(ITEM, "intake", rows=1, after=f"{WINDOW},{GRANT}")
            assert (rest["windows"], rest["next"]) == ([], None)
            assert (await client.windows(f"{ITEM}-0", "intake"))["windows"] == []
            with pytest.raises(MalformedError):
                await client.windows(ITEM, "decide")
        async with province.live.client(SICHUAN, province.tokens[CLERK]) as client:
            with pytest.raises(RefusedError) as caught:
                await client.windows(ITEM, "intake")
            assert caught.value.code == "wrong-role"

    province.live.run(story())


def test_what_lapses_soon_and_what_nobody_may_do_is_listed(province: Province) -> None:
    bare = "540000/item/000120001009"
    body = {
        "version": 1,
        "title": "补领结婚证",
        "code": "000120001009",
        "department": OWNER,
        "materials": ["photo"],
        "days": 5,
    }

    async def story() -> None:
        await province.act(DECIDER, "item.publish", bare, body)
        async with province.live.client(TIBET) as client:
            [row] = (await client.lapsing(2))["grants"]
            assert (row["grant"], row["accepted"], row["window"]) == (GRANT, True, WINDOW)
            assert (await client.lapsing(2, region=TIBET))["grants"] == [row]
            assert (await client.lapsing(2, region=SICHUAN))["grants"] == []
            assert (await client.lapsing(0))["grants"] == []
            first = await client.lapsing(2, rows=1)
            assert (await client.lapsing(2, rows=1, after=first["next"]))["grants"] == []
            dark = await client.ungranted(TIBET)
            assert [it["item"] for it in dark["items"]] == [bare]
            page = await client.ungranted(TIBET, rows=1)
            rest = await client.ungranted(TIBET, rows=1, after=page["next"])
            assert [it["item"] for it in (*page["items"], *rest["items"])] == [bare]

    province.live.run(story())


def test_an_answer_as_of_at_least_what_another_node_knew_is_waited_for(province: Province) -> None:
    async def told() -> None:
        async with province.live.client(TIBET) as there:
            made = await there.act("party.enrol", "540000/department/late", {"name": "档案局"})
        assert made.consistency
        async with province.live.client(SICHUAN, province.tokens[CLERK]) as here:
            answer = await here.check(WINDOW, "intake", ITEM, at_least=made.consistency)
            [relied] = answer.relied
            assert relied["size"] > made.index
            # What is answered from memory names its grant, item version and logs all the same.
            again = await here.check(WINDOW, "intake", ITEM, at_least=made.consistency)
            assert (again.grant, again.item_version) == (GRANT, answer.item_version)
            assert [it["origin"] for it in again.relied] == [relied["origin"]]
            assert again.consistency
            # And what is asked of another window, item, officer or machine is another question.
            codes = [
                (await here.check(WINDOW, "intake", f"{ITEM}-0")).code,
                (await here.check("510000/window/none", "intake", ITEM)).code,
                (await here.check(WINDOW, "intake", ITEM, officer="510000/officer/none")).code,
                (await here.check(WINDOW, "intake", ITEM, officer=CLERK)).code,
                (await here.check(WINDOW, "intake", ITEM, device="510000/device/none")).code,
            ]
            assert codes == [
                "unknown-object",
                "window-not-live",
                "officer-not-live",
                "granted",
                "device-not-live",
            ]
            case = await here.case(CASE, at_least=answer.consistency)
            assert case["as_of"][relied["origin"]] >= relied["size"]

    province.live.run(told())


def test_a_node_that_is_behind_says_so_and_guesses_nothing(province: Province) -> None:
    origin = province.live.founded.roster.members[TIBET].origin
    beyond = consistency_of({origin: 1_000_000})
    body = {"unit": OWNER}

    async def story(ask: Any, at_least: str, code: str) -> None:
        patience = Patience(attempts_max=1)
        token = province.tokens[CLERK]
        async with province.live.client(SICHUAN, token, patience=patience) as client:
            with pytest.raises(LedgerError) as caught:
                await ask(client, at_least)
        assert caught.value.code == code

    size = province.live.size(SICHUAN)
    for at_least, code in (
        (beyond, "behind"),
        (consistency_of({"elsewhere/510000": 1}), "unknown-log"),
        ("AA", "bad-field"),
        ("oA\n", "bad-field"),
        ("A" * 5_000, "bad-field"),
    ):
        for ask in (
            lambda it, word: it.check(WINDOW, "intake", ITEM, at_least=word, timeout_ms=50),
            lambda it, word: it.case(CASE, at_least=word, timeout_ms=50),
            lambda it, word: it.act(
                "handoff.offer", CASE, body, officer=CLERK, at_least=word, timeout_ms=50
            ),
        ):
            province.live.run(story(ask, at_least, code))
    assert province.live.size(SICHUAN) == size


def test_the_commands_ask_over_all_grants(
    province: Province, capsys: pytest.CaptureFixture[str]
) -> None:
    node = ["--node", str(province.live.founded.configs[TIBET].parent)]
    asked = ["check", "--window", WINDOW, "--right", "intake", "--item", ITEM, *node, "--json"]
    for command in (["trace", CASE, *node, "--json"], asked):
        main(command)
        word = json.loads(capsys.readouterr().out)["consistency"]
        assert main([*command, "--at-least", word]) == main(command)
        assert main([*command, "--at-least", "x"]) == 2
        capsys.readouterr()
    assert main(["trace", GRANT, *node, "--at-least", word]) == 2
    assert "trace of a case" in capsys.readouterr().err
    assert main(["windows", ITEM, *node, "--lang", "zh"]) == 0
    assert WINDOW in capsys.readouterr().out
    assert main(["lapsing", "--days", "2", *node, "--json"]) == 0
    assert [it["grant"] for it in json.loads(capsys.readouterr().out)["grants"]] == [GRANT]
    assert main(["ungranted", TIBET, *node]) == 1
    assert "000120001009" in capsys.readouterr().out


def test_what_a_department_lends_a_hall_is_found_at_each_window_of_it(province: Province) -> None:
    item, grant, chief = "540000/item/000120001010", "540000/grant/hall", "510000/officer/hall-1"
    body = {
        "version": 1,
        "title": "离婚登记",
        "code": "000120001010",
        "department": OWNER,
        "materials": ["photo"],
        "days": 5,
    }
    lent = {
        "item": ITEM,
        "item_version": 1,
        "department": OWNER,
        "window": HALL,
        "rights": ["intake"],
        "staleness_s": 600,
        "valid_from": NOW_S - 3_600,
        "valid_until": NOW_S + 86_400,
    }

    async def story() -> None:
        async with province.live.client(SICHUAN) as here:
            await officer(province, here, chief, HALL, "manage")
        await province.act(DECIDER, "item.publish", item, body)
        await province.act(DECIDER, "grant.offer", grant, lent)
        answer = {"window": HALL, "item": ITEM, "department": OWNER}
        await province.patiently(chief, "grant.accept", grant, answer)
        async with province.live.client(SICHUAN) as client:
            [row] = (await client.windows(item, "intake"))["windows"]
            assert (row["window"], row["grant"]) == (WINDOW, grant)
            assert item not in {it["item"] for it in (await client.ungranted(TIBET))["items"]}
            assert (await client.check(WINDOW, "intake", item)).grant == grant
            assert (await client.check(WINDOW, "intake", item, device="510000/device/1")).code == (
                "device-not-live"
            )
            await client.act("party.suspend", HALL, {"reason": "整改"})
            assert (await client.windows(item, "intake"))["windows"] == []
            assert (await client.check(WINDOW, "intake", item)).code == "unit-stopped"
            await client.act("party.resume", HALL, {"reason": "整改完成"})
            assert (await client.check(WINDOW, "intake", item)).grant == grant

    province.live.run(story())


def test_a_bulletin_is_made_again_by_another_region_and_a_forged_one_is_not(
    province: Province, capsys: pytest.CaptureFixture[str]
) -> None:
    configs = province.live.founded.configs
    here, there = (["--node", str(configs[code].parent)] for code in (SICHUAN, TIBET))
    method, bulletin, forged = (
        "510000/assessment-method/work-ledger",
        "510000/bulletin/month",
        "510000/bulletin/forged",
    )

    async def published(change: dict[str, Any]) -> None:
        async with province.live.client(SICHUAN) as client:
            stated = (await client.object(bulletin))["facts"][0]["state"]
            fields = ("period", "digest", "method", "method_version", "known", "as_of")
            body = {name: stated[name] for name in fields} | change
            await client.act("bulletin.publish", change.pop("as", forged), body)

    async def method_published() -> None:
        async with province.live.client(SICHUAN) as client:
            body = {"version": 1, "title": "工作台账统计方法", "digest": bytes(32)}
            await client.act("method.publish", method, body)

    month = ["--month", day_text(day_of(NOW_S))[:7]]
    assert main(["workledger", *month, *here, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["units"][WINDOW]["taken_in"] >= 1
    assert told["units"][OWNER]["decided"] >= 1
    assert main(["workledger", *month, *here, "--unit", TIBET, "--json"]) == 0
    only = json.loads(capsys.readouterr().out)
    assert set(only["units"]) == {unit for unit in told["units"] if unit.startswith(TIBET)}
    assert main(["workledger", *month, *here, "--csv"]) == 0
    assert capsys.readouterr().out.startswith("month,unit,taken_in,decided,")
    assert main(["workledger", *month, *here, "--lang", "zh"]) == 0
    assert "收件" in capsys.readouterr().out

    province.live.run(method_published())
    assert main(["bulletin", "publish", bulletin, *month, "--method", method, *here]) == 0
    province.live.run(published({"digest": bytes(32)}))
    capsys.readouterr()
    for name, status in ((bulletin, 0), (forged, 1)):
        assert patiently(["bulletin", "check", name, *there, "--json"]) == status
        found = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert found["holds"] is (status == 0)
        assert (found["stated"]["digest"] == found["made"]["digest"]) is (status == 0)
    assert main(["bulletin", "check", "510000/bulletin/none", *there]) == 4
    origin = min(told["known"])
    for known, code in (
        ("elsewhere/510000:1", "unknown-log"),
        (f"{origin}:1000000", "behind"),
        (f"{origin}:1,{origin}:1", "bad-field"),
    ):
        with pytest.raises(LedgerError) as caught:
            province.live.run(ledger_of(province, known))
        assert caught.value.code == code
    assert "bad-field" in {code_of(province, f"{origin}:{size}") for size in range(1, 6)}


def patiently(command: list[str]) -> int:
    """Run a command until the node is no longer behind what it asks about."""
    for _ in range(100):
        status = main(command)
        if status not in {4, 5}:
            break
        time.sleep(0.05)
    return status


async def ledger_of(province: Province, known: str) -> dict[str, Any]:
    async with province.live.client(TIBET) as client:
        return await client.work_ledger(day_text(day_of(NOW_S))[:7], known=known)


def code_of(province: Province, known: str) -> str:
    """Which error sizes come to that may not be those of a block."""
    try:
        province.live.run(ledger_of(province, known))
    except LedgerError as error:
        return error.code
    return ""
