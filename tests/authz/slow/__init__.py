"""A slow model of what may be recorded: predicates over everything that has happened.

It keeps no row, no log and no view, and asks the whole past again for each act. It is written from
the domain's rules and not from the tables of ``authz`` and ``seals``; where the two disagree on
whether an act stands, one of them is wrong.
"""
