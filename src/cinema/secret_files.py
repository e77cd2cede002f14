"""Read settings from files: `NAME_FILE=/run/secrets/name` says what `NAME=value` would.

That is how container platforms hand over secrets, which then stand in no environment that others can inspect.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from stagedoor._plain_file import read_plain

__all__ = ["as_file_name", "is_file_name", "values_from_files"]

_SUFFIX = "_FILE"
_LONGEST = 65_536  # a setting is a line; whatever is larger was not meant


def as_file_name(setting: str) -> str:
    """Return the variable that names a file with the value of a setting."""
    return setting + _SUFFIX


def is_file_name(name: str, known: Collection[str]) -> bool:
    """Tell whether a variable names a file with the value of a setting."""
    return name not in known and name.endswith(_SUFFIX) and name.removesuffix(_SUFFIX) in known


def values_from_files(said: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """Return the values that stand in files, by setting; empty ones are unset, as everywhere.

    Raises:
        ValueError: one cannot be read, or its setting has a value beside it; the text is one line that names it.

    """
    upper = {name.upper(): value for name, value in said.items() if value}
    files = {
        name.removesuffix(_SUFFIX): Path(path) for name, path in upper.items() if is_file_name(name, known)
    }
    for name in files:
        if name in upper:
            raise ValueError(f"{name}: must not be set beside {name}{_SUFFIX}")
    return {name: value for name, path in files.items() if (value := _content(name, path))}


def _content(name: str, path: Path) -> str:
    """Return what stands in a file, less the end of its line."""
    try:
        text = read_plain(path, _LONGEST).decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"{name}{_SUFFIX}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{name}{_SUFFIX}: must hold UTF-8") from None
    except ValueError as error:
        raise ValueError(f"{name}{_SUFFIX}: {error}") from None
    return text.rstrip("\r\n")
