"""The tokens that the node knows, each by its hash.

The node keeps a token's SHA-256, which is enough for what has so much randomness.
"""

import hashlib
from typing import Final

from sqlalchemy import Engine

from nodes.adapters.readers import Readers
from nodes.api.problem import UnauthenticatedError
from nodes.store import tokens as store
from nodes.store.tokens import TokenRow

_CACHED_MAX: Final = 10_000


def hash_token(token: str) -> bytes:
    """Return what the node keeps of a token."""
    # A header may hold any bytes; aiohttp gives those that are no text as surrogates.
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


class TokenBook:
    """The tokens, with the ones lately used in memory.

    A token that another process revoked is known to be so after ``cache_ms``.
    """

    def __init__(self, engine: Engine, readers: Readers, cache_ms: int) -> None:
        self._engine = engine
        self._readers = readers
        self._cache_ms = cache_ms
        self._cached: dict[bytes, tuple[int, TokenRow]] = {}

    def find(self, token: str, now_ms: int) -> TokenRow:
        """Return the token that is in force.

        Raises:
            UnauthenticatedError: ``unknown-token``, ``revoked-token`` or ``expired-token``.
        """
        token_hash = hash_token(token)
        cached = self._cached.get(token_hash)
        if cached is None or now_ms - cached[0] > self._cache_ms or now_ms < cached[0]:
            row = self._readers.here(lambda connection: store.find(connection, token_hash))
            if row is None:
                raise UnauthenticatedError("this token is not known here", code="unknown-token")
            # Only tokens that exist get in here, so strangers cannot fill it.
            if len(self._cached) >= _CACHED_MAX:
                self._cached.clear()
            self._cached[token_hash] = (now_ms, row)
        else:
            row = cached[1]
        if row.revoked_s is not None:
            raise UnauthenticatedError("the token was revoked", code="revoked-token")
        if row.expires_s <= now_ms // 1000:
            raise UnauthenticatedError("the token has expired", code="expired-token")
        return row

    def add(self, row: TokenRow) -> None:
        """Keep a new token; in the writer thread."""
        with self._engine.begin() as connection:
            store.add(connection, row)

    def revoke(self, token_hash: bytes, now_s: int) -> None:
        """End a token; in the writer thread."""
        with self._engine.begin() as connection:
            store.revoke(connection, token_hash, now_s)

    def forget(self, token_hash: bytes) -> None:
        """Drop what is in memory of a token; in the loop."""
        self._cached.pop(token_hash, None)


def add_first_operator(book: TokenBook, readers: Readers, row: TokenRow) -> None:
    """Keep the token that founding gave the operator, unless it is known, were it ended too."""
    if readers.here(lambda connection: store.find(connection, row.hash)) is None:
        book.add(row)
