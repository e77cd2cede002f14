"""What the documents say of memes, and what their service's answers are held to."""

from typing import Annotated, Final

from pydantic import BaseModel, Field, WithJsonSchema
from typing_extensions import TypedDict

__all__ = ["SAMPLE", "Limit", "Meme", "MemeId", "NewImage", "NewMeme", "Offset", "Texts"]

SAMPLE: Final = "3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff"
_UUID: Final = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
# The smallest picture there is: one point, without a palette, so that it is text as well.
_GIF: Final = "GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00;"

MemeId = Annotated[str, Field(pattern=_UUID, description="The meme's id", examples=[SAMPLE])]
Limit = Annotated[int, Field(ge=1, le=100, description="How many at most", examples=[20])]
Offset = Annotated[
    int, Field(ge=0, le=2_147_483_647, description="How many to pass over, newest first", examples=[0])
]
# Blanks at the ends do not count, so none are promised there.
_Title = Annotated[str, Field(min_length=3, max_length=100, pattern=r"^\S[^\x00]*\S$", examples=["Monday"])]
_Description = Annotated[
    str,
    Field(
        min_length=3,
        max_length=1_000,
        pattern=r"^\S[^\x00]*\S$",
        examples=["A cat that knows what day it is"],
    ),
]
# Most octets are no picture, and a schema that says no more than "binary" would promise that they are.
_Image = Annotated[
    bytes,
    WithJsonSchema(
        {
            "type": "string",
            "format": "binary",
            "description": "PNG, JPEG, WebP or GIF, at most 20 MiB; decided by decoding all of it",
            "enum": [_GIF],
        }
    ),
]


class Meme(TypedDict):
    """A picture with a title."""

    id: str
    title: str
    description: str
    created_at: str
    image_url: str


class Texts(BaseModel):
    """What is written beside a picture."""

    title: _Title
    description: _Description


class NewMeme(Texts):
    """A new meme."""

    image: _Image


class NewImage(BaseModel):
    """Another picture."""

    image: _Image
