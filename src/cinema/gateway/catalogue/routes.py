"""The routes of the catalogue, made from the rows of `resources`."""

from collections.abc import Callable, Mapping

from cinema.gateway.catalogue import resources, samples
from cinema.gateway.catalogue.filters import CourseFilmsOf, CourseSuggest, CourseSuggestPersons
from cinema.gateway.catalogue.models import CourseFilmLine, Suggestion
from cinema.gateway.catalogue.questions import (
    ItemQuestion,
    ListQuestion,
    NotHere,
    Search,
    Suggestions,
    matching,
)
from cinema.gateway.catalogue.resources import FILM_LINES, LISTS, RELATED, THINGS
from cinema.settings import Settings
from stagedoor import _problems as problems
from stagedoor._cache.store import Store
from stagedoor._call import Env, Policy
from stagedoor._context import Priority
from stagedoor._parameters import InputFault, Parameter, Place
from stagedoor._upstream import Upstream
from stagedoor._web.cached import KeptCodec, Page, PageQuestion, cached_route, pages
from stagedoor._web.request import Request
from stagedoor._web.routes import Documentation, Route
from stagedoor.policies._cached import Cached
from stagedoor.policies._single_flight import SingleFlight
from stagedoor.search.filters import FilterSet, given_by
from stagedoor.search.values import UuidValue, ValueParameter, parameter_of

__all__ = ["catalogue_routes"]

_HEADERS = {
    "Cache-Status": "Whether the answer was kept (RFC 9211): `stagedoor; hit; ttl=211`.",
    "Cache-Control": "How long anybody may keep the answer: the lifetime that remains, `public, max-age=211`.",
    "ETag": "The answer's entity tag. Sent back as `If-None-Match` it is answered 304 while nothing has changed.",
    "X-Request-ID": "The request's id, as in every log line about it.",
}
_LIST_HEADERS = {
    **_HEADERS,
    "X-Total-Count": "The exact number of matches on all pages.",
    "Link": (
        'The first, previous, next and last page (RFC 8288): `</api/v1/films?page_number=2&page_size=50>; rel="next"`. '
        "Other parameters are kept; no page is beyond the 10,000th result."
    ),
}
SUGGEST = "/api/v1/suggest"
_SAMPLES = {"film": samples.FILM, "genre": samples.GENRE, "person": samples.PERSON}
_ALWAYS = (
    problems.rate_limited(retry_after=1),
    problems.internal(),
    problems.upstream_garbled(),
    problems.upstream_unavailable(),
    problems.overloaded(),
    problems.upstream_timeout(),
)


def catalogue_routes(
    settings: Settings, search: Search, store: Store, env: Env
) -> tuple[list[Route], Upstream[PageQuestion, Page]]:
    """Return the routes of both dialects, and the upstream that keeps their pages."""
    # A page that the engine could not find now is not begun.
    joined = SingleFlight(
        gate=lambda call: search.check(call.operation, call.deadline, promise=True), store=store
    )
    kept = pages("catalogue", *_kept(settings, store), joined, env=env)
    lifetime = float(settings.gateway_catalogue_ttl_s)

    def route(
        path: str,
        ask: Callable[[Request], PageQuestion],
        parameters: tuple[Parameter, ...],
        said: Documentation,
        priority: Priority = "list",
    ) -> Route:
        return cached_route(
            path,
            ask,
            kept,
            parameters=parameters,
            documentation=said,
            lifetime=lifetime,
            priority=priority,
            problem=_problem,
        )

    made = [
        route(row.path, _list(row, search), row.filters.parameters(), _of_list(row), _urgency(row.path))
        for row in LISTS
    ]
    made += [
        route(row.path, _thing(row, search), (_id(row.id, row.kind),), _of_thing(row), "detail")
        for row in THINGS
    ]
    made += [
        route(
            row.path,
            _related(row, search),
            (_id("uuid", row.kind), *CourseFilmsOf.parameters()),
            _of_related(row),
        )
        for row in RELATED
    ]
    made.append(route(SUGGEST, _suggest(search), CourseSuggest.parameters(), _of_suggest(), "search"))
    return made, kept


def _urgency(path: str) -> Priority:
    return "search" if path.endswith("/search") else "list"


def _kept(settings: Settings, store: Store) -> list[Policy[PageQuestion, Page]]:
    """Return the cache round whole pages; none for a lifetime of 0."""
    if settings.gateway_catalogue_ttl_s == 0:
        return []
    stale = float(settings.gateway_catalogue_stale_s)
    kept: Cached[PageQuestion, Page] = Cached(
        store=store,
        codec=KeptCodec(Page),
        lifetime=float(settings.gateway_catalogue_ttl_s),
        stale_while_revalidate=stale,
        stale_if_error=stale,
        tags=_tags,
    )
    return [kept]


def _tags(page: Page) -> tuple[str, ...]:
    return page.tags


def _problem(error: Exception) -> problems.ProblemDetails:
    return problems.not_found(error.detail) if isinstance(error, NotHere) else problems.problem_of(error)


def _list(row: resources.List, search: Search) -> Callable[[Request], PageQuestion]:
    def ask(request: Request) -> PageQuestion:
        filters = row.filters.parse(request.query)
        given = _given(row.filters, request.query)
        return ListQuestion(search, row.shape, matching, row.path, filters, given)

    return ask


def _suggest(search: Search) -> Callable[[Request], PageQuestion]:
    def ask(request: Request) -> PageQuestion:
        films = CourseSuggest.parse(request.query)
        return Suggestions(search, SUGGEST, films, CourseSuggestPersons(**films.values))

    return ask


def _thing(row: resources.Thing, search: Search) -> Callable[[Request], PageQuestion]:
    known = _id(row.id, row.kind)

    def ask(request: Request) -> PageQuestion:
        wanted = known.parse(request.params[row.id])
        path = row.path.replace(f"{{{row.id}}}", wanted)
        return ItemQuestion(search, row.kind, row.index, row.view, path, wanted)

    return ask


def _related(row: resources.Related, search: Search) -> Callable[[Request], PageQuestion]:
    known = _id("uuid", row.kind)

    def ask(request: Request) -> PageQuestion:
        wanted = known.parse(request.params["uuid"])
        filters = CourseFilmsOf.parse(request.query)
        path = row.path.replace("{uuid}", wanted)
        return ListQuestion(search, FILM_LINES, row.find, path, filters, id=wanted)

    return ask


def _given(filters: type[FilterSet], query: bytes) -> tuple[tuple[str, str], ...]:
    """Return the parameters that links to other pages keep: those the list knows, but for the page itself."""
    given, _ = given_by(query)
    # What bounds the window is what places the page.
    names = [name for one in filters.declared.values() if not one.bound for name in one.names]
    return tuple((name, text) for name in names for text in given.get(name, ()))


def _id(name: str, kind: str) -> ValueParameter:
    value = UuidValue(example=_SAMPLES[kind])
    return parameter_of(value, name, f"The {kind}'s id, in either case", place="path")


def _of_list(row: resources.List) -> Documentation:
    refusals = (_beyond(row.filters), problems.uri_too_long(), _wrong_page(row.path))
    return _documented(row, row.model, refusals, _LIST_HEADERS)


def _of_suggest() -> Documentation:
    return Documentation(
        summary="Suggestions",
        description="Films and persons whose title or name has these words, the last of which is still being typed. "
        "Those that begin with them come first.",
        tags=(_tag(SUGGEST),),
        model=list[Suggestion],
        problems=(
            problems.uri_too_long(),
            _wrong("query", "limit", "must be between 1 and 20", "range"),
            *_ALWAYS,
        ),
        headers=_HEADERS,
    )


def _of_thing(row: resources.Thing) -> Documentation:
    return _documented(row, row.model, (_unknown(row.kind), _wrong_id(row.id, row.kind)), _HEADERS)


def _of_related(row: resources.Related) -> Documentation:
    refusals = (_beyond(CourseFilmsOf), _unknown(row.kind), _wrong_id("uuid", row.kind))
    return _documented(row, list[CourseFilmLine], refusals, _LIST_HEADERS)


def _documented(
    row: resources.List | resources.Thing | resources.Related,
    model: object,
    refusals: tuple[problems.ProblemDetails, ...],
    headers: Mapping[str, str],
) -> Documentation:
    return Documentation(
        summary=row.summary,
        description=row.description,
        tags=(_tag(row.path),),
        model=model,
        problems=(*refusals, *_ALWAYS),
        headers=headers,
    )


def _tag(path: str) -> str:
    return "catalogue, course dialect" if path.startswith("/api") else "catalogue, gateway dialect"


def _beyond(filters: type[FilterSet]) -> problems.ProblemDetails:
    return problems.beyond_window(filters.bound)


def _unknown(kind: str) -> problems.ProblemDetails:
    return problems.not_found(f"{kind} not found")


def _wrong_id(name: str, kind: str) -> problems.ProblemDetails:
    return _wrong("path", name, f"must be a UUID, as in {_SAMPLES[kind]}", "uuid")


def _wrong_page(path: str) -> problems.ProblemDetails:
    name = "page_size" if path.startswith("/api") else "pagination"
    return _wrong("query", name, "must be between 1 and 100", "range")


def _wrong(place: Place, name: str, msg: str, kind: str) -> problems.ProblemDetails:
    return problems.validation(InputFault((place, name), msg, kind).as_json())
