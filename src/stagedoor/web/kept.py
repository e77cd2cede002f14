"""Serve pages that everybody may share: produced once, kept with their tags, sent byte for byte as first made.

    request ─▶ question ─▶ [ cached ▸ coalesced ] ─▶ produce ─▶ Page ─▶ answer, or 304

A question is the parameters of a request after validation, with defaults filled in: two requests that mean the same
ask the same, and nothing else of a request can change the answer (T5).
"""

from collections.abc import Callable
from typing import Protocol

import orjson

from stagedoor import context
from stagedoor.call import Call, Env, Policy
from stagedoor.context import Priority, Record
from stagedoor.errors import UpstreamError
from stagedoor.problems import Problem, problem_of
from stagedoor.requests import Headers
from stagedoor.upstream import Upstream
from stagedoor.value import value
from stagedoor.web.answer import Answer, conditional, etag_of
from stagedoor.web.freshness import NO_STORE, cache_control, cache_status
from stagedoor.web.parameters import Parameter
from stagedoor.web.request import Request
from stagedoor.web.routes import Documentation, Refused, Route

__all__ = ["Page", "PageCodec", "Production", "Question", "kept_route", "page_of", "pages"]

_JSON = (b"content-type", b"application/json")


class Question(Protocol):
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
class Page:
    """One page: its bytes, their entity tag, further header fields, and the tags that a purge finds it by."""

    body: bytes
    etag: bytes
    fields: tuple[tuple[bytes, bytes], ...] = ()
    tags: tuple[str, ...] = ()


def page_of(
    said: object, *, fields: tuple[tuple[bytes, bytes], ...] = (), tags: tuple[str, ...] = ()
) -> Page:
    """Return a page of JSON."""
    body = orjson.dumps(said)
    return Page(body, etag_of(body), fields, tags)


class PageCodec:
    """For `Page`: one line of JSON with everything but the body, then the body as it is."""

    schema = "page1"

    def encode(self, value: Page, /) -> bytes:
        """Return the bytes."""
        fields = [[name.decode("latin-1"), said.decode("latin-1")] for name, said in value.fields]
        return orjson.dumps([value.etag.decode(), fields, value.tags]) + b"\n" + value.body

    def decode(self, body: bytes, /) -> Page:
        """Return the page."""
        head, _, rest = body.partition(b"\n")
        etag, fields, tags = orjson.loads(head)
        pairs = tuple((name.encode("latin-1"), said.encode("latin-1")) for name, said in fields)
        return Page(rest, etag.encode(), pairs, tuple(tags))


class Production:
    """The transport that produces pages; its payload is the question."""

    async def send(self, call: Call[Question], /) -> Page:
        """Produce the page."""
        return await call.payload.page()

    def key_of(self, payload: Question, /) -> bytes:
        """Return the question's own key, marked as one: that of the only question of its kind may be empty."""
        return b"?" + payload.key

    def idempotent(self, _: Question, /) -> bool:
        """Return True: a question changes nothing."""
        return True

    async def aclose(self) -> None:
        """Hold nothing."""

    def __repr__(self) -> str:
        return "<Production>"


def pages(name: str, *policies: Policy[Question, Page], env: Env) -> Upstream[Question, Page]:
    """Return the upstream that makes and keeps pages; `policies` are those of whole pages, outermost first."""
    return Upstream(name, Production(), *policies, env=env, observed=False)


def kept_route(
    path: str,
    ask: Callable[[Request], Question],
    upstream: Upstream[Question, Page],
    *,
    parameters: tuple[Parameter, ...],
    documentation: Documentation,
    lifetime: float = 0.0,
    priority: Priority = "detail",
    problem: Callable[[Exception], Problem] = problem_of,
) -> Route:
    """Return the route of a kept page.

    `ask` makes the question, and refuses what is wrong before anything is asked. The route is public: credentials
    play no part.
    """

    async def handle(request: Request) -> Answer:
        question = ask(request)
        try:
            page = await upstream.call("page", question)
        except UpstreamError as error:
            raise Refused(problem(error)) from error
        record, tags = context.current().record, request.listed(b"if-none-match")
        return delivered(page, question.fields(page), record, tags)

    return Route(
        path=path,
        handle=handle,
        parameters=parameters,
        public=True,
        documentation=documentation,
        kind="page",
        priority=priority,
        cached=lifetime or None,
    )


def delivered(page: Page, fields: Headers, record: Record, if_none_match: bytes | None) -> Answer:
    """Return the answer of a page; `fields` and what it says of its freshness are all that differs each time."""
    control = NO_STORE if record.ttl is None else cache_control(b"public", record.ttl)
    headers = (_JSON, *page.fields, *fields, control, cache_status(record))
    return conditional(Answer(200, headers, page.body), page.etag, if_none_match)
