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
Limit: TypeAlias = Callable[[str], bytes | None]  # the lines that tell of it, None if it refuses
Render: TypeAlias = Callable[[int, Fields], bytes]

_GAP: Final = b"~%b~" % randbytes(16).hex().encode()  # nothing that comes in can hold it by intent
# What frames a message is the door's to say: a handler that says it is answered by the gateway, whose door looks at it.
_FRAMING: Final = frozenset({b"connection", b"keep-alive", b"trailer", b"transfer-encoding", b"upgrade"})
_LARGEST: Final = 65_536  # octets of a body: a longer one is written in pieces, as it is taken


class Form:
    """One form of an answer: its status and fields, and its head as it is written this second."""

    __slots__ = ("after", "before", "bodiless", "fields", "method", "origin", "second", "status", "told")

    def __init__(self, method: str, status: int, fields: Headers, origin: bytes | None) -> None:
        self.method = method
        self.status = status
        self.fields = fields
        self.bodiless = status == 304 or method == "HEAD"
        self.origin = origin
        self.told: Told | None = None  # made when the first one is told of: no metric shows what never was
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
        "elsewhere",
        "etag",
        "event",
        "key",
        "limit",
        "names",
        "negotiated",
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
        self.negotiated = False  # which permission counts depends on the coding that is asked for
        self.used = now
        self.serial = 0
        self._forms: dict[tuple[str, int, bytes | None], Form] = {}

    def settle(self, repeat: Repeat) -> None:
        """Permit what this answer was made of, in place of what was permitted before."""
        kept, self.serial = repeat.kept, 0
        source, body = kept.held if repeat.elsewhere is None else repeat.elsewhere(), repeat.body
        if source is None or len(body) > _LARGEST:
            return
        whole = source.entry.body
        # What is kept ends with the body, or with all of it but a brace.
        self.tail = b"" if whole.endswith(body) else body[-1:]
        if not whole.endswith(body.removesuffix(self.tail)):
            return
        self.offset = len(whole) - len(body) + len(self.tail)
        self.again, self.key, self.elsewhere = kept.again, kept.held.entry.key, repeat.elsewhere
        self.event = CacheLookup(kept.operation, "memory", "hit")
        self.etag, self.told, self._lifetime = repeat.etag, repeat.told, kept.lifetime
        self._fields = (*repeat.fields, (b"content-length", b"%d" % len(body)))
        self._forms = {}
        self.negotiated = repeat.negotiated
        self.serial = kept.held.serial

    def found(self) -> tuple[StoredEntry, StoredEntry] | None:
        """Return the entry that is permitted, and the one that holds the body; None if either is gone."""
        held = self.again(self.key)
        if held is None or held.serial != self.serial:
            return None
        source = held if self.elsewhere is None else self.elsewhere()
        return None if source is None else (held, source)

    def prepare(self, form: Form, counter: RequestCounter) -> Told:
        """Return what tells of an answer of this form."""
        form.told = counter.prepared(form.method, self.route.path, form.status)
        return form.told

    def form(self, ask: Ask) -> Form:
        """Return the form of the answer that this is asked for."""
        method, condition, origin = ask
        same = condition is not None and self.etag is not None and matches(self.etag, condition)
        status = 304 if same else 200
        form = self._forms.get((method, status, origin))
        if form is None:
            form = Form(method, status, without_body(self._fields) if same else self._fields, origin)
            self._forms[method, status, origin] = form
        return form

    def write(
        self, form: Form, held: StoredEntry, now: float, second: Fields, render: Render, dress: Dress
    ) -> bool:
        """Write a form's head as it is this second; False if it says something that the door has to look at."""
        self.used = now
        fields = [*form.fields, *self.told(self._lifetime - max(0.0, now - held.born))]
        dress(fields, _GAP, form.origin)
        names = [name.lower() for name, _ in fields]
        if b"date" not in names:
            fields[:0] = second
        if not _FRAMING.isdisjoint(names) or names.count(b"content-length") > 1:
            return False
        try:
            head = render(form.status, fields)
        except ValueError:  # no such field can be: the gateway's answer fails of it, at its own cost
            return False
        form.before, gap, form.after = head.partition(_GAP)
        if not gap or _GAP in form.after:
            return False
        form.second = second
        return True
