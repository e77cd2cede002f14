"""Parameters of routes: one declaration gives parsing, validation and documentation."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stagedoor.parameters import BeyondWindow, Fault, Invalid, Parameter, Place

__all__ = ["BeyondWindow", "Fault", "Invalid", "Parameter", "Place", "Text", "Uuid"]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Unicode category Cc: C0, DEL and C1.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Text without control characters, its length in characters; `never` lists values that are refused."""

    name: str
    description: str
    example: str
    place: Place = "path"
    required: bool = False  # in a path it is anyhow
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Uuid:
    """A UUID in its hyphenated form, in either case; its value is in lower case."""

    name: str
    description: str
    example: str
    place: Place = "path"
    required: bool = False  # in a path it is anyhow

    def parse(self, raw: str) -> str:
        """Return the UUID in lower case."""
        lower = raw.lower()
        if _UUID.fullmatch(lower) is None:
            fault = Fault((self.place, self.name), f"must be a UUID, as in {self.example}", "uuid")
            raise Invalid(fault)
        return lower

    def schema(self) -> Mapping[str, Any]:
        """Return its JSON Schema."""
        return {"type": "string", "format": "uuid"}
