"""What a meme is: the fields that are answered, and the texts that are taken."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from stagedoor import _problems as problems
from stagedoor._web.routes import RequestRefused

__all__ = ["PLAIN", "TEXTS", "Meme", "MemeId", "Texts", "checked_texts", "wrong"]

_DIGITS: Final = re.compile(r"-?[0-9]+")


def _plain(value: object) -> object:
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise PydanticCustomError("int_parsing", "must be an integer")
    return value


# Pydantic would also take blanks around a number, and underscores and a plus in it.
PLAIN: Final = BeforeValidator(_plain)


def _trimmed(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _storable(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not hold NUL characters")
    return value


Title = Annotated[
    str,
    Field(
        min_length=3, max_length=100, description="3 to 100 characters after trimming", examples=["Monday"]
    ),
    BeforeValidator(_trimmed),
    AfterValidator(_storable),
]
Description = Annotated[
    str,
    Field(
        min_length=3,
        max_length=1_000,
        description="3 to 1,000 characters after trimming",
        examples=["A cat that knows what day it is"],
    ),
    BeforeValidator(_trimmed),
    AfterValidator(_storable),
]
# Either case is taken and lower case is answered; `_lower` makes the one form that is in the table.
MemeId = Annotated[
    str,
    Path(
        pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        description="The meme's id",
        examples=["3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff"],
    ),
    AfterValidator(str.lower),
]


class Meme(BaseModel):
    """A picture with a title."""

    id: UUID
    title: str
    description: str
    created_at: datetime
    image_url: str


class Texts(BaseModel):
    """What is written beside a picture."""

    model_config = ConfigDict(frozen=True)

    title: Title
    description: Description


TEXTS: TypeAdapter[Texts] = TypeAdapter(Texts)


def checked_texts(said: object, spelled: Mapping[str, str] | None = None) -> Texts:
    """Return the texts of a body; `spelled` says how the client calls them, where it is another name.

    Raises:
        RequestRefused: 422, with a row for each fault.

    """
    try:
        return TEXTS.validate_python(said)
    except ValidationError as error:
        names = spelled or {}
        rows = [
            wrong(
                "body",
                *(names.get(str(step), step) for step in fault["loc"]),
                msg=fault["msg"],
                kind=fault["type"],
            )
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise RequestRefused(problems.validation(*rows)) from None


def wrong(*loc: object, msg: str, kind: str) -> dict[str, Any]:
    """Return one row of a 422."""
    return {"loc": list(loc), "msg": msg.removeprefix("Value error, "), "type": kind}
