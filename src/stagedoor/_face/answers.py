"""What a handler returns beside a bare value: status, header fields, cookies."""

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from stagedoor._face.fields import OF_CONNECTION, field_value, lower_fields

__all__ = ["NO_CONTENT", "Answer"]

NO_CONTENT = frozenset({204, 205, 304})  # RFC 9110 15.3.5, 15.3.6, 15.4.5

T_co = TypeVar("T_co", covariant=True)


class Answer(Generic[T_co]):
    """A value with a status (else the route's), header fields and Set-Cookie lines.

    Raises `ValueError` for a status outside 200 to 399, for a value under one that has no content, for characters that
    no field can hold and for fields that whoever sends it writes (`Content-Length`); `TypeError` for fields that are
    no text.
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
        given: object = status
        if given is not None and not (isinstance(given, int) and 200 <= given <= 399):
            raise ValueError(f"Answer(status={status!r}): between 200 and 399; an error is a Problem")
        if status in NO_CONTENT and value is not None:
            raise ValueError(f"Answer(status={status!r}) has no content: its value is None")
        if isinstance(cookies, str | Mapping):
            raise TypeError("cookies is a list of Set-Cookie lines")
        fields = lower_fields(headers)
        for name in headers or ():
            if name.lower() in OF_CONNECTION:
                raise ValueError(f"Answer(headers=...): {name!r} belongs to the connection: leave it out")
        self.value = value
        self.status = status
        self.lines = (
            *fields,
            *[(b"set-cookie", field_value("set-cookie", cookie)) for cookie in cookies],
        )

    @property
    def private(self) -> bool:
        """Tell whether it sets cookies, so that nobody else may have it."""
        return any(name == b"set-cookie" for name, _ in self.lines)
