"""Versions of the tables, oldest first; see `cinema.database.migrate`."""
