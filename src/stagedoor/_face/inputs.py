"""The inputs of screens and handlers: which argument comes from where, how it is read, how it is documented.

argument ─▶ a name of the path │ Annotated[..., Header()] │ Annotated[..., Cookie("sid")] │ a model: the body │ query
"""

import copy
import dataclasses
import difflib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from types import UnionType
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin
from urllib.parse import unquote_to_bytes

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Json,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    WrapValidator,
)
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic_core import PydanticSerializationError

from stagedoor import _requests as requests
from stagedoor._aggregate.hints import format_hint
from stagedoor._aggregate.part import ABSENT, Argument
from stagedoor._face.choices import choices_of
from stagedoor._face.exact import exact
from stagedoor._face.faults import faults_of
from stagedoor._face.fields import Cookie, Header, Query, cookie_of, digest
from stagedoor._face.hasty import LARGE, hasty
from stagedoor._face.markers import markers_of
from stagedoor._face.schemas import example_of, inlined, is_readable, spelled
from stagedoor._face.unsaid import made_up
from stagedoor._parameters import InputFault, Invalid
from stagedoor._web.rendering import adapted
from stagedoor._web.request import Request
from stagedoor.errors import ConfigError

__all__ = ["Input", "Last", "Reader", "is_model", "markers_of", "read_as"]

Source: TypeAlias = Literal["path", "query", "header", "cookie"]
T = TypeVar("T")


class LastMarker:
    """Marks an input of which the last counts."""

    def __repr__(self) -> str:
        return "Last"


LAST = LastMarker()
Last = Annotated[T, LAST]
"""An input that may be given repeatedly: the last one counts. Without it a repeated one is refused (422)."""

_SECRETIVE = frozenset({"header", "cookie"})
_MANY = (list, tuple, set, frozenset, Sequence)
_JSON: Any = Json  # type checkers know it as an annotation only
_READING = (BeforeValidator, PlainValidator, WrapValidator)
_FINITE = ConfigDict(allow_inf_nan=False)


@dataclass(frozen=True)
class Input:
    """One value of a request: `name` is as the client spells it, `argument` as the function does."""

    name: str
    argument: str
    place: Source
    hint: Any
    default: object = ABSENT

    @property
    def required(self) -> bool:
        """Tell whether a request without it is refused."""
        return self.default is ABSENT

    @property
    def description(self) -> str:
        """Return what it means, where its annotation says so."""
        return str(self.json_schema.get("description", ""))

    @property
    def example(self) -> object:
        """Return a value that works; None where its type does not tell one."""
        value = example_of(self.json_schema)
        try:
            self.read([spelled(one) for one in (value if isinstance(value, list) else [value])])
        except Invalid:
            return None
        return value

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Return what reads it; raises `ConfigError` for a type that no text can be."""
        unreadable = f"{format_hint(self.hint)} cannot be read from a request"
        adapter = adapted(self.hint, unreadable)
        try:
            schema = inlined(adapter.json_schema(mode="validation"))
        except PydanticInvalidForJsonSchema as error:
            raise ConfigError(unreadable) from error
        self._validate_readable(schema)
        if self.default is not ABSENT:
            self._validate_default(adapter)
        return self._finite(adapter)

    def _finite(self, adapter: TypeAdapter[Any]) -> TypeAdapter[Any]:
        """Return what reads it and takes no number that JSON has not: documents say of a float that it is one."""
        try:
            return TypeAdapter(self.hint, config=_FINITE)
        except PydanticUserError:  # a model has a say of its own
            return adapter

    def _validate_readable(self, schema: Mapping[str, Any]) -> None:
        """Raise `ConfigError` for a type that no text can be, unless a validator of its own reads texts."""
        if any(isinstance(one, _READING) for one in markers_of(self.hint)):
            return
        if schema.get("type") == "object" or not is_readable(schema, many=self.many):
            remedy = ": say each of its fields as an argument" if is_model(self.hint) else ""
            raise ConfigError(
                f"{format_hint(self.hint)} cannot be read from a {self.place} parameter{remedy}"
            )

    def _validate_default(self, adapter: TypeAdapter[Any]) -> None:
        """Raise `ConfigError` for a default of another type: documents show it, and handlers get it as it is."""
        try:
            adapter.validate_python(self.default)
            adapter.dump_python(self.default, mode="json", warnings="error")
        except (ValidationError, PydanticSerializationError) as error:
            hint = format_hint(self.hint)
            remedy = f"; say {hint} | None" if self.default is None else ""
            raise ConfigError(f"its default {self.default!r} is no {hint}{remedy}") from error

    @cached_property
    def json_schema(self) -> Mapping[str, Any]:
        """Return its JSON Schema without references and titles."""
        plain = inlined(self.adapter.json_schema(mode="validation"))
        odd = isinstance(self.default, float) and not math.isfinite(self.default)  # JSON has no such number
        if self.default is not ABSENT and not odd:
            plain["default"] = self.adapter.dump_python(self.default, mode="json")
        return plain

    @cached_property
    def many(self) -> bool:
        """Tell whether it may be given repeatedly."""
        return _is_many(self.hint)

    def key(self, value: object) -> bytes:
        """Return what a value adds to a key; of a field, which may be secret, a digest."""
        said = exact(value)
        if self.place in _SECRETIVE:
            said = digest(said)
        return b"%d:%b%d:%b" % (len(self.argument), self.argument.encode(), len(said), said)

    def schema(self) -> Mapping[str, Any]:
        """Return its JSON Schema."""
        return self.json_schema

    def parse(self, raw: str) -> Any:  # noqa: ANN401 - of the input's own type
        """Return the value of one text; raises `Invalid`."""
        return self.read([raw])

    def read(self, said: Sequence[str]) -> Any:  # noqa: ANN401 - of the input's own type
        """Return the value of what was said; raises `Invalid` naming what would be right."""
        if not said:
            if self.default is ABSENT:
                raise Invalid(InputFault((_place(self.place), self.name), "is missing", "missing"))
            return copy.copy(self.default)  # nobody may change what the next one gets
        if LAST in markers_of(self.hint):
            said = said[-1:]
        if len(said) > 1 and not self.many:
            raise Invalid(InputFault((_place(self.place), self.name), "is given more than once", "repeated"))
        try:
            # A list of texts is no text: its items are read as leniently all the same.
            return (
                self.adapter.validate_python(list(said))
                if self.many
                else self.adapter.validate_strings(said[0])
            )
        except ValidationError as error:
            return self._read_choice(said, error)

    @cached_property
    def _choices(self) -> Mapping[str, object]:
        return choices_of(self.hint)

    def _read_choice(self, said: Sequence[str], error: ValidationError) -> Any:  # noqa: ANN401 - of the input's type
        """Return the value of texts that spell numbers to choose from; raises `Invalid` if none of them does."""
        found = [self._choices.get(text, text) for text in said]
        if found != list(said):
            try:
                return self.adapter.validate_python(found if self.many else found[0])
            except ValidationError as still:
                error = still
        raise Invalid(*faults_of((_place(self.place), self.name), error, alone=not self.many)) from None


def _place(place: Source) -> Literal["path", "query", "header"]:
    return "header" if place == "cookie" else place


class Reader:
    """Reads all inputs of one route."""

    def __init__(self, inputs: Iterable[Input]) -> None:
        self.inputs = tuple(inputs)
        self._asks_query = any(one.place == "query" for one in self.inputs)
        self._of_path: list[tuple[str, str, Callable[[Any], Any]]] = [
            (one.argument, one.name, one.adapter.validator.validate_strings)
            for one in self.inputs
            if one.place == "path" and not one.many
        ]
        self._only_path = len(self._of_path) == len(self.inputs)

    def read(self, request: Request) -> dict[str, Any]:
        """Return the values by argument; raises `Invalid` with everything that is wrong."""
        values: dict[str, Any] = {}
        if self._only_path:  # most screens
            params = request.params
            try:
                for argument, name, read in self._of_path:
                    values[argument] = read(params[name])
            except ValidationError:
                pass  # what is wrong is said below
            else:
                return values
        query = _query(request.query) if self._asks_query and request.query else {}
        fields: requests.Headers = request.scope["headers"]
        values = {}
        faults: list[InputFault] = []
        for one in self.inputs:
            try:
                values[one.argument] = one.read(_said(one, request, query, fields))
            except Invalid as invalid:
                faults.extend(invalid.faults)
        if faults:
            raise Invalid(*faults)
        return values


def _said(
    one: Input, request: Request, query: Mapping[str, list[str]], fields: requests.Headers
) -> Sequence[str]:
    """Return what a request says for an input."""
    match one.place:
        case "path":
            return (request.params[one.name],)
        case "query":
            return query.get(one.name, ())
        case "cookie":
            crumb = cookie_of(fields, one.name)
            return () if crumb is None else (crumb,)
    wanted = one.name.lower().encode()
    lines = [said.decode("latin-1") for name, said in fields if name == wanted]
    return lines if one.many or not lines else [", ".join(lines)]


def _query(raw: bytes) -> dict[str, list[str]]:
    """Return the parameters of a query, in order; raises `Invalid` for what is no UTF-8."""
    found: dict[str, list[str]] = {}
    for pair in raw.split(b"&"):
        if pair:
            name, _, said = pair.partition(b"=")
            found.setdefault(_decoded(name), []).append(_decoded(said))
    return found


def _decoded(raw: bytes) -> str:
    try:
        return (unquote_to_bytes(raw.replace(b"+", b" ")) if b"%" in raw or b"+" in raw else raw).decode()
    except UnicodeDecodeError:
        raise Invalid(InputFault(("query", "*"), "must be UTF-8, percent-encoded", "encoding")) from None


def read_as(adapter: TypeAdapter[Any], body: bytes) -> Any:  # noqa: ANN401 - of the adapter's type
    """Return a body as a value; raises `Invalid` with the place of each fault."""
    read = hasty(adapter).validate_json if len(body) > LARGE else adapter.validate_json
    try:
        return read(body)
    except ValidationError as error:
        raise Invalid(*faults_of(("body",), error, unsaid=partial(made_up, adapter, body))) from None


def input_of(argument: Argument, path: Sequence[str]) -> Input:
    """Return where an argument comes from that is no part, guard or body."""
    for marker in markers_of(argument.hint):
        if isinstance(marker, Header):
            name = marker.name or argument.name.replace("_", "-").title()
            return Input(name, argument.name, "header", argument.hint, argument.default)
        if isinstance(marker, Cookie):
            return Input(marker.name, argument.name, "cookie", argument.hint, argument.default)
        if isinstance(marker, Query):
            name = marker.name or argument.name
            return Input(name, argument.name, "query", argument.hint, argument.default)
    if argument.name in path:
        return Input(argument.name, argument.name, "path", argument.hint)
    return Input(argument.name, argument.name, "query", argument.hint, argument.default)


def _is_many(hint: Any) -> bool:  # noqa: ANN401 - an annotation
    if hasattr(hint, "__metadata__"):
        return not _is_json(hint) and _is_many(get_args(hint)[0])
    inner = getattr(hint, "__supertype__", None) or getattr(hint, "__value__", None)
    if inner is not None:  # a NewType, a type alias
        return _is_many(inner)
    kind = get_origin(hint)
    if kind in {Union, UnionType}:
        return any(map(_is_many, get_args(hint)))
    return (kind or hint) in _MANY


def is_model(hint: Any) -> bool:  # noqa: ANN401 - an annotation
    """Tell whether a type is, or holds, a model: a thing with fields of its own."""
    if _is_json(hint):
        return False
    if hasattr(hint, "__metadata__"):
        hint = get_args(hint)[0]
    kind = get_origin(hint) or hint
    if kind is dict or kind is Mapping or hasattr(kind, "__required_keys__"):
        return True
    if isinstance(kind, type) and (issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind)):
        return True
    return kind is not Literal and any(is_model(one) for one in get_args(hint))


def _is_json(hint: Any) -> bool:  # noqa: ANN401 - an annotation
    """Tell whether it is one text of JSON, whatever that holds."""
    return any(isinstance(one, _JSON) for one in markers_of(hint))


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return a hint at the known name that was probably meant."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"; did you mean {near[0]!r}?" if near else ""


def untaken(name: str, inputs: Iterable[Input]) -> str:
    """Return a hint at why no input takes a name of the path: one of the name says itself that it is none."""
    named = {one.argument: one.place for one in inputs}
    if name in named:
        return f": the argument of that name is from the {named[name]}"
    return nearest(name, named)


def twice(inputs: Iterable[Input]) -> Iterator[Input]:
    """Yield the inputs that read what one before them reads already."""
    seen = set[tuple[Source, str]]()
    for one in inputs:
        known = (one.place, one.name.lower() if one.place == "header" else one.name)
        if known in seen:
            yield one
        seen.add(known)


def already(one: Input) -> str:
    """Say that another argument reads the same."""
    return f"another argument reads the {one.place} parameter {one.name!r} already: take it once"
