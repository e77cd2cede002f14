"""`/movies`: films of a third party with their people, as a list, in pages, and one by one."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from cinema.gateway.catalogue.paging import Paging, Pairs, links
from cinema.gateway.movies.joining import joined, movie_of
from cinema.gateway.movies.models import MovieAnswer, MoviesAnswer
from cinema.gateway.movies.snapshot import declare_snapshot
from cinema.settings import Settings
from stagedoor import Answer, Gateway, Last, NotFound, Service

__all__ = ["declare_movies"]

_TAG = ("movies",)
_USUAL_SIZE = 50
_LARGEST_SIZE = 100
_DIGITS = re.compile(r"[0-9]{1,4000}")  # int() reads no more (CVE-2020-10735)


def _size(said: object) -> object:
    if not isinstance(said, str) or not _DIGITS.fullmatch(said) or not 1 <= int(said) <= _LARGEST_SIZE:
        raise PydanticCustomError("range", "must be between 1 and 100")
    return said


def _number(said: object) -> object:
    if not isinstance(said, str) or not _DIGITS.fullmatch(said) or int(said) < 1:
        raise PydanticCustomError("range", "must be a whole number of 1 or more")
    return said


_Size = Annotated[
    int, BeforeValidator(_size), Field(json_schema_extra={"minimum": 1, "maximum": _LARGEST_SIZE})
]
_Number = Annotated[int, BeforeValidator(_number), Field(json_schema_extra={"minimum": 1})]
PageSize = Annotated[
    _Size | None,
    Field(description="How many films a page holds; 50 if only a number is given", examples=[5]),
]
PageNumber = Annotated[
    _Number | None, Field(description="Which page; the first if only a size is given", examples=[1])
]
MovieId = Annotated[
    str, Field(description="The film's id", examples=["2baf70d1-42bb-4437-b551-e5fed5a87abe"])
]


def declare_movies(app: Gateway, ghibli: Service, settings: Settings) -> None:
    """Declare `GET /movies` and `GET /movies/{id}`: two views of one snapshot."""
    snapshot = declare_snapshot(app, ghibli, settings)
    patience = settings.ghibli_timeout_ms / 1000

    @app.get("/movies", deadline=patience, etag=True, tags=_TAG)
    async def movies(
        page_size: Last[PageSize] = None, page_number: Last[PageNumber] = None
    ) -> Answer[MoviesAnswer]:
        """List the films of the film API with their people.

        Without a page: all of them. `X-Total-Count` counts them, `Link` points to the pages around a page.
        """
        found = await snapshot.run()
        every = joined(found.value.films, found.value.people)
        headers = {**found.headers, "x-total-count": str(len(every))}
        if page_size is None and page_number is None:
            return Answer({"api_data": every, "timestamp": found.value.timestamp}, headers=headers)
        page = _page(page_size or _USUAL_SIZE, page_number or 1, len(every))
        headers |= {name.decode(): said.decode() for name, said in links("/movies", (), page, _spelled)}
        shown = every[page.offset : page.offset + page.limit]
        return Answer({"api_data": shown, "timestamp": found.value.timestamp}, headers=headers)

    @app.get("/movies/{id}", deadline=patience, etag=True, tags=_TAG)
    async def movie(id: MovieId) -> Answer[MovieAnswer]:  # noqa: A002 - the name of the path's parameter
        """Return one film with its people."""
        found = await snapshot.run()
        shown = movie_of(id, joined(found.value.films, found.value.people))
        if shown is None:
            raise NotFound(f"Movie ID {id} not present in external API!")
        said: MovieAnswer = {"api_data": shown, "timestamp": found.value.timestamp}
        return Answer(said, headers=found.headers)


def _page(size: int, number: int, total: int) -> Paging:
    return Paging((number - 1) * size, size, total)


def _spelled(offset: int, limit: int) -> Pairs:
    return [("page_number", str(offset // limit + 1)), ("page_size", str(limit))]
