"""Guards as they are declared: who may come in, and what of a caller an argument is.

A guard stands on a route (`guard=members`) or is named by an argument (`Annotated[Member, members]`), which guards the
route too. Settings are read when the gateway is built; a guard itself holds nothing at work.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import orjson
from pydantic import BaseModel

from stagedoor._aggregate.hints import format_hint
from stagedoor._aggregate.part import Argument, signature_of
from stagedoor._call import Env
from stagedoor._face.exact import exact
from stagedoor._face.fields import field_name
from stagedoor._face.inputs import markers_of
from stagedoor._face.places import Place, here
from stagedoor._face.settings import prefix_of
from stagedoor._guards import settings as said
from stagedoor._guards.apikeys import ApiKeyCheck, KeyTable, read_lines
from stagedoor._guards.fetching import Fetching
from stagedoor._guards.keyfile import KeyFile
from stagedoor._guards.settings import ApiKeySettings, JwtSettings
from stagedoor._guards.visitors import Authenticator, Known
from stagedoor._web.routes import Security
from stagedoor.errors import ConfigError

__all__ = ["ApiKeys", "Claimed", "Guard", "Jwt", "claimed_of", "guard_of"]

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 3.3
Fetch = Callable[[str], Fetching]


class Guard:
    """Who may come in: `Jwt`, `ApiKeys`, `Sessions`.

    Used as a route's `guard` and, in `Annotated`, as an input; named there it guards the route too. Two different ones
    on a route are an error at start. Whoever is let in is the identity of every answer: nobody gets another's.
    """

    scheme = ""
    ambient = False  # whether a browser sends the credentials by itself, whoever has it ask
    paths: Sequence[tuple[str, str]] = ()  # method and path of each route of its own
    _rows: Sequence[tuple[str, str, str]] = ()

    def __init__(
        self,
        name: str,
        *,
        header: str,
        claims: type[BaseModel] | None = None,
        scopes: AbstractSet[str] = frozenset(),
    ) -> None:
        self.place: Place = here()
        given: object = name
        if not isinstance(given, str) or _NAME.fullmatch(given) is None:
            raise ConfigError(f"{self.place}: a guard's name is lower case such as 'members', not {name!r}")
        model: object = claims
        if model is not None and not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise ConfigError(f"{self.place}: claims is a pydantic model, not {claims!r}")
        if not _are_scopes(scopes):
            raise ConfigError(
                f'{self.place}: scopes is a set of words, as in {{"club:read"}}, not {scopes!r}'
            )
        self.name = name
        self.header = field_name(header).encode()
        self.claims = claims
        self.scopes = frozenset(scopes)

    def variables(self, gateway: str) -> list[tuple[str, str, str]]:
        """Return name, default and meaning of its settings; none where they were given."""
        prefix = self.prefix(gateway)
        return (
            []
            if self.given is not None
            else [(prefix + name, usual, text) for name, usual, text in self._rows]
        )

    def prefix(self, gateway: str) -> str:
        """Return what the names of its settings begin with."""
        return prefix_of(gateway) + prefix_of(self.name)

    @property
    def given(self) -> object:
        """Return the settings that replace the environment; None if there are none."""
        raise NotImplementedError

    @property
    def security(self) -> Security:
        """Return what documents say of it."""
        raise NotImplementedError

    def authenticator(
        self, env: Mapping[str, str], gateway: str, world: Env, fetch: Fetch
    ) -> Authenticator | None:
        """Return what tells who asks; None where settings are missing. Raises `ConfigError` for bad ones."""
        raise NotImplementedError

    def missing(self, gateway: str) -> str:
        """Name the settings without which it knows nobody."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class Jwt(Guard):
    """Bearer tokens: SHOP_<NAME>_JWKS_URL or _SECRET, _AUDIENCE, _ISSUER, _ALGORITHMS, _LEEWAY.

    `claims` is the model that a token's claims are read as; one that does not fit is 401. A token without all `scopes`
    is 403. `settings` given here replace the environment. Needs the extra `auth`. Raises `ConfigError`.
    """

    scheme = "Bearer"
    _rows = said.JWT

    def __init__(
        self,
        name: str,
        *,
        claims: type[BaseModel] | None = None,
        scopes: AbstractSet[str] = frozenset(),
        settings: JwtSettings | None = None,
    ) -> None:
        super().__init__(name, header="Authorization", claims=claims, scopes=scopes)
        validate_settings(settings, JwtSettings, self.place)
        self.settings = settings

    @property
    def given(self) -> object:
        return self.settings

    @property
    def security(self) -> Security:
        return Security(
            self.name, {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}, tuple(sorted(self.scopes))
        )

    def authenticator(
        self, env: Mapping[str, str], gateway: str, world: Env, fetch: Fetch
    ) -> Authenticator | None:
        rules = self.settings or said.jwt_settings(env, self.prefix(gateway))
        if not (rules.jwks_url or rules.secret):
            return None
        try:
            from stagedoor._guards.bearers import tokens  # noqa: PLC0415 - an extra: loaded where it is used
        except ImportError as error:
            raise ConfigError(
                f"{self.place}: the guard {self.name!r} needs PyJWT: pip install stagedoor[auth]"
            ) from error
        return tokens(self.name, rules, fetch(rules.jwks_url) if rules.jwks_url else None, world.clock)

    def missing(self, gateway: str) -> str:
        prefix = self.prefix(gateway)
        return f"{prefix}JWKS_URL or {prefix}SECRET"


class ApiKeys(Guard):
    """Keys of a file of their hashes: SHOP_<NAME>_KEYS_FILE.

    A line is the SHA-256 of a key in hexadecimal and the name of who has it, who is the subject. The file is read again
    when it changes. `header` is where a key is sent. `settings` given here replace the environment. Raises
    `ConfigError`.
    """

    scheme = "ApiKey"
    _rows = said.API_KEYS

    def __init__(
        self, name: str, *, header: str = "X-API-Key", settings: ApiKeySettings | None = None
    ) -> None:
        super().__init__(name, header=header)
        validate_settings(settings, ApiKeySettings, self.place)
        self.settings = settings
        self._spelled = header

    @property
    def given(self) -> object:
        return self.settings

    @property
    def security(self) -> Security:
        return Security(self.name, {"type": "apiKey", "in": "header", "name": self._spelled})

    def authenticator(
        self, env: Mapping[str, str], gateway: str, world: Env, fetch: Fetch
    ) -> Authenticator | None:
        prefix = self.prefix(gateway)
        found = self.settings or said.api_key_settings(env, prefix)
        where = f"{self.place}: ApiKeySettings(keys_file=...)" if self.settings else f"{prefix}KEYS_FILE"
        try:
            if found.keys_file:
                return ApiKeyCheck(self.header, KeyFile(self.name, Path(found.keys_file), world.clock))
            return ApiKeyCheck(self.header, KeyTable(read_lines(found.lines))) if found.lines else None
        except OSError as error:
            raise ConfigError(f"{where}: {found.keys_file!r} cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise ConfigError(f"{where}: {error}") from error

    def missing(self, gateway: str) -> str:
        return f"{self.prefix(gateway)}KEYS_FILE"


def validate_settings(settings: object, kind: type, place: Place) -> None:
    """Raise `TypeError` for settings of another kind, which the start would tell of without a place."""
    if settings is not None and not isinstance(settings, kind):
        raise TypeError(f"{place}: settings is {kind.__name__}(...), not {type(settings).__name__}")


def _are_scopes(scopes: Any) -> bool:  # noqa: ANN401 - whatever was given
    return isinstance(scopes, AbstractSet) and all(
        isinstance(one, str) and _SCOPE.fullmatch(one) for one in scopes
    )


Form = Literal["subject", "claims", "raw"]


@dataclass(frozen=True, slots=True)
class Claimed:
    """An argument that is what a guard knows of the caller: the subject, the claims as a model, or as they came."""

    argument: str
    hint: Any
    guard: Guard
    form: Form

    def value(self, known: Known, model: BaseModel | None) -> Any:  # noqa: ANN401 - of the argument's type
        """Return the argument."""
        if self.form == "claims":
            return model
        return known.subject if self.form == "subject" else dict(known.claims)

    def key(self, known: Known, model: BaseModel | None) -> bytes:
        """Return what it adds to a key: answers may depend on every claim that is handed on."""
        if self.form == "claims" and model is not None:
            return exact(model)  # it may be written with less than it holds
        return (
            b"" if self.form == "subject" else orjson.dumps(dict(known.claims), option=orjson.OPT_SORT_KEYS)
        )


def claimed_of(argument: Argument) -> Claimed | None:
    """Return what a guard gives an argument; None if it names none. Raises `ConfigError` for a type that it is not."""
    guards = [one for one in markers_of(argument.hint) if isinstance(one, Guard)]
    if not guards:
        return None
    guard, wanted = guards[0], get_args(argument.hint)[0]
    if len(guards) > 1:
        raise ConfigError(f"argument {argument.name!r} names two guards")
    return Claimed(argument.name, argument.hint, guard, _form(argument.name, wanted, guard))


def _form(name: str, wanted: Any, guard: Guard) -> Form:  # noqa: ANN401 - an annotation
    if wanted is str:
        return "subject"
    if guard.claims is not None and isinstance(wanted, type) and issubclass(guard.claims, wanted):
        return "claims"
    if not isinstance(guard, ApiKeys) and (get_origin(wanted) or wanted) in {dict, Mapping}:
        return "raw"
    has = "str" if guard.claims is None else f"str or {guard.claims.__name__}"
    raise ConfigError(f"argument {name!r} is {format_hint(wanted)}, but the guard {guard.name!r} gives {has}")


def guards_in(function: Callable[..., Any]) -> list[Guard]:
    """Return the guards that a function's arguments name; none where they cannot be read."""
    try:
        arguments = signature_of(function).arguments
    except ConfigError:
        return []
    return [marker for one in arguments for marker in markers_of(one.hint) if isinstance(marker, Guard)]


def validate_guard(guard: object, place: Place) -> None:
    """Raise `ConfigError` unless a guard is one, or None."""
    if guard is not None and not isinstance(guard, Guard):
        raise ConfigError(f"{place}: guard is a Jwt, ApiKeys or Sessions, not {guard!r}")


def guard_of(declared: Guard | None, claimed: Iterable[Claimed]) -> Guard | None:
    """Return the one guard of a route; raises `ConfigError` for two different ones."""
    named = [one.guard for one in claimed]
    found = list(dict.fromkeys(named if declared is None else [declared, *named]))
    if len(found) > 1:
        names = " and ".join(repr(one.name) for one in found[:2])
        raise ConfigError(f"two different guards, {names}, on one route")
    return found[0] if found else None
