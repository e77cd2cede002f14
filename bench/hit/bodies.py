"""The two bodies that every target answers, byte for byte."""

import json
from typing import Final

__all__ = ["BODIES"]


def _films(count: int) -> bytes:
    films = [
        {
            "id": f"{number:08x}-0000-4000-8000-{number * 7919:012x}",
            "title": f"The Long Way Home, part {number}",
            "rating": 5 + number % 50 / 10,
            "genres": ["Drama", "Comedy"][: 1 + number % 2],
        }
        for number in range(count)
    ]
    return json.dumps({"films": films}, separators=(",", ":")).encode()


BODIES: Final = {"small": _films(16), "large": _films(291)}
