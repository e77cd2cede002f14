"""Parameters of routes: one declaration gives parsing, validation and documentation."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

__all__ = ["Fault", "Invalid", "Parameter", "Place", "Text"]

Place: TypeAlias = Literal["path", "query", "header", "body"]

# Unicode category Cc: C0, DEL and C1.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request: where, in words, and as a short constant kind."""

    loc: tuple[Place, str]
    msg: str
    type: str

    def as_json(self) -> dict[str, Any]:
        """Return the form it has in a problem's `errors`."""
        return {"loc": list(self.loc), "msg": self.msg, "type": self.type}


class Invalid(Exception):
    """A request that is well formed but wrong (422), with everything that is wrong about it."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*faults)
        self.faults = faults


class Parameter(Protocol):
    """One named value of a request."""

    @property
    def name(self) -> str:
        """Return its name as the client spells it."""
        ...

    @property
    def place(self) -> Place:
        """Return where it stands."""
        ...

    @property
    def description(self) -> str:
        """Return what it means."""
        ...

    @property
    def example(self) -> object:
        """Return a value that works."""
        ...

    def parse(self, raw: str) -> Any:  # noqa: ANN401 - each parameter has a type of its own
        """Return the value; raises `Invalid` naming the parameter and what would be right."""
        ...

    def schema(self) -> Mapping[str, Any]:
        """Return its JSON Schema, which accepts exactly what `parse` accepts."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Text without control characters, its length in characters; `never` lists values that are refused."""

    name: str
    description: str
    example: str
    place: Place = "path"
    min_length: int = 1
    max_length: int = 128
    never: tuple[str, ...] = ()

    def parse(self, raw: str) -> str:
        """Return the text as it is."""
        if not self.min_length <= len(raw) <= self.max_length:
            raise Invalid(
                self._fault(f"must have {self.min_length} to {self.max_length} characters", "length")
            )
        if _CONTROL.search(raw):
            raise Invalid(self._fault("must not contain control characters", "characters"))
        if raw in self.never:
            raise Invalid(self._fault(f"must not be {raw!r}", "value"))
        return raw

    def schema(self) -> Mapping[str, Any]:
        """Return its JSON Schema."""
        schema: dict[str, Any] = {
            "type": "string",
            "minLength": self.min_length,
            "maxLength": self.max_length,
            "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$",
        }
        if self.never:
            schema["not"] = {"enum": list(self.never)}
        return schema

    def _fault(self, msg: str, kind: str) -> Fault:
        return Fault((self.place, self.name), msg, kind)
