"""How texts and picture of a meme may look, said once for those who check them and for those who document them."""

from typing import Any, Final

__all__ = [
    "AROUND_PICTURE",
    "DESCRIPTION",
    "FORM_NAMES",
    "MEDIA_AWAY",
    "PICTURE",
    "TEXT_BYTES",
    "TITLE",
    "trimmed_pattern",
]

TEXT_BYTES: Final = 64 * 1024  # of one text of a form
# Octets of a form beside its picture: fifteen texts, and the headers of sixteen parts.
AROUND_PICTURE: Final = 15 * TEXT_BYTES + 16 * 8 * 1024 + 4 * 1024
# How a page of the wall tells the gateway that it is media which is away, as `component` does in a problem.
MEDIA_AWAY: Final = ' data-component="media_service"'

# What Python's `str.strip` takes off, written out, so that every reader of a pattern means the same by a blank.
_BLANK: Final = r"\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"


def trimmed_pattern(least: int, most: int) -> str:
    """Return the pattern of a text that has so many characters between its blanks, none of them NUL."""
    inner = f"[^\\x00]{{{least - 2},{most - 2}}}"
    return f"^[{_BLANK}]*[^\\x00{_BLANK}]{inner}[^\\x00{_BLANK}][{_BLANK}]*$"


TITLE: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": trimmed_pattern(3, 100),
    "description": "3 to 100 characters after trimming",
    "examples": ["Monday"],
}
DESCRIPTION: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": trimmed_pattern(3, 1_000),
    "description": "3 to 1,000 characters after trimming",
    "examples": ["A cat that knows what day it is"],
}
# No control characters: a name stands in the header of its part.
FORM_NAMES: Final = {"pattern": r"^[^\x00-\x1f\x7f]*$"}
# One point, without a palette, so that it is text as well. Most octets are no picture, and a schema that says no more
# than "binary" would promise that they are.
_SMALLEST_PICTURE: Final = (
    "GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00;"
)
PICTURE: Final[dict[str, Any]] = {
    "type": "string",
    "format": "binary",
    "description": "PNG, JPEG, WebP or GIF, at most 20 MiB (`MEDIA_MAX_BYTES`); decided by decoding all of it",
    "enum": [_SMALLEST_PICTURE],
}
