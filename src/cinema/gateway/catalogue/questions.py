"""What can be asked of the catalogue: a list, or one thing. Each makes its own page."""

from asyncio import gather
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

from cinema.gateway.catalogue.beside import (
    counted,
    did_you_mean,
    display_string,
    genres_of,
    highlight,
    suggested,
)
from cinema.gateway.catalogue.paging import Paging, Pairs, links
from cinema.gateway.catalogue.views import Document, objects_in
from stagedoor._requests import Headers
from stagedoor._upstream import Upstream
from stagedoor._value import value
from stagedoor._web.cached import Page, page_of
from stagedoor.errors import UpstreamRejected
from stagedoor.search.filters import FilterSet
from stagedoor.search.query import AnyOf, Clause, Not, Query, Result, Term, texts_of

__all__ = [
    "Find",
    "ItemQuestion",
    "ListQuestion",
    "ListShape",
    "NotHere",
    "Search",
    "Suggestions",
    "View",
    "films_of",
    "matching",
    "similar",
]

Search: TypeAlias = Upstream[Query, Result]
View: TypeAlias = Callable[[Document], dict[str, Any]]
Find: TypeAlias = Callable[[Search, FilterSet, str], Awaitable[Result]]  # filters, and the id of whose films

_TOTAL: Final = b"x-total-count"
_MEANT: Final = b"did-you-mean"


class NotHere(UpstreamRejected):
    """The index has no such thing: an answer, not an outage. `detail` is what the client is told."""


@value()
class ListShape:
    """How a list looks: what becomes of a document, of all of them, and how its pages are asked for."""

    kind: str  # "film", as in tags and in "film not found"
    view: View
    whole: Callable[[list[dict[str, Any]], dict[str, Any]], object]  # and what is said beside the list
    page: Callable[[int, int], Pairs]  # offset, limit -> the parameters of that page


@value()
class ListQuestion:
    """A page of a list: of everything that its filters say, or of the films of the thing with this id.

    `path` is where the list is, `given` the other parameters to keep.
    """

    search: Search
    shape: ListShape
    find: Find
    path: str
    filters: FilterSet
    given: Pairs = ()
    id: str = ""

    @property
    def key(self) -> bytes:
        """Return the list and all that was asked of it."""
        shown = b"?highlight" if self.highlighted else b""
        return b"%b?%b%b" % (self.path.encode(), self.filters.key, shown)

    @property
    def highlighted(self) -> bool:
        """Tell whether what was met is to be marked."""
        return bool(self.filters.values.get("highlight"))

    async def page(self) -> Page:
        """Ask the index; raises `NotHere`."""
        result, more = await self._found()
        shape = self.shape
        items = [shape.view(document) for document in result.documents]
        texts = texts_of(self.filters.to_query().clause)
        if self.highlighted and texts:
            for item, document in zip(items, result.documents, strict=True):
                item["highlight"] = highlight(texts, document)
        fields = [(_TOTAL, b"%d" % result.total)]
        if said := did_you_mean(self.filters.to_query(), result.documents):
            more["did_you_mean"] = said
            fields.append((_MEANT, display_string(said)))
        tags = (
            f"{shape.kind}s",
            *(["genres"] if result.facets else []),
            *tags_of_all(shape.kind, result.documents),
        )
        return page_of(shape.whole(items, more), fields=tuple(fields), tags=tags)

    async def _found(self) -> tuple[Result, dict[str, Any]]:
        """Return what was found, and what is said beside it of how many there are of each genre."""
        finding = self.find(self.search, self.filters, self.id)
        if not self.filters.to_query().facets:
            return await finding, {}
        result, genres = await gather(finding, genres_of(self.search))
        return result, await counted(self.search, result, genres)

    def fields(self, page: Page, /) -> Headers:
        """Return the links to other pages, with the parameters as they were given."""
        query, total = self.filters.to_query(), int(dict(page.fields)[_TOTAL])
        return links(self.path, self.given, Paging(query.offset, query.limit, total), self.shape.page)


@value()
class ItemQuestion:
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
class Suggestions:
    """What a text that is being typed may become: films and persons, best first."""

    search: Search
    path: str
    films: FilterSet
    persons: FilterSet

    @property
    def key(self) -> bytes:
        """Return the path and what was typed."""
        return b"%b?%b" % (self.path.encode(), self.films.key)

    async def page(self) -> Page:
        """Ask both indices at once."""
        films, persons = await gather(
            self.search.call("suggest", self.films.to_query(fields=("id", "title"))),
            self.search.call("suggest", self.persons.to_query(fields=("id", "full_name"))),
        )
        typed, limit = self.films.values["query"], self.films.values["limit"].limit
        found = suggested(typed, films.documents, persons.documents)[:limit]
        return page_of(found, tags=("films", "persons"))

    def fields(self, _: Page, /) -> Headers:
        """Return nothing: it is asked for in one way."""
        return ()


async def matching(search: Search, filters: FilterSet, _: str) -> Result:
    """Find what the filters let through."""
    return await search.call("list", filters.to_query())


async def similar(search: Search, filters: FilterSet, film: str) -> Result:
    """Find the other films that share a genre with one; raises `NotHere`."""
    held = objects_in(await one(search, "movies", "film", film), "genre", "genres")
    genres = tuple(str(genre["id"]) for genre in held)
    if not genres:
        return Result(total=0, documents=())
    return await search.call("similar", filters.to_query(AnyOf("genre_ids", genres), Not(Term("id", film))))


async def films_of(search: Search, filters: FilterSet, person: str) -> Result:
    """Find the films a person has a role in; only without any, ask whether there is such a person: `NotHere`."""
    result = await search.call("films_of", filters.to_query(Term("person_ids", person)))
    if not result.total:
        await one(search, "persons", "person", person)
    return result


async def one(search: Search, index: str, kind: str, wanted: str) -> Document:
    """Return one document; raises `NotHere`."""
    clause: Clause = Term("id", wanted)
    result = await search.call("get", Query(index=index, clause=clause, limit=1))
    if not result.documents:
        raise NotHere("search.get", f"{kind} not found")
    return result.documents[0]


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
