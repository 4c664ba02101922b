"""A case from one region to another and back: its check, its timeline, its evidence."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from authz.case_bundle import judge_bundle
from ledger.bundle import check_bundle
from ledger.errors import LedgerError, RefusedError
from ledger.policy import Policy
from ledger.tlog_proof import TlogProof
from nodes.cli.main import main
from nodes.core.kinds import KINDS
from tests.nodes.province import (
    CASE,
    CLERK,
    GRANT,
    ITEM,
    OWNER,
    SICHUAN,
    TIBET,
    WINDOW,
    Province,
    carried,
)


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    with carried(tmp_path_factory.mktemp("cases")) as made:
        yield made


def ask(province: Province, right: str, window: str = WINDOW) -> Any:
    async def story() -> Any:
        async with province.live.client(SICHUAN, province.tokens[CLERK]) as client:
            return await client.check(window, right, ITEM, officer=CLERK)

    return province.live.run(story())


def test_the_window_may_do_what_the_grant_lends_and_no_more(province: Province) -> None:
    granted = ask(province, "intake")
    assert (granted.allowed, granted.code, granted.grant) == ("yes", "granted", GRANT)
    assert granted.item_version == 1
    [relied] = granted.relied
    assert relied["origin"] == province.live.founded.roster.members[TIBET].origin
    assert relied["size"] > 1
    assert (ask(province, "verify").allowed, ask(province, "verify").code) == (
        "no",
        "right-not-granted",
    )
    assert ask(province, "decide").code == "decision-stays"
    assert ask(province, "intake", "510000/window/none").code == "window-not-live"


def test_a_window_without_the_right_is_refused_and_nothing_stands(province: Province) -> None:
    async def story() -> str:
        body = {"item": ITEM, "item_version": 1, "department": OWNER, "mode": "agency"}
        with pytest.raises(RefusedError) as caught:
            await province.act(CLERK, "case.open", "510000/case/2026-000009", body)
        return caught.value.code

    size = province.live.size(SICHUAN)
    assert province.live.run(story())
    assert province.live.size(SICHUAN) == size


def test_every_region_tells_the_same_story(province: Province) -> None:
    async def story(region: str) -> dict[str, Any]:
        async with province.live.client(region) as client, asyncio.timeout(10):
            while True:
                told = await client.case(CASE)
                if told["stage"] == "closed":
                    return told
                await asyncio.sleep(0.05)

    told = {region: province.live.run(story(region)) for region in (SICHUAN, TIBET, "530000")}
    kinds = [line["kind"] for line in told[SICHUAN]["lines"]]
    assert kinds[0] == "case.open"
    assert kinds[-1] == "case.close"
    assert kinds.count("handoff.release") == 2
    for other in told.values():
        assert [(line["origin"], line["index"]) for line in other["lines"]] == [
            (line["origin"], line["index"]) for line in told[SICHUAN]["lines"]
        ]
        assert other["findings"] == []
        assert all(line["asserted"] for line in other["lines"] if line["issuer"].count("/"))


def test_each_line_brings_the_proof_of_its_entry(province: Province) -> None:
    async def story() -> dict[str, Any]:
        async with province.live.client("530000") as client, asyncio.timeout(15):
            while True:
                told = await client.case(CASE, proofs=True)
                if all(line["proof"]["tlog"] for line in told["lines"]):
                    return told
                await asyncio.sleep(0.05)

    async def proof(origin: str, index: int) -> bytes:
        async with province.live.client("530000") as client:
            return await client.proof(index, origin=origin)

    told = province.live.run(story())
    members = province.live.founded.roster.members
    assert {line["region"] for line in told["lines"]} == {SICHUAN, TIBET}
    for line in told["lines"]:
        home = province.live.founded.configs[line["region"]].parent
        policy = Policy.decode((home / "policy/mirror-1.policy").read_bytes(), insecure=True)
        leaf = bytes.fromhex(line["leaf"])
        TlogProof.decode(line["proof"]["tlog"].encode()).check(leaf, policy)
        with pytest.raises(LedgerError):
            TlogProof.decode(line["proof"]["tlog"].encode()).check(bytes(32), policy)
        assert line["proof"]["leaf"] == line["leaf"]
        assert line["proof"]["receipt"] == f"{members[line['region']].url}/entries/{line['index']}"
    last = told["lines"][-1]
    asked = province.live.run(proof(last["origin"], last["index"]))
    TlogProof.decode(asked).check(bytes.fromhex(last["leaf"]), policy)
    for origin, code in ((last["origin"], "not-found"), ("x.example/510000", "not-found")):
        with pytest.raises(LedgerError) as caught:
            province.live.run(proof(origin, 999_999))
        assert caught.value.code == code


def test_a_trace_says_where_the_officer_sat_and_where_proofs_are(
    province: Province, capsys: pytest.CaptureFixture[str]
) -> None:
    node = str(province.live.founded.configs[SICHUAN].parent)
    assert main(["trace", CASE, "--node", node]) == 0
    assert "/proof?origin=" in capsys.readouterr().out
    assert main(["trace", CASE, "--node", node, "--json", "--proofs"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {line["unit"] for line in told["lines"] if "/" in line["issuer"]} == {WINDOW, OWNER}
    assert told["beliefs"] == []


def test_the_bundle_proves_the_case_with_the_genesis_roster_alone(province: Province) -> None:
    """And with one byte changed anywhere it proves nothing."""

    genesis = province.live.founded.roster.sha256

    async def story(region: str) -> bytes:
        """Export it once the notes with quorums that the region keeps cover all of the case."""
        async with province.live.client(region) as client, asyncio.timeout(15):
            while True:
                data = await client.bundle(CASE)
                if judge_bundle(check_bundle(data, genesis), KINDS).stage == "closed":
                    return data
                await asyncio.sleep(0.1)

    for region in (SICHUAN, "530000"):
        data = province.live.run(story(region))
        verified = check_bundle(data, genesis)
        assert judge_bundle(verified, KINDS).findings == ()
    assert len(verified.logs) >= 2
    for at in range(11, len(data), len(data) // 40):
        broken = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(LedgerError):
            judge_bundle(check_bundle(broken, genesis), KINDS)


def test_a_grant_is_proven_live_and_a_case_complete_by_any_region(
    province: Province, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    genesis = province.live.founded.folder / "genesis.roster"
    sha256 = province.live.founded.roster.sha256

    async def story(region: str, name: str) -> bytes:
        """Export it once every log in it has a map below a note with quorums."""
        async with province.live.client(region) as client, asyncio.timeout(15):
            while True:
                data = await client.object_proof(name)
                logs = check_bundle(data, sha256).logs.values()
                if all(log.complete_at_s is not None for log in logs):
                    return data
                await asyncio.sleep(0.1)

    for region, name in ((SICHUAN, GRANT), ("530000", GRANT), (TIBET, CASE)):
        file = tmp_path / f"{region}.bundle"
        file.write_bytes(province.live.run(story(region, name)))
        verified = check_bundle(file.read_bytes(), sha256)
        at_s = min(log.complete_at_s or 0 for log in verified.logs.values())
        command = ["verify", str(file), "--roster", str(genesis), "--at", str(at_s)]
        assert main([*command, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["verified"]
        assert main([*command, "--lang", "en"]) == 0
        said = capsys.readouterr().out
        assert said.count("complete as of size") == len(verified.logs)
        if name == GRANT:
            assert told["live_at"] is True
            assert {it["live"] for it in told["logs"].values()} == {True}
            assert "it was live, and that is proven" in said


def test_nothing_is_proven_of_an_object_that_nobody_knows(province: Province) -> None:
    async def story(name: str) -> str:
        async with province.live.client(SICHUAN) as client:
            with pytest.raises(LedgerError) as caught:
                await client.object_proof(name)
            return caught.value.code

    assert province.live.run(story("540000/grant/none")) == "unknown-object"
    assert province.live.run(story("540000/grant/a b")) == "bad-field"
