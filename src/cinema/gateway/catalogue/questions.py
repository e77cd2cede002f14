"""What can be asked of the catalogue: a list, one thing, or the films of something. Each makes its own page."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from cinema.gateway.catalogue.paging import Paging, Pairs, links
from cinema.gateway.catalogue.views import Document, objects_in
from cinema.gateway.upstreams import Search
from stagedoor.errors import UpstreamRejected
from stagedoor.requests import Headers
from stagedoor.search.filters import FilterSet
from stagedoor.search.query import AnyOf, Clause, Not, Query, Result, Term
from stagedoor.value import value
from stagedoor.web.kept import Page, page_of

__all__ = ["FilmsOfPerson", "Item", "Listing", "NotHere", "Shape", "SimilarFilms", "View"]

View: TypeAlias = Callable[[Document], dict[str, Any]]

_TOTAL: Final = b"x-total-count"


class NotHere(UpstreamRejected):
    """The index has no such thing: an answer, not an outage. `detail` is what the client is told."""


@value()
class Shape:
    """How a list looks: what becomes of a document, of all of them, and how its pages are asked for."""

    kind: str  # "film", as in tags and in "film not found"
    view: View
    whole: Callable[[list[dict[str, Any]]], object]
    page: Callable[[int, int], Pairs]  # offset, limit -> the parameters of that page


@value()
class Listing:
    """A page of a list, as its filters say. `path` is where the list is, `given` the other parameters to keep."""

    search: Search
    shape: Shape
    path: str
    filters: FilterSet
    given: Pairs

    @property
    def key(self) -> bytes:
        """Return the list and all that was asked of it."""
        return b"%b?%b" % (self.path.encode(), self.filters.key)

    async def page(self) -> Page:
        """Ask the index once."""
        query = self.filters.to_query()
        return listed(self.shape, await self.search.call("list", query))

    def fields(self, page: Page, /) -> Headers:
        """Return the links to other pages, with the parameters as they were given."""
        return linked(self, page)


@value()
class Item:
    """One thing by its id."""

    search: Search
    kind: str
    index: str
    view: View
    path: str
    id: str

    @property
    def key(self) -> bytes:
        """Return the path, which has the id in it."""
        return self.path.encode()

    async def page(self) -> Page:
        """Ask the index once; raises `NotHere`."""
        document = await one(self.search, self.index, self.kind, self.id)
        return page_of(self.view(document), tags=tags_of(self.kind, document))

    def fields(self, _: Page, /) -> Headers:
        """Return nothing: one thing is asked for in one way."""
        return ()


@value()
class SimilarFilms:
    """Other films that share a genre with one."""

    search: Search
    shape: Shape
    path: str
    filters: FilterSet
    given: Pairs
    id: str

    @property
    def key(self) -> bytes:
        """Return the film and the page."""
        return b"%b?%b" % (self.path.encode(), self.filters.key)

    async def page(self) -> Page:
        """Ask for the film, then for those that share a genre with it; raises `NotHere`."""
        film = await one(self.search, "movies", "film", self.id)
        genres = tuple(str(genre["id"]) for genre in objects_in(film, "genre", "genres"))
        if not genres:
            return listed(self.shape, Result(total=0, documents=()))
        query = self.filters.to_query(AnyOf("genre_ids", genres), Not(Term("id", self.id)))
        return listed(self.shape, await self.search.call("similar", query))

    def fields(self, page: Page, /) -> Headers:
        """Return the links to other pages."""
        return linked(self, page)


@value()
class FilmsOfPerson:
    """The films that a person has a role in."""

    search: Search
    shape: Shape
    path: str
    filters: FilterSet
    given: Pairs
    id: str

    @property
    def key(self) -> bytes:
        """Return the person and the page."""
        return b"%b?%b" % (self.path.encode(), self.filters.key)

    async def page(self) -> Page:
        """Ask for the films; only where there are none, ask whether there is such a person. Raises `NotHere`."""
        query = self.filters.to_query(Term("person_ids", self.id))
        result = await self.search.call("films_of", query)
        if not result.total:
            await one(self.search, "persons", "person", self.id)
        return listed(self.shape, result)

    def fields(self, page: Page, /) -> Headers:
        """Return the links to other pages."""
        return linked(self, page)


async def one(search: Search, index: str, kind: str, wanted: str) -> Document:
    """Return one document; raises `NotHere`."""
    clause: Clause = Term("id", wanted)
    result = await search.call("get", Query(index=index, clause=clause, limit=1))
    if not result.documents:
        raise NotHere("search.get", f"{kind} not found")
    return result.documents[0]


def listed(shape: Shape, result: Result) -> Page:
    """Return the page of a list."""
    tags = [f"{shape.kind}s", *tags_of_all(shape.kind, result.documents)]
    return page_of(
        shape.whole([shape.view(document) for document in result.documents]),
        fields=((_TOTAL, b"%d" % result.total),),
        tags=tuple(tags),
    )


def linked(asked: Listing | SimilarFilms | FilmsOfPerson, page: Page) -> Headers:
    """Return the links from a page of a list to its others."""
    query, total = asked.filters.to_query(), int(dict(page.fields)[_TOTAL])
    return links(asked.path, asked.given, Paging(query.offset, query.limit, total), asked.shape.page)


def tags_of_all(kind: str, documents: Sequence[Document]) -> list[str]:
    """Return the tags of every object in these documents, each once."""
    return list(dict.fromkeys(tag for document in documents for tag in tags_of(kind, document)))


def tags_of(kind: str, document: Document) -> tuple[str, ...]:
    """Return the tags of a document and of the objects in it."""
    inside = [
        ("genre", "genre"),
        ("person", "actors"),
        ("person", "writers"),
        ("person", "directors"),
        ("film", "films"),
    ]
    found = [(other, each) for other, name in inside for each in objects_in(document, name)]
    return (f"{kind}:{document['id']}", *(f"{other}:{each['id']}" for other, each in found))
