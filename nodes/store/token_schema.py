"""The table of callers' tokens: apart from the log's tables, since no log could give it back."""

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, Table

from nodes.store.schema import Words

metadata = MetaData()

tokens = Table(
    "tokens",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("party", Words, nullable=False),
    Column("role", Words, nullable=False),
    Column("label", Words, nullable=False),
    Column("created_s", BigInteger, nullable=False),
    Column("expires_s", BigInteger, nullable=False),
    Column("revoked_s", BigInteger, nullable=True),
    sqlite_with_rowid=False,
)
