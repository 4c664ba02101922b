"""A time-stamp service asked over HTTP (RFC 3161 section 3.4)."""

import http
import http.client
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from ledger.errors import LedgerError, MalformedError, UnavailableError
from seals import der
from seals.sm2 import SM2, Randomness
from seals.timestamp import OID_SHA256, TOKEN_BYTES_MAX, check_token, make_request, read_response
from seals.trust import Trust

NONCE_BYTES: Final = 8
TIMEOUT_S_MAX: Final = 60

_REQUEST_TYPE: Final = "application/timestamp-query"
_RESPONSE_TYPE: Final = "application/timestamp-reply"
_PROBE: Final = b"is there a service"
_PROBE_REQUEST: Final = der.sequence(
    der.integer(1),
    der.sequence(der.sequence(der.oid(OID_SHA256)), der.octets(sha256(_PROBE).digest())),
)


class TimestampService:
    """A service that answers TimeStampReq with TimeStampResp, both DER.

    It is waited for, so it is called in a thread of its own, never in the node's loop.

    Args:
        url: Where the service answers; http or https.
        timeout_s: How long the service may take, for connecting and again for each read.
    """

    def __init__(self, url: str, *, timeout_s: float = 5) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise MalformedError(f"not the address of a time-stamp service: {url}", code="bad-url")
        if not 0 < timeout_s <= TIMEOUT_S_MAX:
            raise MalformedError(f"a time-out of {timeout_s} s", code="bad-time")
        self._connection = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path + (f"?{parts.query}" if parts.query else "") or "/"
        self._timeout_s = timeout_s

    def __call__(self, request: bytes) -> bytes:
        """Return the answer to a request; nothing of it is checked.

        Raises:
            UnavailableError: ``timestamp-unavailable``: no service, or no answer of the kind.
        """
        try:
            return self._ask(request)
        except (OSError, http.client.HTTPException) as error:
            raise _unavailable(error) from error

    def _ask(self, request: bytes) -> bytes:
        connection = self._connection(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.request("POST", self._path, request, {"Content-Type": _REQUEST_TYPE})
            response = connection.getresponse()
            kind = response.headers.get_content_type()
            # One byte more than allowed, so that a longer answer is seen to be one.
            body = response.read(TOKEN_BYTES_MAX + 1)
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK or kind != _RESPONSE_TYPE:
            raise _unavailable(f"status {response.status}, {kind}")
        if len(body) > TOKEN_BYTES_MAX:
            raise _unavailable("the answer is too long")
        return body


class HTTPTimestamps:
    """Gives ``seals.signing.make_signature`` its tokens; each is checked before it is handed on.

    Args:
        url: Where the service answers; http or https.
        sm2: Checks the tokens.
        trust: The service's root, links and revocation lists.
        randomness: Draws the nonces.
        timeout_s: How long the service may take, for connecting and again for each read.
    """

    def __init__(
        self, url: str, *, sm2: SM2, trust: Trust, randomness: Randomness, timeout_s: float = 5
    ) -> None:
        self._service = TimestampService(url, timeout_s=timeout_s)
        self._sm2, self._trust = sm2, trust
        self._randomness = randomness

    def __call__(self, signature: bytes) -> bytes:
        """Return a token over ``signature``.

        Raises:
            UnavailableError: ``timestamp-unavailable``: no service, or no good answer. Nothing was
                signed or stored; the same may succeed later.
        """
        nonce = int.from_bytes(self._randomness(NONCE_BYTES), "big")
        try:
            response = self._service(make_request(signature, nonce=nonce))
            token = read_response(response, signature, nonce=nonce)
            check_token(token, signature, sm2=self._sm2, trust=self._trust)
        except LedgerError as error:
            raise _unavailable(error) from error
        return token


def _unavailable(why: object) -> UnavailableError:
    return UnavailableError(
        f"no good answer from the time-stamp service: {why}", code="timestamp-unavailable"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """What dates one paper: a token over the seal's signature, and one over the PDF's.

    Args:
        seal: Gets a signature and returns a token; None for no token.
        pdf: Answers the request that is made for a PDF signature; None for no token.
    """

    seal: Callable[[bytes], bytes] | None = None
    pdf: Callable[[bytes], bytes] | None = None


NO_STAMPS: Final = Stamps()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamping:
    """The time-stamp services of a node, and what happens while one does not answer.

    Args:
        seal: The service with SM2; None where none is named.
        pdf: The one for PDF signatures; None where none is named.
        required: Whether nothing is sealed without.
    """

    seal: HTTPTimestamps | None = None
    pdf: TimestampService | None = None
    required: bool = True

    def ready(self, form: str) -> Stamps:
        """Return what will date a paper, each service asked once whether it is there.

        A signature has to be made before it can be dated, and a key signs a paper once: so this is
        found out before.

        Raises:
            UnavailableError: ``timestamp-unavailable``: it is required, and not there.
        """
        seal, pdf = self.seal, self.pdf if form == "pdf" else None
        try:
            if seal is not None:
                seal(_PROBE)
        except UnavailableError:
            if self.required:
                raise
            seal = None
        try:
            if pdf is not None:
                pdf(_PROBE_REQUEST)
        except UnavailableError:
            if self.required:
                raise
            pdf = None
        return Stamps(seal=seal, pdf=pdf)
