"""Any bytes to any address of a real node: refusals that say what to mend, and no change."""

import contextlib
import gzip
import http.client
import io
import json
import socket
import sqlite3
import ssl
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import encoding
from ledger.checkpoint import Checkpoint
from ledger.note import Note
from nodes.api.app import peer_app, public_app
from nodes.api.context import Service
from nodes.core.exchange import Package, Upload, encode_add_checkpoint, origin_hash
from nodes.core.extension import EXTEND, encode_extension
from tests.nodes.stage import HERE, THERE, Answer, Desk, Station, open_desk, station
from tests.nodes.waiting import until
from tests.strategies import flip

CONCISE = "application/concise-problem-details+cbor"
PROBLEM = "application/problem+json"
MEMBERS = {"title", "status", "code", "detail", "mend"}
REASONS = {"reason_zh", "reason_en"}
NUMBERED = MEMBERS | {"request", "instance"}
"""Of a refusal whose reason a known caller may look up."""
OWN_MEMORY = {"commits", "memory", "notes", "peer_rows", "lines", "refusals", "readings"}
TYPES = {
    "/entries": "application/cose",
    "/v1/ingest": "application/cbor",
}


class Address(NamedTuple):
    peer: bool
    method: str
    path: str
    """As in the route table, with placeholders."""


def addresses(service: Service) -> list[Address]:
    """Every method and path that the two applications answer."""
    found = []
    for peer, app in ((False, public_app(service)), (True, peer_app(service))):
        for route in app.router.routes():
            resource = route.resource
            assert resource is not None
            if route.method != "HEAD":  # an answer without its body
                found.append(Address(peer, route.method, resource.canonical))
    return found


class Held:
    """What a node's database holds, read again only when somebody has committed to it."""

    def __init__(self, database: Path) -> None:
        self._connection = sqlite3.connect(database, check_same_thread=False)
        self._version = -1
        self._digest = ""

    def close(self) -> None:
        self._connection.close()

    def digest(self) -> str:
        """A digest of all that is stored, but for what a node writes by itself as time goes on."""
        ((version,),) = self._connection.execute("PRAGMA data_version").fetchall()
        if version != self._version:
            self._version, self._digest = version, self._read()
        return self._digest

    def _read(self) -> str:
        execute = self._connection.execute
        found = execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        names = {name for (name,) in found} - OWN_MEMORY
        rows = [execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in sorted(names)]  # noqa: S608
        return sha256(repr(rows).encode()).hexdigest()


class Target(NamedTuple):
    """A node that serves, and good requests to it that change nothing."""

    station: Station
    desk: Desk
    addresses: list[Address]
    tokens: dict[str, str]
    bodies: dict[str, list[bytes]]
    values: dict[str, list[str]]
    """What may stand for a placeholder."""
    transport: ssl.SSLContext
    database: "Held"

    def __repr__(self) -> str:
        return "Target"

    def send(self, data: bytes, *, peer: bool) -> Answer:
        """Send bytes as they are, and read the answer."""
        member = self.station.founded.roster.members[HERE]
        base = urlsplit(member.peer if peer else member.url)
        with contextlib.ExitStack() as stack:
            wire: Any = socket.create_connection((base.hostname, base.port), timeout=20)
            if peer:
                wire = self.transport.wrap_socket(wire, server_hostname=base.hostname)
            stack.callback(wire.close)
            with contextlib.suppress(OSError):
                wire.sendall(data)  # it may answer before it has read all of what it refuses
            response = http.client.HTTPResponse(wire)
            stack.callback(response.close)
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())

    def request(
        self, address: Address, target: bytes, headers: dict[bytes, bytes], body: bytes
    ) -> Answer:
        lines = [address.method.encode() + b" " + target + b" HTTP/1.1", b"Host: node"]
        lines += [name + b": " + value for name, value in headers.items()]
        lines += [b"Content-Length: %d" % len(body), b"Connection: close"]
        return self.send(b"\r\n".join(lines) + b"\r\n\r\n" + body, peer=address.peer)


def close_block(made: Station) -> None:
    """Let the node record the lines of its last block, as it else would in the midst of a test."""
    before = made.size()
    made.clock.by_ms += 1_000 * (made.founded.roster.constants.refresh_s + 1)
    made.act(THERE, "party.enrol", f"{THERE}/hall/k", {"name": "厅"}, wait="replicated")
    until(lambda: made.size() > before, "the last block is not closed")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with station(tmp_path_factory.mktemp("bytes") / "network") as made:
        made.start(HERE, THERE)
        desk = open_desk(made)
        made.act(THERE, "party.enrol", f"{THERE}/hall/h", {"name": "厅"}, wait="replicated")
        made.act(HERE, "party.enrol", f"{HERE}/hall/h", {"name": "厅"}, wait="replicated")
        tokens = {"operator": made.founded.tokens[HERE]}
        for role, party in (("window", desk.officer), ("auditor", HERE)):
            asked = {"party": party, "role": role}
            tokens[role] = made.call(HERE, "POST", "/v1/tokens", asked)["token"]
        asked = {"kind": "party.enrol", "subject": f"{HERE}/hall/g", "body": {"name": "厅"}}
        stored = [desk.open_case(f"b{at}", made.clock.now_s()).entry for at in range(3)]
        answer = made.ask(
            "POST",
            "/v1/ingest",
            encoding.encode(stored),
            token=tokens["window"],
            Content_Type="application/cbor",
        )
        assert [it[0] for it in encoding.decode(answer.body)["results"]] == [0, 0, 0]
        made.act(HERE, **asked, wait="replicated")
        close_block(made)
        bodies = peer_bodies(made) | {
            "/entries": stored,
            "/v1/ingest": [encoding.encode(stored)],
            # The officer holds their own key, so the node never signs this for them.
            "/v1/acts": [json.dumps({**asked, "officer": desk.officer}).encode()],
            "/v1/tokens": [b'{"party":"999999","role":"auditor","label":"x","days":3}'],
            "/v1/officers": [b'{"party":"999999/officer/x"}'],
            "/v1/check": [
                json.dumps({"window": desk.window, "right": "intake", "item": desk.item}).encode()
            ],
        }
        values = {
            "index": ["0", "3", "999999", "01", "-1", "9" * 30],
            "log": [origin_hash(made.origin(HERE)), origin_hash(made.origin(THERE)), "0" * 64],
            "path": ["tile/0/000.p/5", "tile/entries/000.p/5", "tile/0/000", "tile/9/x000/000"],
            "id": [f"{HERE}/case/b1", desk.window, f"{HERE}/case/none", f"{HERE}/x"],
            "kid": ["AAAA", "A", "=", "-_"],
            "hash": ["0" * 64, "0" * 63, "x"],
            "digest": ["0" * 64, "0" * 63, "x"],
            "short": ["0" * 16, "0" * 15, "x"],
            "what": ["contacts", "pairs", "oversight", "nothing", ""],
            "type": ["hall", "case", "Hall", "x"],
            "number": ["0", "1", "01", "-1", "9" * 30],
        }
        # Alone from here on, so that whatever changes was changed by what we send.
        made.stop(THERE)
        service = made.nodes[HERE].service
        with contextlib.closing(Held(Path(made.database(HERE)))) as database:
            yield Target(
                made,
                desk,
                addresses(service),
                tokens,
                bodies,
                values,
                made.transport(THERE, HERE),
                database,
            )


def peer_bodies(made: Station) -> dict[str, list[bytes]]:
    """What the other region may well send, with lines that we hold already."""
    note = Note.decode(made.ask("GET", "/log/checkpoint", region=THERE).body)
    size = Checkpoint.decode(note.text).size
    own = Note(note.text, note.signatures[:1]).encode()
    checkpoint = encode_add_checkpoint(size - 1, (), own)
    entries = Upload(
        origin=made.origin(THERE),
        start=0,
        end=2,
        packages=(Package(0, (b"no", b"entry"), (bytes(32),)),),
    ).encode()
    return {
        "/c2sp/add-checkpoint": [checkpoint],
        "/c2sp/add-entries": [entries],
        "/peer/extend": [
            encode_extension(checkpoint, entries),
            encode_extension(encode_add_checkpoint(size, (), own), entries),
        ],
        "/peer/finished": [own],
        "/peer/lines": [own.replace(b"\n%d\n" % size, b"\n%d\n" % (size + 1))],
    }


def check_answer(address: Address, answer: Answer) -> None:
    """The answer is a success or a refusal in the form that callers there understand."""
    assert 200 <= answer.status < 500 or answer.status == 503, (address, answer)
    if answer.status < 400:
        return
    if answer.status == 417:
        # Where no address fits, aiohttp says this before anything of ours is asked.
        assert b"Expect" in answer.body
        return
    if address.peer and address.path.startswith(("/c2sp/", "/peer/")):
        # What the specifications ask for: a status, and words or a size.
        assert answer.type.startswith("text/") or answer.type == PROBLEM, (address, answer)
        return
    if answer.type == CONCISE:
        value = encoding.decode(answer.body)
        assert value.keys() in ({-1, -2}, {-1, -2, -3}), (address, value)
        assert all(type(text) is str and text for text in value.values()), (address, value)
        return
    assert answer.type == PROBLEM, (address, answer)
    value = answer.json()
    assert value.keys() - REASONS in (MEMBERS, NUMBERED), (address, value)
    assert value["status"] == answer.status
    assert all(value.values()), (address, value)
    if answer.status == 503:
        assert value["code"] == "not-replicated", (address, value)


# ---- what is sent -------------------------------------------------------------------------------

JUNK = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"[" * 70_000,
            b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
            b'{"days":1e999}',
            b'{"party":"510000","role":"auditor","days":%s}' % (b"9" * 4_200),
            b'{"party":"510000","role":"auditor","days":%s}' % (b"9" * 5_000),
            b'{"party":"510000","role":"auditor","days":-1}',
            b'{"kind":"\\ud800","subject":"\\udfff","body":{"\\ud800":"\\ud800"}}',
            b'{"kind":"party.enrol","subject":"510000/hall/z","body":' + b'{"name":[' * 400,
            b"null",
            b"\xef\xbb\xbf{}",
            b"\x81" * 60_000,
            b"\x9f" * 60_000,
            b"\xa1\x00" * 30_000,
            b"\x9b" + b"\xff" * 8,
            b"\x5b\x7f" + b"\xff" * 7,
            b"\xd2" * 1_000,
            b"\xc2\x5a\xff\xff\xff\xff",
            b"\xfb\x7f\xf0" + bytes(6),
            b"old 18446744073709551616\n\n",
            b"old -1\n\n",
            b"old 1\n" + b"AAAA\n" * 70 + b"\n",
            gzip.compress(bytes(100_000)),
        ]
    ),
    st.integers(0, 40).map(lambda size: b"\x81" * size + b"\x00"),
)


@st.composite
def damaged(draw: Any, good: bytes) -> bytes:
    """Good bytes with a little wrong: cut off, a bit turned, a part twice or left out."""
    way = draw(st.sampled_from(["cut", "flip", "more", "twice", "without", "whole"]))
    at = draw(st.integers(0, max(0, len(good) - 1)))
    if way == "cut":
        return good[:at]
    if way == "flip":
        return flip(good, 8 * at + draw(st.integers(0, 7)))
    if way == "more":
        return good + draw(st.binary(min_size=1, max_size=4))
    if way == "whole":
        return good
    end = draw(st.integers(at, min(len(good), at + 40)))
    return good[:end] + good[at:] if way == "twice" else good[:at] + good[end:]


HEADERS = st.fixed_dictionaries(
    {},
    optional={
        b"Content-Type": st.sampled_from(
            [
                b"application/json",
                b"application/cbor",
                b"application/cose",
                b"multipart/form-data; boundary=",
                b'text/plain; charset="\xff"',
                b";;;",
                b"\xe6\x8e\x88",
                b"",
            ]
        ),
        b"Content-Encoding": st.sampled_from([b"gzip", b"deflate", b"br", b"zstd", b"none", b""]),
        b"Accept": st.sampled_from([b"application/cbor", b"*/*", b"\xff"]),
        b"Expect": st.sampled_from([b"100-continue", b"something"]),
        b"Range": st.just(b"bytes=5-1"),
        b"If-None-Match": st.just(b'"'),
    },
)
AUTHORIZATIONS = st.sampled_from(
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer \xff\xfe",
        b"bearer x",
        b"Basic eDp5",
        b"Bearer " + b"a" * 4_000,
    ]
)
QUERIES = st.one_of(
    st.just(b""),
    st.just(b""),
    st.sampled_from(
        [
            b"?wait=replicated&timeout_ms=1",
            b"?wait=final",
            b"?timeout_ms=99999999999999999999",
            b"?timeout_ms=-1",
            b"?timeout_ms=%d9%a1",
            b"?rows=0",
            b"?rows=501",
            b"?rows=1&rows=2",
            b"?origin=x",
            b"?origin=%ff%fe",
            b"?after=%00",
            b"?window=510000%2Fwindow%2Fone&right=intake&item=510000%2Fitem%2Fone",
            b"?window=%ed%a0%80&right=%ff&item=%",
            b"?&&&=&",
            b"?" + b"a" * 7_000,
        ]
    ),
    st.binary(max_size=20).map(lambda data: b"?" + b"".join(b"%%%02x" % byte for byte in data)),
)
PIECES = st.one_of(
    st.binary(min_size=1, max_size=12).map(lambda data: b"".join(b"%%%02X" % it for it in data)),
    st.sampled_from(
        [b"..", b"%2e%2e%2f", b"%", b"%zz", b"%ff", b"%00", b"~", b"a" * 3_000, b"9" * 40]
    ),
    st.text("0123456789abcdefx/.-_%", min_size=1, max_size=40).map(str.encode),
)


@st.composite
def requests(draw: Any, target: Target) -> tuple[Address, bytes, dict[bytes, bytes], bytes]:
    """A request to an address of the table, with something wrong in it more often than not."""
    address = draw(st.sampled_from(target.addresses))
    path = b""
    for at, part in enumerate(address.path.replace("}", "{").split("{")):
        if at % 2 == 0:
            path += part.encode()
        else:
            known = [value.encode() for value in target.values[part]]
            path += draw(st.one_of(st.sampled_from(known), PIECES))
    headers = draw(HEADERS)
    if address.path in TYPES and draw(st.integers(0, 3)):
        headers[b"Content-Type"] = TYPES[address.path].encode()
    who = draw(st.one_of(st.sampled_from(sorted(target.tokens)), AUTHORIZATIONS))
    headers[b"Authorization"] = (
        b"Bearer " + target.tokens[who].encode() if isinstance(who, str) else who
    )
    good = target.bodies.get(address.path, [b"{}"])
    body = b""
    if address.method != "GET" or not draw(st.integers(0, 4)):
        body = draw(st.one_of(JUNK, st.sampled_from(good).flatmap(damaged)))
        if headers.get(b"Content-Encoding") == b"gzip" and draw(st.booleans()):
            body = gzip.compress(body)
    return address, path + draw(QUERIES), headers, body


# ---- the tests ----------------------------------------------------------------------------------


def test_the_table_holds_every_address_that_the_fuzzing_knows(target: Target) -> None:
    paths = {address.path for address in target.addresses}
    assert target.bodies.keys() <= paths
    assert len(paths) > 20


@settings(max_examples=1_000)
@given(data=st.data())
def test_any_request_is_answered_or_refused_and_changes_nothing(
    target: Target, data: st.DataObject
) -> None:
    request = data.draw(requests(target))
    before = target.database.digest()
    check_answer(request[0], target.request(*request))
    assert target.database.digest() == before, request


@settings(max_examples=150)
@given(data=st.data())
def test_a_method_that_an_address_does_not_have_is_refused(
    target: Target, data: st.DataObject
) -> None:
    address = data.draw(st.sampled_from(target.addresses))
    method = data.draw(
        st.sampled_from(["PUT", "PATCH", "DELETE", "POST", "OPTIONS", "TRACE", "BREW"])
    )
    known = {it.method for it in target.addresses if it.path == address.path}
    if method not in known and "{" not in address.path:
        other = Address(address.peer, method, address.path)
        answer = target.request(other, address.path.encode(), {}, b"{}")
        assert answer.status in {400, 405}, (other, answer)  # some are no methods to the parser
        check_answer(Address(False, method, address.path), answer)


@settings(max_examples=200)
@given(
    data=st.one_of(
        st.binary(min_size=1, max_size=200),
        st.sampled_from(
            [
                b"GET / HTTP/9.9\r\n\r\n",
                b"GET " + b"/" * 20_000 + b" HTTP/1.1\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 4_000 + b"\r\n",
                b"POST /entries HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
                b"POST /entries HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
                b"POST /entries HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                b"POST /entries HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx",
                b"GET /v1/status\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
                b"GET \xff HTTP/1.1\r\nHost: a\r\n\r\n",
                b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n",
                b"GET /%zz HTTP/1.1\r\nHost: \xff\r\n\r\n",
            ]
        ),
    )
)
def test_what_is_no_http_is_refused_and_closed(target: Target, data: bytes) -> None:
    member = target.station.founded.roster.members[HERE]
    base = urlsplit(member.url)
    with socket.create_connection((base.hostname, base.port), timeout=20) as wire:
        wire.sendall(data + b"\r\n\r\n")
        wire.shutdown(socket.SHUT_WR)
        answered = b""
        while part := wire.recv(65_536):
            answered += part
    if answered:
        response = http.client.HTTPResponse(_Bytes(answered))  # type: ignore[arg-type]
        response.begin()
        assert 400 <= response.status < 500, answered
        assert response.headers["Content-Type"] in {PROBLEM, CONCISE}, answered


class _Bytes:
    """What an HTTP response can be read from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


@pytest.mark.parametrize("size", [1 << 16, 9 << 20])
def test_a_huge_body_is_refused_wherever_it_is_sent(target: Target, size: int) -> None:
    before = target.database.digest()
    for address in target.addresses:
        if address.method != "POST" or (address.peer and size <= 1 << 20):
            continue
        if address.path in {"/c2sp/add-entries", EXTEND}:
            continue
        path = address.path.replace("{digest}", "x").encode()
        kind = TYPES.get(address.path, "application/json").encode()
        role = "window" if address.path.startswith("/v1/papers") else "operator"
        token = b"Bearer " + target.tokens[role].encode()
        headers = {b"Content-Type": kind, b"Authorization": token}
        answer = target.request(address, path, headers, bytes(size))
        assert answer.status in {400, 413}, (address, answer)
        check_answer(address, answer)
        # The same, without a word of how long it is.
        chunk = b"%x\r\n" % size + bytes(size) + b"\r\n0\r\n\r\n"
        lines = [b"POST " + path + b" HTTP/1.1", b"Host: node"]
        lines += [name + b": " + value for name, value in headers.items()]
        lines += [b"Transfer-Encoding: chunked", b"Connection: close", b"", b""]
        answer = target.send(b"\r\n".join(lines) + chunk, peer=address.peer)
        assert answer.status in {400, 413}, (address, answer)
    assert target.database.digest() == before


def test_after_all_of_it_the_node_still_works(target: Target) -> None:
    size = target.station.size()
    done = target.station.act(HERE, "party.enrol", f"{HERE}/hall/last", {"name": "末"})
    assert done["index"] >= size
    assert target.station.status()["state"] == "serving"


def test_an_answer_that_fails_inside_says_so_in_the_form_of_its_address() -> None:
    """The last resort of the middleware is never reached above; it must hold all the same."""
    from nodes.api.problem import concise_problem_status, problem_status  # noqa: PLC0415

    assert isinstance(problem_status(500, "x"), web.Response)
    assert encoding.decode(bytes(concise_problem_status(500, "x").body)) == {  # type: ignore[arg-type]
        -1: "Internal Error",
        -2: "x",
    }
