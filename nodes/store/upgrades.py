"""A database that an older version has made gets the tables that it lacks, with what belongs there.

What is filled in follows from the facts and entries that are stored; nothing else is touched.
"""

from sqlalchemy import Engine, inspect, select, text
from sqlalchemy.schema import CreateIndex

from ledger.kind import Kinds
from nodes.store import answers, lent, schema, ties
from nodes.store.engine import create_schema, create_tables
from nodes.store.tallies import note_untallied


def upgrade(engine: Engine, kinds: Kinds) -> None:
    """Create the tables that are not there yet, and fill those that an old database lacks.

    Args:
        engine: Of the database.
        kinds: By which acts are found.
    """
    note_untallied(engine)
    with engine.begin() as connection:
        known = inspect(connection)
        added = (schema.lent, schema.lent_covers, schema.ties)
        lacking = {it for it in added if not known.has_table(it.name)}
        if known.has_table(schema.facts.name) and lacking:
            create_tables(connection, schema.metadata)
            # Another process may have filled them while this one waited for its turn.
            empty = {
                it for it in lacking if connection.execute(select(it).limit(1)).first() is None
            }
            if not empty.isdisjoint({schema.lent, schema.lent_covers}):
                lent.fill(connection)
            if schema.ties in empty:
                if inspect(connection).has_table(schema.named_ties.name):
                    ties.number_names(connection)
                else:
                    ties.fill(connection, kinds)
    create_schema(engine)
    with engine.begin() as connection:
        answers.upgrade(connection)
        # What is kept of a map is let go as soon as it may be: the index cost more than it found.
        connection.execute(text("DROP INDEX IF EXISTS map_history_high"))
        connection.execute(CreateIndex(schema.notes_by_state, if_not_exists=True))
