"""A region's node. Importing this package imports nothing else of it."""
