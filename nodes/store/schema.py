"""The tables of a node, one set for SQLite and PostgreSQL.

Keys are packed integers where that saves an index: an entry is ``log_id << 40 | index``. Nothing is
ever rewritten but heads, notes, uses that settle, and the partial tiles at a tree's right edge.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

metadata = MetaData()

ENTRY_BITS: Final = 40
TILE_BITS: Final = 40
TILE_LEVEL_BITS: Final = 4

# SQLite's rowid is fast only under the name INTEGER; it holds 64 bits all the same.
_Key = BigInteger().with_variant(Integer, "sqlite")

# Ordered by its bytes, whatever language a server was set up for.
Words = Text().with_variant(Text(collation="C"), "postgresql")

logs = Table(
    "logs",
    metadata,
    Column("log_id", _Key, primary_key=True),
    Column("origin", Words, nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
)
"""Every log we store, and how many of its entries."""

entries = Table(
    "entries",
    metadata,
    Column("key", _Key, primary_key=True, autoincrement=False),
    Column("entry", LargeBinary, nullable=False),
)

tiles = Table(
    "tiles",
    metadata,
    Column("key", _Key, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)
"""``log_id << 44 | level << 40 | index``; a partial tile is the beginning of the full one."""

facts = Table(
    "facts",
    metadata,
    Column("object", Words, primary_key=True),
    Column("log_id", BigInteger, primary_key=True),
    Column("index", BigInteger, primary_key=True),
    Column("leaf", LargeBinary, nullable=False),
    Column("state", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""What an entry left an object as. By object first, so that a trace is one range of the key."""

lent = Table(
    "lent",
    metadata,
    Column("grant", Words, primary_key=True),
    Column("log_id", BigInteger, primary_key=True),
    Column("item", Words, nullable=False),
    Column("window", Words, nullable=False),
    Column("offered", Words, nullable=False),
    Column("answered", Words, nullable=False),
    Column("from_s", BigInteger, nullable=False),
    Column("until_s", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""The newest row of each grant in each log, by what grants are looked for. Made from the facts, and
made again from them in a database that is older."""

lent_covers = Table(
    "lent_covers",
    metadata,
    Column("covered", Words, primary_key=True),
    Column("window", Words, primary_key=True),
    Column("grant", Words, primary_key=True),
    Column("log_id", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""What each grant covers, as its grantor offered it: items, and departments with all of theirs."""

Index("lent_until", lent.c.until_s, lent.c.grant)

tallies = Table(
    "tallies",
    metadata,
    Column("figure", Words, primary_key=True),
    Column("day", BigInteger, primary_key=True),
    Column("unit", Words, primary_key=True),
    Column("detail", Words, primary_key=True),
    Column("log_id", BigInteger, primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""What acts count for, summed over a block or less of it; ``at`` is the index of the first act. By
figure and day first, so that a month is one range of the key for each figure."""

mentions = Table(
    "mentions",
    metadata,
    Column("object", Words, primary_key=True),
    Column("log_id", BigInteger, primary_key=True),
    Column("index", BigInteger, primary_key=True),
    sqlite_with_rowid=False,
)

voids = Table(
    "voids",
    metadata,
    Column("object", Words, primary_key=True),
    Column("log_id", BigInteger, primary_key=True),
    Column("index", BigInteger, primary_key=True),
    sqlite_with_rowid=False,
)
"""Entries that name an object and are void: no fact tells of them, but the object map counts."""

objects = Table(
    "objects",
    metadata,
    Column("object_id", _Key, primary_key=True, autoincrement=False),
    Column("name", Words, nullable=False, unique=True),
)
"""Numbers for names that ``ties`` holds with every act. None is ever taken back."""

ties = Table(
    "tied",
    metadata,
    Column("object_id", BigInteger, primary_key=True),
    Column("time_s", BigInteger, primary_key=True),
    Column("log_id", BigInteger, primary_key=True),
    Column("index", BigInteger, primary_key=True),
    sqlite_with_rowid=False,
)
"""Acts by the officer, window, grant, seal or incident that they follow from, void ones too, in the
order of their declared times: so a page of a timeline over all logs is one range of the key."""

named_ties = Table(
    "ties",
    MetaData(),
    Column("object", Words, primary_key=True),
    Column("time_s", BigInteger, primary_key=True),
    Column("log_id", BigInteger, primary_key=True),
    Column("index", BigInteger, primary_key=True),
    sqlite_with_rowid=False,
)
"""The same in an older database, which held the names themselves."""

maps = Table(
    "maps",
    metadata,
    Column("log_id", _Key, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("proven_size", BigInteger, nullable=False),
    Column("proven_root", LargeBinary, nullable=False),
    Column("awaited_size", BigInteger, nullable=False),
    Column("awaited_root", LargeBinary, nullable=False),
)
"""Where the object map of a log begins: as it is, and as it was at the two sizes that proofs are
made for. ``proven_size`` is the newest below a note with quorums, when the map last changed;
``awaited_size`` is one that waits for such a note. 0 where there is none."""

map_nodes = Table(
    "map_nodes",
    metadata,
    Column("log_id", BigInteger, primary_key=True),
    Column("prefix", Words, primary_key=True),
    Column("low", BigInteger, nullable=False),
    Column("node", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""The nodes of each log's object map as they are, ``low`` being the size they last changed at."""

map_history = Table(
    "map_history",
    metadata,
    Column("log_id", BigInteger, primary_key=True),
    Column("prefix", Words, primary_key=True),
    Column("high", BigInteger, primary_key=True),
    Column("low", BigInteger, nullable=False),
    Column("node", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""Nodes as they were from size ``low`` until ``high``, while a proof may be asked for that."""

findings = Table(
    "findings",
    metadata,
    Column("log_id", BigInteger, primary_key=True),
    Column("index", BigInteger, primary_key=True),
    Column("code", Words, primary_key=True),
    Column("subject", Words, primary_key=True),
    Column("severity", Words, nullable=False),
    Column("detail", Words, nullable=False),
    Column("evidence", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

uses = Table(
    "uses",
    metadata,
    Column("log_id", BigInteger, primary_key=True),
    Column("index", BigInteger, primary_key=True),
    Column("fact_origin", Words, primary_key=True),
    Column("fact_object", Words, primary_key=True),
    Column("fact_index", BigInteger, nullable=False),
    Column("view_size", BigInteger, nullable=False),
    Column("fresh_at_s", BigInteger, nullable=False),
    Column("staleness_s", BigInteger, nullable=False),
    Column("status", Words, nullable=False),
    sqlite_with_rowid=False,
)

UNSETTLED: Final = ("open", "unproven")

Index(
    "uses_unsettled",
    uses.c.log_id,
    uses.c.fact_origin,
    uses.c.index,
    sqlite_where=uses.c.status.in_(UNSETTLED),
)

evidence = Table(
    "evidence",
    metadata,
    Column("log_id", BigInteger, primary_key=True),
    Column("low", BigInteger, primary_key=True),
    Column("high", BigInteger, nullable=False),
    Column("seen_by_s", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""``seen_by`` of the entries [low, high), fixed by the block record at ``at``."""

answers = Table(
    "awaited_releases",
    metadata,
    Column("log_id", BigInteger, primary_key=True),
    Column("index", BigInteger, primary_key=True),
    Column("holder_id", BigInteger, nullable=False),
    Column("case", Words, nullable=False),
    Column("answer_log_id", BigInteger, nullable=False),
    Column("answer_index", BigInteger, nullable=False),
    Column("view_index", BigInteger),
    Column("due_s", BigInteger),
    sqlite_with_rowid=False,
)
"""Accepted offers whose holder may still release them in time. ``view_index`` is the first view of
the answer in the holder's log, ``due_s`` when that was seen and the time after it is up; NULL
before."""

Index(
    "awaited_releases_viewed", answers.c.holder_id, answers.c.view_index, answers.c.answer_log_id,
    answers.c.answer_index,
)  # fmt: skip
Index("awaited_releases_due", answers.c.holder_id, answers.c.due_s)

asides = Table(
    "asides",
    metadata,
    Column("log_id", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("kept_size", BigInteger, nullable=False),
    Column("peaks", LargeBinary, nullable=False),
    Column("notes", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""Copies of which a part was laid aside: how large they were, their root, and where it begins; the
hashes of what stayed, and the notes that this node's keys have signed."""

aside_entries = Table(
    "aside_entries",
    metadata,
    Column("log_id", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("index", BigInteger, primary_key=True),
    Column("entry", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

closings = Table(
    "closings",
    metadata,
    Column("log_id", _Key, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("heir_id", BigInteger),
)
"""Logs that the roster has closed, where, and the log of the same region that goes on from there;
NULL: none does. Of a closed log nothing beyond its size is projected."""

projections = Table(
    "projections",
    metadata,
    Column("log_id", _Key, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
)

notes = Table(
    "notes",
    metadata,
    Column("log_id", BigInteger, primary_key=True),
    Column("size", BigInteger, primary_key=True),
    Column("note", LargeBinary, nullable=False),
    Column("finished", Boolean, nullable=False),
    Column("lines", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Signed notes. ``lines`` counts the signature lines; one is the log's own alone."""

notes_by_state = Index(
    "notes_by_state", notes.c.log_id, notes.c.finished, notes.c.size, notes.c.lines
)
"""Each note that is put asks for the newest finished ones, and for those that are none: a note
fills a page, and most of them need not be looked into."""

memory = Table(
    "memory",
    metadata,
    Column("name", Words, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

commits = Table(
    "commits",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
)
"""One row: the number of the last commit, which the fence remembers too."""
