"""What a simulated world takes for a good signature, and what it finds out about it."""

import pytest

from ledger import keys
from ledger.errors import UnverifiedError
from ledger.keys import SigningKey, verify
from nodes.core.exchange import Upload
from simulator.signing import MODES, signing

KEY, OTHER = SigningKey.from_seed(bytes(32)), SigningKey.from_seed(bytes(31) + b"\x01")


@pytest.fixture(name="checked")
def signatures_that_are_really_checked(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    checked: list[bytes] = []
    really = keys._open

    def check(signed: bytes, public: bytes) -> bytes:
        checked.append(signed)
        return really(signed, public)

    monkeypatch.setattr(keys, "_open", check)
    return checked


def test_what_was_signed_in_the_world_is_known_to_hold_and_each_change_is_found_out(
    checked: list[bytes],
) -> None:
    with signing("shared"):
        signature = KEY.sign(b"said")
        verify(KEY.public, b"said", signature)
        assert not checked
        for public, message, altered in (
            (OTHER.public, b"said", signature),
            (KEY.public, b"sand", signature),
            (KEY.public, b"said", bytes((signature[0] ^ 1,)) + signature[1:]),
        ):
            with pytest.raises(UnverifiedError):
                verify(public, message, altered)
        assert len(checked) == 3
    verify(KEY.public, b"said", signature)
    assert len(checked) == 4


def test_what_came_from_elsewhere_is_checked_once(checked: list[bytes]) -> None:
    signature = KEY.sign(b"said")
    with signing("shared"):
        for _ in range(3):
            verify(KEY.public, b"said", signature)
    assert len(checked) == 1


@pytest.mark.parametrize("mode", MODES)
def test_no_way_of_signing_lets_a_forgery_pass(mode: str) -> None:
    with signing(mode):
        signature = KEY.sign(b"said")
        verify(KEY.public, b"said", signature)
        with pytest.raises(UnverifiedError):
            verify(KEY.public, b"sand", signature)


def test_each_node_checks_for_itself_where_that_is_asked_for(checked: list[bytes]) -> None:
    with signing("real"):
        signature = KEY.sign(b"said")
        for _ in range(3):
            verify(KEY.public, b"said", signature)
    assert len(checked) == 3


def test_what_goes_to_several_nodes_alike_is_read_once_in_a_world_and_each_time_elsewhere() -> None:
    body = Upload(origin="log", start=3, end=3).encode()
    assert Upload.decode(body) is not Upload.decode(body)
    with signing("shared"):
        assert Upload.decode(body) is Upload.decode(bytes(bytearray(body)))
    assert Upload.decode(body) == Upload(origin="log", start=3, end=3)
    assert Upload.decode(body) is not Upload.decode(body)
