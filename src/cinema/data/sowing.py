"""Give an empty catalogue its first films: the real ones, or as many synthetic ones as are asked for."""

from sqlalchemy import Connection, exists, select

from cinema.data.films import read_films
from cinema.data.synthetic import synthetic_films
from cinema.database.bulk import fill, quiet
from cinema.database.migrate import take_turn
from cinema.database.tables import film_work, genre, person

__all__ = ["has_catalogue", "sow_films"]


def has_catalogue(connection: Connection) -> bool:
    """Tell whether there are films, genres or persons."""
    anything = [exists(select(table.c.id)) for table in (film_work, genre, person)]
    return any(connection.execute(select(*anything)).one())


def sow_films(connection: Connection, films: int | None = None) -> int:
    """Fill an empty catalogue inside the caller's transaction; return how many films were added.

    A catalogue that holds anything is somebody's, and stays as it is.
    """
    take_turn(connection)
    if has_catalogue(connection):
        return 0
    with quiet(connection):
        return fill(connection, read_films().rows() if films is None else synthetic_films(films))
