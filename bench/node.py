"""The peers in JavaScript: npm packages, pinned with hashes by package-lock.json."""

import subprocess
from pathlib import Path

__all__ = ["install", "version"]

FOLDER = Path(__file__).resolve().parent


def install(folder: Path = FOLDER) -> None:
    """Fill the folder's node_modules from its lock, unless that has been done since the lock changed."""
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:  # npm writes it last
        return
    print(f"installing what {folder.name}/package-lock.json pins ...", flush=True)
    subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=folder,
        check=True,
        timeout=300,
    )


def version() -> str:
    """Return the version of node, as in v20.20.2."""
    return subprocess.run(["node", "--version"], capture_output=True, check=True, text=True).stdout.strip()
