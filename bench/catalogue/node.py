"""A real OpenSearch node over the film set's folder, and our questions in its own words."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import orjson

from bench.catalogue.asks import Ask
from bench.catalogue.grounds import Grounds
from bench.catalogue.load import Request
from cinema.gateway.catalogue.resources import LISTS, THINGS
from cinema.indices import INDICES
from stagedoor.search.elastic.compile import quick
from stagedoor.search.elastic.mapping import declaration
from stagedoor.search.query import Query, Term
from tests.search_nodes import opensearch
from tests.servers import Server, Unavailable

__all__ = ["directly", "fits", "node"]

_INDICES = {index.name: index for index in INDICES}
_FILTERS = {row.path: row.filters for row in LISTS}
_THINGS = {row.path.rpartition("/")[0]: row.index for row in THINGS}


@contextmanager
def node(grounds: Grounds) -> Iterator[Server]:
    """Run a node as long as the block runs; its data stay."""
    try:
        server = Server(opensearch(), grounds.folder)
        server.start()
    except Unavailable as error:
        raise SystemExit(str(error)) from None
    try:
        yield server
    finally:
        server.stop()


def directly(ask: Ask) -> Request:
    """Return the request that the gateway would make of a node for a question."""
    query = _query(ask)
    asked = quick(query, _INDICES[query.index])
    if asked.count is None:
        return f"/{query.index}/_search", orjson.dumps(asked.page).decode()
    lines = (f"{{}}\n{orjson.dumps(body).decode()}\n" for body in (asked.page, asked.count))
    return f"/{query.index}/_msearch", "".join(lines)


def fits(url: str) -> bool:
    """Tell whether every index of a node is in the form that the code expects."""
    for index in INDICES:
        try:
            with urlopen(f"{url}/{index.name}/_mapping") as answer:
                (held,) = orjson.loads(answer.read()).values()
        except HTTPError:  # there is none
            return False
        if held["mappings"].get("_meta", {}).get("declaration") != declaration(index):
            return False
    return True


def _query(ask: Ask) -> Query:
    where = urlsplit(ask.path)
    if where.path in _FILTERS:
        return _FILTERS[where.path].parse(where.query.encode()).to_query()
    return Query(index=_THINGS[where.path.rpartition("/")[0]], clause=Term("id", ask.expected.id), limit=1)
