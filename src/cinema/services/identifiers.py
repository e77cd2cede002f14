"""Say what an id may look like in the path of a service."""

from typing import Annotated

from fastapi import Path
from pydantic import StringConstraints

__all__ = ["Id", "PathId"]

# Without control characters: NUL in particular is nothing that PostgreSQL could look for.
Id = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
PathId = Annotated[Id, Path(examples=["user123"])]
