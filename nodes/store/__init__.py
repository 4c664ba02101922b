"""The node's SQL: plain functions of a connection, inside a transaction that the node opens."""
