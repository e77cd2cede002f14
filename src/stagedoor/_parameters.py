"""What is wrong with a request, and what a parameter says of itself: data for whoever reads requests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

__all__ = ["BeyondWindow", "InputFault", "Invalid", "Parameter", "Place"]

Place: TypeAlias = Literal["path", "query", "header", "cookie", "body"]


@dataclass(frozen=True, slots=True)
class InputFault:
    """One thing that is wrong with a request: where, in words, and as a short constant kind."""

    loc: tuple[
        str, ...
    ]  # a `Place`, the parameter as the client spells it, and in a body the way to the value
    msg: str
    type: str

    def as_json(self) -> dict[str, Any]:
        """Return the form it has in a problem's `errors`."""
        return {"loc": list(self.loc), "msg": self.msg, "type": self.type}


class Invalid(Exception):
    """A request that is well formed but wrong (422), with everything that is wrong about it."""

    def __init__(self, *faults: InputFault) -> None:
        super().__init__(*faults)
        self.faults = faults


class BeyondWindow(Exception):
    """A request for results that no list serves (400), decided before anything is asked; its text names the bound."""


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
    def required(self) -> bool:
        """Whether it must be given; what stands in a path must be, whatever this says."""
        ...

    @property
    def description(self) -> str:
        """Return what it means."""
        ...

    @property
    def example(self) -> object:
        """Return a value that works; None where none is known."""
        ...

    def parse(self, raw: str) -> Any:  # noqa: ANN401 - each parameter has a type of its own
        """Return the value; raises `Invalid` naming the parameter and what would be right."""
        ...

    def schema(self) -> Mapping[str, Any]:
        """Return its JSON Schema, which accepts exactly what `parse` accepts."""
        ...
