"""The peers in JavaScript: npm packages, pinned with hashes by package-lock.json."""

import subprocess
from pathlib import Path

__all__ = ["install", "version"]

FOLDER = Path(__file__).resolve().parent
INSTALLED = FOLDER / "node_modules" / ".package-lock.json"  # npm writes it last
LOCK = FOLDER / "package-lock.json"


def install() -> None:
    """Fill bench/node_modules from the lock, unless that has been done since the lock changed."""
    if INSTALLED.exists() and INSTALLED.stat().st_mtime >= LOCK.stat().st_mtime:
        return
    print("installing the peers in JavaScript (bench/package-lock.json) ...", flush=True)
    subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=FOLDER,
        check=True,
        timeout=300,
    )


def version() -> str:
    """Return the version of node, as in v20.20.2."""
    return subprocess.run(["node", "--version"], capture_output=True, check=True, text=True).stdout.strip()
