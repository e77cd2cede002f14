"""The names of stored pictures: chosen here, and the only ones that are ever looked for."""

import re
from typing import Final
from uuid import uuid4

__all__ = ["TYPES", "is_name", "new_name"]

TYPES: Final = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}
_NAME: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.(?:png|jpg|webp|gif)", re.ASCII
)


def new_name(format: str) -> str:  # noqa: A002 - it is one
    """Return a name that nobody can guess and nothing has yet."""
    return f"{uuid4()}.{format}"


def is_name(text: str) -> bool:
    """Tell whether a text looks like a name of ours; nothing else reaches the store, so no path leads out of it."""
    return _NAME.fullmatch(text) is not None
