"""Header fields and cookies: which of a caller's fields count, which go on, and how they are read."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeVar

from stagedoor import _requests as requests
from stagedoor.errors import ConfigError

__all__ = [
    "OF_CONNECTION",
    "Cookie",
    "Header",
    "Headers",
    "Picker",
    "Query",
    "field_name",
    "lower_fields",
    "standing_fields",
]

T = TypeVar("T")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_UNSENDABLE = re.compile("[^\t\x20-\x7e\x80-\xff]")  # RFC 9110 5.5
_ANYWAY = frozenset({"x-request-id", "traceparent", "tracestate"})
_SECRET = re.compile(rb"auth|cookie|token|api-?key|session|secret|credential|password|signature")
# What belongs to one connection, or is written by whoever sends: it is nobody's to forward (RFC 9110 7.6.1).
OF_CONNECTION = frozenset(
    [
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    ]
)


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie by its name: in `forward`, in `vary`, or as an input."""

    name: str

    def __post_init__(self) -> None:
        name: object = self.name
        if not isinstance(name, str) or _TOKEN.fullmatch(name) is None:
            raise ConfigError(f"Cookie({name!r}): the name of a cookie is a token (RFC 6265 4.1.1)")


@dataclass(frozen=True, slots=True)
class Header:
    """An input from a header field; its name from the argument (`if_match` is `If-Match`) unless given."""

    name: str = ""

    def __post_init__(self) -> None:
        if self.name:
            field_name(self.name)


@dataclass(frozen=True, slots=True)
class Query:
    """An input from the query; its name from the argument unless given, as in `Query("from")`.

    It also says that a query parameter is meant where a name is close to that of a part. Raises `ConfigError` for a
    name that is no text.
    """

    name: str = ""

    def __post_init__(self) -> None:
        name: object = self.name
        if not isinstance(name, str):
            raise ConfigError(f"Query({name!r}): the name of a query parameter is a text")


class Headers(Mapping[str, str]):
    """Header fields by name, in any case; lines of one name joined by commas."""

    __slots__ = ("_lines",)

    def __init__(self, lines: requests.Headers = ()) -> None:
        self._lines = lines

    def all(self, name: str) -> Sequence[str]:
        """List each line of one name, in order: for Set-Cookie, whose lines must not be joined."""
        wanted = name.lower().encode("latin-1", "replace")
        return [said.decode("latin-1") for field, said in self._lines if field == wanted]

    def __getitem__(self, name: str, /) -> str:
        lines = self.all(name)
        if not lines:
            raise KeyError(name)
        return ", ".join(lines)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(field.decode("latin-1") for field, _ in self._lines))

    def __len__(self) -> int:
        return len({field for field, _ in self._lines})

    def __repr__(self) -> str:
        return f"<Headers {', '.join(self)}>"


class Picker:
    """A set of fields and cookies, ready to be picked from what came in."""

    __slots__ = ("_cookies", "_names", "wanted")

    def __init__(self, wanted: Iterable[str | Cookie], where: str) -> None:
        names, cookies = set[str](), set[str]()
        for one in wanted:
            if isinstance(one, Cookie):
                cookies.add(one.name)
            else:
                names.add(_forwardable(one, where))
        if "cookie" in names:
            cookies.clear()
        self.wanted: frozenset[str | Cookie] = frozenset({*names, *map(Cookie, cookies)})
        self._names = frozenset(name.encode() for name in names)
        self._cookies = frozenset(name.encode() for name in cookies)

    def pick(self, fields: requests.Headers) -> requests.Headers:
        """Return the fields that were asked for, each line as it came; of the cookies one line of those named."""
        names = self._names
        picked = [field for field in fields if field[0] in names] if names else []
        if self._cookies:
            crumbs = [b"%b=%b" % crumb for crumb in _crumbs(fields) if crumb[0] in self._cookies]
            if crumbs:
                picked.append((b"cookie", b"; ".join(crumbs)))
        return tuple(picked)

    def identity(self, fields: requests.Headers) -> bytes:
        """Return bytes that no two different callers share: every line counts, and absent is unlike empty.

        They are a digest: keys lie in shared stores, and fields may hold credentials.
        """
        if not self.wanted:
            return b""
        digest = hashlib.blake2b(digest_size=16)
        for name, said in sorted(self.pick(fields), key=_name_of):
            digest.update(b"%d:%b%d:%b" % (len(name), name, len(said), said))
        return digest.digest()

    def covers(self, other: "Picker") -> frozenset[str | Cookie]:
        """Return what the other picks and this one does not."""
        return frozenset(one for one in other.wanted if not self._has(one))

    def _has(self, one: str | Cookie) -> bool:
        return one in self.wanted or (isinstance(one, Cookie) and "cookie" in self.wanted)

    @property
    def secret(self) -> bool:
        """Tell whether anything that is picked may be a credential."""
        return any(isinstance(one, Cookie) or may_be_secret(one.encode()) for one in self.wanted)

    @property
    def repeats(self) -> tuple[bytes, ...] | None:
        """Return the fields that an answer may be told apart by; None if one of them may be a credential (T4)."""
        return None if self.secret else tuple(name.encode() for name in self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the field names, as `Vary` lists them."""
        found = {"cookie" if isinstance(one, Cookie) else one for one in self.wanted}
        return tuple(sorted(found))


def may_be_secret(name: bytes) -> bool:
    """Tell whether the field of a name, in lower case, is likely to hold a credential."""
    return _SECRET.search(name) is not None


def digest(said: bytes) -> bytes:
    """Return bytes in place of others that may hold credentials, or be long: keys lie in shared stores."""
    return hashlib.blake2b(said, digest_size=32).digest()


def cookie_of(fields: requests.Headers, name: str) -> str | None:
    """Return the first cookie of a name; None if there is none."""
    wanted = name.encode()
    for crumb, said in _crumbs(fields):
        if crumb == wanted:
            return said.decode("latin-1")
    return None


def field_name(name: object) -> str:
    """Return a field's name in lower case; raises `ConfigError` for what is none (RFC 9110 5.1)."""
    if not isinstance(name, str) or _TOKEN.fullmatch(name) is None:
        raise ConfigError(f"{name!r} is no name of a header field")
    return name.lower()


def lower_fields(headers: Mapping[str, str] | None) -> requests.Headers:
    """Return fields that were given by name, as they are sent; raises `TypeError` for a value that is no text."""
    if not headers:
        return ()
    given: object = headers
    if not isinstance(given, Mapping):
        raise TypeError(f'headers are a mapping, as in {{"x-shop": "1"}}, not {given!r}')
    fields: list[tuple[bytes, bytes]] = []
    for name, said in headers.items():
        if not isinstance(said, str):
            raise TypeError(f"header {name!r} is {type(said).__name__}, not str")
        fields.append((field_name(name).encode(), field_value(name, said)))
    return tuple(fields)


def standing_fields(headers: Mapping[str, str] | None, where: object) -> requests.Headers:
    """Return fields that stand in every message; raises `ConfigError` for what whoever sends it writes or drops."""
    fields = lower_fields(headers)
    for name, _ in fields:
        if name.decode() in OF_CONNECTION:
            raise ConfigError(f"{where}: headers: {name.decode()!r} belongs to one connection: leave it out")
    return fields


def field_value(name: str, said: str) -> bytes:
    """Return a field's value as it is sent; raises `ValueError` for one that could end its line (T2)."""
    if _UNSENDABLE.search(said):
        raise ValueError(
            f"header {name!r} holds characters that a field cannot: encode them, as quote() does"
        )
    return said.encode("latin-1")


def _forwardable(name: str, where: str) -> str:
    lower = field_name(name)
    if lower == "*":
        raise ConfigError(f"{where}: '*' is no field: name each that counts")
    if lower in _ANYWAY:
        raise ConfigError(f"{where}: {name!r} goes on by itself: leave it out")
    if lower in OF_CONNECTION:
        raise ConfigError(f"{where}: {name!r} belongs to one connection and cannot be forwarded or varied by")
    return lower


def _name_of(field: tuple[bytes, bytes]) -> bytes:
    return field[0]


def _crumbs(fields: requests.Headers) -> Iterator[tuple[bytes, bytes]]:
    """Yield the cookies of all lines, in order (RFC 6265 5.4)."""
    for name, said in fields:
        if name == b"cookie":
            for crumb in said.split(b";"):
                key, found, value = crumb.strip(b" \t").partition(b"=")
                if found:
                    yield key, value


def checked_set(given: AbstractSet[T], what: str) -> AbstractSet[T]:
    """Return a set of names; raises `TypeError` for a single text, which would be a set of its letters."""
    value: object = given
    if isinstance(value, str) or not isinstance(value, AbstractSet | tuple | list):
        raise TypeError(f'{what} is a set of names, as in {{"authorization"}}, not {value!r}')
    return frozenset(given)
