"""What a node serves of logs to anyone, and to its peers alone."""

import ssl
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint
from ledger.hashing import hash_leaf
from ledger.note import Note, check_signed
from ledger.proofs import check_inclusion
from ledger.roster import Role
from ledger.tiles import decode_entry_bundle, entries_path, tile_path
from ledger.tlog_proof import TlogProof
from ledger.views import collect_lines
from nodes.adapters.tls import make_certificate, peer_client
from nodes.api import app as app_module
from nodes.core.exchange import origin_hash
from tests.nodes.asked import HERE, THERE, Town, two_regions
from tests.nodes.live import NOW_S


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with two_regions(tmp_path_factory.mktemp("api_tiles")) as made:
        yield made


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
    (tmp_path / "node.key").chmod(0o600)
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
