"""How a service is asked: what goes out with each call, and what comes back of it.

get, post, ... ─▶ Asking ─▶ [ cached ▸ ] policies ─▶ Reply ─▶ value │ absent │ UpstreamError
"""

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, Final, Literal

from stagedoor import _context as context
from stagedoor import _requests as requests
from stagedoor._call import Call
from stagedoor._face.cache import Cache
from stagedoor._face.caller import Caller, caller_here, noted
from stagedoor._face.fields import Cookie, Picker, lower_fields, standing_fields
from stagedoor._face.guarding import token_field
from stagedoor._face.places import Place
from stagedoor._face.remote import AnyPolicy, CallKind
from stagedoor._face.replies import ABSENT_STATUSES, UNREAD, Asking, ServiceReply
from stagedoor._face.sessions import Sessions
from stagedoor._face.shapes import shape_of
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor.errors import ConfigError, UpstreamError, UpstreamGarbled, UpstreamRejected

__all__ = ["NOTHING", "ServiceClient"]

_SAFE: Final = frozenset({"GET", "HEAD"})


class _Missing:
    def __repr__(self) -> str:
        return "..."


NOTHING: Final[Any] = _Missing()


class ServiceClient:
    """An upstream as it was declared, and the calls of it that the running gateway of a request makes."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        forward: AbstractSet[str | Cookie | Sessions],
        headers: Mapping[str, str],
        attempt: float | None,
        policies: Sequence[AnyPolicy] | None,
        cache: Cache | None,
        coalesce: bool,
        label: str = "",
        health: str = "",
        pool: tuple[int, float, bool] = (100, 0.05, False),
        place: Place,
    ) -> None:
        self.name = name
        self.label = label or name
        self.health = health
        self.connections, self.connect, self.decompress = pool
        self.url = url
        fields, self.token = _forwarded(forward, place)
        self.forward = Picker(fields, f"service {name!r}")
        self.headers = standing_fields(headers, f"{place}: service {name!r}")
        self.attempt = attempt
        self.policies = policies
        self.cache = cache
        self.coalesce = coalesce
        self.place = place
        self._plain = not self.headers and not forward  # nothing is sent but what a call says

    async def pass_on(self, caller: Caller, template: str, request: HttpRequest) -> HttpResponse:
        """Send a request that is somebody else's, and return the answer as it came."""
        headers = request.headers
        if not self._plain:
            headers = _merged(headers, self.headers, self._forwarded(caller))
        whole = Asking(
            method=request.method,
            target=request.target,
            headers=headers,
            body=request.body,
            streamed=True,
            raw=True,
        )
        return (await self._raw(caller, f"{self.name}.{request.method} {template}", whole)).response

    async def _ask(
        self,
        method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"],
        shape: Any,  # noqa: ANN401 - a type form
        path: str,
        target: bytes,
        usual: requests.Headers,
        headers: Mapping[str, str] | None,
        body: bytes,
        safe: bool = False,
        cache: Cache | None = None,
        absent: Any = NOTHING,  # noqa: ANN401 - of the shape's type
    ) -> Any:  # noqa: ANN401 - of the shape's type
        """Make a typed call. What calls it is no coroutine, since each costs every call something."""
        asked = context.current()
        caller = asked.caller
        if not isinstance(caller, Caller):
            caller = caller_here()
        remote = caller.running.at_work.get(self) or caller.running.remote(self)
        try:
            kind = remote.kind(method, path, shape, safe, cache)
        except TypeError:
            shape_of(shape)  # says more of what cannot be in a table
            raise
        fields = usual if self._plain and not headers else self._fields(caller, usual, headers)
        tags = () if kind.cache is None else _tagged(kind.cache, self.name, caller)
        asking = Asking(method, target, fields, body, False, kind.shape, False, absent is not NOTHING, tags)
        key, keyed = (kind.key_of(asking), asking) if kind.keyed else (b"", None)
        # The identity is empty: the key holds every field that is sent. By position: names take a third longer.
        sent = kind.send(
            Call(
                kind.operation,
                asking,
                key,
                "",
                asked.deadline,
                kind.idempotent,
                asked.attempt,
                kind.key_of,
                keyed,
            )
        )
        try:
            reply = await (sent if safe else noted(caller, sent))
        except UpstreamRejected as error:
            if absent is NOTHING or error.response is None or error.response.status not in ABSENT_STATUSES:
                raise
            return absent
        value, reply.value = reply.value, UNREAD
        if value is not UNREAD and reply.shape is kind.shape:
            return value
        return _read(reply, kind, absent)

    async def _raw(self, caller: Caller, operation: str, asking: Asking) -> ServiceReply:
        """Make a call whose answer counts whatever its status."""
        safe = asking.method in _SAFE
        if safe and not asking.streamed and self.cache is not None:
            asking = replace(asking, tags=_tagged(self.cache, self.name, caller))
        asked = caller.running.remote(self).call(operation, asking, safe)
        try:
            return await (asked if safe else noted(caller, asked))
        except UpstreamError as error:
            if error.response is None or isinstance(error, UpstreamGarbled):
                raise
            return ServiceReply(error.response)

    def _asking(
        self,
        caller: Caller,
        method: str,
        target: bytes,
        headers: Mapping[str, str] | None,
        body: bytes | AsyncIterator[bytes],
        *,
        streamed: bool,
    ) -> Asking:
        """Return a request whose answer is taken as it comes."""
        if isinstance(body, str):
            raise TypeError("body is bytes, not str: encode it")
        given: object = body
        if not isinstance(given, bytes | AsyncIterable):
            said = f"body is bytes or an async iterator of bytes, not {type(body).__name__}"
            raise TypeError(f"{said}: post, put and patch write values, by json=")
        if not method.isupper():
            raise TypeError(f"methods are written in capitals: {method.upper()!r}, not {method!r}")
        fields = self._fields(caller, (), headers)
        return Asking(method=method, target=target, headers=fields, body=body, streamed=streamed, raw=True)

    def _fields(
        self, caller: Caller, usual: requests.Headers, headers: Mapping[str, str] | None
    ) -> requests.Headers:
        """Return the fields of a call: its own, those of every call, the usual ones, and what is forwarded."""
        forwarded = self._forwarded(caller)
        own = lower_fields(headers)
        if own or self.headers:
            return _merged(own, _merged(self.headers, usual, ()), forwarded)
        return usual + forwarded

    def _forwarded(self, caller: Caller) -> requests.Headers:
        """Return the fields of the caller that the service sees, and the token of their session if declared."""
        fields = caller.forwarded(self, self.name, self.forward)
        return fields if self.token is None else (*fields, token_field(caller, self.token, self.name))

    @property
    def sees_credentials(self) -> bool:
        """Tell whether it sees anything by which it could refuse a caller."""
        return self.forward.secret or self.token is not None

    def __repr__(self) -> str:
        return f"<Service {self.name}>"


def _forwarded(
    wanted: AbstractSet[str | Cookie | Sessions], place: Place
) -> tuple[AbstractSet[str | Cookie], Sessions | None]:
    """Return the fields that a service sees, and the sessions whose token; raises `ConfigError`."""
    fields = frozenset(one for one in wanted if not isinstance(one, Sessions))
    tokens = [one for one in wanted if isinstance(one, Sessions)]
    named = any(isinstance(one, str) and one.lower() == "authorization" for one in fields)
    if len(tokens) > 1 or (tokens and named):
        raise ConfigError(f"{place}: forward names more than one that would be sent as Authorization")
    return fields, tokens[0] if tokens else None


def _read(reply: ServiceReply, kind: CallKind, absent: Any) -> Any:  # noqa: ANN401 - of the shape's type
    """Return the value of an answer that was not read for this call."""
    if kind.shape is None:
        return None
    if absent is not NOTHING and reply.response.status == 204:
        return absent
    return reply.read(kind.operation, kind.shape)


def _tagged(cache: Cache, name: str, caller: Caller) -> tuple[str, ...]:
    """Return the tags under which an answer will be kept; raises `TypeError` for inputs that are not there."""
    if not cache.tags:
        return ()
    tags = cache.tagged(caller.inputs, f"{caller.rules.where}: service {name!r}")
    for one in tags:
        caller.tag(one)
    return tags


def _merged(first: requests.Headers, second: requests.Headers, third: requests.Headers) -> requests.Headers:
    """Return the fields of all three, those of a name from the first that has it."""
    names = {name for name, _ in first}
    merged = [*first, *[field for field in second if field[0] not in names]]
    names |= {name for name, _ in second}
    merged += [field for field in third if field[0] not in names]
    return tuple(merged)
