"""What the media service answers."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Stored", "StoredLine"]

_NAME = "3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff.png"


class Stored(BaseModel):
    """The name that an upload was given."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"filename": _NAME}]})

    filename: str = Field(description="A name made here: a version 4 UUID and the format's ending")


class StoredLine(BaseModel):
    """One stored picture in the list for the sweep."""

    filename: str = Field(description="Its name")
    age: float = Field(ge=0, description="Seconds since it was written")
