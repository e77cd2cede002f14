"""One request as a handler sees it."""

from collections.abc import Iterable, Mapping

from stagedoor._asgi import Receive, Scope
from stagedoor._requests import Headers

__all__ = ["Request", "listed"]


class Request:
    """What a route matched: path parameters decoded, header fields by lower-case name (the last one wins)."""

    __slots__ = ("headers", "method", "params", "path", "query", "raw", "receive", "request_id", "scope")

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        params: dict[str, str],
        headers: dict[bytes, bytes],
        request_id: str,
        raw: Mapping[str, bytes] | None = None,
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.params = params
        self.headers = headers
        self.request_id = request_id
        self.raw = {} if raw is None else raw  # the same parameters as they came, where a route asks for them
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]

    def listed(self, name: bytes) -> bytes | None:
        """Return the values of all lines of a field as one list (RFC 9110 5.3); None if there is none."""
        return listed(name, self.headers, self.scope["headers"])

    def all_headers(self) -> Headers:
        """Return the header fields as they came, repetitions included."""
        return tuple(self.scope["headers"])


def listed(
    name: bytes, headers: Mapping[bytes, bytes], fields: Iterable[tuple[bytes, bytes]]
) -> bytes | None:
    """Return the values of all lines of a field as one list; `headers` has one of each name, `fields` all lines."""
    if name not in headers:
        return None
    return b", ".join([said for field, said in fields if field == name])
