"""A gateway that is mounted below a path of another application: that path is no part of its routes."""

from urllib.parse import quote

from stagedoor._asgi import Scope

__all__ = ["unmounted"]


def unmounted(scope: Scope) -> Scope:
    """Return the scope of an application that may be mounted below a path, which is no part of its routes."""
    root = scope.get("root_path", "")
    raw = scope.get("raw_path")
    if raw is None:
        raw = quote(scope["path"]).encode()
    if not root and "raw_path" in scope:
        return scope
    prefix = quote(root.rstrip("/")).encode()
    if raw == prefix or raw.startswith(prefix + b"/"):
        raw = raw[len(prefix) :] or b"/"
    return {**scope, "raw_path": raw}
