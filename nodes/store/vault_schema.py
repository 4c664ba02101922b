"""The tables of a region's vault: in a file of their own, since no log could give them back.

They hold ciphertext and wrapped keys, never a payload or a data key.
"""

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, Table

from nodes.store.schema import Words

metadata = MetaData()

cases = Table(
    "cases",
    metadata,
    Column("case", Words, primary_key=True),
    Column("state", Words, nullable=False),
    sqlite_with_rowid=False,
)

keys = Table(
    "keys",
    metadata,
    Column("case", Words, primary_key=True),
    Column("region", Words, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("suite", Words, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

shares = Table(
    "shares",
    metadata,
    Column("case", Words, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("holder", Words, primary_key=True),
    Column("suite", Words, primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("index", BigInteger, nullable=True),
    sqlite_with_rowid=False,
)

payloads = Table(
    "payloads",
    metadata,
    Column("payload", Words, primary_key=True),
    Column("case", Words, nullable=False, index=True),
    Column("region", Words, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("index", BigInteger, nullable=True),
    Column("sealed", LargeBinary, nullable=False),
)
