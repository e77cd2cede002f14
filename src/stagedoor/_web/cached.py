"""Serve pages that everybody may share: produced once, kept with their tags, sent byte for byte as first made.

    request ─▶ question ─▶ [ cached ▸ single flight ] ─▶ produce ─▶ Page ─▶ answer, or 304

A question is the parameters of a request after validation, with defaults filled in: two requests that mean the same
ask the same, and nothing else of a request can change the answer (T5).
"""

from collections.abc import Callable
from typing import Any, ClassVar, Final, Generic, Protocol, Self, TypeVar

import orjson

from stagedoor import _context as context
from stagedoor._call import Call, Env, Policy
from stagedoor._context import Priority, Record
from stagedoor._parameters import Parameter
from stagedoor._problems import ProblemDetails, problem_of
from stagedoor._requests import Headers
from stagedoor._upstream import Upstream
from stagedoor._value import MaybePartial, value
from stagedoor._web.answer import Repeat, WebAnswer, conditional, etag_of, repeat_of
from stagedoor._web.freshness import provenance
from stagedoor._web.request import Request
from stagedoor._web.routes import Documentation, RequestRefused, Route
from stagedoor.errors import UpstreamError

__all__ = [
    "JSON",
    "Keepable",
    "KeptCodec",
    "Page",
    "PageQuestion",
    "RouteTransport",
    "cached_route",
    "deliver",
    "page_of",
    "pages",
]

JSON: Final = (b"content-type", b"application/json")


class PageQuestion(Protocol):
    """What a page depends on, and on nothing else; it knows how to make the page."""

    @property
    def key(self) -> bytes:
        """Return bytes that are equal only for equal questions."""
        ...

    async def page(self) -> "Page":
        """Produce the page; raises `UpstreamError`."""
        ...

    def fields(self, page: "Page", /) -> Headers:
        """Return the header fields that depend on how it was asked: equal questions share a page, but not these."""
        ...


@value()
class Page(MaybePartial):
    """One page: its bytes, their entity tag, further header fields, and the tags that a purge finds it by.

    One that is not `complete` is for who asks now, and kept for nobody.
    """

    SCHEMA: ClassVar[str] = "page1"

    body: bytes
    etag: bytes
    fields: tuple[tuple[bytes, bytes], ...] = ()
    tags: tuple[str, ...] = ()
    complete: bool = True

    def head(self) -> object:
        """Return what is kept beside the body."""
        fields = [[name.decode("latin-1"), said.decode("latin-1")] for name, said in self.fields]
        return [self.etag.decode(), fields, self.tags]

    @classmethod
    def revived(cls, head: Any, body: bytes) -> "Page":  # noqa: ANN401 - JSON
        """Return the page that was kept as this."""
        etag, fields, tags = head
        pairs = tuple((name.encode("latin-1"), said.encode("latin-1")) for name, said in fields)
        return cls(body, etag.encode(), pairs, tuple(tags))


def page_of(
    said: object, *, fields: tuple[tuple[bytes, bytes], ...] = (), tags: tuple[str, ...] = ()
) -> Page:
    """Return a page of JSON."""
    body = orjson.dumps(said)
    return Page(body, etag_of(body), fields, tags)


class Keepable(Protocol):
    """A whole answer that can be kept: a head of its own, and a body."""

    SCHEMA: ClassVar[str]

    @property
    def body(self) -> bytes:
        """Return the body."""
        ...

    def head(self) -> object:
        """Return everything else, as JSON has it."""
        ...

    @classmethod
    def revived(cls, head: Any, body: bytes) -> Self:  # noqa: ANN401 - JSON
        """Return the answer again."""
        ...


K = TypeVar("K", bound=Keepable)


class KeptCodec(Generic[K]):
    """For whole answers: one line of JSON with everything but the body, then the body as it is."""

    __slots__ = ("_revived", "schema")

    def __init__(self, kind: type[K]) -> None:
        self.schema = kind.SCHEMA
        self._revived: Callable[[Any, bytes], K] = kind.revived

    def encode(self, value: K, /) -> bytes:
        """Return the bytes."""
        return orjson.dumps(value.head()) + b"\n" + value.body

    def decode(self, body: bytes, /) -> K:
        """Return the answer."""
        head, _, rest = body.partition(b"\n")
        return self._revived(orjson.loads(head), rest)


class RouteTransport:
    """The transport that produces pages; its payload is the question."""

    async def send(self, call: Call[PageQuestion], /) -> Page:
        """Produce the page."""
        return await call.payload.page()

    def key_of(self, payload: PageQuestion, /) -> bytes:
        """Return the question's own key, marked as one: that of the only question of its kind may be empty."""
        return b"?" + payload.key

    def idempotent(self, _: PageQuestion, /) -> bool:
        """Return True: a question changes nothing."""
        return True

    async def aclose(self) -> None:
        """Hold nothing."""

    def __repr__(self) -> str:
        return "<Production>"


def pages(name: str, *policies: Policy[PageQuestion, Page], env: Env) -> Upstream[PageQuestion, Page]:
    """Return the upstream that makes and keeps pages; `policies` are those of whole pages, outermost first."""
    return Upstream(name, RouteTransport(), *policies, env=env, observed=False)


def cached_route(
    path: str,
    ask: Callable[[Request], PageQuestion],
    upstream: Upstream[PageQuestion, Page],
    *,
    parameters: tuple[Parameter, ...],
    documentation: Documentation,
    lifetime: float = 0.0,
    priority: Priority = "detail",
    problem: Callable[[Exception], ProblemDetails] = problem_of,
) -> Route:
    """Return the route of a kept page.

    `ask` makes the question, and refuses what is wrong before anything is asked. The route is public: credentials
    play no part.
    """

    async def handle(request: Request) -> WebAnswer:
        question = ask(request)
        try:
            page = await upstream.call("page", question)
        except UpstreamError as error:
            raise RequestRefused(problem(error)) from error
        record, fields = context.current().record, (*page.fields, *question.fields(page))
        repeat = repeat_of(record, (JSON, *fields), _told, page.body)
        answer = deliver(
            page.body, fields, record, scope=b"public", fresh=record.ttl is not None, repeat=repeat
        )
        return conditional(answer, page.etag, request.listed(b"if-none-match"))

    return Route(
        path=path,
        handle=handle,
        parameters=parameters,
        public=True,
        documentation=documentation,
        kind="page",
        priority=priority,
        cached=lifetime or None,
        repeats=(),
    )


def _told(left: float) -> Headers:
    return provenance(Record(lookup="hit", ttl=left), scope=b"public", fresh=True)


def deliver(
    body: bytes, fields: Headers, record: Record, *, scope: bytes, fresh: bool, repeat: Repeat | None = None
) -> WebAnswer:
    """Return an answer of JSON that says how it came about; nobody else may keep one that is not `fresh`.

    `scope` is b"public" or b"private", `repeat` what it can be given again from.
    """
    told = provenance(record, scope=scope, fresh=fresh)
    return WebAnswer(200, (JSON, *fields, *told), body, None, repeat)
