"""stagedoor: typed screens from many services, under one scheme of deadlines, retries, breakers and caches.

    from stagedoor import Cache, Gateway

What stands in `__all__` is public, beside `stagedoor.policies`, `stagedoor.testing`, `stagedoor.search` and
`stagedoor.errors`. Names are loaded when they are first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stagedoor._aggregate.batch import batched
    from stagedoor._aggregate.verdict import Report
    from stagedoor._cache.store import Store
    from stagedoor._call import Call, Env, Policy, Send, Transport
    from stagedoor._events import Event
    from stagedoor._face.aggregates import Aggregate, Delivery, OrFallback, Result, Verdict
    from stagedoor._face.answers import Answer
    from stagedoor._face.backends import Backend
    from stagedoor._face.cache import Cache, tag
    from stagedoor._face.extension import Extension
    from stagedoor._face.fields import Cookie, Header, Headers, Query
    from stagedoor._face.gateway import Gateway
    from stagedoor._face.guards import ApiKeys, Guard, Jwt
    from stagedoor._face.inputs import Last
    from stagedoor._face.operation import Operation
    from stagedoor._face.problems import NotFound, Problem
    from stagedoor._face.replies import Response, Stream
    from stagedoor._face.running import Running
    from stagedoor._face.service import Service
    from stagedoor._face.serving import serve
    from stagedoor._face.sessions import Sessions
    from stagedoor._face.settings import Settings
    from stagedoor._guards.sessions.settings import SessionSettings
    from stagedoor._guards.settings import ApiKeySettings, JwtSettings
    from stagedoor._web.docs import DocumentSet
    from stagedoor._web.health import Component

__all__ = [
    "Aggregate",
    "Answer",
    "ApiKeySettings",
    "ApiKeys",
    "Backend",
    "Cache",
    "Call",
    "Component",
    "Cookie",
    "Delivery",
    "DocumentSet",
    "Env",
    "Event",
    "Extension",
    "Gateway",
    "Guard",
    "Header",
    "Headers",
    "Jwt",
    "JwtSettings",
    "Last",
    "NotFound",
    "Operation",
    "OrFallback",
    "Policy",
    "Problem",
    "Query",
    "Report",
    "Response",
    "Result",
    "Running",
    "Send",
    "Service",
    "SessionSettings",
    "Sessions",
    "Settings",
    "Store",
    "Stream",
    "Transport",
    "Verdict",
    "batched",
    "serve",
    "tag",
]

_PLACES = {
    "stagedoor._face.aggregates": ("Aggregate", "Delivery", "OrFallback", "Result", "Verdict"),
    "stagedoor._face.answers": ("Answer",),
    "stagedoor._face.backends": ("Backend",),
    "stagedoor._face.extension": ("Extension",),
    "stagedoor._face.fields": ("Cookie", "Header", "Headers", "Query"),
    "stagedoor._face.gateway": ("Gateway",),
    "stagedoor._face.guards": ("ApiKeys", "Guard", "Jwt"),
    "stagedoor._face.inputs": ("Last",),
    "stagedoor._face.cache": ("Cache", "tag"),
    "stagedoor._face.operation": ("Operation",),
    "stagedoor._face.problems": ("NotFound", "Problem"),
    "stagedoor._face.replies": ("Response", "Stream"),
    "stagedoor._face.running": ("Running",),
    "stagedoor._face.service": ("Service",),
    "stagedoor._face.serving": ("serve",),
    "stagedoor._face.sessions": ("Sessions",),
    "stagedoor._face.settings": ("Settings",),
    "stagedoor._guards.sessions.settings": ("SessionSettings",),
    "stagedoor._guards.settings": ("ApiKeySettings", "JwtSettings"),
    "stagedoor._aggregate.batch": ("batched",),
    "stagedoor._aggregate.verdict": ("Report",),
    "stagedoor._cache.store": ("Store",),
    "stagedoor._call": ("Call", "Env", "Policy", "Send", "Transport"),
    "stagedoor._events": ("Event",),
    "stagedoor._web.docs": ("DocumentSet",),
    "stagedoor._web.health": ("Component",),
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever stands behind a name
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'stagedoor' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(module), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
