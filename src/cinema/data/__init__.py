"""Films to begin with: a real set, and a generator that resamples it to any size."""

from cinema.data.films import RealFilms, film_id, read_films
from cinema.data.rows import Rows, named_id
from cinema.data.synthetic import synthetic_films

__all__ = ["RealFilms", "Rows", "film_id", "named_id", "read_films", "synthetic_films"]
