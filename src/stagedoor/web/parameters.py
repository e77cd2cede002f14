"""Parameters of routes: one declaration gives parsing, validation and documentation."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stagedoor.parameters import BeyondWindow, Fault, Invalid, Parameter, Place

__all__ = ["BeyondWindow", "Fault", "Invalid", "Parameter", "Place", "Text"]

# Unicode category Cc: C0, DEL and C1.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


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
