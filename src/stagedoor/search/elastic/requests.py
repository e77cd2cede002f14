"""HTTP requests to Elasticsearch and OpenSearch, and what comes back."""

import base64
from typing import Any

import orjson

from stagedoor._requests import Headers, HttpRequest, HttpResponse
from stagedoor.errors import UpstreamGarbled

__all__ = ["credentials", "json_of", "request"]

_JSON = (b"content-type", b"application/json")
_LINES = (b"content-type", b"application/x-ndjson")


def credentials(user: str, password: str) -> Headers:
    """Return the field of basic authentication (RFC 7617); none without a user."""
    if not user:
        return ()
    return ((b"authorization", b"Basic " + base64.b64encode(f"{user}:{password}".encode())),)


def request(method: str, path: str, said: Any = None, *, headers: Headers = ()) -> HttpRequest:  # noqa: ANN401
    """Return a request whose body is `said` as JSON, or lines of JSON as they are."""
    if said is None:
        return HttpRequest(method=method, target=path.encode(), headers=headers)
    if isinstance(said, bytes):
        return HttpRequest(method=method, target=path.encode(), headers=(_LINES, *headers), body=said)
    body = orjson.dumps(said)
    return HttpRequest(method=method, target=path.encode(), headers=(_JSON, *headers), body=body)


def json_of(operation: str, response: HttpResponse) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON of an answer; raises `UpstreamGarbled`."""
    try:
        return orjson.loads(response.body)
    except orjson.JSONDecodeError as error:
        raise UpstreamGarbled(operation, "the answer is not JSON") from error
