"""Founding a network: separate keys, a genesis that all sign, folders that start."""

import dataclasses
import hashlib
import ssl
import stat
import tomllib
from pathlib import Path

import pytest
from cryptography import x509

from ledger.errors import MalformedError, RefusedError, UnverifiedError
from ledger.policy import Policy
from ledger.signed_roster import SignedRoster, check_genesis
from nodes.adapters import tls
from nodes.adapters.fence_file import FileFence
from nodes.adapters.keystore import KeyStore
from nodes.adapters.network import Founded, Place, found_network, southwest_five
from nodes.adapters.random import randomness
from nodes.adapters.roster_files import load_roster
from nodes.config import load_config
from tests.nodes.live import NOW_S, found


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Founded:
    return found(tmp_path_factory.mktemp("network") / "five", 5)


def test_the_genesis_is_signed_by_all_and_pinned_by_every_node(founded: Founded) -> None:
    signed = (founded.folder / "genesis.roster").read_bytes()
    roster = check_genesis(SignedRoster.decode(signed))
    assert list(roster.members) == ["500000", "510000", "520000", "530000", "540000"]
    for region, path in founded.configs.items():
        config = load_config(path, {})
        assert config.node.region == region
        assert load_roster(config) == (signed, roster)


def test_another_genesis_than_the_pinned_one_is_refused(founded: Founded, tmp_path: Path) -> None:
    other = found(tmp_path / "other", 1)
    config = load_config(founded.configs["510000"], {})
    changed = dataclasses.replace(config.node, roster=other.folder / "genesis.roster")
    with pytest.raises(UnverifiedError) as caught:
        load_roster(dataclasses.replace(config, node=changed))
    assert caught.value.code == "wrong-genesis"


def test_no_two_keys_of_the_network_are_equal(founded: Founded) -> None:
    keys = [key for member in founded.roster.members.values() for key in member.keys.all()]
    assert len(set(keys)) == len(keys) == 5 * 6


def test_the_keys_on_disk_are_those_of_the_roster(founded: Founded) -> None:
    home = founded.configs["540000"].parent
    secret = (home / "unlock.secret").read_bytes()
    store = KeyStore.open(home / "keys", secret, randomness)
    keys = founded.roster.members["540000"].keys
    for role in ("log", "witness", "mirror", "receipt", "issuer"):
        assert store.load(f"role/{role}").public == getattr(keys, role)
    assert not list(home.rglob("governance"))


def test_governance_keys_lie_apart_from_all_nodes(founded: Founded) -> None:
    folder = founded.folder / "governance"
    store = KeyStore.open(folder, (folder / "unlock.secret").read_bytes(), randomness)
    for region, member in founded.roster.members.items():
        assert store.load(f"governance/{region}").public == member.keys.governance


def test_secrets_are_readable_by_their_owner_alone(founded: Founded) -> None:
    secret = ("unlock.secret", "operator.token", "*.key", "keystore.cbor", "fence")
    paths = [path for name in secret for path in founded.folder.rglob(name)]
    assert len(paths) >= 5 * 9
    for path in paths:
        assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO), path


def test_a_new_fence_stands_at_the_beginning(founded: Founded) -> None:
    fence = FileFence.open(founded.configs["520000"].parent / "keys" / "fence")
    mark = fence.load()
    fence.close()
    assert mark is not None
    assert (mark.commit, mark.size) == (0, 0)


def test_the_token_is_kept_by_its_hash(founded: Founded) -> None:
    home = founded.configs["510000"].parent
    token = founded.tokens["510000"]
    assert (home / "operator.token").read_text().strip() == token
    assert (home / "operator.sha256").read_text().strip() == (
        hashlib.sha256(token.encode()).hexdigest()
    )


def test_post_quantum_keys_and_their_policies_are_made_where_asked_for(
    founded: Founded, tmp_path: Path
) -> None:
    assert not list(founded.folder.rglob("*pq*"))
    made = found(tmp_path / "pq", 3, post_quantum=True)
    for region, config in made.configs.items():
        home, keys = config.parent, made.roster.member(region).keys
        secret = (home / "unlock.secret").read_bytes()
        store = KeyStore.open(home / "keys", secret, randomness)
        for role in ("log_pq", "witness_pq", "mirror_pq"):
            assert store.load_post_quantum(role).public == getattr(keys, role)
        for role in ("witness", "mirror"):
            policy = Policy.decode((home / "policy" / f"{role}-1.pq.policy").read_bytes())
            assert {entry.key.kind for entry in (*policy.logs, *policy.witnesses)} == {0x06}


def test_policy_files_name_the_other_members_and_their_quorum(founded: Founded) -> None:
    home = founded.configs["510000"].parent
    for role in ("witness", "mirror"):
        policy = Policy.decode((home / "policy" / f"{role}-1.policy").read_bytes(), faulty_max=1)
        assert [witness.name for witness in policy.witnesses] == [
            "500000",
            "520000",
            "530000",
            "540000",
        ]
        assert policy.groups[0].threshold == 3


def test_certificates_are_the_pinned_ones(founded: Founded) -> None:
    pem = founded.folder / "certificates.pem"
    assert set(tls.load_pinned(pem, [founded.roster])) == set(founded.roster.members)
    for certificate in x509.load_pem_x509_certificates(pem.read_bytes()):
        assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 3650


def test_a_lost_certificate_is_said_by_its_region(founded: Founded, tmp_path: Path) -> None:
    pem = (founded.folder / "certificates.pem").read_bytes()
    first = pem.split(b"-----END CERTIFICATE-----\n")[0] + b"-----END CERTIFICATE-----\n"
    (tmp_path / "fewer.pem").write_bytes(first)
    with pytest.raises(MalformedError, match="lacks the certificate"):
        tls.load_pinned(tmp_path / "fewer.pem", [founded.roster])
    (tmp_path / "none.pem").write_bytes(b"nothing")
    with pytest.raises(MalformedError):
        tls.load_pinned(tmp_path / "none.pem", [founded.roster])


def test_a_folder_that_holds_something_is_left_alone(founded: Founded) -> None:
    with pytest.raises(RefusedError) as caught:
        found_network(founded.folder, southwest_five(), NOW_S)
    assert caught.value.code == "not-empty"


def test_a_relay_may_stand_before_the_peer_port(tmp_path: Path) -> None:
    place = Place(
        region="510000",
        name="四川",
        name_en="Sichuan",
        public_port=1,
        peer_port=2,
        peer_url="https://relay.example:9",
    )
    founding = dataclasses.replace(southwest_five(), places=(place,))
    made = found_network(tmp_path / "one", founding, NOW_S)
    assert made.roster.members["510000"].peer == "https://relay.example:9"
    config = tomllib.loads(made.configs["510000"].read_text())
    assert config["listen"]["peer_port"] == 2
    pem = (tmp_path / "one" / "certificates.pem").read_bytes()
    names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert "relay.example" in names.value.get_values_for_type(x509.DNSName)


def test_the_peer_listener_asks_for_a_certificate(founded: Founded) -> None:
    home = founded.configs["510000"].parent
    pinned = tls.load_pinned(home / "certificates.pem", [founded.roster])
    context = tls.peer_server(home / "tls" / "node.pem", home / "tls" / "node.key", pinned)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3


def test_a_caller_is_known_by_the_pinned_certificate_alone(founded: Founded) -> None:
    pins = tls.regions_by_pin([founded.roster])
    for region, path in founded.configs.items():
        pem = (path.parent / "tls" / "node.pem").read_bytes()
        der = ssl.PEM_cert_to_DER_cert(pem.decode())
        assert tls.caller_region(der, pins) == region
        assert tls.caller_region(der + b"\0", pins) is None
    assert tls.caller_region(None, pins) is None
