"""What a handler returns beside a bare value: status, header fields, cookies."""

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from stagedoor._face.fields import field_value, lower_fields

__all__ = ["Answer"]

T_co = TypeVar("T_co", covariant=True)


class Answer(Generic[T_co]):
    """A value with a status (else the route's), header fields and Set-Cookie lines.

    Raises `ValueError` for a status outside 200 to 399 and for characters that no field can hold, `TypeError` for
    fields that are no text.
    """

    __slots__ = ("lines", "status", "value")

    def __init__(
        self,
        value: T_co,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        cookies: Sequence[str] = (),
    ) -> None:
        if status is not None and not 200 <= status <= 399:
            raise ValueError(f"Answer(status={status!r}): between 200 and 399; an error is a Problem")
        if isinstance(cookies, str):
            raise TypeError("cookies is a list of Set-Cookie lines")
        self.value = value
        self.status = status
        self.lines = (
            *lower_fields(headers),
            *[(b"set-cookie", field_value("set-cookie", cookie)) for cookie in cookies],
        )

    @property
    def private(self) -> bool:
        """Tell whether it sets cookies, so that nobody else may have it."""
        return any(name == b"set-cookie" for name, _ in self.lines)
