"""Write an answer as JSON, by the model that documents it: what is documented is what is sent.

    values ─▶ model (not validated again) ─▶ its own serializer ─▶ bytes

So aliases, computed fields, serializers and every type that pydantic can dump arrive as the document says. A value
that has no JSON form is the failure of the part that brought it: `culprits` names them.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError
from pydantic_core import PydanticSerializationError

from stagedoor.errors import ConfigError

__all__ = ["Renderer", "adapter_of"]

M = TypeVar("M")


class Renderer(Generic[M]):
    """Writes instances of one model; `summary` is the field that is added when an answer leaves.

    Raises `ConfigError` for a model that has no JSON form as far as its types tell.
    """

    def __init__(self, model: type[M], *, summary: str | None = None, summarised: Any = None) -> None:  # noqa: ANN401
        self._model = model
        # Not validated again: parts bring values that have their types already.
        self._construct: Callable[..., M] = getattr(model, "model_construct", model)
        self._write = adapter_of(model, model.__name__).serializer.to_json
        self._left_out = {summary} if summary else None
        self._dump = None if summarised is None else TypeAdapter(summarised).serializer.to_python

    def render(self, values: Mapping[str, object]) -> bytes:
        """Return the JSON object without its last brace; raises `PydanticSerializationError` if it has none."""
        made = self._construct(**values)
        body: bytes = self._write(made, by_alias=True, warnings="error", exclude=self._left_out)
        if body[:1] != b"{":
            raise TypeError(f"{self._model.__name__} is written as something else than a JSON object")
        return body[:-1]

    def summary(self, said: object) -> object:
        """Return a summary as JSON knows it."""
        return said if self._dump is None else self._dump(said, mode="json", by_alias=True)

    def culprits(self, values: Mapping[str, object], names: Iterable[str]) -> dict[str, str]:
        """Return the fields whose value has no JSON form, and why."""
        made = self._construct(**values)
        found: dict[str, str] = {}
        for name in names:
            try:
                self._write(made, by_alias=True, warnings="error", include={name})
            except PydanticSerializationError as error:
                found[name] = str(error).strip().splitlines()[-1].strip()
        return found


def adapter_of(shape: Any, name: str) -> TypeAdapter[Any]:  # noqa: ANN401 - a type form
    """Return the adapter of a type that is written as JSON; raises `ConfigError` if it has no JSON form."""
    try:
        adapter = TypeAdapter(shape)
        adapter.json_schema(mode="serialization")
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema) as error:
        raise ConfigError(f"{name} has no JSON form: {str(error).strip().splitlines()[0]}") from error
    return adapter
