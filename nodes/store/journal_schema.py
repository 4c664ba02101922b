"""The tables of who was refused what, and of who looked at which case: beside the ledger.

No log could give them back, and they are kept for a time alone; so they stand apart from the log's
tables, like callers' tokens.
"""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table

from nodes.store.schema import Words

metadata = MetaData()

refusals = Table(
    "refusals",
    metadata,
    Column("request", LargeBinary, primary_key=True),
    Column("at_s", BigInteger, nullable=False),
    Column("party", Words, nullable=False),
    Column("told", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""Attempts that were refused, by the number that the answer gave. ``told`` is CBOR."""

Index("refusals_at", refusals.c.at_s, refusals.c.request)
Index("refusals_party", refusals.c.party, refusals.c.at_s, refusals.c.request)

readings = Table(
    "readings",
    metadata,
    Column("case", Words, primary_key=True),
    Column("day", BigInteger, primary_key=True),
    Column("party", Words, primary_key=True),
    Column("role", Words, primary_key=True),
    Column("what", Words, primary_key=True),
    Column("first_s", BigInteger, nullable=False),
    Column("last_s", BigInteger, nullable=False),
    Column("times", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Who looked at a case on a day, at what, when first and last, and how often. ``party`` is empty
where somebody has shown a paper, and no token."""

Index("readings_day", readings.c.day)
