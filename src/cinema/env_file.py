"""Read a file of settings, `NAME=value` a line: what cannot be read is named with its line."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream

from stagedoor._plain_file import read_plain

__all__ = ["EnvFile", "EnvFileError", "read_env_file"]

_LARGEST = 2**20  # octets; whatever is larger was not meant


class EnvFileError(ValueError):
    """Tell which file, and which line of it, is no setting."""


@dataclass(frozen=True, slots=True)
class EnvFile:
    """What a file says, and in which line it says each name."""

    values: dict[str, str]
    lines: dict[str, int]


def read_env_file(path: Path | None) -> EnvFile:
    """Return what a file says; nothing if there is none.

    Raises:
        EnvFileError: it cannot be read, or one of its lines cannot.

    """
    try:
        data = b"" if path is None else read_plain(path, _LARGEST)
    except FileNotFoundError:
        return EnvFile({}, {})
    except OSError as error:
        raise EnvFileError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise EnvFileError(f"{path}: {error}") from error
    text = _decoded(path, data)
    lines = dict(_lines(path, text))
    found = dotenv_values(stream=StringIO(text))
    return EnvFile({name: value for name, value in found.items() if value is not None}, lines)


def _decoded(path: Path | None, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise EnvFileError(f"{path}:{line}: must be text in UTF-8") from error


def _lines(path: Path | None, text: str) -> Iterator[tuple[str, int]]:
    for binding in parse_stream(StringIO(text)):
        line = _line_of(binding)
        if binding.error or (binding.key is not None and binding.value is None):
            # The line is not shown: it may hold a secret.
            raise EnvFileError(
                f"{path}:{line}: must be NAME=value, with quotes in pairs, or a comment after #"
            )
        if binding.key is not None:
            yield binding.key, line


def _line_of(binding: Binding) -> int:
    """Return the line of a binding itself: blank ones before it count as part of it."""
    said = binding.original.string
    blank = said[: len(said) - len(said.lstrip())]
    return binding.original.line + blank.count("\n")
