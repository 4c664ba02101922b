"""A time-stamp service over loopback: what its client hands on, and what it refuses."""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ledger.errors import MalformedError, UnavailableError
from nodes.adapters.timestamp_http import HTTPTimestamps, Stamping, TimestampService
from seals.report import Verdict
from seals.signing import make_signature
from seals.timestamp import TOKEN_BYTES_MAX, answer, check_token
from seals.trust import Trust
from seals.verify import verify_signature
from tests.seals.office import DIGEST, NOW_S, OFFICE, PLACE, SEAL, SM2, TRUST, key

Service = Callable[[bytes], tuple[int, str, bytes]]
REPLY = "application/timestamp-reply"


def good(request: bytes) -> tuple[int, str, bytes]:
    response = answer(
        request, certificate=OFFICE.service, key=key("service"), time_s=NOW_S, serial=3
    )
    return 200, REPLY, response


@contextmanager
def serving(service: Service) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, kind, said = service(body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tsa?policy=1"
        finally:
            server.shutdown()
            thread.join()


def client(url: str, trust: Trust = TRUST) -> HTTPTimestamps:
    return HTTPTimestamps(url, sm2=SM2, trust=trust, randomness=secrets.token_bytes, timeout_s=2)


def test_a_signature_is_stamped_by_the_service() -> None:
    with serving(good) as url:
        signed = make_signature(
            seal=SEAL,
            digest=DIGEST,
            property_info=PLACE,
            time_s=NOW_S,
            certificate=OFFICE.signer,
            key=key("signer"),
            timestamp=client(url),
        )
    found = verify_signature(signed, sm2=SM2, trust=TRUST, at_s=NOW_S, original_digest=DIGEST)
    assert found.verdict is Verdict.VALID
    assert found.step("timestamp") is not None


def test_a_token_is_handed_on_only_where_it_verifies() -> None:
    with serving(good) as url:
        token = client(url)(b"signature")
        assert check_token(token, b"signature", sm2=SM2, trust=TRUST) == NOW_S
        with pytest.raises(UnavailableError) as caught:
            client(url, Trust())(b"signature")
    assert caught.value.code == "timestamp-unavailable"


@pytest.mark.parametrize(
    "service",
    [
        lambda _: (500, REPLY, b""),
        lambda _: (302, REPLY, b""),
        lambda request: (200, "text/html", good(request)[2]),
        lambda _: (200, REPLY, b""),
        lambda _: (200, REPLY, b"rubbish"),
        lambda _: (200, REPLY, bytes(TOKEN_BYTES_MAX + 1)),
        lambda _: good(b"rubbish"),
        lambda request: (200, REPLY, good(request)[2][:-1]),
    ],
    ids=["500", "redirect", "page", "empty", "rubbish", "endless", "rejection", "cut off"],
)
def test_no_good_answer_is_told_as_unavailable(service: Service) -> None:
    with serving(service) as url, pytest.raises(UnavailableError) as caught:
        client(url)(b"signature")
    assert caught.value.code == "timestamp-unavailable"


def test_an_old_answer_is_not_taken_for_this_ones() -> None:
    kept: list[bytes] = []

    def replaying(request: bytes) -> tuple[int, str, bytes]:
        kept.append(good(request)[2])
        return 200, REPLY, kept[0]

    with serving(replaying) as url:
        asked = client(url)
        asked(b"signature")
        with pytest.raises(UnavailableError):
            asked(b"signature")


def test_a_service_that_is_not_there_is_told_as_unavailable() -> None:
    with serving(good) as url:
        pass
    with pytest.raises(UnavailableError):
        client(url)(b"signature")


@pytest.mark.parametrize("url", ["", "file:///etc/hosts", "ftp://a/", "http://"])
def test_what_is_no_address_of_a_service_is_refused(url: str) -> None:
    with pytest.raises(MalformedError):
        client(url)


def test_whether_the_services_are_there_is_known_before_a_key_signs() -> None:
    asked: list[bytes] = []

    def counting(request: bytes) -> tuple[int, str, bytes]:
        asked.append(request)
        return good(request)

    with serving(counting) as url:
        service = TimestampService(url, timeout_s=2)
        both = Stamping(seal=client(url), pdf=service)
        stamps = both.ready("pdf")
        assert stamps.seal is both.seal
        assert stamps.pdf is service
        assert len(asked) == 2
        assert both.ready("ofd").pdf is None
        assert len(asked) == 3
    # Nobody is there any more.
    for form in ("pdf", "ofd"):
        with pytest.raises(UnavailableError) as caught:
            both.ready(form)
        assert caught.value.code == "timestamp-unavailable"
    with pytest.raises(UnavailableError):
        Stamping(pdf=service).ready("pdf")
    without = Stamping(seal=client(url), pdf=service, required=False).ready("pdf")
    assert (without.seal, without.pdf) == (None, None)
    assert (Stamping().ready("pdf").seal, Stamping().ready("pdf").pdf) == (None, None)
