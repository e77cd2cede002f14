"""What annotations carry beside a type, and which of it would be overlooked."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from stagedoor._aggregate.part import Argument, Signature
from stagedoor._face.fields import Cookie, Header, Query
from stagedoor.errors import ConfigError

__all__ = ["is_query", "markers_of", "well_marked"]

_MARKERS = (Header, Cookie, Query)
_SPELLED = {
    "Header": "Annotated[str, Header()], of stagedoor",
    "Cookie": 'Annotated[str, Cookie("sid")], of stagedoor',
    "Query": 'Annotated[str, Query("from")], of stagedoor, or the argument alone',
    "Path": "its name in the path, as in /home/{uid}",
    "Body": "a model, which is the body",
    "Form": "a model, which is the body, as JSON",
    "File": "a model, which is the body, as JSON",
    "Depends": "a part, or a call in the function",
    "Security": "a guard, as in guard=Jwt(...)",
}


_STRANGERS = ("fastapi", "starlette")
_UNGIVEN = {
    "Request": "name what is needed: a name of the path or query, Annotated[str, Header()], a model for the body",
    "HTTPConnection": "name what is needed: a name of the path or query, Annotated[str, Header()]",
    "Response": "return an Answer, which has a status, header fields and cookies",
    "BackgroundTasks": "there are none here; mount the gateway in FastAPI, and keep them there",
    "UploadFile": "there are no forms here; app.proxy passes uploads on",
    "WebSocket": "there are none here; mount the gateway in FastAPI, and keep them there",
}


def markers_of(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401 - an annotation
    """Return what an `Annotated` carries beside its type."""
    return getattr(hint, "__metadata__", ())


def well_marked(signature: Signature) -> Signature:
    """Return what a function takes; raises `ConfigError` for what would be overlooked, or taken for the query."""
    for one in signature.arguments:
        _validate_given(one)
        _validate_markers(one)
    return signature


def _validate_given(argument: Argument) -> None:
    """Raise `ConfigError` for what other frameworks give, and for a method without its object."""
    if argument.name in {"self", "cls"} and argument.hint is Any:
        raise ConfigError(
            f"argument {argument.name!r}: a method is declared of an object, as in app.get('/home')(pages.home), "
            "not inside its class"
        )
    for one in (argument.hint, *_within(argument.hint)):
        package = one.__module__.partition(".")[0] if isinstance(one, type) else ""
        if package in _STRANGERS and one.__name__ in _UNGIVEN:
            said = f"{one.__name__}, of {package}, is not given here: {_UNGIVEN[one.__name__]}"
            raise ConfigError(f"argument {argument.name!r}: {said}")


def _validate_markers(argument: Argument) -> None:
    """Raise `ConfigError` for a marker that would be overlooked: a class itself, one inside a type, a stranger's."""
    for marker in markers_of(argument.hint):
        kind = marker if isinstance(marker, type) else type(marker)
        ours = issubclass(kind, _MARKERS)
        if (ours and kind is marker) or (not ours and kind.__name__ in _SPELLED):
            own = "" if ours else f", of {kind.__module__.partition('.')[0]},"
            right = _SPELLED.get(kind.__name__, "")
            raise ConfigError(
                f"argument {argument.name!r}: {kind.__name__}{own} marks nothing here: say {right}"
            )
    _validate_alone(argument)
    for inner in _within(argument.hint):
        for marker in markers_of(inner):
            if isinstance(marker, _MARKERS):
                right = f"Annotated[... | None, {type(marker).__name__}(...)]"
                raise ConfigError(f"argument {argument.name!r}: the marker stands inside a type: say {right}")


def _validate_alone(argument: Argument) -> None:
    """Raise `ConfigError` for two markers on one argument, and for what a `Field` says that only models hear."""
    markers = markers_of(argument.hint)
    ours = [f"{type(one).__name__}(...)" for one in markers if isinstance(one, _MARKERS)]
    if len(ours) > 1:
        raise ConfigError(f"argument {argument.name!r}: {' and '.join(ours)}: an input comes from one place")
    for one in markers:
        if isinstance(one, FieldInfo) and not one.is_required():
            raise ConfigError(f"argument {argument.name!r}: Field(...) has no default here: say it after a =")
        if isinstance(one, FieldInfo) and (one.alias or one.validation_alias):
            right = f'Annotated[..., Query("{one.alias or "from"}")]'
            raise ConfigError(f"argument {argument.name!r}: Field(...) gives no other name here: say {right}")


def _within(hint: Any) -> Iterator[Any]:  # noqa: ANN401 - an annotation
    """Yield the types inside a type, at any depth."""
    for one in get_args(hint) if get_origin(hint) is not Literal else ():
        yield one
        yield from _within(one)


def is_query(hint: Any) -> bool:  # noqa: ANN401 - an annotation
    """Tell whether an annotation says itself that a query parameter is meant."""
    return any(isinstance(one, Query) for one in markers_of(hint))
