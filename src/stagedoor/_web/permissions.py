"""That a kept answer may be given again: from which entry, with which head, and in which forms.

A form is the answer to one method, one condition's outcome and one origin. Its head is written once a second, when the
date changes, with a gap where the id of the request will stand; what tells the time is told as the route tells it.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from stagedoor._cache.store import StoredEntry
from stagedoor._events import CacheLookup
from stagedoor._ids import randbytes
from stagedoor._requests import Headers
from stagedoor._web.access import RequestCounter, Told
from stagedoor._web.answer import Repeat, matches, without_body
from stagedoor._web.routes import Route

__all__ = ["Ask", "Dress", "Fields", "Form", "Limit", "Permission", "Render"]

Fields: TypeAlias = Sequence[tuple[bytes, bytes]]
Ask: TypeAlias = tuple[str, bytes | None, bytes | None]  # method, If-None-Match, an origin that is listed
Dress: TypeAlias = Callable[[list[tuple[bytes, bytes]], bytes, bytes | None], None]
Limit: TypeAlias = Callable[[str], Headers | None]
Render: TypeAlias = Callable[[int, Fields], bytes]

_GAP: Final = b"~%b~" % randbytes(16).hex().encode()  # nothing that comes in can hold it by intent
_LARGEST: Final = 65_536  # octets of a body: a longer one is written in pieces, as it is taken


class Form:
    """One form of an answer: its status and fields, and its head as it is written this second."""

    __slots__ = ("after", "before", "bodiless", "fields", "origin", "second", "status", "told")

    def __init__(
        self, status: int, fields: Headers, bodiless: bool, origin: bytes | None, told: Told
    ) -> None:
        self.status = status
        self.fields = fields
        self.bodiless = bodiless
        self.origin = origin
        self.told = told
        self.second: object = None  # for which the head is written
        self.before = self.after = b""


class Permission:
    """That answers to one target may be given again; `names` are the fields that tell several of them apart.

    With names it stands for the target alone, and permits nothing itself. `serial` is that of the entry, 0 for none.
    """

    __slots__ = (
        "_fields",
        "_forms",
        "_lifetime",
        "again",
        "etag",
        "event",
        "key",
        "limit",
        "names",
        "offset",
        "route",
        "serial",
        "tail",
        "told",
        "used",
    )

    def __init__(self, route: Route, limit: Limit | None, now: float, names: tuple[bytes, ...] = ()) -> None:
        self.route = route
        self.limit = limit
        self.names = names
        self.used = now
        self.serial = 0
        self._forms: dict[tuple[str, int, bytes | None], Form] = {}

    def settle(self, repeat: Repeat) -> None:
        """Permit what this answer was made of, in place of what was permitted before."""
        kept, self.serial = repeat.kept, 0
        whole, body = kept.held.entry.body, repeat.body
        if len(body) > _LARGEST:
            return
        # What is kept ends with the body, or with all of it but a brace.
        self.tail = b"" if whole.endswith(body) else body[-1:]
        if not whole.endswith(body.removesuffix(self.tail)):
            return
        self.offset = len(whole) - len(body) + len(self.tail)
        self.again, self.key = kept.again, kept.held.entry.key
        self.event = CacheLookup(kept.operation, "memory", "hit")
        self.etag, self.told, self._lifetime = repeat.etag, repeat.told, kept.lifetime
        self._fields = (*repeat.fields, (b"content-length", b"%d" % len(body)))
        self._forms = {}
        self.serial = kept.held.serial

    def form(self, ask: Ask, counter: RequestCounter) -> Form:
        """Return the form of the answer that this is asked for."""
        method, condition, origin = ask
        same = condition is not None and self.etag is not None and matches(self.etag, condition)
        status = 304 if same else 200
        form = self._forms.get((method, status, origin))
        if form is None:
            told = counter.prepared(method, self.route.path, status)
            fields = without_body(self._fields) if same else self._fields
            form = Form(status, fields, same or method == "HEAD", origin, told)
            self._forms[method, status, origin] = form
        return form

    def write(
        self, form: Form, held: StoredEntry, now: float, second: Fields, render: Render, dress: Dress
    ) -> bool:
        """Write a form's head as it is this second; False if it cannot be told where the id goes."""
        self.used = now
        fields = [*second, *form.fields, *self.told(self._lifetime - max(0.0, now - held.born))]
        dress(fields, _GAP, form.origin)
        head = render(form.status, fields)
        form.before, gap, form.after = head.partition(_GAP)
        if not gap or _GAP in form.after:
            return False
        form.second = second
        return True
