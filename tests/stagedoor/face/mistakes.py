"""What the tests of mistakes share: a table of them, and how each must be told."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from stagedoor import Gateway
from stagedoor.errors import ConfigError

HERE = r"mistakes\w*\.py:\d+"
NAMED_BY_THE_CALL = {
    "url_missing",
    "tags_as_text",
    "port_as_text",
}  # a setting's name, or the call as it stands


class Thing(BaseModel):
    name: str


class Page(BaseModel):
    thing: Thing
    more: list[str] = []


Declare = Callable[[Gateway], object]


class Mistakes:
    """Mistakes that must end before anybody is served, by name, and what must be said."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._known: dict[str, tuple[Declare, str]] = {}

    def __call__(self, words: str) -> Callable[[Declare], Declare]:
        """Note a mistake and what must be said."""

        def note(declare: Declare) -> Declare:
            self.names.append(declare.__name__)
            self._known[declare.__name__] = declare, words
            return declare

        return note

    def told(self, name: str) -> str:
        """Make a mistake and return what is said: one line that names file and line, and what would be right."""
        declare, words = self._known[name]
        app = Gateway("shop")
        with pytest.raises((ConfigError, TypeError), match=words) as caught:
            inspected(declare, app)
        said = str(caught.value)
        assert name in NAMED_BY_THE_CALL or re.search(HERE, said), said
        return said


def inspected(declare: Declare, app: Gateway) -> None:
    declare(app)
    app.inspected()


def used(app: Gateway, **options: Any) -> Any:
    """Declare a service that is used."""
    service = app.service("things", **options)
    app.proxy("/things", service)
    return service


def loose(app: Gateway) -> Any:
    """Return the gateway for what a type checker refuses."""
    return app
