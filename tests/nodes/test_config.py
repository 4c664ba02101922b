"""Configuration: every value checked, the environment over the file, nothing unknown."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.note import ED25519_COSIGNATURE, VerifierKey
from nodes.config import load_config, parse_config

FOLDER = Path("/somewhere")


def document(**more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "node": {"region": "510000", "roster": "genesis.roster", "genesis": "ab" * 32},
        "listen": {"public_port": 8410, "peer_port": 8411},
    }
    for section, values in more.items():
        made[section] = {**made.get(section, {}), **values} if isinstance(values, dict) else values
    return made


def test_a_minimal_file_has_defaults_for_the_rest() -> None:
    config = parse_config(document(), {}, FOLDER)
    assert config.node.roster == FOLDER / "genesis.roster"
    assert config.node.database == FOLDER / "data" / "node.db"
    assert config.node.fence == FOLDER / "keys" / "fence"
    assert config.limits.batch_statements_max == 1_000
    assert config.witnesses == ()


def test_the_environment_stands_over_the_file() -> None:
    environment = {
        "SHOUXIN_LISTEN_PUBLIC_PORT": "9000",
        "SHOUXIN_LISTEN_PUBLIC_TLS": "true",
        "SHOUXIN_NODE_DATA": "elsewhere",
        "SHOUXIN_KEYS_SECRET": "not a setting",
        "HOME": "/root",
    }
    config = parse_config(document(), environment, FOLDER)
    assert config.listen.public_port == 9000
    assert config.listen.public_tls is True
    assert config.node.data == FOLDER / "elsewhere"


def test_a_region_may_use_postgresql_and_a_fence_that_others_see() -> None:
    url = "postgresql+psycopg://u:secret@db/shouxin"
    environment = {"SHOUXIN_NODE_DATABASE_URL": url}
    config = parse_config(document(node={"fence_file": "/shared/fence"}), environment, FOLDER)
    assert config.node.database_url == url
    assert config.node.fence == Path("/shared/fence")
    assert "secret" not in repr(config)
    for wrong in ("sqlite:///x", "postgresql://u:secret@db/shouxin", "db"):
        with pytest.raises(MalformedError, match=r"node\.database_url") as caught:
            parse_config(document(node={"database_url": wrong}), {}, FOLDER)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"nodes": {}}, "nodes"),
        ({"limits": {"body_byte_max": 1}}, "limits.body_byte_max"),
        ({"limits": {"body_bytes_max": "8 MiB"}}, "limits.body_bytes_max"),
        ({"limits": {"body_bytes_max": True}}, "limits.body_bytes_max"),
        ({"limits": {"body_bytes_max": 0}}, "limits.body_bytes_max"),
        ({"limits": {"body_bytes_max": 1_000}}, "65535"),
        ({"limits": {"wait_ms_default": 2, "wait_ms_max": 1}}, "wait_ms_default"),
        ({"limits": {"step_events_max": 9, "inbox_events_max": 8}}, "step_events_max"),
        ({"node": {"region": "51000"}}, "51000"),
        ({"node": {"genesis": "AB" * 32}}, "node.genesis"),
        ({"node": {"data": "keys"}}, "two folders"),
        ({"listen": {"public_port": 70_000}}, "listen.public_port"),
        ({"listen": {"peer_port": 8410}}, "two"),
        ({"listen": {"public_tls": 1}}, "listen.public_tls"),
        ({"tls": {"certificate": "a.pem"}}, "go together"),
        ({"tls": []}, "tls"),
        ({"witness": {}}, "witness"),
        ({"witness": [{"name": "w", "vkey": "x", "url": "https://w.example"}]}, "vkey"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(more: dict[str, Any], named: str) -> None:
    with pytest.raises(MalformedError, match=named) as caught:
        parse_config(document(**more), {}, FOLDER)
    assert caught.value.code == "bad-config"


@pytest.mark.parametrize("missing", ["region", "roster", "genesis"])
def test_what_has_no_default_must_be_given(missing: str) -> None:
    made = document()
    del made["node"][missing]
    with pytest.raises(MalformedError, match=rf"node\.{missing}"):
        parse_config(made, {}, FOLDER)


def test_a_misspelt_variable_of_a_section_is_refused() -> None:
    with pytest.raises(MalformedError, match=r"limits\.body_max"):
        parse_config(document(), {"SHOUXIN_LIMITS_BODY_MAX": "1"}, FOLDER)


def test_two_witnesses_of_one_name_are_refused() -> None:
    vkey = VerifierKey("w.example", ED25519_COSIGNATURE, bytes(range(32))).encode()
    one = {"name": "w", "vkey": vkey, "url": "https://w.example"}
    assert len(parse_config(document(witness=[one]), {}, FOLDER).witnesses) == 1
    with pytest.raises(MalformedError, match="one name"):
        parse_config(document(witness=[one, one]), {}, FOLDER)


@given(st.binary(max_size=300))
def test_any_file_is_a_configuration_or_malformed(tmp_path_factory: Any, data: bytes) -> None:
    path = tmp_path_factory.mktemp("config") / "node.toml"
    path.write_bytes(data)
    with pytest.raises(MalformedError) as caught:
        load_config(path, {})
    assert caught.value.code == "bad-config"


def test_a_file_that_is_not_there_is_malformed(tmp_path: Path) -> None:
    with pytest.raises(MalformedError, match="cannot read"):
        load_config(tmp_path / "none.toml", {})


def test_the_variable_that_names_a_node_to_commands_is_no_setting() -> None:
    plain = parse_config(document(), {}, FOLDER)
    assert parse_config(document(), {"SHOUXIN_NODE": "elsewhere"}, FOLDER) == plain
