"""Paths, queries and tags from templates: every value is encoded, so that none can become another.

/accounts/{}/items/{}      one segment for each {} (RFC 3986 3.3)
home:{account_id}          a tag; what it names is escaped
"""

import re
import string
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, time
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from urllib.parse import quote, unquote
from uuid import UUID

from stagedoor._face.problems import BadSegment
from stagedoor.errors import ConfigError

__all__ = ["Tag", "key_tag", "named_tag", "path_of", "query_of", "route_names"]

_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")  # RFC 3986 2.3
_LITERAL = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_SEGMENT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*")  # RFC 3986 3.3
_SAFE = "!$&'()*+,;=:@"
_DOTS = frozenset({".", ".."})
_FOREIGN = re.compile(r"[<>*]|\A:")  # parameters as other frameworks write them
_NO_NAME = re.compile(r"\W")
_APART = re.compile(r"[^A-Za-z0-9._~%-]")  # what no escaped value holds


def path_of(template: str, segments: Sequence[object]) -> bytes:
    """Return the path with one segment for each `{}`; raises `BadSegment`, and `TypeError` for a mistake in code."""
    literals = _literals(template)
    given = len(segments)
    if len(literals) != given + 1:
        raise TypeError(f"{template!r} takes {len(literals) - 1} segments, {given} given")
    if not given:
        return literals[0]
    if given == 1:
        text = segments[0]
        if type(text) is str and _PLAIN.fullmatch(text) is not None and text not in _DOTS:
            return literals[0] + text.encode() + literals[1]  # nearly every path
    parts = [literals[0]]
    for literal, segment in zip(literals[1:], segments, strict=True):
        parts += _segment(template, segment), literal
    return b"".join(parts)


@lru_cache(maxsize=2_048)
def _literals(template: str) -> tuple[bytes, ...]:
    if not isinstance(template, str):
        raise TypeError(f"a path is a str such as '/accounts/{{}}', not {type(template).__name__}")
    parts = template.split("{}")
    if not template.startswith("/") or template.startswith("//"):
        raise TypeError(f"{template!r}: a path begins with one slash")
    for part in parts:
        if _LITERAL.fullmatch(part) is None:
            raise TypeError(
                f"{template!r}: a path holds no query and nothing unencoded; "
                "give values as segments for {} and `query=`"
            )
    return tuple(part.encode() for part in parts)


def _segment(template: str, value: object) -> bytes:
    text = _text(value)
    if text is None:
        raise TypeError(f"{template!r}: a segment is text or a number, not {type(value).__name__}")
    if _PLAIN.fullmatch(text) is not None and text not in _DOTS:
        return text.encode()
    if not text or text in _DOTS:
        raise BadSegment(f"{text!r} cannot stand in a path")
    try:
        return quote(text, safe="").encode()
    except UnicodeEncodeError:
        raise BadSegment("text that is no Unicode cannot stand in a path") from None


def query_of(query: Mapping[str, object] | None) -> bytes:
    """Return `?name=value...`; None is left out, lists are repeated. Raises `TypeError` for what has no text."""
    given: object = query
    if given is not None and not isinstance(given, Mapping):
        raise TypeError(
            f'query is a mapping, as in {{"page": 2}}, not {type(given).__name__}{_mapping(given)}'
        )
    if not query:
        return b""
    pairs: list[str] = []
    for name, value in query.items():
        unsure: object = name
        if not isinstance(unsure, str):
            raise TypeError(f"query: a name is a str, not {unsure!r}")
        values = value if isinstance(value, list | tuple | AbstractSet) else (value,)
        for one in values:
            if one is None:
                continue
            text = _bool(one) if isinstance(one, bool) else _text(one)
            if text is None:
                raise TypeError(f"query {name!r}: {type(one).__name__} has no form in a query")
            pairs.append(f"{quote(name, safe='')}={quote(text, safe='', errors='replace')}")
    return b"?" + "&".join(pairs).encode() if pairs else b""


def _mapping(given: object) -> str:
    """Return how what was given becomes a mapping; "" where nobody can tell."""
    if hasattr(given, "model_dump"):
        return ": say model_dump(by_alias=True, exclude_none=True)"
    return (
        ": give a list to repeat a name, as in {'sku': ['a', 'b']}" if isinstance(given, list | tuple) else ""
    )


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _text(value: object) -> str | None:
    """Return a scalar as text; None for anything that is none."""
    if type(value) is str:
        return value
    if isinstance(value, Enum):
        return _text(value.value)
    if isinstance(value, bool):
        return None
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, str | int | float | Decimal | UUID) else None


def route_names(path: object, where: str) -> tuple[str, ...]:
    """Return the names in a route's path; raises `ConfigError` if it is none."""
    if callable(path):
        raise ConfigError(f"{where}: the path is missing: write it in parentheses, as in @app.get('/home')")
    if not isinstance(path, str) or not path.startswith("/"):
        raise ConfigError(f"{where}: a path begins with a slash, as in '/home/{{account_id}}', not {path!r}")
    if path.startswith("//"):
        raise ConfigError(f"{where}: nobody can ask for {path!r}: a path begins with one slash")
    names: list[str] = []
    segments = path.strip("/").split("/")
    for number, segment in enumerate(segments):
        _validate_spelling(segment, path, where)
        if "{" not in segment and "}" not in segment:
            _validate_encoded(segment, path, where)
            continue
        name = segment[1:-1].removesuffix(":path")
        last = number == len(segments) - 1
        whole = segment.startswith("{") and segment.endswith("}") and name.isidentifier()
        if not whole or (":path" in segment and not last):
            raise ConfigError(
                f"{where}: {segment!r} is no parameter; one is a segment by itself, as in {{id}}"
            )
        names.append(name)
    if len(set(names)) != len(names):
        raise ConfigError(f"{where}: a path names each parameter once: {path!r}")
    return tuple(names)


def _validate_spelling(segment: str, path: str, where: str) -> None:
    """Raise `ConfigError` for a parameter as other frameworks write it: the segment would be taken literally."""
    if _FOREIGN.search(segment) is not None:
        name = _NO_NAME.sub("", segment.rpartition(":")[2]) or "rest"
        right = f"{{{name}:path}}" if "*" in segment else f"{{{name}}}"
        raise ConfigError(f"{where}: {segment!r} in {path!r} is no parameter: write {right}")


def _validate_encoded(segment: str, path: str, where: str) -> None:
    """Raise `ConfigError` for a segment that no URL holds as it stands: nobody could ever ask for it."""
    if unquote(segment) in {
        ".",
        "..",
    }:  # RFC 3986 5.2.4: clients take them away, some also where they are encoded
        raise ConfigError(f"{where}: nobody can ask for {path!r}: clients leave {segment!r} out")
    if _SEGMENT.fullmatch(segment) is None:
        right = quote(segment, safe=_SAFE)
        raise ConfigError(f"{where}: {segment!r} in {path!r} is no segment of a URL: write {right!r}")


class Tag:
    """A tag with places for values: named as in `home:{account_id}`, or `{}` in order."""

    __slots__ = ("names", "parts", "text")

    def __init__(self, text: object, where: str) -> None:
        if not isinstance(text, str) or not text:
            raise ConfigError(f"{where}: a tag is a text such as 'home:{{account_id}}', not {text!r}")
        try:
            self.parts = [(literal, name) for literal, name, _, _ in string.Formatter().parse(text)]
        except ValueError as error:
            raise ConfigError(f"{where}: the tag {text!r} cannot be read: {error}") from error
        self.text = text
        self.names = tuple(name for _, name in self.parts if name)

    @property
    def shape(self) -> str:
        """Return it without the names: two of one shape may give one text."""
        return "".join([literal + ("" if name is None else "{}") for literal, name in self.parts])

    def named(self, values: Mapping[str, object]) -> str:
        """Return the tag of these values."""
        if len(self.parts) == 1:  # most of them: a word, then one value
            literal, name = self.parts[0]
            return literal if name is None else literal + _escaped(values[name])
        return "".join(
            [literal + ("" if name is None else _escaped(values[name])) for literal, name in self.parts]
        )

    def placed(self, values: Sequence[object]) -> str:
        """Return the tag of values in order; raises `TypeError` if there are more or fewer than places."""
        places = sum(name is not None for _, name in self.parts)
        if places != len(values):
            raise TypeError(f"the tag {self.text!r} takes {places} values, {len(values)} given")
        rest = iter(values)
        return "".join(
            [literal + ("" if name is None else _escaped(next(rest))) for literal, name in self.parts]
        )


@lru_cache(maxsize=1_024)
def tag_of(text: str) -> Tag:
    """Return a tag with places in order, read once."""
    return Tag(text, "tag")


def named_tag(text: object, where: str) -> Tag:
    """Return a tag whose places are inputs; raises `ConfigError` for one that names none: nothing would fill it."""
    tag = Tag(text, where)
    for literal, name, form, conversion in string.Formatter().parse(tag.text):
        if name is not None and (form or conversion or not name.isidentifier()):
            raise ConfigError(
                f"{where}: a place of {tag.text!r} is no name alone: name an input, as in {literal + '{uid}'!r}"
            )
    return tag


def key_tag(text: object, where: str) -> Tag:
    """Return a readable key; raises `ConfigError` where the values of two places could run into one another."""
    tag = named_tag(text, where)
    for before, (literal, name) in enumerate(tag.parts):
        if before and name is not None and not _APART.search(literal):
            raise ConfigError(
                f"{where}: nothing tells {{{tag.parts[before - 1][1]}}} and {{{name}}} of {tag.text!r} apart: "
                "put ':' between them"
            )
    return tag


def _escaped(value: object) -> str:
    if type(value) is str and _PLAIN.fullmatch(value) is not None:
        return value
    text = _text(value)
    return quote(str(value) if text is None else text, safe="", errors="replace")
