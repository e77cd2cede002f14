"""The source database: its tables, how it is opened, how it came to be."""

from cinema.database.engine import Database, DatabaseUnavailable, open_database

__all__ = ["Database", "DatabaseUnavailable", "open_database"]
