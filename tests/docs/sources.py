"""The three services of the README's profile, as functions of what is asked."""

import re
from collections.abc import Callable, Collection
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import orjson
from pydantic import TypeAdapter, ValidationError

from cinema.gateway.profile.models import Order, Product, User
from stagedoor.errors import UpstreamGarbled, UpstreamRejected
from stagedoor.requests import HttpRequest, HttpResponse
from stagedoor.upstream import Upstream

__all__ = ["Orders", "Products", "UserNotFound", "Users"]

T = TypeVar("T")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+")  # RFC 3986 2.3
_ACCEPT = ((b"accept", b"application/json"),)
_POST = (*_ACCEPT, (b"content-type", b"application/json"))


class UserNotFound(UpstreamRejected):
    """The user service knows no such user: an answer, not an outage (P8)."""


class _Body(Generic[T]):
    """Decodes one kind of body; whatever does not fit is garbled."""

    def __init__(self, shape: Any) -> None:
        # The validator itself: the adapter's method of the same name costs as much again in Python.
        self._validate: Callable[[object], T] = TypeAdapter(shape).validator.validate_python

    def read(self, operation: str, response: HttpResponse) -> T:
        """Return the typed value; raises `UpstreamGarbled`."""
        if not _is_json(response.header(b"content-type")):
            raise UpstreamGarbled(operation, "the answer is not JSON", response=response)
        try:
            # Parsed by orjson first: it refuses NaN and Infinity everywhere, also in fields that are only passed on.
            return self._validate(orjson.loads(response.body))
        except (ValidationError, orjson.JSONDecodeError) as error:
            raise UpstreamGarbled(operation, "the answer has another shape", response=response) from error


_USER: _Body[User] = _Body(User)
_ORDERS: _Body[list[Order]] = _Body(list[Order])
_PRODUCTS: _Body[list[Product]] = _Body(list[Product])


class Users:
    """The user service."""

    def __init__(self, upstream: Upstream[HttpRequest, HttpResponse]) -> None:
        self.upstreams = (upstream,)
        self._upstream = upstream

    async def get(self, user_id: str) -> User:
        """Return the user; raises `UserNotFound` where the service says so, and `UpstreamError`."""
        request = HttpRequest(target=b"/users/" + _segment(user_id), headers=_ACCEPT)
        try:
            response = await self._upstream.call("get", request)
        except UpstreamRejected as error:
            if error.response is not None and error.response.status == 404:
                raise UserNotFound("users.get", "user not found") from error
            raise
        return _USER.read("users.get", response)


class Orders:
    """The order service."""

    def __init__(self, upstream: Upstream[HttpRequest, HttpResponse]) -> None:
        self.upstreams = (upstream,)
        self._upstream = upstream

    async def of_user(self, user_id: str) -> list[Order]:
        """Return the user's orders, none for a user without any."""
        request = HttpRequest(target=b"/orders/user/" + _segment(user_id), headers=_ACCEPT)
        return _ORDERS.read("orders.of_user", await self._upstream.call("of_user", request))


class Products:
    """The product service."""

    def __init__(self, upstream: Upstream[HttpRequest, HttpResponse]) -> None:
        self.upstreams = (upstream,)
        self._upstream = upstream

    async def batch(self, ids: Collection[str]) -> dict[str, Product]:
        """Return the known ones of these products by id, with one call; none, without a call, for no ids."""
        if not ids:
            return {}
        body = orjson.dumps({"product_ids": list(ids)})
        request = HttpRequest(method="POST", target=b"/products/batch", headers=_POST, body=body)
        # A question in a body: repeating it changes nothing behind the gateway.
        response = await self._upstream.call("batch", request, idempotent=True)
        return {product["id"]: product for product in _PRODUCTS.read("products.batch", response)}


def _is_json(kind: bytes | None) -> bool:
    if kind == b"application/json":
        return True
    return kind is not None and kind.partition(b";")[0].strip().lower() == b"application/json"


def _segment(text: str) -> bytes:
    """Encode text as exactly one path segment."""
    if _UNRESERVED.fullmatch(text) is not None:  # nearly every id: `quote` costs eight times as much
        return text.encode("ascii")
    return quote(text, safe="").encode()
