"""A record as one line: valid, short, safe to show, and without secrets (T15)."""

import re
from collections.abc import Mapping
from traceback import extract_tb
from typing import Final, Literal, TypeAlias

import orjson

__all__ = ["Level", "as_json", "as_text", "redacted", "where"]

Level: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

_LONGEST_LINE: Final = 8_000
_LONGEST_TEXT: Final = 4_000
_DELETE: Final = 0x7F  # as a number: given bytes, `in` makes a TypeError first, and drops it
# What a terminal obeys or a reader takes for a line's end: controls, C1, separators; and what UTF-8 cannot carry.
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SECRET: Final = re.compile(
    r"(?i)(?P<host>://)[^/\s@]{1,256}@"
    r"|\b(?P<scheme>bearer|basic)\s{1,8}[^\s,;\"']{1,4096}"
    r"|(?P<name>(?:password|passwd|secret|token|api[_-]?key|signature|authorization|cookie)[\"']?\s{0,8}[=:]\s{0,8})"
    r"[\"']?(?:(?:bearer|basic)\s{1,8})?[^\s,;&\"']{1,4096}"
)


def as_json(record: Mapping[str, object]) -> bytes:
    """Return the record as one line of JSON, at most 8 kB long.

    Ordinary records take the first line only: printable ASCII needs no second look.
    """
    try:
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return _tidied(record)
    if line.isascii() and len(line) <= _LONGEST_LINE and _DELETE not in line:
        return line
    return _tidied(record)


def _tidied(record: Mapping[str, object]) -> bytes:
    line = b""
    for longest in (1_000, 250, 50):
        safe = {_tidy(key, 50): _tidy(value, longest) for key, value in list(record.items())[:30]}
        line = orjson.dumps(safe, option=orjson.OPT_APPEND_NEWLINE)
        if len(line) <= _LONGEST_LINE:
            break
    return line


def _tidy(value: object, longest: int) -> object:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    text = str(value)
    if len(text) > longest:
        text = text[:longest] + "…"
    return _UNSAFE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def as_text(record: Mapping[str, object]) -> bytes:
    """Return the record for people: time, level, event, then `name=value`; the same bounds as JSON."""
    safe = orjson.loads(_tidied(record))
    head = " ".join(str(safe.pop(name, "-")) for name in ("timestamp", "level", "event"))
    rest = " ".join(f"{name}={value}" for name, value in safe.items() if value not in {"", "-"})
    return f"{head} {rest}\n".encode()


def redacted(text: str) -> str:
    """Return the text, cut to 4,000 characters, with what looks like a credential taken out."""
    return _SECRET.sub(_kept, text[:_LONGEST_TEXT])


def _kept(match: re.Match[str]) -> str:
    if match["host"]:
        return "://***@"
    return f"{match['scheme']} ***" if match["scheme"] else f"{match['name']}***"


def where(error: BaseException) -> str:
    """Name an exception and the last places it passed; its text may hold secrets and stays out."""
    places = extract_tb(error.__traceback__)[-5:]
    steps = [f"{place.filename.rpartition('/')[2]}:{place.lineno} {place.name}" for place in reversed(places)]
    return " < ".join((type(error).__name__, *steps))
