"""Filling Elasticsearch and OpenSearch."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import orjson

from stagedoor.errors import UpstreamError, UpstreamRejected
from stagedoor.requests import HttpRequest, HttpResponse
from stagedoor.search.documents import refusal
from stagedoor.search.elastic.fields import OWN, keys_of
from stagedoor.search.elastic.mapping import SERVING, body_of, declaration
from stagedoor.search.elastic.requests import credentials, json_of, request
from stagedoor.search.engine import Change, Delete, Put, Ready, Refused, WriterError
from stagedoor.search.query import ID, Document
from stagedoor.search.schema import Index

__all__ = ["ElasticWriter"]

_MARK: Final = "mark"  # beside the declaration
_TRANSIENT = frozenset((429, 502, 503, 504))
_ODD: Final = (TypeError, ValueError)  # what a document of another shape than declared raises


class Caller(Protocol):
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
    """

    def __init__(
        self,
        http: Caller,
        indices: Sequence[Index],
        *,
        user: str = "",
        password: str = "",
    ) -> None:
        self._http = http
        self._indices = {index.name: index for index in indices}
        self._headers = credentials(user, password)
        self._fresh: set[str] = set()  # versions that were created here and never committed

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
        newest = await self.versions(index.name)
        number = int(newest[-1].rpartition("-")[2]) if newest else 0
        version = f"{index.name}-{number + 1:06}"
        await self._ask("create", "PUT", f"/{version}", body_of(index))
        self._fresh.add(version)
        return version

    async def current(self, name: str, /) -> str | None:
        version = await self._alias(name)
        if version is None:
            return None
        found = await self._ask("mapping", "GET", f"/{version}/_mapping")
        declared = found[version]["mappings"].get("_meta", {}).get("declaration")
        return version if declared == declaration(self._indices[name]) else None

    async def _alias(self, name: str) -> str | None:
        found = await self._ask("alias", "GET", f"/_alias/{name}", absent={})
        return min(found, default=None)

    async def versions(self, name: str, /) -> tuple[str, ...]:
        found = await self._ask("versions", "GET", f"/{name}-*/_alias", absent={})
        mine = [version for version in found if re.fullmatch(re.escape(name) + r"-\d{6,}", version)]
        return tuple(sorted(mine, key=lambda version: int(version.rpartition("-")[2])))

    async def write(self, version: str, changes: Sequence[Change], /) -> tuple[Refused, ...]:
        lines = _lines_of(self._indices[version.rpartition("-")[0]])
        said, wrong = [], []
        for change in changes:
            try:
                said.append(_said(change, lines))
            except _ODD as error:
                wrong.append(Refused(_id_of(change), str(error)))
        if not said:
            return tuple(wrong)
        answer = await self._ask("bulk", "POST", f"/{version}/_bulk", b"".join(said))
        refused = [one for item in answer["items"] if (one := _refused(item)) is not None]
        return (*wrong, *refused)

    async def commit(self, version: str, /) -> None:
        if version in self._fresh:
            with suppress(WriterError):
                await self._ask("merge", "POST", f"/{version}/_forcemerge?max_num_segments=1")
            await self._ask("serve", "PUT", f"/{version}/_settings", {"index": SERVING})
        await self._ask("refresh", "POST", f"/{version}/_refresh")
        self._fresh.discard(version)

    async def switch(self, name: str, version: str, /) -> None:
        before = await self._alias(name)
        actions = [{"add": {"index": version, "alias": name}}]
        if before is not None and before != version:
            actions.insert(0, {"remove": {"index": before, "alias": name}})
        await self._ask("switch", "POST", "/_aliases", {"actions": actions})

    async def mark(self, version: str, text: str, /) -> None:
        # The application's part of a mapping is replaced whole, so the declaration has to be said again.
        meta = {**await self._own(version), _MARK: text}
        await self._ask("mark", "PUT", f"/{version}/_mapping", {"_meta": meta})

    async def marked(self, version: str, /) -> str:
        return str((await self._own(version)).get(_MARK, ""))

    async def _own(self, version: str) -> Mapping[str, Any]:
        found = await self._ask("mapping", "GET", f"/{version}/_mapping")
        return dict(found[version]["mappings"].get("_meta", {}))

    async def drop(self, version: str, /) -> None:
        if version == await self._alias(version.rpartition("-")[0]):
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
            raise WriterError(_reason(error), retryable=False) from error
        except UpstreamError as error:
            raise WriterError(str(error)) from error


def _lines_of(index: Index) -> Callable[[Document], bytes]:
    """Return what makes the lines of a document in a bulk request; raises `TypeError` or `ValueError`."""
    keys = keys_of(index)

    def lines(document: Document) -> bytes:
        if reason := refusal(document, index):
            raise ValueError(reason)
        head = {"index": {"_id": document[ID]}}
        return orjson.dumps(head) + b"\n" + orjson.dumps({**document, OWN: keys(document)}) + b"\n"

    return lines


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


def _refused(item: Mapping[str, Any]) -> Refused | None:
    verb, said = next(iter(item.items()))
    status = said["status"]
    if status < 300 or (verb == "delete" and status == 404):
        return None
    error = said.get("error", {})
    return Refused(said["_id"], f"{error.get('type')}: {error.get('reason')}", status in _TRANSIENT)


def _reason(error: UpstreamRejected) -> str:
    """Return what the engine itself says is wrong, as far as it does."""
    if error.response is None:
        return str(error)
    try:
        said = orjson.loads(error.response.body)["error"]
        return f"{error}: {said['type']}: {said['reason']}"
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return str(error)
