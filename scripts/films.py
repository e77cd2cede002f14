"""Convert the film set inside `bokeh_sampledata` into `src/cinema/data/films.json.xz`.

    pip install bokeh_sampledata==2026.1
    python scripts/films.py

The package is needed for this conversion only. What the data is, and is not, stands in `src/cinema/data/README.md`;
the same `movies.db` gives the same file, byte by byte.
"""

import hashlib
import importlib.util
import json
import lzma
import sqlite3
import sys
from pathlib import Path

DIGEST = "1d9c6a02e488d0354b2309e16130c58820a91ac2ce417e814c5964f9579a65ac"
TARGET = Path(__file__).resolve().parent.parent / "src" / "cinema" / "data" / "films.json.xz"
# What is left of "Robert Downey, Jr." once its source was split at commas: no people.
FRAGMENTS = {"Jr.", "Sr.", "III", "PhD"}
FILMS = """
    SELECT omdb.ID, omdb.Title, omdb.Released, omdb.Rating, tomatoes.Rating,
           omdb.Genre, omdb."Cast", omdb.Director, omdb.Writer
    FROM omdb JOIN tomatoes USING (ID) ORDER BY omdb.ID
"""


def main() -> str | None:
    """Convert; return a complaint, or None."""
    spec = importlib.util.find_spec("bokeh_sampledata")
    if spec is None or spec.origin is None:
        return "install it first: pip install bokeh_sampledata==2026.1"
    source = Path(spec.origin).parent / "_data" / "movies.db"
    if hashlib.sha256(source.read_bytes()).hexdigest() != DIGEST:
        return f"{source} is another version than the one that was looked at"
    TARGET.write_bytes(packed(source))
    print(f"{TARGET.name}: {TARGET.stat().st_size:,} bytes")
    return None


def packed(source: Path) -> bytes:
    """Return the films as compressed JSON; people and genres by their place in a sorted list."""
    with sqlite3.connect(source) as database:
        rows = database.execute(FILMS).fetchall()
    genres = sorted({name for row in rows for name in names(row[5])})
    people = sorted({name for row in rows for field in row[6:9] for name in names(field)})
    of_genre = {name: place for place, name in enumerate(genres)}
    of_person = {name: place for place, name in enumerate(people)}
    films = [
        [*row[:5], places(row[5], of_genre), *(places(field, of_person) for field in row[6:9])]
        for row in rows
    ]
    text = json.dumps(
        {"genres": genres, "people": people, "films": films}, ensure_ascii=False, separators=(",", ":")
    )
    return lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)


def names(field: str | None) -> list[str]:
    """Split a field at its commas, each name once, in the order of the source."""
    parts = (part.strip() for part in (field or "").split(","))
    return list(dict.fromkeys(part for part in parts if part and part not in FRAGMENTS))


def places(field: str | None, of: dict[str, int]) -> list[int]:
    """Return where the names of a field stand."""
    return [of[name] for name in names(field)]


if __name__ == "__main__":
    sys.exit(main())
