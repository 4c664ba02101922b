"""Live nodes change every key they have, one version after the other, without a restart."""

import base64
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from ledger.encoding import decode
from ledger.errors import UnverifiedError
from ledger.keys import key_thumbprint
from ledger.note import Note, check_signed
from ledger.receipt import check_inclusion_receipt
from ledger.roster import Roster
from ledger.statement import Act, sign_statement
from nodes.adapters import tls
from nodes.cli.main import main
from tests.nodes.stage import HERE, Station, station
from tests.nodes.waiting import until

ALL = ("log", "witness", "mirror", "receipt", "issuer", "log_pq", "witness_pq", "mirror_pq")


def at(nodes: Station, region: str) -> tuple[str, ...]:
    return "--node", str(nodes.home(region))


def enrol(nodes: Station, region: str, name: str) -> Any:
    """Record an act, and wait until it is replicated."""
    subject = f"{region}/hall/{name}"
    act = nodes.act(region, "party.enrol", subject, {"name": "大厅"}, wait="replicated")
    assert act["finality"] == "replicated"
    return act


def bring_in(nodes: Station, changes: Path, version: int) -> Roster:
    """Propose what the file says, have all members approve, and wait until it is in force."""
    steward = nodes.founded.roster.steward
    assert main(["roster", "propose", str(changes), *at(nodes, steward)]) == 0
    governance = str(nodes.founded.folder / "governance")
    for region in nodes.nodes:
        given = ["roster", "approve", "--keys", governance, "--region", region, *at(nodes, region)]
        snapshots = nodes.nodes[region].service.node
        # A quorum may have made the version whole before the last one signs.
        until(
            lambda given=given, it=snapshots: main(given) == 0 or it.snapshot.version == version,
            "the proposal is not seen",
        )
    for node in nodes.nodes.values():
        snapshots = node.service.node
        until(
            lambda it=snapshots: it.snapshot.proven_version == version,
            f"version {version} does not come into force",
        )
    roster: Roster = nodes.nodes[HERE].service.roster
    assert roster.version == version
    return roster


def shown(nodes: Station, region: str) -> bytes:
    """The pin of the certificate that a region's peer listener shows."""
    host, port = nodes.founded.roster.members[region].peer.removeprefix("https://").split(":")
    pem = ssl.get_server_certificate((host, int(port)))
    return tls.pin_of(pem.encode())


def test_a_region_changes_every_key_that_it_has_and_no_node_is_restarted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with station(tmp_path / "net", 3) as nodes:
        regions = tuple(nodes.founded.roster.members)
        nodes.start(*regions)
        before = nodes.founded.roster.members[HERE]
        for region in regions:
            nodes.act(
                region, "party.enrol", f"{region}/hall/h", {"name": "大厅"}, wait="replicated"
            )
        old = enrol(nodes, HERE, "old")
        governance = ("--keys", str(nodes.founded.folder / "governance"))
        asked = ["roster", "keys", *ALL, "tls", "governance", *governance, *at(nodes, HERE)]
        capsys.readouterr()
        assert main(asked) == 0
        printed = capsys.readouterr().out
        assert main(asked) == 0
        # Nothing is made in vain: what is not in the roster yet is what is to be proposed.
        assert capsys.readouterr().out == printed
        changes = tmp_path / "changes.json"
        changes.write_text(printed)
        certificate = (nodes.home(HERE) / "tls" / "node.2.pem").read_bytes()
        for region in regions:
            path = nodes.home(region) / "certificates.pem"
            path.write_bytes(path.read_bytes() + certificate)
        assert shown(nodes, HERE) == before.tls

        roster = bring_in(nodes, changes, 2)
        member = roster.members[HERE]
        for name in (*ALL, "governance"):
            assert getattr(member.keys, name) != getattr(before.keys, name)
        act = nodes.act(
            HERE, "party.enrol", f"{HERE}/hall/new", {"name": "大厅"}, wait="replicated"
        )
        note = nodes.ask("GET", "/log/checkpoint").body
        check_signed(Note.decode(note), [roster.log_key(nodes.origin(HERE))])
        second = nodes.ask("GET", "/log/checkpoint.pq").body
        assert len(Note.decode(second).signatures) > 1
        check_receipts(nodes, roster, old, act)
        check_issuer(nodes, before.keys.issuer, member.keys.issuer)
        until(lambda: shown(nodes, HERE) == member.tls, "the new certificate is not shown")
        # Others reach it by the new certificate, and it reaches them.
        for region in regions:
            nodes.act(
                region, "party.enrol", f"{region}/hall/i", {"name": "大厅"}, wait="replicated"
            )

        # The governance key that the version names signs the next one; and a node that is started
        # again, from the genesis alone, finds its keys.
        changes.write_text(json.dumps({"constants": {"staleness_s": 500}}))
        bring_in(nodes, changes, 3)
        nodes.stop(HERE)
        nodes.start(HERE)
        enrol(nodes, HERE, "j")
        assert shown(nodes, HERE) == member.tls
        assert nodes.status(HERE)["state"] == "serving"


def check_receipts(nodes: Station, roster: Roster, old: Any, new: Any) -> None:
    """Receipts are signed by the new key, and both keys are told to whoever checks one."""
    told = decode(nodes.ask("GET", "/.well-known/scitt-keys").body)
    keys = {key_thumbprint(key[-2]): key[-2] for key in told}
    now = roster.members[HERE].keys.receipt
    genesis = nodes.founded.roster.members[HERE].keys.receipt
    assert list(keys.values()) == [now, genesis]
    for act, public in ((old, genesis), (new, now)):
        receipt = base64.b64decode(act["receipt"])
        leaf = bytes.fromhex(act["leaf"])
        assert check_inclusion_receipt(receipt, leaf, keys).index == act["index"]
        with pytest.raises(UnverifiedError):
            check_inclusion_receipt(
                receipt, leaf, {kid: key for kid, key in keys.items() if key != public}
            )


def check_issuer(nodes: Station, old: bytes, new: bytes) -> None:
    """The region's own statements are taken by its new key, and by the old one no more."""
    ring = nodes.nodes[HERE].service.keys
    by_public = {keys.issuer.public: keys.issuer for keys in ring.sets()}
    subject = f"{HERE}/hall/by-statement"
    act = Act("party.enrol", 1, None, (), {"name": "大厅"})
    said = []
    for public in (old, new):
        key: Any = by_public[public]
        statement = sign_statement(key, HERE, subject, nodes.clock.now_s(), act)
        answer = nodes.ask(
            "POST",
            "/entries",
            statement.entry,
            token=nodes.founded.tokens[HERE],
            content_type="application/cose",
        )
        said.append((answer.status, b"unknown-key" in answer.body))
    assert said == [(400, True), (201, False)]


def test_a_name_that_is_no_key_and_a_node_known_by_its_url_alone_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for given in (["--node", "http://127.0.0.1:1"], ["other", "--node", str(tmp_path)]):
        assert main(["roster", "keys", *given]) != 0
    assert "no key is called other" in capsys.readouterr().err
