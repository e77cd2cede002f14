"""Write an answer as JSON, by the model that documents it: what is documented is what is sent.

    values ─▶ model (not validated again) ─▶ its own serializer ─▶ bytes

So aliases, computed fields, serializers and every type that pydantic can dump arrive as the document says. A value
that has no JSON form is the failure of the part that brought it: `culprits` names them.
"""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, RootModel, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import PydanticSerializationError

from stagedoor.errors import ConfigError

__all__ = ["Renderer", "adapted", "adapter_of", "why"]

M = TypeVar("M")
_SET = object.__setattr__


class Renderer(Generic[M]):
    """Writes instances of one model; `summary` is the field that is added when an answer leaves.

    Raises `ConfigError` for a model that has no JSON form as far as its types tell.
    """

    def __init__(self, model: type[M], *, summary: str | None = None, summarised: Any = None) -> None:  # noqa: ANN401
        self._model = model
        self._make = _maker(model, summary)
        self._write = adapter_of(model, model.__name__).serializer.to_json
        self._left_out = {summary} if summary else None
        said = None if summarised is None else adapted(summarised, f"the summary of {model.__name__}")
        self._dump = None if said is None else said.serializer.to_python

    def render(self, values: dict[str, object]) -> bytes:
        """Return the JSON object without its last brace; raises `PydanticSerializationError` if it has none."""
        made = self._make(values)
        body: bytes = self._write(made, by_alias=True, warnings="error", exclude=self._left_out)
        if body[:1] != b"{":
            raise TypeError(f"{self._model.__name__} is written as something else than a JSON object")
        return body[:-1]

    def summary(self, said: object) -> object:
        """Return a summary as JSON knows it."""
        return said if self._dump is None else self._dump(said, mode="json", by_alias=True)

    def culprits(self, values: dict[str, object], names: Iterable[str]) -> dict[str, str]:
        """Return the fields whose value has no JSON form, and why."""
        made = self._make(values)
        found: dict[str, str] = {}
        for name in names:
            try:
                self._write(made, by_alias=True, warnings="error", include={name})
            except PydanticSerializationError as error:
                found[name] = str(error).strip().splitlines()[-1].strip()
        return found


def _maker(model: type[M], summary: str | None) -> Callable[[dict[str, object]], M]:
    """Return what makes an instance of values in the model's order, which becomes their owner.

    They are not validated again: parts bring values that have their types already.
    """
    construct: Callable[..., M] = getattr(model, "model_construct", model)
    names = _plain_fields(model)
    if names is None:
        return lambda values: construct(**values)
    count, new = len(names - {summary}), model.__new__

    def make(values: dict[str, object]) -> M:
        """Do what `model_construct` does where all fields are given, without a look at each: 40 instructions of 210."""
        if len(values) != count:
            return construct(**values)
        made = new(model)
        _SET(made, "__dict__", values)
        _SET(made, "__pydantic_fields_set__", set(values))
        _SET(made, "__pydantic_extra__", None)
        _SET(made, "__pydantic_private__", None)
        return made

    return make


def _plain_fields(model: Any) -> frozenset[str] | None:  # noqa: ANN401 - whatever fills an outcome
    """Return the fields of a model that is nothing but fields under their own names; None for any other."""
    if not isinstance(model, type) or not issubclass(model, BaseModel) or issubclass(model, RootModel):
        return None
    own = any("model_construct" in vars(one) for one in model.__mro__ if one is not BaseModel)
    renamed = any(one.alias or one.validation_alias for one in model.model_fields.values())
    if own or renamed or model.__pydantic_post_init__ or model.model_config.get("extra") == "allow":
        return None
    return frozenset(model.model_fields)


def adapter_of(shape: Any, name: str) -> TypeAdapter[Any]:  # noqa: ANN401 - a type form
    """Return the adapter of a type that is written as JSON; raises `ConfigError` if it has no JSON form."""
    adapter = adapted(shape, f"{name} has no JSON form", also=", or an Answer of one")
    try:
        adapter.json_schema(mode="serialization")
    except PydanticInvalidForJsonSchema as error:
        raise ConfigError(f"{name} has no JSON form: {why(error)}") from error
    return adapter


def adapted(shape: Any, what: str, *, also: str = "") -> TypeAdapter[Any]:  # noqa: ANN401 - a type form
    """Return the adapter of a type; raises `ConfigError` in one line for one that pydantic does not know.

    `also` is what may be said instead of it, beside what pydantic knows.
    """
    try:
        adapter = TypeAdapter(shape)
        adapter.rebuild(raise_errors=True)  # else the first request would tell of a name nobody defined
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        raise ConfigError(f"{what}: {why(error, also)}") from error
    return adapter


def why(error: Exception, also: str = "") -> str:
    """Say in one line why pydantic does not take a type, and what it would take."""
    if getattr(error, "code", None) == "typed-dict-version":
        return (
            "before Python 3.12 TypedDict is that of typing_extensions, not of typing: import it from there"
        )
    if getattr(error, "code", None) == "schema-for-unknown-type":
        return f"pydantic does not know how: say a model, a dataclass or a plain type{also}"
    return str(error).strip().splitlines()[0]
