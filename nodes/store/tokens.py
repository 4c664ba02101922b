"""Callers' tokens, by their hash alone. Who may make one is not decided here."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, bindparam, insert, select, update

from ledger.errors import ConflictError, NotFoundError
from nodes.store import token_schema
from nodes.store.engine import Prepared, create_tables

_tokens = token_schema.tokens.c
_FIND: Final = Prepared(
    select(
        _tokens.hash,
        _tokens.party,
        _tokens.role,
        _tokens.label,
        _tokens.created_s,
        _tokens.expires_s,
        _tokens.revoked_s,
    ).where(_tokens.hash == bindparam("hash")),
    ("hash",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A token, as far as the node knows it: SHA-256 of its text, and what it stands for.

    ``revoked_s`` is None while it is not revoked; ``label`` says to people what it is for.
    """

    hash: bytes
    party: str
    role: str
    label: str
    created_s: int
    expires_s: int
    revoked_s: int | None = None


def create_token_schema(engine: Engine) -> None:
    """Create the table if it is not there yet."""
    with engine.begin() as connection:
        create_tables(connection, token_schema.metadata)


def add(connection: Connection, row: TokenRow) -> None:
    """Keep a new token.

    Raises:
        ConflictError: ``exists``: there is one of this hash.
    """
    if find(connection, row.hash) is not None:
        raise ConflictError(0, code="exists")
    connection.execute(
        insert(token_schema.tokens).values(
            hash=row.hash,
            party=row.party,
            role=row.role,
            label=row.label,
            created_s=row.created_s,
            expires_s=row.expires_s,
            revoked_s=row.revoked_s,
        )
    )


def revoke(connection: Connection, token_hash: bytes, now_s: int) -> None:
    """End a token. Its first end stands.

    Raises:
        NotFoundError: There is none, or it has ended already.
    """
    changed = connection.execute(
        update(token_schema.tokens)
        .where(_tokens.hash == token_hash, _tokens.revoked_s.is_(None))
        .values(revoked_s=now_s)
    ).rowcount
    if changed != 1:
        raise NotFoundError(f"no live token {token_hash.hex()}", code="unknown-token")


def find(connection: Connection, token_hash: bytes) -> TokenRow | None:
    """Return the token of this hash; None where there is none."""
    row = _FIND.run(connection, (token_hash,)).fetchone()
    return None if row is None else _row(row)


def load_all(connection: Connection, *, after: bytes = b"", rows_max: int) -> list[TokenRow]:
    """Return tokens in the order of their hashes, from the one after ``after`` on."""
    table = token_schema.tokens
    query = select(table).where(_tokens.hash > after).order_by(_tokens.hash).limit(rows_max)
    return [_row(tuple(row)) for row in connection.execute(query)]


def _row(row: tuple[bytes, str, str, str, int, int, int | None]) -> TokenRow:
    token_hash, party, role, label, created_s, expires_s, revoked_s = row
    return TokenRow(
        hash=bytes(token_hash),
        party=party,
        role=role,
        label=label,
        created_s=created_s,
        expires_s=expires_s,
        revoked_s=revoked_s,
    )
