"""What an answer says beside its list: what was meant, where it was met, how many there are of each, what is typed."""

from collections.abc import Sequence
from typing import Any

from cinema.gateway.catalogue.views import Document, name_of, objects_in
from stagedoor._upstream import Upstream
from stagedoor.search.query import All, AnyOf, Clause, Query, Result, Words, texts_of
from stagedoor.search.shown import marked, meant
from stagedoor.search.words import read_first

__all__ = ["counted", "did_you_mean", "display_string", "genres_of", "highlight", "suggested"]

FIRST = 100  # genres whose names are asked for while it is not yet known which are counted
_PEOPLE = {"actors_names": "actors", "writers_names": "writers", "directors_names": "directors"}


def highlight(texts: Sequence[Words], document: Document) -> dict[str, str]:
    """Return the texts of a document that were searched and met, with the words in `<em>`."""
    found = {
        name: marked(str(document[name]), text.text)
        for text in texts
        for name, _ in text.fields
        if name not in _PEOPLE and document.get(name)
    }
    return {name: said for name, said in found.items() if said is not None}


def did_you_mean(query: Query, documents: Sequence[Document]) -> str | None:
    """Return what was meant, if the best match has only words near those that were asked for."""
    texts = texts_of(query.clause)
    if not (documents and texts and query.by_relevance) or query.offset:
        return None
    (text, *_), best = texts, documents[0]
    return meant(text.text, [held for name, _ in text.fields for held in _texts_at(best, name)])


def _texts_at(document: Document, name: str) -> list[str]:
    """Return the texts of a document under a name; people's names are held by themselves."""
    if name in _PEOPLE:
        return [name_of(person) for person in objects_in(document, _PEOPLE[name])]
    return [name_of(document)] if name == "full_name" else [str(document[name])] if document.get(name) else []


def display_string(text: str) -> bytes:
    """Return a text as a field value (RFC 9651 4.1.11)."""
    said = (
        b"%c" % byte if 0x20 <= byte < 0x7F and byte not in b'%"' else b"%%%02x" % byte
        for byte in text.encode()
    )
    return b'%"' + b"".join(said) + b'"'


async def genres_of(search: Upstream[Query, Result], *ids: str) -> Result:
    """Return the ids and names of genres: of these, or without any of the first."""
    clause: Clause = AnyOf("id", ids) if ids else All()
    asked = Query(index="genres", clause=clause, limit=len(ids) or FIRST, fields=("id", "name"))
    return await search.call("facets", asked)


async def counted(search: Upstream[Query, Result], result: Result, first: Result) -> dict[str, Any]:
    """Return the genres that were counted, with their names; those that are not among the first are asked for."""
    if not result.facets:
        return {}
    ((_, counts),) = result.facets
    genres = list(first.documents)
    if first.total > len(genres):
        known = {genre["id"] for genre in genres}
        if further := [one for one, _ in counts if one not in known]:
            genres += (await genres_of(search, *further)).documents
    names = {genre["id"]: genre.get("name") or "" for genre in genres}
    said = [{"id": one, "name": names.get(one, ""), "count": count} for one, count in counts]
    return {"facets": {"genres": said}}


def suggested(typed: str, films: Sequence[Document], persons: Sequence[Document]) -> list[dict[str, str]]:
    """Return films and persons in one list: those that begin with what was typed first, each kind in its order."""
    start = _in_one(typed)
    both = [
        (not _in_one(text).startswith(start), place, kind, str(one["id"]), text)
        for kind, held in (("film", films), ("person", persons))
        for place, one in enumerate(held)
        if (text := (one.get("title") or "") if kind == "film" else name_of(one))
    ]
    return [{"type": kind, "uuid": key, "text": text} for _, _, kind, key, text in sorted(both)]


def _in_one(text: str) -> str:
    return "".join(word.folded for word in read_first(text).words)
