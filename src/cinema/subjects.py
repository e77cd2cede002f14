"""Who writes memes, as the gateway tells the meme service: a digest that no two subjects share; "" of strangers."""

from collections.abc import Mapping
from typing import Final

__all__ = ["SUBJECT_FIELD", "subject_in"]

SUBJECT_FIELD: Final = "stagedoor-subject"
_LONGEST: Final = 64


def subject_in(headers: Mapping[str, str]) -> str:
    """Return who asks; "" for anybody. What is no digest is nobody's: it has not come by the gateway."""
    said = headers.get(SUBJECT_FIELD, "")
    return said if said.isascii() and said.isalnum() and len(said) <= _LONGEST else ""
