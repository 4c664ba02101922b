"""Certificates that the roster pins: who gets in, also beside an older one of the same region."""

import ssl
from pathlib import Path

import pytest

from ledger.errors import LedgerError
from nodes.adapters import tls
from nodes.adapters.clock import SystemClock

NOW_S = SystemClock().now_ms() // 1000


def certificate(folder: Path, name: str) -> str:
    made, key = tls.make_certificate("net.example/530000", ["127.0.0.1"], NOW_S)
    (folder / f"{name}.pem").write_bytes(made)
    (folder / f"{name}.key").write_bytes(key)
    (folder / f"{name}.key").chmod(0o600)
    return made.decode("ascii")


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """Let the two greet each other in memory, until both are through."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue


@pytest.mark.parametrize("first", ["old", "new"])
def test_a_running_listener_lets_in_a_region_with_a_new_certificate(
    tmp_path: Path, first: str
) -> None:
    """A region that comes back, or changes its certificate, meets nodes that know the old one."""
    pem = {name: certificate(tmp_path, name) for name in ("own", "old", "new")}
    other = "new" if first == "old" else "old"
    listener = tls.peer_server(tmp_path / "own.pem", tmp_path / "own.key", {"530000": pem[first]})
    stranger = tls.peer_client(tmp_path / f"{other}.pem", tmp_path / f"{other}.key", pem["own"])
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(listener, stranger)
    listener.load_verify_locations(cadata=pem[other])
    for name in ("old", "new"):
        caller = tls.peer_client(tmp_path / f"{name}.pem", tmp_path / f"{name}.key", pem["own"])
        shake_hands(listener, caller)


def test_a_certificate_with_the_key_of_another_is_not_shown(tmp_path: Path) -> None:
    for name in ("own", "other"):
        certificate(tmp_path, name)
    for key in ("other.key", "gone.key"):
        with pytest.raises(LedgerError, match=key) as caught:
            tls.public_server(tmp_path / "own.pem", tmp_path / key)
        assert caught.value.code == "bad-certificates"


def test_a_key_that_everybody_may_read_is_not_used(tmp_path: Path) -> None:
    certificate(tmp_path, "own")
    (tmp_path / "own.key").chmod(0o604)
    with pytest.raises(LedgerError, match=r"everybody may read .*own\.key") as caught:
        tls.public_server(tmp_path / "own.pem", tmp_path / "own.key")
    assert caught.value.code == "open-secret"


def test_a_certificate_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"own\.pem") as caught:
        tls.own_certificate(tmp_path / "own.pem", tmp_path / "own.key", (), "530000")
    assert caught.value.code == "bad-certificates"
