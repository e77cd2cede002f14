"""Elasticsearch and OpenSearch as a transport: a query becomes an HTTP request, sent by the kit's own client.

One implementation serves both, since it uses what they have in common. It is tested on real nodes of Elasticsearch
7.10 and OpenSearch 3.8; Elasticsearch 8 and 9 take the same requests, but no node of theirs can be had for the tests.
Time-outs, statuses and broken framing are the HTTP transport's business.

Of an index that this kit has filled, the physical fields are asked for (`fields`); now and then, where a page ends
among documents that these do not tell apart, once more by the values themselves. An index that others have filled
refuses to be sorted by them, and is asked plainly from then on.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

import orjson

from stagedoor._call import Call, Transport
from stagedoor._capabilities import InUseGauges
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor.errors import UpstreamRejected, UpstreamUnavailable
from stagedoor.search.elastic.answers import Found, found_in, lacks_some, page_of, parts_of, result_of, sure
from stagedoor.search.elastic.compile import Body, Quick, everything, plain, quick
from stagedoor.search.elastic.fields import OWN
from stagedoor.search.elastic.landmarks import STRETCH, Landmarks, Window
from stagedoor.search.elastic.requests import credentials, json_of, request
from stagedoor.search.engine import key_of
from stagedoor.search.query import Query, Result
from stagedoor.search.schema import Index
from stagedoor.search.validation import known, validate_query

__all__ = ["ElasticEngine"]

_GUESSES: Final = 2  # that a page is looked for between landmarks, before it is looked for everywhere
_NO_KEYS: Final = f"No mapping found for [{OWN}".encode()  # which both engines say, word for word


class ElasticEngine:
    """An `Engine` over an HTTP transport to one cluster; `user` and `password` are sent as basic authentication.

    `stretch` is the number of documents from one remembered landmark of an order to the next.
    """

    def __init__(
        self,
        http: Transport[HttpRequest, HttpResponse],
        indices: Iterable[Index],
        *,
        user: str = "",
        password: str = "",
        stretch: int = STRETCH,
    ) -> None:
        self._http = http
        self._indices = {index.name: index for index in indices}
        self._headers = credentials(user, password)
        self._landmarks = Landmarks(stretch)
        self._foreign: dict[str, str] = {}  # by name: the version without physical fields that it stands for

    async def send(self, call: Call[Query], /) -> Result:
        query = call.payload
        try:
            index = known(query, self._indices)
            validate_query(query, index)
            asked = None if index.name in self._foreign else quick(query, index)
        except (TypeError, ValueError) as error:
            raise UpstreamRejected(call.operation, "the query does not fit the index") from error
        try:
            return await self._answered(call, asked, index)
        except UpstreamRejected as error:
            if _status(error) == 404:
                detail = "there is no such index yet"
                raise UpstreamUnavailable(call.operation, detail, retryable=True) from error
            raise

    async def _answered(self, call: Call[Query], asked: Quick | None, index: Index) -> Result:
        if asked is not None:
            try:
                return await self._quickly(call, asked, index)
            except UpstreamRejected as error:
                if not _lacks_keys(error):
                    raise
        return await self._plainly(call, index)

    async def _quickly(self, call: Call[Query], asked: Quick, index: Index) -> Result:
        for _ in range(_GUESSES):
            window = self._window(asked, call.payload)
            if window is None:
                break
            result = await self._within(call, asked, window, index)
            if result is not None:
                return result
        return await self._throughout(call, asked, index)

    def _window(self, asked: Quick, query: Query) -> Window | None:
        if asked.road is None:
            return None
        return self._landmarks.window(asked.road, query.offset - asked.lead, query.offset + query.limit + 1)

    async def _within(self, call: Call[Query], asked: Quick, window: Window, index: Index) -> Result | None:
        """Ask for a page where it should be; None if it is not there any more."""
        bodies = [window.narrowed(asked.page), everything(), *([window.before] if window.before else [])]
        parts = [found_in(call.operation, part, index) for part in await self._searches(call, *bodies)]
        page, counted, before = parts[0], parts[1], parts[2].total if window.low else 0
        if len(page.documents) < asked.page["size"]:
            self._landmarks.mistrust(window)
            return None
        if not self._landmarks.correct(window, before):
            return None
        return await self._settled(call, asked, page, counted, window.narrowed(asked.exact), index)

    async def _throughout(self, call: Call[Query], asked: Quick, index: Index) -> Result:
        if asked.count is None:
            found = found_in(call.operation, await self._search(call, asked.page), index)
            return await self._settled(call, asked, found, found, asked.exact, index)
        page, count = await self._searches(call, asked.page, asked.count)
        found = found_in(call.operation, page, index, asked.least)
        counted = found_in(call.operation, count, index)
        if lacks_some(asked, found, counted.total):
            return await self._throughout(call, quick(call.payload, index, summed=False), index)
        return await self._settled(call, asked, found, counted, asked.exact, index)

    async def _settled(
        self, call: Call[Query], asked: Quick, found: Found, counted: Found, exact: Body, index: Index
    ) -> Result:
        """Return what was found, or if that is not sure to be the page, what is found by the values themselves."""
        query = call.payload
        if asked.road is not None:
            self._landmarks.learn(asked.road, query.offset - asked.lead, found.keys)
        if sure(asked, query, found):
            return result_of(counted, page_of(asked, query, found, index), query, index)
        found = found_in(call.operation, await self._search(call, exact), index, asked.least)
        return result_of(counted, found.documents, query, index)

    async def _plainly(self, call: Call[Query], index: Index) -> Result:
        """Ask an index that others have filled, and remember which: the name may stand for one of ours later."""
        query = call.payload
        found = found_in(call.operation, await self._search(call, plain(query, index)), index)
        if found.version:
            known = self._foreign.setdefault(index.name, found.version)
            if known != found.version:
                del self._foreign[index.name]
        return result_of(found, found.documents, query, index)

    async def _search(self, call: Call[Query], body: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        return await self._ask(call, f"/{quote(call.payload.index)}/_search", body)

    async def _searches(self, call: Call[Query], *bodies: dict[str, Any]) -> list[Any]:
        """Ask several questions at once; each is preceded by a line that says nothing more."""
        lines = b"".join(b"{}\n" + orjson.dumps(body) + b"\n" for body in bodies)
        answer = await self._ask(call, f"/{quote(call.payload.index)}/_msearch", lines)
        return parts_of(call.operation, answer, len(bodies))

    async def _ask(self, call: Call[Query], path: str, said: Any) -> Any:  # noqa: ANN401 - JSON
        sent = Call(
            operation=call.operation,
            payload=request("POST", path, said, headers=self._headers),
            key=b"",
            identity=call.identity,
            deadline=call.deadline,
            idempotent=True,
            attempt=call.attempt,
        )
        return json_of(call.operation, await self._http.send(sent))

    async def reload(self) -> None:
        self._foreign.clear()

    def key_of(self, payload: Query, /) -> bytes:
        return key_of(payload)

    def idempotent(self, payload: Query, /) -> bool:
        return True

    def counts(self) -> Mapping[str, int]:
        """Return what the HTTP transport holds now (X1)."""
        return self._http.counts() if isinstance(self._http, InUseGauges) else {}

    async def aclose(self) -> None:
        await self._http.aclose()

    def __repr__(self) -> str:
        return f"ElasticEngine({self._http!r})"


def _status(error: UpstreamRejected) -> int:
    return error.response.status if error.response is not None else 0


def _lacks_keys(error: UpstreamRejected) -> bool:
    """Tell whether an index has no physical fields: it cannot be sorted by them."""
    return _status(error) == 400 and error.response is not None and _NO_KEYS in error.response.body
