"""A time-stamp service asked over HTTP (RFC 3161 section 3.4)."""

import http
import http.client
from typing import Final
from urllib.parse import urlsplit

from ledger.errors import LedgerError, MalformedError, UnavailableError
from seals.sm2 import SM2, Randomness
from seals.timestamp import TOKEN_BYTES_MAX, check_token, make_request, read_response
from seals.trust import Trust

NONCE_BYTES: Final = 8
TIMEOUT_S_MAX: Final = 60

_REQUEST_TYPE: Final = "application/timestamp-query"
_RESPONSE_TYPE: Final = "application/timestamp-reply"


class HTTPTimestamps:
    """Gives ``seals.signing.make_signature`` its tokens; each is checked before it is handed on.

    It waits for the service, so it is called in a thread of its own, never in the node's loop.

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
        self._sm2, self._trust = sm2, trust
        self._randomness = randomness
        self._timeout_s = timeout_s

    def __call__(self, signature: bytes) -> bytes:
        """Return a token over ``signature``.

        Raises:
            UnavailableError: ``timestamp-unavailable``: no service, or no good answer. Nothing was
                signed or stored; the same may succeed later.
        """
        nonce = int.from_bytes(self._randomness(NONCE_BYTES), "big")
        try:
            token = read_response(
                self._ask(make_request(signature, nonce=nonce)), signature, nonce=nonce
            )
            check_token(token, signature, sm2=self._sm2, trust=self._trust)
        except (OSError, http.client.HTTPException, LedgerError) as error:
            raise UnavailableError(
                f"no good answer from the time-stamp service: {error}",
                code="timestamp-unavailable",
            ) from error
        return token

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
            raise UnavailableError(f"status {response.status}, {kind}")
        return body
