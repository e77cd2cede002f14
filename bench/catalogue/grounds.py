"""What the bench stands on: a film set and its indices, built once into a folder of the bench, and kept.

data/bench-catalogue/200000/    cinema.db, index/, node/ (OpenSearch), built.json: seconds that each step took
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from bench.process import ROOT
from cinema.indices import INDICES
from stagedoor.search.tantivy.folder import Folder

__all__ = ["Grounds", "grounds_for", "walk_seconds"]

HOME: Final = ROOT / "data" / "bench-catalogue"


@dataclass(frozen=True, slots=True)
class Grounds:
    """The folder of one film set."""

    folder: Path
    films: int

    @property
    def database(self) -> Path:
        """Return the source database."""
        return self.folder / "cinema.db"

    def settings(self, search_url: str = "") -> dict[str, str]:
        """Return the settings of every process: this database, and this index or the cluster's."""
        state = "etl-cluster" if search_url else "etl"
        return {
            "PYTHONPATH": str(ROOT / "src"),
            "FILMS": str(self.films),
            "DATABASE_URL": f"sqlite+aiosqlite:///{self.database}",
            "SEARCH_URL": search_url,
            "SEARCH_DIR": str(self.folder / "index"),
            "SEARCH_ETL_STATE": str(self.folder / f"{state}.json"),
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "INFO",
        }

    def took(self) -> dict[str, float]:
        """Return how many seconds each step took, when it was done."""
        try:
            said: dict[str, float] = json.loads((self.folder / "built.json").read_text())
        except FileNotFoundError:
            return {}
        return said

    def sow(self) -> None:
        """Generate the films, unless they are there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if "seed" not in self.took():
            self._step("migrate", ["migrate"], self.settings())
            self._step("seed", ["seed"], self.settings())

    def index(self, search_url: str = "", *, anew: bool) -> None:
        """Build the index, unless there is one that fits the code."""
        name = "opensearch" if search_url else "tantivy"
        fits = name in self.took() and (bool(search_url) or self._fits())
        if anew or not fits:
            self._step(name, ["etl", "--rebuild"], self.settings(search_url))

    def _fits(self) -> bool:
        folder = Folder(self.folder / "index")
        current = [(folder.current(index.name), index) for index in INDICES]
        return all(
            version is not None and folder.secret(version, index) is not None for version, index in current
        )

    def _step(self, name: str, words: Sequence[str], settings: dict[str, str]) -> None:
        print(f"{name}: cinema {' '.join(words)} ...", flush=True)
        began = time.monotonic()
        done = subprocess.run(
            ["setpriv", "--pdeathsig", "TERM", sys.executable, "-m", "cinema", *words],
            cwd=self.folder,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"cinema {' '.join(words)} failed:\n{done.stdout[-2000:]}")
        took = self.took() | {name: round(time.monotonic() - began, 2)}
        if walk := walk_seconds(done.stdout, "movies"):
            took[f"{name} movies"] = walk
        (self.folder / "built.json").write_text(json.dumps(took))


def grounds_for(films: int) -> Grounds:
    """Return the folder for a number of films."""
    return Grounds(HOME / str(films), films)


def walk_seconds(log: str, index: str) -> float:
    """Return the seconds from the begin of a rebuild to the end of an index's walk, by the ETL's log; 0 if unsaid."""
    lines = [json.loads(line) for line in re.findall(r"^\{.*\}$", log, re.MULTILINE)]
    began = [line for line in lines if line["event"] == "etl_rebuild"]
    ended = [line for line in lines if line["event"] == "etl_indexed" and line["index"] == index]
    if not (began and ended):
        return 0.0
    first, last = (datetime.fromisoformat(line[0]["timestamp"]) for line in (began, ended))
    return round((last - first).total_seconds(), 2)
