"""Write deploy/grafana/dashboards from the tables here."""

from pathlib import Path

from scripts.dashboards.build import json_of
from scripts.dashboards.cache import CACHE
from scripts.dashboards.catalogue import CATALOGUE
from scripts.dashboards.gateway import GATEWAY
from scripts.dashboards.machines import REDIS, SYSTEM
from scripts.dashboards.overview import OVERVIEW
from scripts.dashboards.upstreams import UPSTREAMS

__all__ = ["FOLDER", "written"]

FOLDER = Path(__file__).resolve().parents[2] / "deploy/grafana/dashboards"


def written() -> dict[Path, str]:
    """Return each file and what is to be in it."""
    boards = (OVERVIEW, GATEWAY, UPSTREAMS, CACHE, CATALOGUE, REDIS, SYSTEM)
    return {FOLDER / f"{board.uid.removeprefix('cinema-')}.json": json_of(board) for board in boards}


def main() -> None:
    """Write what has changed, and remove what no table makes."""
    files = written()
    for file in set(FOLDER.glob("*.json")) - set(files):
        file.unlink()
    for file, text in files.items():
        file.write_text(text)
    print(f"{len(files)} dashboards in {FOLDER.name}")


if __name__ == "__main__":
    main()
