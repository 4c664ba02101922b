"""The tables of what this node has witnessed and mirrored for others."""

from sqlalchemy import BigInteger, Column, LargeBinary, Table

from nodes.store.schema import Words, metadata

peer_rows = Table(
    "peer_rows",
    metadata,
    Column("origin", Words, primary_key=True),
    Column("witnessed_size", BigInteger, nullable=False),
    Column("witnessed_root", LargeBinary, nullable=False),
    Column("mirrored_size", BigInteger, nullable=False),
    Column("time_s", BigInteger, nullable=False),
    Column("pending", LargeBinary, nullable=False),
    Column("heard_ms", BigInteger, nullable=False),
    Column("mirrored", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""One row for each origin, for the witness key and the mirror key."""

lines = Table(
    "lines",
    metadata,
    Column("origin", Words, primary_key=True),
    Column("role", Words, primary_key=True),
    Column("time_s", BigInteger, primary_key=True),
    Column("size", BigInteger, primary_key=True),
    Column("key_id", LargeBinary(4), primary_key=True),
    Column("root", LargeBinary, nullable=False),
    Column("line", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""Every line this node ever gave. Two of one second, size and key are the same bytes."""

second_notes = Table(
    "second_notes",
    metadata,
    Column("origin", Words, primary_key=True),
    Column("role", Words, primary_key=True),
    Column("size", BigInteger, primary_key=True),
    Column("note", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""Checkpoints with ML-DSA-44 lines: of our own log (``log``), and the last that we cosigned."""
