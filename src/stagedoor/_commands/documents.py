"""The OpenAPI document of a gateway, without serving it."""

import json

from stagedoor._face.gateway import Gateway
from stagedoor._web.docs import DocumentSet
from stagedoor._web.openapi import document
from stagedoor.errors import ConfigError

__all__ = ["text_of"]


def text_of(gateway: Gateway, path: str = "") -> str:
    """Return the document that the gateway would serve at a path, the first of its documents for "".

    Raises `ConfigError` for a path that has none, and for a declaration that cannot work.
    """
    chosen = _chosen(gateway, path)
    shown = [route for route in gateway.inspected().routes if route.path.startswith(chosen.prefix)]
    said = document(
        shown,
        title=gateway.title,
        version=gateway.version,
        description=gateway.description,
        namespace=gateway.name,
    )
    return json.dumps(said, indent=2, ensure_ascii=False) + "\n"


def _chosen(gateway: Gateway, path: str) -> DocumentSet:
    found = [one for one in gateway.documents if path in {"", one.openapi}]
    if not found:
        there = ", ".join(one.openapi for one in gateway.documents) or "none"
        raise ConfigError(f"the gateway {gateway.name!r} has no document {path!r}; it has {there}")
    return found[0]
