"""Filling Elasticsearch and OpenSearch."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from math import copysign
from typing import Any, Final, Protocol

import orjson

from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor.errors import UpstreamError, UpstreamRejected, UpstreamTimeout
from stagedoor.search.documents import misfit, refusal
from stagedoor.search.elastic.bulk import ALWAYS_FITS, GONE, PASSING, Line, Room, judged
from stagedoor.search.elastic.fields import OWN, keys_of
from stagedoor.search.elastic.mapping import SERVING, body_of, declaration
from stagedoor.search.elastic.requests import credentials, json_of, request
from stagedoor.search.engine import Change, Delete, Put, Ready, Refused, WriterError
from stagedoor.search.leaves import Boolean, Date, Integer, Number
from stagedoor.search.query import ID, Document
from stagedoor.search.schema import Index

__all__ = ["ElasticWriter"]

_MARK: Final = "mark"  # beside the declaration
_CUTS: Final = 5  # connections closed on one document, of a cluster that answers meanwhile
_ODD: Final = (TypeError, ValueError)  # what a document of another shape than declared raises


class HttpCaller(Protocol):
    """What an `Upstream[HttpRequest, HttpResponse]` is, as seen from here."""

    async def call(
        self, operation: str, payload: HttpRequest, *, idempotent: bool | None = None
    ) -> HttpResponse:
        """Send a request; raises `UpstreamError`."""
        ...

    async def aclose(self) -> None:
        """Close what is open."""


class ElasticWriter:
    """A `Writer` over an upstream to one cluster, whose policies say how long a request takes and what is retried.

    A new version is filled without being refreshed; its first commit merges it to one segment, of which questions cost
    least. That is asked for and not insisted on: a node that takes longer than the upstream allows goes on by itself.
    A bulk request that is too large for the cluster is divided (`bulk`).
    """

    def __init__(
        self,
        http: HttpCaller,
        indices: Sequence[Index],
        *,
        user: str = "",
        password: str = "",
    ) -> None:
        self._http = http
        self._indices = {index.name: index for index in indices}
        self._headers = credentials(user, password)
        self._fresh: set[str] = set()  # versions that were created here and never committed
        self._room = Room()
        self._cuts: Counter[str] = Counter()  # by id, of documents that went alone

    @staticmethod
    def prepare(index: Index, /) -> Callable[[Document], Change]:
        lines = _lines_of(index)

        def prepared(document: Document) -> Change:
            try:
                return Ready(document[ID], lines(document))
            except (*_ODD, KeyError):
                return Put(document)  # which `write` refuses, and says why

        return prepared

    async def create(self, index: Index, /) -> str:
        self._indices[index.name] = index
        found = await self._ask("versions", "GET", f"/{index.name}*/_alias", absent={})
        newest = _versions(index.name, found)
        number = int(newest[-1].rpartition("-")[2]) if newest else 0
        version = f"{index.name}-{number + 1:06}"
        _validate_free(index.name, version, found)
        await self._ask("create", "PUT", f"/{version}", body_of(index))
        self._fresh.add(version)
        return version

    async def current(self, name: str, /) -> str | None:
        standing = await self._standing(name)
        if len(standing) != 1:  # of several, readers would get everything as often
            return None
        (version,) = standing
        declared = (await self._meta(version)).get("declaration")
        return version if declared == declaration(self._indices[name]) else None

    async def _standing(self, name: str) -> Sequence[str]:
        """Return the indices that a name stands for."""
        return sorted(await self._ask("alias", "GET", f"/_alias/{name}", absent={}))

    async def _meta(self, version: str) -> Mapping[str, Any]:
        found = await self._ask("mapping", "GET", f"/{version}/_mapping", absent={version: {"mappings": {}}})
        return dict(found[version]["mappings"].get("_meta", {}))

    async def versions(self, name: str, /) -> tuple[str, ...]:
        return _versions(name, await self._ask("versions", "GET", f"/{name}-*/_alias", absent={}))

    async def write(self, version: str, changes: Sequence[Change], /) -> tuple[Refused, ...]:
        lines = _lines_of(self._indices[version.rpartition("-")[0]])
        said: list[Line] = []
        refused: list[Refused] = []
        for change in changes:
            try:
                said.append((_id_of(change), _said(change, lines)))
            except _ODD as error:
                refused.append(Refused(_id_of(change), str(error)))
        for part in self._room.divided(said) if said else ():
            refused += await self._bulk(version, part)
        if not any(one.retryable for one in refused):
            self._room.taken()
        return tuple(refused)

    async def _bulk(self, version: str, lines: Sequence[Line]) -> Sequence[Refused]:
        """Send these lines, in parts if they are too large, or if one of them makes the whole request wrong."""
        body = b"".join([octets for _, octets in lines])
        try:
            return judged(await self._ask("bulk", "POST", f"/{version}/_bulk", body), lines)
        except WriterError as error:
            status = _status(error)
            if status == 429:
                self._room.too_much(len(body))
                return [Refused(key, str(error), retryable=True) for key, _ in lines]
            if status == 400 and not error.retryable:  # an id that is too long, for instance
                room, why = Room(most=len(body) / 2), str(error)
            elif status == 413 or await self._is_cut_off(version, lines, error):
                room, why = self._room, f"the cluster takes no document of {len(body):,} octets"
                room.too_large(len(body))
            else:
                raise
        if len(lines) == 1:
            return [Refused(lines[0][0], why)]
        return [one for part in room.divided(lines) for one in await self._bulk(version, part)]

    async def _is_cut_off(self, version: str, lines: Sequence[Line], error: WriterError) -> bool:
        """Tell whether it is for its size that a request had no answer: the cluster answers a small one.

        Of one document that is less sure, and what is set aside is left out: then it takes several times.
        """
        why, size = error.__cause__, sum(len(octets) for _, octets in lines)
        if not isinstance(why, UpstreamError) or why.response is not None or size <= ALWAYS_FITS:
            return False
        alone = len(lines) == 1
        if alone and isinstance(why, UpstreamTimeout):
            return False
        with suppress(WriterError):
            await self._ask("versions", "GET", f"/{version}/_alias")
            self._cuts[lines[0][0]] += alone
            return not alone or self._cuts[lines[0][0]] >= _CUTS
        return False

    async def commit(self, version: str, /) -> None:
        if version in self._fresh:
            with suppress(WriterError):
                await self._ask("merge", "POST", f"/{version}/_forcemerge?max_num_segments=1")
            await self._ask("serve", "PUT", f"/{version}/_settings", {"index": SERVING})
        await self._ask("refresh", "POST", f"/{version}/_refresh")
        self._fresh.discard(version)

    async def switch(self, name: str, version: str, /) -> None:
        others = [before for before in await self._standing(name) if before != version]
        actions = [{"remove": {"index": before, "alias": name}} for before in others]
        actions.append({"add": {"index": version, "alias": name}})
        await self._ask("switch", "POST", "/_aliases", {"actions": actions})

    async def mark(self, version: str, text: str, /) -> None:
        # The application's part of a mapping is replaced whole, so the declaration has to be said again.
        meta = {**await self._meta(version), _MARK: text}
        await self._ask("mark", "PUT", f"/{version}/_mapping", {"_meta": meta})

    async def marked(self, version: str, /) -> str:
        return str((await self._meta(version)).get(_MARK, ""))

    async def drop(self, version: str, /) -> None:
        if version in await self._standing(version.rpartition("-")[0]):
            raise WriterError(f"{version} is in use", retryable=False)
        await self._ask("drop", "DELETE", f"/{version}", absent={})

    async def count(self, version: str, /) -> int:
        return int((await self._ask("count", "GET", f"/{version}/_count"))["count"])

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _ask(
        self,
        operation: str,
        method: str,
        path: str,
        said: Any = None,  # noqa: ANN401 - JSON
        *,
        absent: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        """Return what a request is answered with, or `absent` for 404 if that is given."""
        asked = request(method, path, said, headers=self._headers)
        try:
            return json_of(operation, await self._http.call(operation, asked, idempotent=True))
        except UpstreamRejected as error:
            if absent is not None and error.response is not None and error.response.status == 404:
                return absent
            kind, reason = _reason(error)
            lost = kind == GONE
            raise WriterError(reason, retryable=lost or kind in PASSING, lost=lost) from error
        except UpstreamError as error:
            raise WriterError(str(error)) from error


def _lines_of(index: Index) -> Callable[[Document], bytes]:
    """Return what makes the lines of a document in a bulk request; raises `TypeError` or `ValueError`."""
    keys, numbers = keys_of(index), [field.name for field in index.fields if isinstance(field, Number)]
    strict = _is_strict(index)

    def lines(document: Document) -> bytes:
        if reason := refusal(document, index) or (misfit(document, index) if strict else None):
            raise ValueError(reason)
        head = {"index": {"_id": document[ID]}}
        said = {**document, **_zeros(document, numbers), OWN: keys(document)}
        return orjson.dumps(head) + b"\n" + orjson.dumps(said) + b"\n"

    return lines


def _is_strict(index: Index) -> bool:
    """Tell whether there are values that a node would read its own way: "5" or 5.5 as a number, 2001 as a date."""
    leaves = chain(index.fields, *(nested.fields for nested in index.nested.values()))
    return any(isinstance(leaf, Integer | Date | Boolean) for leaf in leaves)


def _zeros(document: Document, numbers: Iterable[str]) -> dict[str, float]:
    """Return zeros with a minus as the ones without, which they equal: a node sorts them apart."""
    zeros = [name for name in numbers if document.get(name) == 0]
    return {name: 0.0 for name in zeros if copysign(1, document[name]) < 0}


def _said(change: Change, lines: Callable[[Document], bytes]) -> bytes:
    """Return the lines of one change in a bulk request."""
    match change:
        case Ready():
            return bytes(change.form)
        case Put():
            return lines(change.document)
        case Delete():
            return orjson.dumps({"delete": {"_id": change.id}}) + b"\n"


def _id_of(change: Change) -> str:
    return str(change.document.get(ID)) if isinstance(change, Put) else change.id


def _status(error: WriterError) -> int:
    """Return the status that a request was refused with; 0 if it was not answered."""
    why = error.__cause__
    return why.response.status if isinstance(why, UpstreamError) and why.response is not None else 0


def _versions(name: str, found: Iterable[str]) -> tuple[str, ...]:
    mine = [version for version in found if re.fullmatch(re.escape(name) + r"-\d{6,}", version)]
    return tuple(sorted(mine, key=lambda version: int(version.rpartition("-")[2])))


def _validate_free(name: str, version: str, found: Mapping[str, Any]) -> None:
    """Raise if a version could not be created, or not be given its alias: of that a cluster tells in the end only."""
    if name in found:
        raise WriterError(
            f"the cluster holds {name} as an index, and it has to be an alias of {version}: delete that index "
            f"(DELETE /{name}), or keep it under another name (_reindex), and start again",
            retryable=False,
        )
    holder = next((index for index, said in found.items() if version in said["aliases"]), None)
    if holder is not None:
        raise WriterError(
            f"the cluster holds {version} as an alias of {holder}, and it has to be an index for {name}: "
            f"remove that alias (DELETE /{holder}/_alias/{version}), and start again",
            retryable=False,
        )


def _reason(error: UpstreamRejected) -> tuple[str, str]:
    """Return the type of exception that the engine names, if it does, and what it says is wrong."""
    if error.response is None:
        return "", str(error)
    try:
        said = orjson.loads(error.response.body)["error"]
        return said["type"], f"{error}: {said['type']}: {said['reason']}"
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "", str(error)
