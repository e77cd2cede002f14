"""Elasticsearch and OpenSearch as a transport: a query becomes one HTTP request, sent by the kit's own client.

One implementation serves both, since it uses what they have in common. It is tested on real nodes of Elasticsearch
7.10 and OpenSearch 3.8; Elasticsearch 8 and 9 take the same requests, but no node of theirs can be had for the tests.
Time-outs, statuses and broken framing are the HTTP transport's business.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from stagedoor.call import Call, Transport
from stagedoor.errors import UpstreamGarbled, UpstreamRejected, UpstreamUnavailable
from stagedoor.requests import HttpRequest, HttpResponse
from stagedoor.search.documents import as_declared
from stagedoor.search.elastic.compile import body_of
from stagedoor.search.elastic.requests import credentials, json_of, request
from stagedoor.search.engine import key_of
from stagedoor.search.fits import demand_fit
from stagedoor.search.order import narrowed
from stagedoor.search.query import Query, Result
from stagedoor.search.schema import Index

__all__ = ["ElasticEngine"]


class ElasticEngine:
    """An `Engine` over an HTTP transport to one cluster; `user` and `password` are sent as basic authentication."""

    def __init__(
        self,
        http: Transport[HttpRequest, HttpResponse],
        indices: Iterable[Index],
        *,
        user: str = "",
        password: str = "",
    ) -> None:
        self._http = http
        self._indices = {index.name: index for index in indices}
        self._headers = credentials(user, password)

    async def send(self, call: Call[Query], /) -> Result:
        query = call.payload
        index = self._indices[query.index]
        try:
            demand_fit(query, index)
            asked = request(
                "POST", f"/{quote(index.name)}/_search", body_of(query, index), headers=self._headers
            )
        except (TypeError, ValueError) as error:
            raise UpstreamRejected(call.operation, "the query does not fit the index") from error
        sent = Call(
            operation=call.operation,
            payload=asked,
            key=b"",
            identity=call.identity,
            deadline=call.deadline,
            idempotent=True,
            attempt=call.attempt,
        )
        try:
            answer = json_of(call.operation, await self._http.send(sent))
        except UpstreamRejected as error:
            if error.response is not None and error.response.status == 404:
                raise UpstreamUnavailable(
                    call.operation, "there is no such index yet", retryable=True
                ) from error
            raise
        return _result(call.operation, answer, query, index)

    async def reload(self) -> None:
        pass

    def key_of(self, payload: Query, /) -> bytes:
        return key_of(payload)

    def idempotent(self, payload: Query, /) -> bool:
        return True

    def counts(self) -> Mapping[str, int]:
        """Return what the HTTP transport holds now (X1)."""
        counts: Callable[[], Mapping[str, int]] = getattr(self._http, "counts", dict)
        return counts()

    async def aclose(self) -> None:
        await self._http.aclose()

    def __repr__(self) -> str:
        return f"ElasticEngine({self._http!r})"


def _result(operation: str, answer: Any, query: Query, index: Index) -> Result:  # noqa: ANN401 - JSON
    try:
        if answer["timed_out"] or answer["_shards"]["failed"]:
            raise UpstreamUnavailable(operation, "a part of the index did not answer", retryable=True)
        total = answer["hits"]["total"]["value"]
        held = [as_declared(hit["_source"], index) for hit in answer["hits"]["hits"]]
    except (AttributeError, KeyError, TypeError) as error:
        raise UpstreamGarbled(operation, "the answer is not that of a search") from error
    return Result(total=total, documents=narrowed(held, query.fields, index))
