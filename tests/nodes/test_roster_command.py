"""``shouxin roster`` against live nodes: the constants change while acts flow."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from authz.object_bundle import ObjectLife, judge_object
from ledger import encoding
from ledger.bundle import check_bundle
from ledger.errors import MalformedError, RefusedError
from nodes.cli import roster as roster_command
from nodes.cli.demo.free_ports import free_ports
from nodes.cli.main import main
from nodes.cli.roster import changed
from nodes.core.kinds import KINDS
from tests.nodes.stage import HERE, THERE, Station, station
from tests.nodes.waiting import until
from tests.vectors.own.network import GUANGXI, REGIONS, SICHUAN, TIBET, member, roster


def wait_for(version: int, nodes: Station) -> None:
    until(
        lambda: all(it.service.node.snapshot.version >= version for it in nodes.nodes.values()),
        "the version does not come into force",
    )


def approve(given: list[str]) -> None:
    """Approve a proposal, which is replicated first, and then seen."""
    until(lambda: main(given) == 0, "it is not approved")


def check_counted_by_the_second(nodes: Station) -> None:
    """What is done since is proven by the new version, and the bundle shows why."""
    hall, origin = f"{HERE}/hall/since", nodes.origin(HERE)
    nodes.act(HERE, "party.enrol", hall, {"name": "大厅"}, wait="replicated")
    token = nodes.founded.tokens[HERE]

    def proof() -> bytes | None:
        answer = nodes.ask("GET", f"/v1/objects/{hall}/proof", token=token)
        return answer.body if answer.status == 200 else None

    proven = until(proof, "it is not proven")
    told: list[ObjectLife] = []
    log = check_bundle(
        proven,
        nodes.founded.roster.sha256,
        lambda verified: told.append(judge_object(verified, KINDS)),
    ).logs[origin]
    assert (log.roster.version, log.replicated) == (2, True)
    assert [epoch.version for epoch in log.epochs.items] == [1, 2]
    [line] = told[0].logs[0].lines
    assert line.live
    assert line.seen_by_s is not None
    assert line.seen_by_s >= log.epochs.floor_at(line.index) > 0


def test_a_proposal_signed_offline_comes_into_force_and_windows_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with station(tmp_path / "net", 2) as nodes:
        nodes.start(HERE, THERE)
        steward = nodes.founded.roster.steward
        governance = tmp_path / "net" / "governance"
        for region in (HERE, THERE):
            nodes.act(
                region,
                "party.enrol",
                f"{region}/hall/h",
                {"name": "大厅"},
                wait="replicated",
            )
        changes = tmp_path / "changes.json"
        changes.write_text(json.dumps({"constants": {"staleness_s": 500}}))
        at = {region: ("--node", str(nodes.home(region))) for region in (HERE, THERE)}
        assert main(["roster", "propose", str(changes), *at[steward]]) == 0
        for region in (HERE, THERE):
            given = ["roster", "approve", "--keys", str(governance), "--region", region]
            approve([*given, *at[region]])
        for number in range(5):
            nodes.act(HERE, "party.enrol", f"{HERE}/hall/meanwhile-{number}", {"name": "大厅"})
        wait_for(2, nodes)
        assert nodes.nodes[HERE].service.roster.constants.staleness_s == 500
        check_counted_by_the_second(nodes)
        capsys.readouterr()
        chain = tmp_path / "chain"
        assert main(["roster", "history", "--json", "-o", str(chain), *at[HERE]]) == 0
        told = json.loads(capsys.readouterr().out)["versions"]
        assert [row["version"] for row in told] == [1, 2]
        signed = nodes.nodes[HERE].service.chain.signed
        assert encoding.decode(chain.read_bytes()) == [*signed[1:]]
        assert main(["roster", "show", *at[THERE]]) == 0
        assert "version 2 in force" in capsys.readouterr().out
        stall = ["roster", "stall", "--round", "1", "--keys", str(governance), "--region", HERE]
        assert main([*stall, *at[HERE]]) == 0
        assert main([*stall, *at[HERE]]) == 3
        nodes.stop(HERE)
        nodes.start(HERE)
        assert nodes.nodes[HERE].service.roster.version == 2


def test_a_sixth_region_joins_live_nodes_while_acts_flow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with station(tmp_path / "net", 3) as nodes:
        regions = tuple(nodes.founded.roster.members)
        nodes.start(*regions)
        for region in regions:
            nodes.act(
                region, "party.enrol", f"{region}/hall/h", {"name": "大厅"}, wait="replicated"
            )
        steward = nodes.founded.roster.steward
        at = {region: ("--node", str(nodes.home(region))) for region in regions}
        ports = free_ports(2)
        home = tmp_path / "net" / GUANGXI
        asked = [
            *("--region", GUANGXI, "--name", "广西", "--name-en", "Guangxi"),
            *("--public-port", str(ports[0]), "--peer-port", str(ports[1])),
            *("--certificates", str(nodes.home(steward) / "certificates.pem")),
            *("--keys", str(tmp_path / "apart")),
        ]
        capsys.readouterr()
        assert main(["roster", "join", str(home), *asked, *at[steward]]) == 0
        changes = tmp_path / "changes.json"
        changes.write_text(capsys.readouterr().out)
        certificate = (home / "tls" / "node.pem").read_bytes()
        for region in regions:
            path = nodes.home(region) / "certificates.pem"
            path.write_bytes(path.read_bytes() + certificate)
        assert main(["roster", "propose", str(changes), *at[steward]]) == 0
        governance = tmp_path / "net" / "governance"
        for region in regions:
            given = ["roster", "approve", "--keys", str(governance), "--region", region]
            approve([*given, *at[region]])
            nodes.act(region, "party.enrol", f"{region}/hall/meanwhile", {"name": "大厅"})
        wait_for(2, nodes)
        chain = home / "rosters.cbor"
        assert main(["roster", "history", "-o", str(chain), *at[steward]]) == 0
        nodes.founded.configs[GUANGXI] = home / "node.toml"
        nodes.start(GUANGXI)
        origin = nodes.founded.roster.members[steward].origin

        def caught_up() -> bool:
            found = nodes.nodes[GUANGXI].service.node.snapshot
            others = nodes.nodes[steward].service.node.snapshot
            return found.replicated_size > 0 and found.logs[origin].mirrored_size >= others.size

        until(caught_up)
        assert nodes.nodes[GUANGXI].service.roster.version == 2
        mirrored = nodes.nodes[steward].service.node.snapshot.logs
        assert mirrored[f"{nodes.founded.roster.network}/{GUANGXI}"].mirrored_size > 0


PINS = {origin: [3, "03" * 32] for origin in (SICHUAN, TIBET)}


@pytest.mark.parametrize(
    ("stalls", "codes", "ends"),
    [
        (4, ["no-quorum", "pin-not-replicated"], "said"),
        (4, ["no-quorum"] * 10, "no-quorum"),
        (3, ["no-quorum"], "no-quorum"),
        (0, ["not-proposer"], "not-proposer"),
    ],
)
def test_a_proposal_is_said_again_while_what_it_rests_on_may_yet_be_replicated(
    stalls: int, codes: list[str], ends: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter(codes)

    def say(*_given: object) -> dict[str, Any]:
        code = next(told, None)
        if code is not None:
            raise RefusedError("not now", code=code)
        return {"index": 1, "origin": "log"}

    newest = roster()
    monkeypatch.setattr(roster_command, "SEEN_PAUSE_S", 0)
    monkeypatch.setattr(roster_command, "_chain", lambda _given: Namespace(newest=newest))
    monkeypatch.setattr(roster_command, "_proposed", lambda *_given: newest)
    monkeypatch.setattr(roster_command, "_say", say)
    changes = tmp_path / "changes.json"
    changes.touch()
    given = Namespace(changes=changes, round=2, stall=list(newest.members)[:stalls], json=False)
    if ends == "said":
        assert roster_command.propose(given) == 0
    else:
        with pytest.raises(RefusedError) as refused:
            roster_command.propose(given)
        assert refused.value.code == ends
    assert list(told) == []


def test_a_file_of_changes_makes_the_next_version() -> None:
    genesis = roster()
    joiner = member(GUANGXI).to_map()
    given: dict[str, Any] = {
        **joiner,
        "keys": {name: key.hex() for name, key in joiner["keys"].items()},
        "tls": joiner["tls"].hex(),
    }
    changes = {
        "members": {GUANGXI: given, "540000": None, "510000": {"url": "https://new.example"}},
        "closed": {TIBET: SICHUAN},
        "constants": {"refresh_s": 30},
    }
    new = changed(genesis, PINS, changes)
    assert set(new.members) == ({*REGIONS, GUANGXI} - {"540000"})
    assert new.members[GUANGXI] == member(GUANGXI)
    assert new.members["510000"].url == "https://new.example"
    assert new.members["510000"].keys == genesis.members["510000"].keys
    assert (new.closed[TIBET].size, new.closed[TIBET].successor) == (3, SICHUAN)
    assert (new.constants.refresh_s, new.constants.staleness_s) == (30, 600)
    assert (new.pins[SICHUAN].size, new.pins[f"{SICHUAN[:-6]}500000"].size) == (3, 0)


@pytest.mark.parametrize(
    "changes",
    [{"other": 1}, {"members": {"510000": {"keys": {"log": "xx"}}}}, {"steward": "990000"}],
)
def test_a_change_that_makes_no_roster_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        changed(roster(), {}, changes)
