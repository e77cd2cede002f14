"""What the documents say of memes, and what their service's answers are held to."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from typing_extensions import TypedDict

from cinema.texts import DESCRIPTION, FORM_NAMES, PICTURE, TITLE

__all__ = ["SAMPLE", "Limit", "Meme", "MemeId", "NewImage", "NewMeme", "Offset", "Texts"]

SAMPLE: Final = "3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff"
_UUID: Final = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
MemeId = Annotated[str, Field(pattern=_UUID, description="The meme's id", examples=[SAMPLE])]
Limit = Annotated[int, Field(ge=1, le=100, description="How many at most", examples=[20])]
Offset = Annotated[
    int, Field(ge=0, le=2_147_483_647, description="How many to pass over, newest first", examples=[0])
]
_Title = Annotated[str, WithJsonSchema(TITLE)]
_Description = Annotated[str, WithJsonSchema(DESCRIPTION)]
_Image = Annotated[bytes, WithJsonSchema(PICTURE)]


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

    model_config = ConfigDict(json_schema_extra={"propertyNames": {**FORM_NAMES}})

    image: _Image


class NewImage(BaseModel):
    """Another picture."""

    model_config = ConfigDict(json_schema_extra={"propertyNames": {**FORM_NAMES}})

    image: _Image
